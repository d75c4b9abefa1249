//! Judging a history: invariants, conditions, violations.

// Uses: confine, history, language.

pub(crate) mod builtin;
pub(crate) mod consistent;
pub(crate) mod events;
pub(crate) mod judge;
mod label;
mod mapping;
pub(crate) mod pattern;
pub mod session;
pub(crate) mod specific;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::label::label;
pub use self::mapping::Mapping;
use crate::history::{EventKind, Record};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The invariant's name, as in the spec.
    pub invariant: String,
    /// What kind of breach, in a word or two without values (`double_effect`): two violations of one invariant and
    /// class are the same failure.
    pub class: String,
    /// What happened, for a person: names, keys, numbers. Where the breach says what was expected and what was seen, that, a line each.
    pub message: String,
    /// What was expected, with the number that it is judged by; empty if the breach does not say it apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What was seen in its place, with the numbers behind it; empty if the breach does not say it apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seen: String,
    /// When, in virtual time since the start of the run.
    pub at: Duration,
    /// The records that tell it, by `seq`, oldest first.
    pub evidence: Vec<u64>,
}

/// What an invariant finds wrong; the harness adds the invariant's name and the time.
///
/// A breach is believed if it can be checked: it says what was expected, with the configured number, and what was seen, with the
/// numbers that it was counted from, and cites the records that show it.
///
/// ```
/// # use squall::check::Breach;
/// let breach = Breach::of("open_too_long", "open for at most 2s", "open since 1.5s, and a call is rejected at 4.1s").with_evidence([12]);
/// assert_eq!(breach.message(), "expected: open for at most 2s\nseen: open since 1.5s, and a call is rejected at 4.1s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// See [`Violation::class`].
    pub class: &'static str,
    /// See [`Violation::expected`].
    pub expected: String,
    /// See [`Violation::seen`]; all there is to say if nothing is given as expected.
    pub seen: String,
    /// See [`Violation::evidence`]; the record under observation is added by the harness.
    pub evidence: Vec<u64>,
}

impl Breach {
    /// A breach of which there is but a sentence to say.
    pub fn new(class: &'static str, message: impl Into<String>) -> Self {
        Breach::of(class, "", message)
    }

    /// A breach: what was expected, and what was seen. Without further evidence than the record under observation.
    pub fn of(class: &'static str, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Breach { class, expected: expected.into(), seen: seen.into(), evidence: Vec::new() }
    }

    /// Names the records that led to it.
    pub fn with_evidence(mut self, seqs: impl IntoIterator<Item = u64>) -> Self {
        self.evidence.extend(seqs);
        self
    }

    /// See [`Violation::message`].
    pub fn message(&self) -> String {
        match self.expected.is_empty() {
            true => self.seen.clone(),
            false => format!("expected: {}\nseen: {}", self.expected, self.seen),
        }
    }
}

/// The end of a run, as a liveness check needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When the last fault was healed: the start of the settle phase, or later.
    pub healed_at: Duration,
    /// When the run ended.
    pub ended_at: Duration,
}

/// A property of histories, observed record by record as the run goes.
///
/// A safety breach is returned from [`observe`](Invariant::observe) at the very record that shows it, and ends the run there.
/// What can only be known at the end (a liveness property, an unfinished obligation) is returned from
/// [`finish`](Invariant::finish).
pub trait Invariant: Send {
    /// Its name, as in a spec's `check:`.
    fn name(&self) -> &str;

    /// Looks at the next record.
    ///
    /// # Errors
    /// The breach that this record completes.
    fn observe(&mut self, record: &Record) -> Result<(), Breach>;

    /// Looks at the end of the run.
    ///
    /// # Errors
    /// The breach that shows only now.
    fn finish(&mut self, _end: &End) -> Result<(), Breach> {
        Ok(())
    }

    /// How often it had something to judge. An invariant that is never exercised, over all seeds, proves nothing, and its
    /// spec fails as vacuous.
    fn exercised(&self) -> u64;

    /// Why it could come to no judgement, if so: the run is then undecided, and never passes.
    fn undecided(&self) -> Option<String> {
        None
    }

    /// The events that it reads, with all fields that it knows, if it is to be told in specs what they are called where they are called
    /// otherwise. None: that is not checked.
    fn vocabulary(&self) -> &'static [EventKind] {
        &[]
    }
}

/// A statement about the present, made true and false by records: what `eventually: { that: NAME }` waits for.
pub trait Condition: Send {
    /// Its name, as in a spec.
    fn name(&self) -> &str;
    /// Looks at the next record.
    fn observe(&mut self, record: &Record);
    /// Whether it holds now.
    fn holds(&self) -> bool;
    /// Why it does not hold, for a person: what is open, who is missing.
    fn because(&self) -> String {
        String::new()
    }
    /// As [`Invariant::vocabulary`] has it.
    fn vocabulary(&self) -> &'static [EventKind] {
        &[]
    }
}
