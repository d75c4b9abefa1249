//! Packets that wait for whoever watches: one that the watcher wants to act on is held until it has, and so is all that is
//! sent in the meantime, in order.
//!
//! The watcher acts once the network's lock is released. In a timer's callback madsim holds a lock of its own, so there the
//! pump does it, at the same virtual instant a few scheduler steps later.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    NodeId,
    address::Endpoint,
    fabric::{Behind, Fabric},
    packet::{Body, Fate, Packet},
};
use crate::world::watch::{Message, PacketFate, Ticket, Watcher, WorldEvent};

/// Who watches, and what waits for them.
pub(super) struct Watched {
    watcher: Arc<dyn Watcher>,
    held: VecDeque<Held>,
    /// Somebody sees to what is held, or will: the pump.
    attended: bool,
    /// The last packet let go of between two ends: the next may not overtake it.
    behind: BTreeMap<(Endpoint, Endpoint), Behind>,
}

/// A packet that has not left.
struct Held {
    packet: Packet,
    behind: Behind,
    /// The watcher wants to act before it leaves.
    ticket: Option<Ticket>,
}

impl Fabric {
    pub(super) fn watch(&mut self, watcher: Arc<dyn Watcher>) {
        let (held, behind) = (VecDeque::new(), BTreeMap::new());
        self.watched = Some(Box::new(Watched { watcher, held, attended: false, behind }));
    }

    /// Sends a packet on its way once it was seen, and whoever saw it has acted.
    #[inline(never)]
    pub(super) fn transmit_watched(&mut self, now: u64, mut packet: Packet, behind: Behind) -> Behind {
        let (from, to) = (packet.from.node, packet.to.node);
        if from == to {
            return self.forward(now, packet, behind);
        }
        self.link(from, to).number(&mut packet);
        let event = WorldEvent::Sent { message: message(&packet), bytes: packet.data.len() };
        let Some(watched) = &mut self.watched else { return self.forward(now, packet, behind) };
        let ticket = watched.watcher.see(Duration::from_nanos(now), event);
        if ticket.is_none() && watched.held.is_empty() {
            return self.forward(now, packet, behind);
        }
        watched.held.push_back(Held { packet, behind, ticket });
        behind
    }

    /// Tells what became of a packet.
    #[cold]
    pub(super) fn tell_fate(&self, packet: &Packet, fate: Fate, at: u64) {
        // What a link says of itself, and what stays within a node, is no message.
        let Some(watched) = self.watched.as_ref().filter(|_| packet.number > 0) else { return };
        let fate = match fate {
            Fate::Delivered => PacketFate::Delivered(Duration::from_nanos(at.saturating_sub(packet.sent))),
            Fate::Lost => PacketFate::Lost,
            Fate::LostToFault => PacketFate::LostToFault,
            Fate::Blocked => PacketFate::Blocked,
            Fate::Rejected => PacketFate::Rejected,
            Fate::Held => PacketFate::Held,
            Fate::NoPower => PacketFate::NoPower,
        };
        watched.watcher.see(Duration::from_nanos(at), WorldEvent::Ended { message: message(packet), fate });
    }

    /// Whether the caller has to see to what is held, once it has released the lock.
    #[inline]
    pub(super) fn wants_attention(&mut self) -> bool {
        match &mut self.watched {
            Some(watched) if !watched.held.is_empty() => !std::mem::replace(&mut watched.attended, true),
            _ => false,
        }
    }

    /// The pump is there to see to what was held in a callback.
    pub(super) fn pump_attends(&mut self) {
        if let Some(watched) = &mut self.watched {
            watched.attended = false;
        }
    }

    /// Lets go of what is held, up to a packet that the watcher has yet to act on.
    pub(super) fn next_ticket(&mut self) -> Option<Ticket> {
        loop {
            let watched = self.watched.as_mut()?;
            let Some(first) = watched.held.front_mut() else {
                watched.attended = false;
                watched.behind.clear();
                return None;
            };
            if let Some(ticket) = first.ticket.take() {
                return Some(ticket);
            }
            let first = watched.held.pop_front()?;
            self.let_go(first);
        }
    }

    fn let_go(&mut self, held: Held) {
        let now = self.tick();
        let Held { packet, behind, .. } = held;
        let own = match packet.body {
            Body::Datagram | Body::DatagramToMany(_) | Body::PortUnreachable => {
                self.forward(now, packet, behind);
                return;
            }
            Body::Syn { from, .. } | Body::SynAck { from, .. } | Body::Segment { from, .. } => Some(from),
            _ => None,
        };
        let ends = (packet.from, packet.to);
        let last = self.watched.as_ref().and_then(|watched| watched.behind.get(&ends).copied());
        let last = self.forward(now, packet, last.unwrap_or(behind));
        if let Some(watched) = &mut self.watched {
            watched.behind.insert(ends, last);
        }
        if let Some(key) = own {
            self.keep_behind(key, last);
        }
    }

    /// A node is dead: what it has not sent yet never leaves.
    pub(super) fn recall(&mut self, node: NodeId) {
        let Some(watched) = &mut self.watched else { return };
        let at = Duration::from_nanos(self.now);
        let Watched { watcher, held, .. } = &mut **watched;
        held.retain(|held| {
            let leaves = held.packet.from.node != node.0;
            if !leaves {
                let message = message(&held.packet);
                watcher.see(at, WorldEvent::Ended { message, fate: PacketFate::NeverLeft });
            }
            leaves
        });
    }

    /// Who watches, to have them act.
    pub(super) fn watcher(&self) -> Option<Arc<dyn Watcher>> {
        self.watched.as_ref().map(|watched| watched.watcher.clone())
    }
}

fn message(packet: &Packet) -> Message {
    Message {
        from: NodeId(packet.from.node),
        to: NodeId(packet.to.node),
        kind: packet.kind(),
        number: packet.number.into(),
    }
}
