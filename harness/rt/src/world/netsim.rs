//! madsim's own network, so that systems written for madsim's ecosystem (madsim-tonic, madsim-etcd-client, `madsim::net`)
//! run in this world too: the same nodes, addresses and host names as in [`net`](super::net), and faults as far as
//! that network can show them.
//!
//! What it can show, and what not:
//!
//! | fault | there |
//! |---|---|
//! | partition | per direction. A new connection is refused at once, a datagram is lost, a message on a connection is held and tried again with a back-off of up to 10 s: so it arrives late, up to twice the partition's length after its start |
//! | crash | the peers' connections break at once, even after a loss of power: no half-open connection, no silence |
//! | pause | as everywhere: the process stands still, its connections stay |
//! | delay, loss | of all links together. A loss refuses a connection, loses a datagram and delays a message on a connection |
//! | latency | one uniform range for all links; connecting takes none; timers round up to a millisecond |
//! | everything else | nothing: the caller must refuse it ([`Unsupported`]) |
//!
//! madsim draws latencies and losses from the generator that orders its scheduler. So, other than in our network, adding a
//! fault reshuffles what comes after. The bridge itself draws nothing.
//!
//! A process of a dead incarnation is a node of its own there, cut off for ever and robbed of its address: what its last
//! tasks still send reaches nothing, and is not delivered in the name of its next start either.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use madsim::{net::NetSim, runtime::Handle, task::NodeId as MadsimNode};
use spin::Mutex;

use super::{
    NodeId,
    net::{Latency, LinkPolicy, LossModel},
};

/// Sampling ranges are half-open, and must not be empty.
const TICK: Duration = Duration::from_nanos(1);

/// What madsim's network cannot do, in words that go after "it has no".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported(pub &'static str);

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "madsim's network has no {}", self.0)
    }
}

impl std::error::Error for Unsupported {}

/// An effect on all links, to be [lifted](Bridge::lift).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlobalEffect(u64);

/// What faults do to madsim's network. See the [module](self).
#[derive(Default)]
pub struct Bridge {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: Vec<Place>,
    /// How often each directed link is blocked. Never 0.
    blocks: BTreeMap<(NodeId, NodeId), u32>,
    default: Latencies,
    effects: BTreeMap<GlobalEffect, Imposed>,
    next_effect: u64,
    next_grave: u32,
}

struct Place {
    name: Arc<str>,
    process: MadsimNode,
}

#[derive(Clone, Copy, Default)]
struct Latencies {
    min: Duration,
    max: Duration,
    loss: f64,
}

struct Imposed {
    what: Latencies,
    /// How many messages had gone through before it.
    messages_before: u64,
}

impl Bridge {
    /// Blocks the link from one node to another, in that direction, once more.
    pub fn block(&self, from: NodeId, to: NodeId) {
        let mut state = self.state.lock();
        *state.blocks.entry((from, to)).or_default() += 1;
        NetSim::current().clog_link(state.process(from), state.process(to));
    }

    /// Undoes one [`Bridge::block`]. The link is open again when all of them are undone.
    ///
    /// # Panics
    /// When the link is not blocked.
    pub fn unblock(&self, from: NodeId, to: NodeId) {
        let mut state = self.state.lock();
        let count = state.blocks.get_mut(&(from, to)).expect("only a blocked link is unblocked");
        *count -= 1;
        if *count == 0 {
            state.blocks.remove(&(from, to));
            NetSim::current().unclog_link(state.process(from), state.process(to));
        }
    }

    /// Sets what all links do.
    ///
    /// # Errors
    /// [`Unsupported`] for a latency that is not uniform, for losses in bursts, and for all else that a link of
    /// [`Net`](super::Net) can have. Nothing is changed then.
    pub fn set_default(&self, policy: LinkPolicy) -> Result<(), Unsupported> {
        let (min, max) = match policy.latency {
            Latency::Constant(latency) => (latency, latency),
            Latency::Uniform { min, max } => (min, max),
            _ => return Err(Unsupported("a latency that is not uniform")),
        };
        let LossModel::Independent(loss) = policy.loss else { return Err(Unsupported("losses in bursts")) };
        let plain = LinkPolicy::default();
        let beyond = [
            ("jitter", policy.jitter != plain.jitter),
            ("bandwidth", policy.bandwidth.is_some()),
            ("a queue", policy.queue.is_some()),
            ("duplicates", policy.duplicate > 0.0),
            ("an MTU", policy.mtu != plain.mtu),
        ];
        if let Some((what, _)) = beyond.into_iter().find(|(_, asked)| *asked) {
            return Err(Unsupported(what));
        }
        let mut state = self.state.lock();
        state.default = Latencies { min, max, loss };
        state.apply();
        Ok(())
    }

    /// Makes every message on every link take `by` longer, plus a part up to `jitter`. The latency is drawn once, uniformly
    /// from the sum of all ranges.
    pub fn impose_delay(&self, by: Duration, jitter: Duration) -> GlobalEffect {
        self.impose(Latencies { min: by, max: by + jitter, loss: 0.0 })
    }

    /// Loses messages on every link with `probability`, from 0 to 1, on top of what is lost anyway.
    pub fn impose_loss(&self, probability: f64) -> GlobalEffect {
        self.impose(Latencies { loss: probability, ..Latencies::default() })
    }

    /// How many messages went over it so far, those not among them that a block or a loss has stopped.
    pub fn messages(&self) -> u64 {
        NetSim::current().stat().msg_count
    }

    fn impose(&self, what: Latencies) -> GlobalEffect {
        let mut state = self.state.lock();
        let effect = GlobalEffect(state.next_effect);
        state.next_effect += 1;
        let messages_before = NetSim::current().stat().msg_count;
        state.effects.insert(effect, Imposed { what, messages_before });
        state.apply();
        effect
    }

    /// Takes an effect off and says how many messages went through while it was on, for nobody counts those lost.
    ///
    /// # Panics
    /// When it was lifted before.
    pub fn lift(&self, effect: GlobalEffect) -> u64 {
        let mut state = self.state.lock();
        let imposed = state.effects.remove(&effect).expect("an effect is lifted once");
        state.apply();
        NetSim::current().stat().msg_count - imposed.messages_before
    }

    /// Gives a node its address and name, and a process to be.
    pub(super) fn add_node(&self, id: NodeId, name: &str) -> MadsimNode {
        let mut state = self.state.lock();
        assert_eq!(id.index(), state.places.len(), "nodes are numbered in order of creation");
        NetSim::current().add_dns_record(name, address(id));
        let process = create(id, name);
        state.places.push(Place { name: name.into(), process });
        process
    }

    /// Another start of a node's process: the address is its, and so are the links' blocks.
    pub(super) fn node_up(&self, id: NodeId) -> MadsimNode {
        let mut state = self.state.lock();
        let place = &mut state.places[id.index()];
        place.process = create(id, &place.name);
        let net = NetSim::current();
        for &(from, to) in state.blocks.keys().filter(|(from, to)| *from == id || *to == id) {
            net.clog_link(state.process(from), state.process(to));
        }
        state.places[id.index()].process
    }

    /// The end of a node's process: from here on nothing gets to it or from it, nor ever will.
    pub(super) fn node_down(&self, id: NodeId) {
        let mut state = self.state.lock();
        let process = state.process(id);
        let net = NetSim::current();
        net.clog_node(process);
        // Class E, which no node has.
        net.set_ip(process, Ipv4Addr::from_bits((240 << 24) + state.next_grave).into());
        state.next_grave += 1;
    }
}

impl State {
    fn process(&self, node: NodeId) -> MadsimNode {
        self.places[node.index()].process
    }

    /// Tells madsim what the default and all effects come to.
    fn apply(&self) {
        let mut sum = self.default;
        let mut kept = 1.0 - sum.loss;
        for Imposed { what, .. } in self.effects.values() {
            sum.min += what.min;
            sum.max += what.max;
            kept *= 1.0 - what.loss;
        }
        NetSim::current().update_config(|config| {
            config.send_latency = sum.min..sum.max + TICK;
            config.packet_loss_rate = (1.0 - kept).clamp(0.0, 1.0);
        });
    }
}

/// The address that a node has in [`net`](super::net) too.
fn address(node: NodeId) -> IpAddr {
    Ipv4Addr::from_bits((10 << 24) + node.0 + 1).into()
}

fn create(id: NodeId, name: &str) -> MadsimNode {
    Handle::current().create_node().name(name).ip(address(id)).build().id()
}
