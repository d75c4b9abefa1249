//! `replicas_caught_up`: every replica that ever was is up, and its rows hold all that the log holds.

use std::collections::BTreeMap;

use squall::{
    Condition, Record,
    history::{Kind, Lifecycle},
};

use super::ledger::Ledger;

#[derive(Clone, Copy)]
struct Replica {
    up: bool,
    generation: i64,
    position: i64,
}

/// See the [module](self).
#[derive(Default)]
pub struct CaughtUp {
    ledger: Ledger,
    replicas: BTreeMap<String, Replica>,
}

impl Condition for CaughtUp {
    fn name(&self) -> &str {
        "replicas_caught_up"
    }

    fn observe(&mut self, record: &Record) {
        self.ledger.observe(record);
        match &record.kind {
            Kind::Event { node, name, fields, .. } => {
                let generation = fields.int("generation");
                match (&**name, generation, self.replicas.get_mut(&**node)) {
                    ("cqrs.opened" | "cqrs.rebuilt", Some(generation), _) => {
                        let position = fields.int("position").unwrap_or(0);
                        self.replicas.insert(node.to_string(), Replica { up: true, generation, position });
                    }
                    ("effect.projected", Some(generation), Some(replica))
                        if replica.generation == generation =>
                    {
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

    fn holds(&self) -> bool {
        let head = self.ledger.head();
        !self.replicas.is_empty()
            && self.replicas.values().all(|replica| replica.up && replica.position == head)
    }

    fn because(&self) -> String {
        if self.replicas.is_empty() {
            return "no replica has opened its rows".to_owned();
        }
        let head = self.ledger.head();
        let late = self.replicas.iter().filter(|(_, replica)| !replica.up || replica.position != head);
        let late: Vec<_> = late
            .map(|(node, replica)| match replica.up {
                true => format!("{node} is at {} of {head}", replica.position),
                false => format!("{node} is down, at {} of {head}", replica.position),
            })
            .collect();
        late.join(", ")
    }
}
