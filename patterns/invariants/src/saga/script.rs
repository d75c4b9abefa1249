//! Histories written by hand, to show invariants what they must pass and what they must catch.

use std::time::Duration;

use squall::{
    Fields, Invariant, Record,
    history::{Kind, Lifecycle, Operation},
};

use super::Promises;
use crate::judged::judged;

pub const STEPS: [&str; 5] = ["create_order", "reserve", "charge", "ship", "confirm_order"];

pub const POOLS: [&str; 2] = ["inventory", "payments"];

pub const PROMISES: Promises =
    Promises { make: "place", withdraw: "cancel", read: "read", completed: "confirmed" };

/// A history under construction. Each record is a millisecond after the one before.
#[derive(Clone, Default)]
pub struct Script {
    records: Vec<Record>,
    /// Which start of the orchestrator is at work.
    pub epoch: i64,
}

impl Script {
    /// A saga was started.
    pub fn started(saga: &str) -> Self {
        Script { epoch: 1, ..Script::default() }.saga("started", saga, None)
    }

    fn push(mut self, kind: Kind) -> Self {
        let seq = self.records.len() as u64;
        self.records.push(Record { seq, at: Duration::from_millis(seq), kind });
        self
    }

    fn node_event(self, node: &'static str, incarnation: u32, name: String, fields: Fields) -> Self {
        self.push(Kind::Event { node: node.into(), incarnation, name: name.into(), fields })
    }

    fn fields(&self, saga: &str, step: Option<&str>) -> Fields {
        let fields =
            Fields::new().with("saga", saga).with("coordinator", "orchestrator-0").with("epoch", self.epoch);
        match step {
            Some(step) => fields.with("step", step).with("key", format!("{saga}/{step}")),
            None => fields,
        }
    }

    /// The orchestrator works in this epoch from now on.
    pub fn epoch(mut self, epoch: i64) -> Self {
        self.epoch = epoch;
        self
    }

    /// An event of the orchestrator.
    pub fn saga(self, name: &str, saga: &str, step: Option<&str>) -> Self {
        let incarnation = self.epoch as u32;
        self.saga_at(incarnation, name, saga, step)
    }

    /// An event of a given start of the orchestrator.
    pub fn saga_at(self, incarnation: u32, name: &str, saga: &str, step: Option<&str>) -> Self {
        let fields = self.fields(saga, step);
        self.node_event("orchestrator", incarnation, format!("saga.{name}"), fields)
    }

    /// An event at the service of a step.
    pub fn event(self, name: &str, saga: &str, step: Option<&str>) -> Self {
        let fields = self.fields(saga, step);
        self.node_event(service(step.unwrap_or("")), 1, name.to_owned(), fields)
    }

    /// An effect at the service of a step, from a service that does not say what it holds at its start.
    pub fn effect(self, name: &str, saga: &str, step: &str, amount: i64) -> Self {
        let fields = self.fields(saga, Some(step)).with("resource", service(step)).with("amount", amount);
        self.node_event(service(step), 1, format!("effect.{name}"), fields)
    }

    /// A charge, and what payments says that it holds after it.
    pub fn charged(self, saga: &str, amount: i64, held: i64, free: i64) -> Self {
        let fields = self
            .fields(saga, Some("charge"))
            .with("resource", "payments")
            .with("amount", amount)
            .with("held", held)
            .with("free", free);
        self.node_event("payments", 1, "effect.applied".to_owned(), fields)
    }

    /// A service's start.
    pub fn restored(self, resource: &'static str, held: i64, free: i64) -> Self {
        let fields = Fields::new().with("resource", resource).with("held", held).with("free", free);
        self.node_event(resource, 1, "effect.restored".to_owned(), fields)
    }

    /// A step from its intent to its acknowledged effect.
    pub fn done(self, saga: &str, step: &str) -> Self {
        let amount = i64::from(step != STEPS[4]);
        self.saga("step_intended", saga, Some(step)).effect("applied", saga, step, amount).saga(
            "step_done",
            saga,
            Some(step),
        )
    }

    /// A step's compensation, with its effect.
    pub fn undone(self, saga: &str, step: &str) -> Self {
        self.effect("undone", saga, step, 1).saga("step_compensated", saga, Some(step))
    }

    /// A client's operation is invoked.
    pub fn invoke(self, id: u32, name: &'static str) -> Self {
        let kind = Kind::Invoke(operation(id, name), Fields::new());
        self.push(kind)
    }

    /// It succeeds.
    pub fn ok(self, id: u32, name: &'static str, fields: Fields) -> Self {
        self.push(Kind::Ok(operation(id, name), fields))
    }

    /// It fails.
    pub fn fail(self, id: u32, name: &'static str, fields: Fields) -> Self {
        self.push(Kind::Fail(operation(id, name), fields))
    }

    /// The orchestrator's process ends by itself.
    pub fn ended(self) -> Self {
        let incarnation = self.epoch as u32;
        let change = Lifecycle::Exited("its disk failed".to_owned());
        self.push(Kind::Node { node: "orchestrator".into(), incarnation, change })
    }

    /// The orchestrator crashes.
    pub fn crashed(self) -> Self {
        let incarnation = self.epoch as u32;
        self.push(Kind::Node { node: "orchestrator".into(), incarnation, change: Lifecycle::Crashed })
    }

    /// Shows the history to an invariant, and returns the class of the breach that it finds at the last record.
    ///
    /// # Panics
    /// When it finds one before.
    pub fn judge(&self, invariant: &mut dyn Invariant) -> Option<&'static str> {
        judged(&self.records, invariant).map(|breach| breach.class)
    }

    /// When the last record was made.
    pub fn now(&self) -> Duration {
        self.records.last().map_or(Duration::ZERO, |record| record.at)
    }

    /// The records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

fn operation(id: u32, name: &'static str) -> Operation {
    Operation { id, client: 0, name: name.into() }
}

fn service(step: &str) -> &'static str {
    match step {
        "reserve" => "inventory",
        "charge" => "payments",
        "ship" => "shipping",
        _ => "orders",
    }
}
