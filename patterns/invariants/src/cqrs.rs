//! What read models promise that follow an event log: at every position they show the fold of the events up to there, each applied once; in
//! the end they have caught up.
//!
//! # Vocabulary
//!
//! The log is told in the words of [`event_log`]. A read model is told by the node that has it, a *generation* of its
//! rows by a number: a rebuild makes a new one beside that which is shown. The row of a stream, here a *key*, has the version of the last
//! event that went into it, and the sum of their quantities.
//!
//! | event | fields | |
//! |---|---|---|
//! | `cqrs.opened` | `position`; optional `generation`, `fresh` | a read model was opened, with its checkpoint at this position; `fresh` says that its disk is new |
//! | `effect.projected` | `first`, `last`; optional `generation`, `count` | the events from `first` to `last` are in the rows, durably; `count` says how many that are. Without it one that is left out in between is seen by the rows alone |
//! | `cqrs.exposed` | `key`, `version`, `position`; optional `quantity` | a read was answered with this row, at this position |
//! | `cqrs.rebuild_started` | `generation` | a new generation of the rows begins, empty. Optional |
//! | `cqrs.rebuilt` | `generation`, `position`, `equal` | it took over; `equal` says whether it had the same rows. Optional |
//!
//! Other fields and events are for people. A `generation` that is not told is 0.

use std::time::Duration;

use squall::{Condition, EventKind, Invariant};

mod caught_up;
mod projection;
#[cfg(test)]
mod tests;

pub use self::{caught_up::CaughtUp, projection::ProjectionCorrectness};
use crate::event_log;

/// What a log and its read models are held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What the log is held to.
    pub log: event_log::Rules,
    /// For how long a read model may lack what is in the log and still count as [caught up](CaughtUp).
    pub grace: Duration,
}

/// The vocabulary but for [that of the log](event_log::EVENTS), for [`System::events`](squall::System::events).
pub const EVENTS: [EventKind; 14] = [
    EventKind::new("cqrs.submitted", &["stream", "cause"], "a command arrived"),
    EventKind::new(
        "cqrs.shipped",
        &["replica", "after", "last", "count"],
        "a replica acknowledged a shipment",
    ),
    EventKind::new(
        "cqrs.ship_failed",
        &["replica", "after", "count", "reason"],
        "a shipment was not acknowledged",
    ),
    EventKind::new("cqrs.rewound", &["replica", "from", "to"], "a replica has less than the relay thought"),
    EventKind::new("cqrs.replica_ahead", &["replica", "position", "head"], "a replica has more than the log"),
    EventKind::new(
        "cqrs.opened",
        &["projection", "generation", "position", "fresh"],
        "a read model was opened, and this is its checkpoint",
    ),
    EventKind::new(
        "cqrs.received",
        &["projection", "after", "first", "last", "count"],
        "a shipment with events arrived",
    ),
    EventKind::new(
        "effect.projected",
        &["projection", "generation", "first", "last", "count"],
        "these events are in the rows, durably",
    ),
    EventKind::new(
        "cqrs.redelivered",
        &["projection", "position", "count"],
        "events came that the rows had already",
    ),
    EventKind::new(
        "cqrs.gap",
        &["projection", "position", "after"],
        "a shipment started above the checkpoint",
    ),
    EventKind::new(
        "cqrs.behind",
        &["key", "wanted", "position"],
        "a session waited in vain for its position",
    ),
    EventKind::new(
        "cqrs.exposed",
        &["key", "version", "quantity", "position", "stale"],
        "a read was answered, at this position",
    ),
    EventKind::new(
        "cqrs.rebuild_started",
        &["projection", "generation"],
        "a new generation of the rows begins, empty",
    ),
    EventKind::new(
        "cqrs.rebuilt",
        &["projection", "generation", "position", "rows", "equal"],
        "a new generation took over",
    ),
];

/// What its laws read: the log's words, then its own.
const READ: &[EventKind] = squall::events![event_log::EVENTS, EVENTS];

/// All laws, those of the log among them.
pub fn laws(rules: Rules) -> Vec<Box<dyn Invariant>> {
    let mut all = event_log::laws(rules.log);
    all.push(Box::<ProjectionCorrectness>::default());
    all
}

/// All conditions.
pub fn conditions(rules: Rules) -> Vec<Box<dyn Condition>> {
    vec![Box::new(CaughtUp::new(rules.grace))]
}
