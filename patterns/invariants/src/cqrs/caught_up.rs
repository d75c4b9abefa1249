//! `replicas_caught_up`: every replica that ever was is up, and its rows hold all that the log has held for a while. What was appended less
//! long ago is not missed: it is on its way, and an operation may be late.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use squall::{
    Condition, EventKind, Record,
    history::{Kind, Lifecycle},
};

use super::READ;
use crate::event_log::ledger::Ledger;

#[derive(Clone, Copy)]
struct Replica {
    up: bool,
    generation: i64,
    position: i64,
}

/// See the [module](super).
#[derive(Default)]
pub struct CaughtUp {
    grace: Duration,
    ledger: Ledger,
    replicas: BTreeMap<String, Replica>,
    /// Where the log's head has been in the last while, and before that, and since when.
    heads: VecDeque<(Duration, i64)>,
}

impl CaughtUp {
    /// What was appended less long ago than `grace` is not missed.
    pub fn new(grace: Duration) -> Self {
        CaughtUp { grace, ..CaughtUp::default() }
    }

    /// Takes note of where the log's head is at this time.
    fn head_at(&mut self, now: Duration) {
        let head = self.ledger.head();
        let before = self.heads.back().map_or(0, |(_, head)| *head);
        if self.heads.is_empty() || head < before {
            // Nothing that is gone is missed.
            self.heads = VecDeque::from([(Duration::ZERO, head.min(before))]);
        }
        if head > before {
            self.heads.push_back((now, head));
        }
        while self.heads.get(1).is_some_and(|(since, _)| *since + self.grace <= now) {
            self.heads.pop_front();
        }
    }

    /// What every replica has to hold.
    fn due(&self) -> i64 {
        self.heads.front().map_or(0, |(_, head)| *head)
    }

    fn is_there(&self, replica: &Replica) -> bool {
        replica.up && (self.due()..=self.ledger.head()).contains(&replica.position)
    }
}

impl Condition for CaughtUp {
    fn name(&self) -> &str {
        "replicas_caught_up"
    }

    fn observe(&mut self, record: &Record) {
        // An event that cannot be read is a breach of the invariants, which read the same events.
        let _ = self.ledger.observe(record);
        self.head_at(record.at);
        match &record.kind {
            Kind::Event { node, name, fields, .. } => {
                let generation = fields.int("generation").unwrap_or(0);
                match (&**name, self.replicas.get_mut(&**node)) {
                    ("cqrs.opened" | "cqrs.rebuilt", _) => {
                        let position = fields.int("position").unwrap_or(0);
                        self.replicas.insert(node.to_string(), Replica { up: true, generation, position });
                    }
                    ("effect.projected", Some(replica)) if replica.generation == generation => {
                        replica.position = fields.int("last").unwrap_or(replica.position);
                    }
                    _ => {}
                }
            }
            Kind::Node { node, change: Lifecycle::Crashed | Lifecycle::Exited(_), .. } => {
                if let Some(replica) = self.replicas.get_mut(&**node) {
                    replica.up = false;
                }
            }
            _ => {}
        }
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        READ
    }

    fn holds(&self) -> bool {
        !self.replicas.is_empty() && self.replicas.values().all(|replica| self.is_there(replica))
    }

    fn because(&self) -> String {
        if self.replicas.is_empty() {
            return "no replica has opened its rows".to_owned();
        }
        let head = self.ledger.head();
        let late = self.replicas.iter().filter(|(_, replica)| !self.is_there(replica));
        let late: Vec<_> = late
            .map(|(node, replica)| match replica.up {
                true => format!("{node} is at {} of {head}", replica.position),
                false => format!("{node} is down, at {} of {head}", replica.position),
            })
            .collect();
        late.join(", ")
    }
}
