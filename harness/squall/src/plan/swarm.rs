//! Swarm testing: each run leaves out some kinds of faults and operations altogether, so that those that are left come at
//! full strength and those that mask others are sometimes away.
//!
//! After Groce, Zhang, Eide, Chen and Regehr, "Swarm Testing" (ISSTA 2012): every feature is in with probability one half,
//! independently. Intensity is ours: how often what is left strikes, and how fast clients go, is scaled by a factor between a quarter and
//! four.

use std::time::Duration;

use squall_rt::world::Stream;

use crate::{
    spec::{
        Spec,
        model::{DurationRange, Every, Fault, Probability},
    },
    system::AnySystem,
};

/// The least time between two strikes, however intense.
const LEAST_INTERVAL: Duration = Duration::from_millis(20);

/// The spec as this seed's swarm has it: what its plan is drawn from.
pub(super) fn varied(spec: &Spec, system: &dyn AnySystem, seed: u64) -> Spec {
    let mut varied = spec.clone();
    leave_out_faults(&mut varied, seed);
    leave_out_operations(&mut varied, system, seed);
    for fault in &mut varied.faults {
        intensify(fault, seed);
    }
    pace(&mut varied, seed);
    varied
}

fn stream(seed: u64, entity: &str) -> Stream {
    Stream::new(seed, "swarm", entity)
}

fn leave_out_faults(spec: &mut Spec, seed: u64) {
    spec.faults.retain(|fault| stream(seed, &format!("fault {}", fault.id.value)).chance(0.5));
}

/// Leaves out kinds of operations, but never all.
fn leave_out_operations(spec: &mut Spec, system: &dyn AnySystem, seed: u64) {
    let kinds = system.operations(&spec.params);
    let weighed = kinds.iter().map(|(name, default)| (*name, spec.workload.weight(name, *default)));
    let all: Vec<(&str, u32)> = weighed.filter(|(_, weight)| *weight > 0).collect();
    if all.len() < 2 {
        return;
    }
    let mut left: Vec<_> =
        all.iter().filter(|(name, _)| stream(seed, &format!("operation {name}")).chance(0.5)).collect();
    if left.is_empty() {
        left.push(&all[stream(seed, "operation").pick(all.len())]);
    }
    spec.workload.mix = left.into_iter().map(|(name, weight)| ((*name).to_owned().into(), *weight)).collect();
}

/// A factor between a quarter and four: as likely below one as above.
fn factor(stream: &mut Stream) -> f64 {
    libm::exp2(stream.unit() * 4.0 - 2.0)
}

/// Has a fault that strikes again and again do so more or less often, and one that may stay away do so more or less often.
fn intensify(fault: &mut Fault, seed: u64) {
    let mut stream = stream(seed, &format!("intensity {}", fault.id.value));
    let times = factor(&mut stream);
    if let Some(every) = &mut fault.every {
        every.value = match &every.value {
            Every::Interval(range) => {
                let scaled = |time: Duration| time.mul_f64(times).max(LEAST_INTERVAL);
                Every::Interval(DurationRange { min: scaled(range.min), max: scaled(range.max) })
            }
            Every::Poisson(mean) => Every::Poisson(mean.mul_f64(times).max(LEAST_INTERVAL)),
        };
    }
    if let Some(probability) = &mut fault.probability {
        probability.value = Probability((probability.value.0 / times).min(1.0));
    }
}

/// Has clients go faster, if the spec says how fast they go: slower, they would not be done in time.
fn pace(spec: &mut Spec, seed: u64) {
    if let Some(rate) = &mut spec.workload.rate {
        rate.per_second *= 1.0 + 3.0 * stream(seed, "pace").unit();
    }
}
