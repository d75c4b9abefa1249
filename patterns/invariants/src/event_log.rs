//! What an event log promises: versions without a gap in each stream, appends on what they expected and nowhere else, batches as a whole,
//! one effect for each command, and nothing lost that was committed or acknowledged.
//!
//! # Vocabulary
//!
//! There is one log. An event has a *position* in it, which rises, and a *version* in its *stream*: 1, 2, 3 and so on. The events of one
//! append are a *batch*; a batch is told by its *cause*, the name of the command that it is the effect of.
//!
//! | event | fields | |
//! |---|---|---|
//! | `event_log.opened` | `position` | the log was opened, and this is its head: nothing above it is durable, all up to it is |
//! | `event_log.staged` | `position`, `stream`, `version`; optional `cause`, `index`, `expected`, `kind`, `quantity` | an event is about to be committed. `index` is its place in its batch, from 0; `expected` is what the append demands of its stream: a version, `none`, `exists` or `any`; `quantity` is what it adds to its stream's sum |
//! | `effect.committed` | `first`, `last` | the staged events at these positions are durable |
//! | `event_log.rejected` | `cause` | the command was refused, and never takes effect. Optional |
//! | `cqrs.decided` | `cause`, `version` | a command was decided on this version of its stream. Optional: without it a lost update is one that ignores what it expected |
//!
//! Without `cause` nothing is said of batches and commands; without `expected` an append demands nothing; without `quantity` there are no sums.
//!
//! Operations of clients are read, too: one that succeeds and returns `command` and `position` was told that the log has this command's event
//! there, which is `version` of the stream `wrote`; one that fails and returns `command` was told that it never takes effect.

use squall::{EventKind, Invariant};

mod integrity;
pub(crate) mod ledger;

pub use self::integrity::LogIntegrity;

/// What a log is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The sum of the quantities of a stream is never less; `None` where it may be anything.
    pub floor: Option<i64>,
}

/// The vocabulary, for [`System::events`](squall::System::events).
pub const EVENTS: [EventKind; 7] = [
    EventKind::new("event_log.opened", &["position"], "the log was opened, and this is its head"),
    EventKind::new(
        "event_log.staged",
        &["position", "stream", "version", "expected", "cause", "index", "kind", "quantity"],
        "an event is in a transaction that is about to commit",
    ),
    EventKind::new("effect.committed", &["first", "last"], "the events at these positions are durable"),
    EventKind::new(
        "event_log.conflict",
        &["stream", "cause", "expected", "actual"],
        "a decision was overtaken by another",
    ),
    EventKind::new("event_log.repeated", &["stream", "cause"], "a command came that the log knows already"),
    EventKind::new("event_log.rejected", &["stream", "cause"], "a refusal was made final"),
    EventKind::new(
        "cqrs.decided",
        &["stream", "cause", "version", "accepted"],
        "an aggregate at this version decided about a command",
    ),
];

/// All laws.
pub fn laws(rules: Rules) -> Vec<Box<dyn Invariant>> {
    vec![Box::new(LogIntegrity::new(rules))]
}
