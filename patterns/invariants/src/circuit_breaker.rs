//! What a circuit breaker promises: its states are those of the diagram, entered when the calls so far demand it and not otherwise; permits
//! come back; once all is well, it closes.
//!
//! # Vocabulary
//!
//! A breaker is told by the node that reports and the field `breaker`, a name. A *generation* is the number of transitions so far: 0 as long as a
//! breaker is closed from its start. A *permit* is a number that is given to each call that is let through, once in a node's life.
//!
//! | event | fields | |
//! |---|---|---|
//! | `breaker.created` | `breaker` | it exists, closed, generation 0; again at each start of its node |
//! | `breaker.transition` | `breaker`, `from`, `to`, `generation` | it changes its state (`closed`, `open`, `half_open`), and begins this generation |
//! | `breaker.admitted` | `breaker`, `generation`, `permit` | it lets a call through |
//! | `breaker.rejected` | `breaker`, `generation` | it turns a call away |
//! | `breaker.result` | `breaker`, `permit`, `outcome`, `late` | it hears how a call ended: `outcome` is `success` or `failure`; `late` says that it is of an earlier generation and counts nothing |
//! | `breaker.returned` | `breaker`, `permit`, `late` | a permit came back unused: the call was cancelled, or says nothing of the upstream |
//! | `caller.call_ended` | `breaker`, `permit` | the caller is done with the call, in whatever way. Optional: without it a leak shows at the end of the run only |
//! | `upstream.received` | `breaker`, `caller`, `incarnation`, `permit` | by the upstream: the call arrived. Optional: without it calls past the breaker are not seen |
//! | `upstream.degraded`, `upstream.restored` | `lasting`, in ms | by the upstream: it fails or is slow for so long; it is well again. Optional |
//!
//! Other fields are for people. An event without a field that it must have is a breach of class `unreadable_event`.

use std::time::Duration;

use squall::{Condition, EventKind, Invariant};

pub mod correctness;
mod observed;
pub mod outside;
pub mod permits;
pub mod recovery;
#[cfg(test)]
mod tests;

pub use self::{
    correctness::Correctness,
    outside::FromOutside,
    permits::PermitsBalanced,
    recovery::{AllClosed, Recovers},
};

/// What a breaker is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Which calls the rates are taken over.
    pub window: Window,
    /// With fewer calls than this in the window it stays closed.
    pub minimum_calls: u32,
    /// The share of failed calls that opens it: reached is enough.
    pub failure_rate: f64,
    /// When calls that are slow count against the upstream; `None` for never.
    pub slow_calls: Option<SlowCalls>,
    /// How long it stays open.
    pub wait: Duration,
    /// How that grows with each opening since it was last closed; `None` for not at all.
    pub backoff: Option<Backoff>,
    /// How it probes.
    pub half_open: HalfOpen,
}

/// Which calls the rates are taken over. It starts empty with each generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many.
    Calls(u32),
    /// Those of the current slot and of the `slots - 1` before it, each of `span / slots`, counted from the start of the generation.
    Time {
        /// How far back it reaches.
        span: Duration,
        /// Into how many slots it is cut.
        slots: u32,
    },
}

/// When calls that are slow count against the upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCalls {
    /// A call that takes longer is slow.
    pub longer_than: Duration,
    /// The share of slow calls that opens it: reached is enough.
    pub rate: f64,
}

/// How the wait grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// By how much with each opening.
    pub factor: u32,
    /// Up to how much.
    pub max: Duration,
}

/// How a breaker probes: it closes once so many probes were good, and opens as soon as that many no longer can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfOpen {
    /// How many probes may be in flight or have ended in one half-open period.
    pub probes: u32,
    /// How many of them must be good.
    pub successes: u32,
    /// How long it lasts at the most; `None` for no limit.
    pub max_wait: Option<Duration>,
}

/// The vocabulary, for [`System::events`](squall::System::events).
pub const EVENTS: [EventKind; 10] = [
    EventKind {
        name: "breaker.created",
        fields: &["breaker"],
        about: "a caller starts, its breakers are closed",
    },
    EventKind {
        name: "breaker.transition",
        fields: &["breaker", "from", "to", "generation", "reason", "calls", "failures", "slow"],
        about: "a breaker changes its state",
    },
    EventKind {
        name: "breaker.admitted",
        fields: &["breaker", "generation", "permit", "state"],
        about: "a breaker lets a call through",
    },
    EventKind {
        name: "breaker.rejected",
        fields: &["breaker", "generation", "state"],
        about: "a breaker turns a call away",
    },
    EventKind {
        name: "breaker.result",
        fields: &["breaker", "generation", "permit", "state", "outcome", "slow", "late"],
        about: "a breaker hears how a call ended",
    },
    EventKind {
        name: "breaker.returned",
        fields: &["breaker", "generation", "permit", "reason", "late"],
        about: "a permit came back unused",
    },
    EventKind {
        name: "caller.call_ended",
        fields: &["breaker", "permit"],
        about: "a caller is done with a call, in whatever way",
    },
    EventKind {
        name: "upstream.received",
        fields: &["breaker", "caller", "incarnation", "permit"],
        about: "a call reached the upstream",
    },
    EventKind {
        name: "upstream.degraded",
        fields: &["errors", "slow", "lasting"],
        about: "the upstream fails or is slow from now on, for `lasting` milliseconds",
    },
    EventKind {
        name: "upstream.restored",
        fields: &[],
        about: "the upstream is well again, because a client said so",
    },
];

/// All laws. No call takes longer than `longest_call`; `recovers_within` is how long after all is well every breaker must be closed, given
/// that each has traffic.
pub fn laws(rules: Rules, longest_call: Duration, recovers_within: Duration) -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(Correctness::new(rules)),
        Box::new(PermitsBalanced::new(longest_call)),
        Box::new(Recovers::new(recovers_within)),
    ]
}

/// All conditions.
pub fn conditions() -> Vec<Box<dyn Condition>> {
    vec![Box::<AllClosed>::default()]
}
