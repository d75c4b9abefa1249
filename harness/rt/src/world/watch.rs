//! Watching the world message by message: packets, calls and syncs, each with its number, before they take effect and after.
//!
//! A [`Watcher`] is asked twice. It *sees* an event the moment it happens, whatever locks are held there, and only looks and
//! notes. If it answers with a ticket it is asked to *act*, before the packet leaves, the call runs or the sync begins, when
//! no lock is held: it may crash the very node, and then nothing comes of what the node was about to do. What only sees changes
//! nothing, not even the order of tasks: a run that is watched is the run that is not.
//!
//! Packets are numbered for each directed link and kind, calls for each caller, callee, method and stage, syncs for each node, all from 1.
//! A retransmission is a packet of its own, and so has a number of its own. What a node sends to itself travels over no link and is not
//! told, and neither is the word of a link that has turned a packet down.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use spin::Mutex;

use super::{Life, NodeId, World};

/// Names what a watcher has seen and wants to act on.
pub type Ticket = u64;

/// Sees what happens in a world, and acts on it.
pub trait Watcher: Send + Sync {
    /// Something happens. Locks of the world are held: it must call nothing of it. With a ticket, [`act`](Watcher::act) is called
    /// before it takes effect.
    fn see(&self, at: Duration, event: WorldEvent<'_>) -> Option<Ticket>;

    /// The time to act on what was seen. No lock is held, and anything may be done to the world.
    fn act(&self, ticket: Ticket);
}

/// What kinds of packets there are to those who count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketKind {
    /// UDP.
    Datagram,
    /// TCP: asks for a connection.
    Syn,
    /// TCP: grants it.
    SynAck,
    /// TCP: a segment with payload, acknowledgements that ride on it included.
    Data,
    /// TCP: an acknowledgement without payload.
    Ack,
    /// TCP: the end of the stream, with the last of the data if both are sent again.
    Fin,
    /// TCP: a segment without payload that asks for an acknowledgement, for a keepalive or of a closed window.
    Probe,
    /// TCP: a reset.
    Rst,
    /// ICMP: no socket was there for a datagram.
    Unreachable,
}

impl PacketKind {
    /// All of them.
    pub const ALL: [PacketKind; 9] = {
        use PacketKind::*;
        [Datagram, Syn, SynAck, Data, Ack, Fin, Probe, Rst, Unreachable]
    };

    /// Its name, as in traces and specs.
    pub const fn name(self) -> &'static str {
        match self {
            PacketKind::Datagram => "datagram",
            PacketKind::Syn => "syn",
            PacketKind::SynAck => "syn_ack",
            PacketKind::Data => "data",
            PacketKind::Ack => "ack",
            PacketKind::Fin => "fin",
            PacketKind::Probe => "probe",
            PacketKind::Rst => "rst",
            PacketKind::Unreachable => "unreachable",
        }
    }
}

/// One packet on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// Who sends it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// What kind of packet it is.
    pub kind: PacketKind,
    /// Which of its kind on this link in this direction, from 1.
    pub number: u64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketFate {
    /// It reached a machine that runs, so much later.
    Delivered(Duration),
    /// The link lost it: its own losses, or a full queue.
    Lost,
    /// An effect on the link lost it.
    LostToFault,
    /// A block swallowed it.
    Blocked,
    /// A block turned it down.
    Rejected,
    /// A block keeps it. It is told once more when its fate is known.
    Held,
    /// The machine it came to had no power.
    NoPower,
    /// Its sender died, or lost its power, before it left.
    NeverLeft,
}

/// How far a call of [`crate::rpc`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallStage {
    /// It is about to leave its caller.
    Called,
    /// It has arrived, and its handler is about to run. A call that a fault has executed twice arrives twice.
    Arrived,
    /// Its handler has run, and the reply is about to leave.
    Replied,
}

/// Something that happens. `Sent`, `Call` and `Sync` are told before they take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldEvent<'a> {
    /// A packet is about to leave its node.
    Sent {
        /// Which.
        message: Message,
        /// Bytes of payload.
        bytes: usize,
    },
    /// What became of a packet. One that was copied on its way has a fate for each copy. Nothing can be done about it any more: a
    /// ticket is of no use.
    Ended {
        /// Which.
        message: Message,
        /// What became of it.
        fate: PacketFate,
    },
    /// A call, at one of its stages.
    Call {
        /// How far it is.
        stage: CallStage,
        /// The caller.
        from: NodeId,
        /// The callee.
        to: NodeId,
        /// The method.
        method: &'a str,
        /// Which of its kind at this stage, from 1.
        number: u64,
    },
    /// A file or a directory is about to be synced.
    Sync {
        /// On whose disk.
        node: NodeId,
        /// Which sync of the node, from 1.
        number: u64,
    },
    /// A sync has reported success, which a lying disk does too.
    Synced {
        /// On whose disk.
        node: NodeId,
        /// The number it had when it began.
        number: u64,
    },
}

/// Who watches, and how many of each there were.
#[derive(Default)]
pub(super) struct Watch {
    watcher: OnceLock<Arc<dyn Watcher>>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// By method first, which can be looked up by reference.
    calls: BTreeMap<String, BTreeMap<(CallStage, NodeId, NodeId), u64>>,
    syncs: BTreeMap<NodeId, u64>,
}

impl World {
    /// Has `watcher` see all that happens from here on. To be called before anything runs, so that every number is that of
    /// the run.
    ///
    /// # Panics
    /// When somebody watches already.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.net.watch(watcher.clone());
        assert!(self.watch.watcher.set(watcher).is_ok(), "a world has one watcher");
    }

    fn tell(&self, watcher: &dyn Watcher, event: WorldEvent<'_>) {
        if let Some(ticket) = watcher.see(self.now(), event) {
            watcher.act(ticket);
        }
    }

    fn tell_call(&self, stage: CallStage, from: NodeId, to: NodeId, method: &str) {
        let Some(watcher) = self.watch.watcher.get() else { return };
        let number = {
            let mut counts = self.watch.counts.lock();
            if !counts.calls.contains_key(method) {
                counts.calls.insert(method.to_owned(), BTreeMap::new());
            }
            let of_method = counts.calls.get_mut(method).expect("it was inserted if it was missing");
            let number = of_method.entry((stage, from, to)).or_default();
            *number += 1;
            *number
        };
        self.tell(&**watcher, WorldEvent::Call { stage, from, to, method, number });
    }

    /// A process is about to sync. The number of the sync, if anybody watches.
    pub(super) fn tell_sync(&self, life: Life) -> Option<u64> {
        let watcher = self.watch.watcher.get()?;
        if !self.is_alive(life) {
            return None;
        }
        let number = {
            let mut counts = self.watch.counts.lock();
            let number = counts.syncs.entry(life.node).or_default();
            *number += 1;
            *number
        };
        self.tell(&**watcher, WorldEvent::Sync { node: life.node, number });
        Some(number)
    }

    /// A process has synced.
    pub(super) fn tell_synced(&self, node: NodeId, number: u64) {
        if let Some(watcher) = self.watch.watcher.get() {
            self.tell(&**watcher, WorldEvent::Synced { node, number });
        }
    }

    /// The node that an address, or a host and a port, leads to from `here`.
    fn node_behind(&self, address: &str, here: NodeId) -> Option<NodeId> {
        if let Ok(address) = address.parse::<SocketAddr>() {
            return self.node_at(address.ip(), here);
        }
        match address.rsplit_once(':')?.0 {
            "localhost" => Some(here),
            host => self.net.node_named(host),
        }
    }

    fn node_at(&self, ip: IpAddr, here: NodeId) -> Option<NodeId> {
        let ip = ip.to_canonical();
        if ip.is_loopback() || ip.is_unspecified() { Some(here) } else { self.net.node_at(ip) }
    }
}

/// The calling process is about to call a method of the server at `address`.
pub(crate) fn call_leaves(address: &str, method: &str) {
    let world = World::current();
    if world.watch.watcher.get().is_none() {
        return;
    }
    if let Some(Life { node, .. }) = world.here()
        && let Some(to) = world.node_behind(address, node)
    {
        world.tell_call(CallStage::Called, node, to, method);
    }
}

/// A call from `peer` is at that stage on the calling node. False if the process is dead, or dies of it: then the call goes no
/// further.
pub(crate) fn call_reaches(stage: CallStage, peer: IpAddr, method: &str) -> bool {
    let world = World::current();
    if world.watch.watcher.get().is_none() {
        return true;
    }
    let Some(life) = world.here() else { return false };
    if let Some(from) = world.node_at(peer, life.node) {
        world.tell_call(stage, from, life.node, method);
    }
    world.is_alive(life)
}
