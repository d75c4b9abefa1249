//! The simulated network (contract; the implementation replaces this file).

use std::{net::IpAddr, sync::Arc, time::Duration};

use madsim::time::TimeHandle;

use super::{Death, Life, NodeId, Stream};

/// How long a packet takes over a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Uniform between the two, both included.
    Uniform { min: Duration, max: Duration },
    /// `min` plus an exponentially distributed part, so that the whole has the given mean.
    Exponential { min: Duration, mean: Duration },
}

/// What a link does to packets when no fault is on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkPolicy {
    /// Time from send to delivery.
    pub latency: Latency,
    /// Probability that a packet is lost, 0 to 1.
    pub loss: f64,
    /// Bytes a second; packets queue behind each other. `None` for unlimited.
    pub bandwidth: Option<u64>,
}

/// What happens to a packet on a blocked link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockMode {
    /// It vanishes.
    Drop,
    /// The sender is told: connections are refused or reset.
    Reject,
    /// It is kept, and delivered in order when the block is lifted.
    Hold,
}

/// What a fault does to a link while it lasts. Effects stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkEffect {
    /// Nothing gets through.
    Block(BlockMode),
    /// Every packet takes this much longer, plus a uniform part up to `jitter`.
    Delay { by: Duration, jitter: Duration },
    /// Packets are lost with this probability, on top of the link's own.
    Loss { probability: f64 },
}

/// Names an imposed effect, to lift it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(u64);

/// The simulated network.
pub struct Net {}

impl Net {
    pub(super) fn new(_time: TimeHandle) -> Arc<Net> {
        Arc::new(Net {})
    }
    pub(super) fn init(&self, _seed: u64) {}
    pub(super) fn add_node(&self, _node: NodeId, _name: &str) {}
    pub(super) fn node_up(&self, _life: Life) {}
    pub(super) fn node_down(&self, _node: NodeId, _death: Death) {}
    pub(super) fn shut_down(&self) {}
    /// The address of a node.
    pub fn address(&self, _node: NodeId) -> IpAddr {
        unimplemented!()
    }
    /// Sets what every link without a policy of its own does.
    pub fn set_default(&self, _policy: LinkPolicy) {}
    /// Sets what the link from one node to another does, in that direction.
    pub fn set_link(&self, _from: NodeId, _to: NodeId, _policy: LinkPolicy) {}
    /// Puts an effect on a link in one direction; `stream` gives the effect's own draws.
    pub fn impose(&self, _from: NodeId, _to: NodeId, _effect: LinkEffect, _stream: Stream) -> EffectId {
        EffectId(0)
    }
    /// Takes an effect off and says how many packets it touched.
    pub fn lift(&self, _effect: EffectId) -> u64 {
        0
    }
    /// How many packets an effect has touched so far.
    pub fn touched(&self, _effect: EffectId) -> u64 {
        0
    }
    /// A hash over every packet so far: time, link, kind, size, fate.
    pub fn digest(&self) -> u64 {
        0
    }
}

impl Default for LinkPolicy {
    /// A local network: 0.5 to 2 ms, nothing lost, no limit.
    fn default() -> Self {
        LinkPolicy {
            latency: Latency::Uniform { min: Duration::from_micros(500), max: Duration::from_millis(2) },
            loss: 0.0,
            bandwidth: None,
        }
    }
}
