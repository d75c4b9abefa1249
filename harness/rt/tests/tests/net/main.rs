//! The simulated network, as processes and harnesses see it.
#![cfg(madsim)]

use std::{future::Future, sync::Arc, time::Duration};

use squall_rt::{
    net::{TcpListener, TcpStream, UdpSocket},
    world::{
        self, Death, DiskFate, NodeId, World,
        net::{BlockMode, EffectId, Latency, LinkEffect, LinkPolicy, LossModel},
    },
};
use squall_rt_tests::in_a_world;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};

mod crash;
mod disorder;
mod effects;
mod endings;
mod families;
mod farewell;
mod groups;
mod keepalive;
mod links;
mod numbers;
mod ports;
mod readiness;
mod record;
mod recovery;
mod runs;
mod tcp;
mod udp;

/// Two nodes, `a` and `b`, 5 ms apart.
fn two_nodes(world: &World) -> (NodeId, NodeId) {
    world.net().set_default(constant(ms(5)));
    (world.add_node("a"), world.add_node("b"))
}

/// Starts a process on a node; what it returns arrives at the receiver.
fn start<T: Send + 'static>(
    world: &World,
    node: NodeId,
    process: impl Future<Output = T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    world.start(node, |_| async move {
        // Nobody may be waiting any more.
        let _ = sender.send(process.await);
    });
    receiver
}

/// Starts an echo server on port 7000 of a node.
fn start_echo(world: &World, node: NodeId) {
    world.start(node, |_| async {
        let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            squall_rt::task::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

/// The first connection to port 7000, and what goes on listening there as long as it is kept.
async fn accept_one() -> (TcpListener, TcpStream) {
    let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (listener, stream)
}

/// Reads the first connection to port 7000 to its end: how many bytes came.
async fn read_one_to_its_end() -> usize {
    let (_listener, mut stream) = accept_one().await;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all.len()
}

/// Puts an effect on a link in one direction.
fn impose(world: &World, from: NodeId, to: NodeId, effect: LinkEffect) -> EffectId {
    let stream = world.stream("fault", &format!("{from:?} {to:?} {effect:?}"));
    world.net().impose(from, to, effect, stream)
}

/// Puts the same effect on both directions.
fn impose_both(world: &World, a: NodeId, b: NodeId, effect: LinkEffect) -> [EffectId; 2] {
    [(a, b), (b, a)].map(|(from, to)| impose(world, from, to, effect))
}

/// Lifts effects and gives the number of packets they touched.
fn lift(world: &World, effects: impl IntoIterator<Item = EffectId>) -> u64 {
    effects.into_iter().map(|effect| world.net().lift(effect)).sum()
}

fn constant(latency: Duration) -> LinkPolicy {
    LinkPolicy { latency: Latency::Constant(latency), ..LinkPolicy::default() }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whether `time` is `expected`, but for the scheduler's steps and madsim's rounding of timers to 1 ms.
#[track_caller]
fn assert_about(time: Duration, expected: Duration) {
    assert!(time >= expected && time < expected + ms(2), "{time:?} is not about {expected:?}");
}

fn now() -> Duration {
    World::current().now()
}
