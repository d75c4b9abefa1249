//! What a saga promises: all of it or nothing, each effect once, one coordinator at a time, an end within bounds, and what was acknowledged
//! for good.
//!
//! # Vocabulary
//!
//! A *saga* is told by its name in the field `saga`, a *step* by its name in `step`, one of [`Rules::steps`]. The *coordinator* that drives it says
//! its name in `coordinator` and which of its lives it is in `epoch`, which rises.
//!
//! | event | fields | |
//! |---|---|---|
//! | `saga.started`, `saga.resumed` | `saga`, `coordinator`, `epoch` | it is open: accepted, or taken up again |
//! | `saga.step_intended`, `saga.step_unknown` | .., `step` | its intent is logged, before the first attempt; an attempt had no answer |
//! | `saga.step_done` | .., `step` | it took effect, and that is logged |
//! | `saga.step_refused` | .., `step` | it took no effect, and never will |
//! | `saga.step_compensated` | .., `step` | its compensation was acknowledged |
//! | `saga.completed`, `saga.compensated`, `saga.parked` | .. | over, with each step done; over, with nothing left; it stands still for now, where somebody sees it |
//! | `effect.applied`, `effect.undone` | `saga`, `step`, `key`, `amount`, `held`, `coordinator`, `epoch`; `resource` and `free` for a pool | by a participant, durably: it made or undid a step's effect. `key` is the idempotency key, `saga/step`; `held` is the sum of its effects |
//! | `effect.uncertain` | as `effect.applied`, without `held` | a commit failed: it shows later whether it is durable. What it would take back has an `amount` below zero |
//! | `effect.restored` | `held`; `resource` and `free` for a pool | by a participant, as it starts: what it found on its disk |
//! | `participant.repeated` | `saga`, `step` | a step came again and was answered as before: it has taken effect |
//! | `participant.voided` | `saga`, `step` | a compensation came first: the step can take no effect any more |
//!
//! Others may stand beside them. Promises are read from clients' operations: see [`Promises`].

use std::time::Duration;

use squall::{Condition, EventKind, Fields, Invariant, Record, history::Kind};

mod atomicity;
mod coordinator;
mod durability;
mod effects;
mod progress;
#[cfg(test)]
mod script;

pub use self::{
    atomicity::SagaAtomicity,
    coordinator::SingleCoordinator,
    durability::AckedDurable,
    effects::IdempotentEffects,
    progress::{NoOpenSagas, SagaProgress},
};

/// What a saga is held to.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Its steps, in their order.
    pub steps: &'static [&'static str],
    /// The resources of which what is held and what is free add up to the same for ever.
    pub pools: &'static [&'static str],
    /// How long it may be open, from when it was started or taken up, or from the last heal.
    pub bound: Duration,
    /// What clients are promised.
    pub promises: Promises,
}

/// Operations whose results are promises. Each returns the field `saga`.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// One that promises completion when it succeeds, and the contrary when it fails.
    pub make: &'static str,
    /// One that promises that it will not complete.
    pub withdraw: &'static str,
    /// One that says in `state` how it stands.
    pub read: &'static str,
    /// The state that means that it completes.
    pub completed: &'static str,
}

/// The vocabulary, for [`System::events`](squall::System::events).
pub const EVENTS: [EventKind; 18] = [
    EventKind::new("saga.started", &["saga", "coordinator", "epoch"], "an order was accepted, durably"),
    EventKind::new("saga.step_intended", STEP, "the intent of a step was logged, before its first attempt"),
    EventKind::new("saga.step_done", STEP, "a step took effect, and that was logged"),
    EventKind::new(
        "saga.step_refused",
        &["saga", "coordinator", "epoch", "step", "reason"],
        "a step did not take effect and never will",
    ),
    EventKind::new(
        "saga.step_unknown",
        &["saga", "coordinator", "epoch", "step", "attempt", "reason"],
        "an attempt at a step had no answer; attempt 0 is one of before a restart",
    ),
    EventKind::new("saga.compensating", &["saga", "coordinator", "epoch", "cause"], "the saga turned back"),
    EventKind::new("saga.step_compensated", STEP, "a compensation was acknowledged, and that was logged"),
    EventKind::new(
        "saga.compensation_failed",
        &["saga", "coordinator", "epoch", "step", "attempt", "reason"],
        "an attempt at a compensation had no answer",
    ),
    EventKind::new("saga.completed", &["saga", "coordinator", "epoch"], "over: every step is done"),
    EventKind::new("saga.compensated", &["saga", "coordinator", "epoch"], "over: nothing of it is left"),
    EventKind::new(
        "saga.parked",
        &["saga", "coordinator", "epoch", "step", "reason"],
        "it stands still for now",
    ),
    EventKind::new("saga.resumed", STEP, "it was taken up after a restart, or after it was parked"),
    EventKind::new("effect.applied", EFFECT, "a service made a step's effect, durably"),
    EventKind::new("effect.undone", EFFECT, "a service undid a step's effect, durably"),
    EventKind::new(
        "effect.uncertain",
        &["saga", "key", "step", "resource", "amount", "coordinator", "epoch"],
        "a commit failed, and it shows at the next start whether it is durable; what it takes back counts below zero",
    ),
    EventKind::new(
        "effect.restored",
        &["resource", "held", "free"],
        "a service has read its state from its disk",
    ),
    EventKind::new(
        "participant.repeated",
        &["saga", "key", "step", "coordinator", "epoch"],
        "a step came again and was answered as before",
    ),
    EventKind::new(
        "participant.voided",
        &["saga", "key", "step", "coordinator", "epoch"],
        "a compensation found nothing to undo; its step can no longer come",
    ),
];

const STEP: &[&str] = &["saga", "coordinator", "epoch", "step"];
const EFFECT: &[&str] =
    &["saga", "key", "step", "resource", "amount", "held", "free", "coordinator", "epoch"];

/// All laws.
pub fn laws(rules: &Rules) -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(SagaAtomicity::new(rules.steps, rules.pools)),
        Box::new(IdempotentEffects::default()),
        Box::new(AckedDurable::new(rules.promises)),
        Box::new(SingleCoordinator::default()),
        Box::new(SagaProgress::new(rules.steps, rules.bound)),
    ]
}

/// All conditions.
pub fn conditions(rules: &Rules) -> Vec<Box<dyn Condition>> {
    vec![Box::new(NoOpenSagas::new(rules.steps))]
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

    /// The position of the event's step among these, if it names one of them.
    fn step(&self, steps: &[&str]) -> Option<usize> {
        let name = self.fields.text("step")?;
        steps.iter().position(|step| *step == name)
    }
}
