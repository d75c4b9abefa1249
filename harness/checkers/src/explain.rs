//! Why no order explains a history: the smallest part of it that is not, the state it starts from, and how far one gets.

mod smallest;

use std::{collections::BTreeSet, fmt};

pub(crate) use self::smallest::{Condition, Wrong, violation};
use crate::history::{Moment, Process};

/// Why a history is illegal, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Violation {
    /// The algorithm that showed it.
    pub by: &'static str,
    /// The model's name.
    pub model: String,
    /// Which object, where there are many.
    pub key: Option<String>,
    /// A sentence.
    pub summary: String,
    /// The operations that cannot be explained together, by invocation: the fewest that were found.
    pub operations: Vec<Shown>,
    /// What the object may have held before them. None of the states explains the operations.
    pub starts: Vec<Start>,
    /// Other operations on the object at that time, by invocation, those nearest to the end.
    pub around: Vec<Shown>,
}

/// An operation in a [`Violation`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Shown {
    /// Its position in the history.
    pub index: usize,
    /// Who asked.
    pub process: Process,
    /// What was asked and answered.
    pub what: String,
    /// When it was asked.
    pub invoked: Moment,
    /// When it was answered.
    pub returned: Option<Moment>,
    /// It need not have taken effect by the end of what is shown.
    pub optional: bool,
}

/// A state before the operations of a [`Violation`], and how far one gets from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Start {
    /// The state.
    pub state: String,
    /// Which operations have taken effect already, of those that need not: positions in [`Violation::operations`].
    pub spent: Vec<usize>,
    /// Orders of effects that cannot be continued so that all operations are in them, the longest first.
    pub partials: Vec<Partial>,
    /// By position in [`Violation::operations`]: the longest order it is in, as a position in `partials`.
    pub longest: Vec<Option<usize>>,
}

/// An order of effects that comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Partial {
    /// The operations, as positions in [`Violation::operations`].
    pub order: Vec<usize>,
    /// The state after them.
    pub state: String,
    /// What would have to be next, and cannot.
    pub refused: Vec<Refused>,
}

/// An operation that cannot be next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Refused {
    /// Its position in [`Violation::operations`].
    pub operation: usize,
    /// A sentence.
    pub why: String,
}

/// How many orders that come to nothing are told of one state.
const TOLD: usize = 4;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        let states: BTreeSet<&str> = self.starts.iter().map(|start| start.state.as_str()).collect();
        let states: Vec<&str> = states.into_iter().collect();
        writeln!(
            f,
            "  starting from {}; in brackets from which event to which each took:",
            states.join(" or ")
        )?;
        let operations = self.operations.iter().map(|shown| (shown, "  "));
        let around = self.around.iter().map(|shown| (shown, "  (around) "));
        let mut lines: Vec<_> = operations.chain(around).collect();
        lines.sort_by_key(|(shown, _)| shown.invoked);
        for (shown, indent) in lines {
            writeln!(f, "{indent}{} process {}: {}", span(shown), shown.process, shown.what)?;
        }
        for start in &self.starts {
            self.how_far(f, start)?;
        }
        Ok(())
    }
}

/// From which event to which an operation took, with the times if they are known: `[4..7, 1.2s..1.5s]`.
fn span(shown: &Shown) -> String {
    let index = |at: &Moment| at.index.to_string();
    let time = |at: &Moment| at.time.map(|time| format!("{time:?}"));
    let end = |of: Option<String>| of.unwrap_or_default();
    let events = format!("{}..{}", index(&shown.invoked), end(shown.returned.as_ref().map(index)));
    match time(&shown.invoked) {
        Some(from) => format!("[{events}, {from}..{}]", end(shown.returned.as_ref().and_then(time))),
        None => format!("[{events}]"),
    }
}

impl Violation {
    /// How far one gets from a state: the longest order of all, and the longest ones with what is not in that.
    fn how_far(&self, f: &mut fmt::Formatter<'_>, start: &Start) -> fmt::Result {
        for (place, partial) in start.partials.iter().enumerate().take(TOLD) {
            let what = |operation: &usize| self.operations[*operation].what.as_str();
            let order: Vec<&str> = partial.order.iter().map(what).collect();
            let order = if order.is_empty() { "nothing".to_owned() } else { order.join(", then ") };
            let with: Vec<&str> = (0..self.operations.len())
                .filter(|operation| place > 0 && start.longest[*operation] == Some(place))
                .map(|operation| what(&operation))
                .collect();
            match with.is_empty() {
                true => write!(f, "  from {}: {order}", start.state)?,
                false => write!(f, "  with {}: {order}", with.join(" and "))?,
            }
            writeln!(f, " leads to {}", partial.state)?;
            for refused in &partial.refused {
                writeln!(
                    f,
                    "    and next cannot be process {}'s: {}",
                    self.operations[refused.operation].process, refused.why
                )?;
            }
        }
        match start.partials.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} other orders that come to nothing"),
        }
    }
}
