//! The simulated network: machines with addresses, a link in each direction between any two of them, UDP and TCP.
//!
//! Each link has a policy (latency, jitter, loss, bandwidth and queue, duplicates, MTU) and draws from a stream of its
//! own. Faults impose effects on links, which stack and draw from streams they bring. A packet meets the blocks of its
//! link twice, as it is sent and as it arrives, so that a partition stops what is on its way. A packet to the own node
//! takes 20 us and no fault.
//!
//! Sockets belong to the life that made them and go with it; how their peers learn of it is [`Death`]'s matter. UDP
//! packets overtake each other as their latencies have it; the segments of a TCP connection do not, because routers keep
//! flows in order, unless a [`LinkEffect::Reorder`] holds one back or one is lost. There is no name resolution to fail:
//! the name of a node is its host name, the first node is 10.0.0.1 and fd00::1, and so on.
//!
//! Two faults are not on links but on connections: [`Net::reset`] and [`Net::half_open`].

use std::{
    future::poll_fn,
    net::IpAddr,
    sync::{Arc, Weak},
    task::{Context, Poll, Wake},
};

use madsim::time::TimeHandle;
use spin::Mutex;

pub(super) use self::link::nanos;
pub use self::link::{BlockMode, Latency, LinkEffect, LinkPolicy, LossModel, MessageOutcome};
pub(crate) use self::{
    address::{Family, family},
    errno::Errno,
    sockets::here,
    table::Key,
    tcp::{Ends, Options},
};
use self::{fabric::Fabric, queue::Queue};
pub use super::watch::PacketKind;
use super::{Death, Life, NodeId, Stream, watch::Watcher};

mod address;
mod buffers;
mod errno;
mod fabric;
mod held;
mod host;
mod link;
mod packet;
mod queue;
mod sockets;
mod table;
mod tcp;
mod udp;
mod unreachable;
mod wake;

/// What the names of nodes stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// An address of IPv4.
    #[default]
    V4,
    /// An address of IPv6.
    V6,
    /// Both, that of IPv6 first.
    V6ThenV4,
}

/// Names an imposed effect, to lift it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(u64);

/// The simulated network. See the [module](self).
pub struct Net {
    fabric: Mutex<Fabric>,
    bell: Arc<Bell>,
}

/// What the network's timers wake. It does not own the network: the network owns the timers.
struct Bell(Weak<Net>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(net) = self.0.upgrade() {
            net.ring();
        }
    }
}

impl Net {
    pub(super) fn new(time: TimeHandle) -> Arc<Net> {
        Arc::new_cyclic(|net| {
            let bell = Arc::new(Bell(net.clone()));
            Net { fabric: Mutex::new(Fabric::new(Queue::new(time, bell.clone()))), bell }
        })
    }

    /// Runs `f` under the lock, then wakes whom it wants to wake.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Fabric) -> R) -> R {
        let mut fabric = self.fabric.lock();
        let result = f(&mut fabric);
        let first = fabric.woken.take_first();
        let rest = fabric.woken.take_rest();
        let wanted = fabric.wants_attention();
        drop(fabric);
        if let Some(waker) = first {
            waker.wake();
        }
        if let Some(rest) = rest {
            rest.wake();
        }
        if wanted {
            self.attend();
        }
        result
    }

    /// Has the watcher act on the packets it wants to, and lets go of them.
    #[cold]
    fn attend(&self) {
        while let Some(ticket) = self.with(Fabric::next_ticket) {
            let watcher = self.fabric.lock().watcher();
            if let Some(watcher) = watcher {
                watcher.act(ticket);
            }
        }
    }

    /// A timer fired.
    fn ring(&self) {
        self.with(|fabric| {
            fabric.queue.in_callback = true;
            fabric.advance();
            fabric.queue.in_callback = false;
            // Nobody may act under madsim's lock: the pump sees to it.
            let wanted = fabric.wants_attention();
            let pump = fabric.queue.call_pump(wanted);
            fabric.woken.push(pump);
        });
    }

    /// Seeds the network and starts its pump, on the supervisor's node.
    pub(super) fn init(&self, seed: u64) {
        self.with(|fabric| fabric.init(seed));
        let net = self.bell.0.clone();
        madsim::task::spawn(poll_fn(move |cx| net.upgrade().map_or(Poll::Ready(()), |net| net.pump(cx))));
    }

    /// Has every link and every effect on one draw from another stream.
    pub(super) fn redraw(&self, key: u64) {
        self.with(|fabric| fabric.redraw(key));
    }

    fn pump(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|fabric| {
            let replaced = fabric.queue.pump(cx);
            fabric.woken.silent.extend(replaced);
            fabric.pump_attends();
            if fabric.is_closed() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    pub(super) fn add_node(&self, _node: NodeId, name: &str) {
        self.with(|fabric| fabric.add_node(name));
    }

    pub(super) fn node_up(&self, life: Life) {
        self.with(|fabric| fabric.node_up(life));
    }

    pub(super) fn node_down(&self, node: NodeId, death: Death) {
        self.with(|fabric| fabric.node_down(node, death));
    }

    pub(super) fn shut_down(&self) {
        self.with(Fabric::shut_down);
    }

    pub(super) fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.with(|fabric| fabric.watch(watcher));
    }

    /// The address of a node in IPv4: 10.0.0.1 for the first.
    pub fn address(&self, node: NodeId) -> IpAddr {
        IpAddr::V4(address::ip(node.0))
    }

    /// The address of a node in IPv6: fd00::1 for the first.
    pub fn address_v6(&self, node: NodeId) -> IpAddr {
        IpAddr::V6(address::ip6(node.0))
    }

    /// What the names of nodes stand for from here on, in this order; addresses of IPv4 at first. Sockets try one after the other.
    pub fn set_names(&self, names: Names) {
        self.with(|fabric| fabric.names_are = names);
    }

    /// What the names of nodes stand for.
    pub(crate) fn names(&self) -> Names {
        self.with(|fabric| fabric.names_are)
    }

    /// The addresses that the name of a node stands for.
    pub(crate) fn addresses_named(&self, name: &str) -> Option<Vec<IpAddr>> {
        let (node, names) = self.with(|fabric| (fabric.node_named(name), fabric.names_are));
        let (v4, v6) = (self.address(node?), self.address_v6(node?));
        Some(match names {
            Names::V4 => vec![v4],
            Names::V6 => vec![v6],
            Names::V6ThenV4 => vec![v6, v4],
        })
    }

    /// Has each wait for readiness (`readable`, `writable`, `ready`) that would have to wait end at once with this probability, from 0 to 1:
    /// the call after it gives `WouldBlock`. At first it is 0.05. Real sockets do so now and then, as when the datagram that woke a task
    /// turns out to be damaged, or another task was faster, and who waits is to wait again. Each node draws from a stream of its own.
    pub fn set_spurious_readiness(&self, probability: f64) {
        self.with(|fabric| fabric.spurious_readiness = probability);
    }

    /// The node with that host name.
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        self.with(|fabric| fabric.node_named(name))
    }

    /// The node with that address.
    pub(super) fn node_at(&self, ip: IpAddr) -> Option<NodeId> {
        self.with(|fabric| fabric.node_at(ip)).map(NodeId)
    }

    /// Sets what every link without a policy of its own does.
    pub fn set_default(&self, policy: LinkPolicy) {
        self.with(|fabric| fabric.set_default(policy));
    }

    /// Sets what the link from one node to another does, in that direction.
    pub fn set_link(&self, from: NodeId, to: NodeId, policy: LinkPolicy) {
        self.with(|fabric| fabric.set_link(from, to, policy));
    }

    /// Puts an effect on a link in one direction; `stream` gives the effect's own draws.
    pub fn impose(&self, from: NodeId, to: NodeId, effect: LinkEffect, stream: Stream) -> EffectId {
        self.with(|fabric| fabric.impose(from, to, effect, stream))
    }

    /// Takes an effect off and says how many packets it touched. What it held goes on, in the order it was sent in.
    pub fn lift(&self, effect: EffectId) -> u64 {
        self.with(|fabric| fabric.lift(effect))
    }

    /// How many packets an effect has touched so far: those whose fate or time of arrival it changed.
    pub fn touched(&self, effect: EffectId) -> u64 {
        self.with(|fabric| fabric.touched(effect))
    }

    /// Resets every TCP connection between two nodes, opening, established or closing, as a middlebox does that sends a reset to
    /// either end in the other's name: both ends learn at once that it is gone (`ConnectionReset`, or
    /// `ConnectionRefused` while it opens). Says how many connections that were.
    pub fn reset(&self, a: NodeId, b: NodeId) -> u64 {
        self.with(|fabric| fabric.reset_between(a.0, b.0))
    }

    /// Makes the kernel of one node forget its ends of all TCP connections with a peer, without a word to the peer (as
    /// Linux's `ss --kill` would, but for the reset it sends). The process there gets `ConnectionAborted`. The peer has a
    /// half-open connection: it sees nothing until it sends or its keepalive asks, and is then reset. Says how many ends
    /// were forgotten.
    pub fn half_open(&self, forgetful: NodeId, peer: NodeId) -> u64 {
        self.with(|fabric| fabric.forget_between(forgetful.0, peer.0))
    }

    /// How many packets were sent so far, those that never arrived and copies among them.
    pub fn sent(&self) -> u64 {
        self.with(|fabric| fabric.sent())
    }

    /// A hash over every packet so far: times, link, ports, kind, payload, fate.
    pub fn digest(&self) -> u64 {
        self.with(|fabric| fabric.digest())
    }
}
