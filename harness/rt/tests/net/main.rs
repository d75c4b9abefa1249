//! The simulated network, as processes and harnesses see it.
#![cfg(madsim)]

use std::{future::Future, sync::Arc, time::Duration};

use squall_rt::world::{
    self, NodeId, World,
    net::{Latency, LinkPolicy},
};

mod tcp;

/// A simulation on a thread of its own.
fn simulate<T, F>(seed: u64, main: impl FnOnce(Arc<World>) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let run = std::thread::spawn(move || world::run(seed, main).expect("nothing on the real runtime"));
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Two nodes, `a` and `b`, 5 ms apart.
fn two_nodes(world: &World) -> (NodeId, NodeId) {
    world.net().set_default(constant(5));
    (world.add_node("a"), world.add_node("b"))
}

fn constant(millis: u64) -> LinkPolicy {
    LinkPolicy { latency: Latency::Constant(Duration::from_millis(millis)), loss: 0.0, bandwidth: None }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
