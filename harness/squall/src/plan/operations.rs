//! Client operations: drawn from the system's strategies, as proptest values.

use std::time::Duration;

use proptest::{
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use squall_rt::world::Stream;

use super::PlannedOperation;
use crate::{
    spec::{Spec, model::Dur},
    system::{AnySystem, Sampler},
};

/// One drawn operation.
pub(crate) struct Drawn {
    /// Which client performs it.
    pub client: u32,
    /// When.
    pub at: Duration,
    /// The operation, which can be made simpler.
    pub tree: Box<dyn ValueTree<Value = serde_json::Value>>,
}

impl Drawn {
    /// As it is now.
    pub(crate) fn planned(&self) -> PlannedOperation {
        PlannedOperation { client: self.client, at: Dur(self.at), op: self.tree.current() }
    }
}

/// Operations go round robin over the clients. The n-th of all starts in the n-th interval, at a drawn moment of it; the
/// first interval starts halfway through warmup, when services are up.
pub(super) fn draw(
    system: &dyn AnySystem,
    params: &serde_json::Value,
    spec: &Spec,
    seed: u64,
) -> impl Iterator<Item = Drawn> + use<> {
    let warmup = spec.phases.warmup.0;
    let chaos = warmup + spec.phases.chaos.0;
    let clients = *spec.workload.clients;
    let mut count = if clients == 0 { 0 } else { *spec.workload.ops };
    let kinds = system.operations(params);
    let weight = |(name, default): &(&str, u32)| u64::from(spec.workload.weight(name, *default));
    let weights: Vec<u64> = kinds.iter().map(weight).collect();
    let total: u64 = weights.iter().sum();
    if total == 0 {
        count = 0;
    }
    let start = warmup / 2;
    let interval = match spec.workload.rate {
        Some(rate) => Duration::from_secs_f64(1.0 / rate.per_second),
        None => (chaos - start) / count.max(1),
    };
    let sampler = system.sampler(params);
    let mut sources: Vec<_> = (0..clients).map(|client| ClientSource::new(seed, client)).collect();
    (0..count).map(move |n| {
        let client = n % clients;
        let source = &mut sources[client as usize];
        let at = start + interval * n + interval.mul_f64(source.stream.unit());
        Drawn { client, at, tree: source.draw(&*sampler, &weights, total) }
    })
}

/// Where one client's operations come from.
struct ClientSource {
    stream: Stream,
    runner: TestRunner,
}

impl ClientSource {
    fn new(seed: u64, client: u32) -> Self {
        let entity = client.to_string();
        let mut key = Stream::new(seed, "operations", &entity);
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&key.next_u64().to_le_bytes());
        }
        // Config's default reads PROPTEST_* variables: what bears on generation is set here, whatever they say.
        let config = Config {
            failure_persistence: None,
            max_local_rejects: 65_536,
            max_global_rejects: 1_024,
            max_flat_map_regens: 1_000_000,
            ..Config::default()
        };
        ClientSource {
            stream: Stream::new(seed, "client", &entity),
            runner: TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)),
        }
    }

    fn draw(
        &mut self,
        sampler: &dyn Sampler,
        weights: &[u64],
        total: u64,
    ) -> Box<dyn ValueTree<Value = serde_json::Value>> {
        let mut left = self.stream.range(0..total);
        let kind = weights.iter().position(|weight| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        sampler.draw(kind.expect("the draw lies below the sum of the weights"), &mut self.runner)
    }
}
