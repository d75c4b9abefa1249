//! Histories written by hand, to show laws what they must pass and what they must catch.

use std::time::Duration;

use squall::{
    Fields, Invariant, Record,
    history::{Kind, Lifecycle, Operation, Value},
};

use crate::judged::judged;

/// A history under construction. Each record is a millisecond after the one before.
#[derive(Default)]
pub struct Script {
    records: Vec<Record>,
    late: Duration,
}

impl Script {
    fn push(mut self, kind: Kind) -> Self {
        let seq = self.records.len() as u64;
        self.records.push(Record { seq, at: self.late + Duration::from_millis(seq), kind });
        self
    }

    /// Time goes by.
    pub fn later(mut self, by: Duration) -> Self {
        self.late += by;
        self
    }

    pub fn event(self, node: &'static str, name: &'static str, fields: &[(&'static str, Value)]) -> Self {
        self.push(Kind::Event { node: node.into(), incarnation: 1, name: name.into(), fields: of(fields) })
    }

    pub fn crashed(self, node: &'static str) -> Self {
        self.push(Kind::Node { node: node.into(), incarnation: 1, change: Lifecycle::Crashed })
    }

    /// A client's operation succeeds, and returns these fields.
    pub fn ok_with(self, fields: &[(&'static str, Value)]) -> Self {
        self.push(Kind::Ok(operation(), of(fields)))
    }

    pub fn ok(self, field: &'static str, value: &str) -> Self {
        self.ok_with(&[(field, value.into())])
    }

    /// A client's operation fails.
    pub fn fail(self, field: &'static str, value: &str) -> Self {
        self.push(Kind::Fail(operation(), of(&[(field, value.into())])))
    }

    /// Shows it to a law, and returns the class of the breach that it finds at the last record.
    ///
    /// # Panics
    /// When it finds one before.
    pub fn judge(&self, law: &mut dyn Invariant) -> Option<&'static str> {
        judged(&self.records, law).map(|breach| breach.class)
    }
}

fn operation() -> Operation {
    Operation { id: 0, client: 0, name: "write".into() }
}

fn of(fields: &[(&'static str, Value)]) -> Fields {
    fields.iter().fold(Fields::new(), |all, (name, value)| all.with(*name, value.clone()))
}
