//! What must hold of the checkout, whatever breaks.

use std::time::Duration;

use squall::{Fields, Invariant, Record, history::Kind};

use super::protocol::STEPS;

mod atomicity;
mod coordinator;
mod durability;
mod effects;
mod progress;
#[cfg(test)]
mod script;

pub use self::progress::NoOpenSagas;

/// All invariants; a saga may take `bound` to its end once nothing is broken.
pub fn all(bound: Duration) -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(atomicity::SagaAtomicity::default()),
        Box::new(effects::IdempotentEffects::default()),
        Box::new(durability::AckedDurable::default()),
        Box::new(coordinator::SingleCoordinator::default()),
        Box::new(progress::SagaProgress::new(bound)),
    ]
}

/// An event that a node reported.
#[derive(Clone, Copy)]
struct Event<'a> {
    seq: u64,
    node: &'a str,
    incarnation: u32,
    name: &'a str,
    fields: &'a Fields,
}

impl<'a> Event<'a> {
    fn of(record: &'a Record) -> Option<Self> {
        match &record.kind {
            Kind::Event { node, incarnation, name, fields } => {
                Some(Event { seq: record.seq, node, incarnation: *incarnation, name, fields })
            }
            _ => None,
        }
    }

    fn text(&self, field: &str) -> &'a str {
        self.fields.text(field).unwrap_or("")
    }

    fn int(&self, field: &str) -> i64 {
        self.fields.int(field).unwrap_or(0)
    }

    fn saga(&self) -> &'a str {
        self.text("saga")
    }

    /// The position of the event's step, if it names one.
    fn step(&self) -> Option<usize> {
        let name = self.fields.text("step")?;
        STEPS.iter().position(|step| *step == name)
    }
}
