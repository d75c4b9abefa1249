//! A record of the packets of a run, for tests of what is sent and when.

use std::sync::Mutex;

use squall_rt::world::{
    net::{MessageOutcome, PacketKind},
    watch::{PacketFate, Ticket, Watcher, WorldEvent},
};

use super::*;

/// Every packet that was sent, in order: when, from which node, of which kind; and the numbers of those that were delivered.
#[derive(Default)]
pub struct Record {
    sent: Mutex<Vec<(Duration, NodeId, PacketKind)>>,
    delivered: Mutex<Vec<(NodeId, PacketKind, u64)>>,
}

impl Record {
    /// Begins a record.
    pub fn of(world: &World) -> Arc<Record> {
        let record = Arc::new(Record::default());
        world.watch(record.clone());
        record
    }

    /// When a node sent packets of a kind.
    pub fn times(&self, from: NodeId, kind: PacketKind) -> Vec<Duration> {
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|(_, by, what)| (*by, *what) == (from, kind)).map(|(at, ..)| *at).collect()
    }

    /// How many packets of a kind a node has sent.
    pub fn count(&self, from: NodeId, kind: PacketKind) -> usize {
        self.times(from, kind).len()
    }

    /// The numbers of packets of a kind from a node, in the order they arrived in.
    pub fn arrivals(&self, from: NodeId, kind: PacketKind) -> Vec<u64> {
        let delivered = self.delivered.lock().unwrap();
        delivered
            .iter()
            .filter(|(by, what, _)| (*by, *what) == (from, kind))
            .map(|(.., number)| *number)
            .collect()
    }
}

impl Watcher for Record {
    fn see(&self, at: Duration, event: WorldEvent<'_>) -> Option<Ticket> {
        match event {
            WorldEvent::Sent { message, .. } => {
                self.sent.lock().unwrap().push((at, message.from, message.kind));
            }
            WorldEvent::Ended { message, fate: PacketFate::Delivered(_) } => {
                self.delivered.lock().unwrap().push((message.from, message.kind, message.number));
            }
            _ => {}
        }
        None
    }

    fn act(&self, _: Ticket) {
        unreachable!("it never asks to act")
    }
}

/// What becomes of the packets of that kind and those numbers on a link.
pub fn messages(
    kind: PacketKind,
    numbers: std::ops::RangeInclusive<u64>,
    outcome: MessageOutcome,
) -> LinkEffect {
    LinkEffect::Message { kind, first: *numbers.start(), last: *numbers.end(), outcome }
}
