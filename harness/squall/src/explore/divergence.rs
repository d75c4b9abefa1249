//! Two executions of a run that are not the same: where they part.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    history::Record,
    plan::RunId,
    run::{RunReport, Verdict},
};

/// Two executions of one run differ, so something got in that is neither spec nor seed.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The run.
    pub run: RunId,
    /// What differs, in a sentence.
    pub what: String,
    /// The first record in which the histories differ, where both are known.
    pub first: Option<Fork>,
    /// Whether it showed once more when it was looked for; none if nobody looked.
    pub recurred: Option<bool>,
}

/// The first difference between two histories.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fork {
    /// Its position in both histories.
    pub seq: usize,
    /// The record before it, which both share.
    pub last_common: Option<Record>,
    /// What the first history has there; none if it is over.
    pub one: Option<Record>,
    /// What the other has there.
    pub other: Option<Record>,
}

/// What came of looking for a difference once more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sought {
    pub recurred: bool,
    /// Where the histories part of two executions that differ; none if they differ in no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Fork>,
}

impl Divergence {
    /// Compares two runs that are not the [`same`].
    pub(crate) fn between(one: &RunReport, other: &RunReport) -> Self {
        Divergence {
            run: one.run.clone(),
            what: difference(one, other),
            first: fork(&one.history, &other.history),
            recurred: None,
        }
    }

    /// Adds what came of looking for it: whether it showed once more, and where two histories part.
    pub(super) fn looked_for(&mut self, found: Sought) {
        self.recurred = Some(found.recurred);
        self.first = self.first.take().or(found.first);
    }
}

fn difference(one: &RunReport, other: &RunReport) -> String {
    let [a, b] = [one, other].map(|report| end(&report.verdict));
    match (&one.verdict, &other.verdict) {
        (Verdict::Hung { after }, _) => format!(
            "it was ended after {after:?}, and when it was run again it {b} after {:?}: nondeterminism, or a machine that \
             is too busy for --run-timeout",
            std::time::Duration::from_micros(other.wall_us)
        ),
        // One that took its process with it has no digest.
        _ if one.is_lost() || other.is_lost() => format!("it {a}, and when it was run again it {b}"),
        _ if a != b => {
            format!(
                "it {a}, and when it was run again it {b}; its digest was {} first and {} then",
                one.digest, other.digest
            )
        }
        _ => format!("it {a} both times, with digest {} first and {} then", one.digest, other.digest),
    }
}

fn end(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Violated(violation) => format!("violated {} at {:?}", violation.invariant, violation.at),
        Verdict::Panicked { location, at, .. } => format!("panicked at {location} after {at:?}"),
        Verdict::Hung { after } => format!("did not end within {after:?}"),
        Verdict::OutOfMemory { .. } => "ran out of memory".to_owned(),
        Verdict::Died { how } => format!("died of {}", how.lines().next().unwrap_or_default()),
        Verdict::Undecided { reason } => format!("could not be judged ({reason})"),
        Verdict::Interrupted { why } => format!("could not be done ({why})"),
    }
}

fn fork(one: &[Record], other: &[Record]) -> Option<Fork> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let differ = |i: usize| match (one.get(i), other.get(i)) {
        (Some(a), Some(b)) => !a.is_same(b),
        (None, None) => false,
        _ => true,
    };
    let seq = (0..one.len().max(other.len())).find(|i| differ(*i))?;
    Some(Fork {
        seq,
        last_common: seq.checked_sub(1).map(|before| one[before].clone()),
        one: one.get(seq).cloned(),
        other: other.get(seq).cloned(),
    })
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} is not one run: {}", self.run, self.what)?;
        if self.recurred == Some(false) {
            write!(f, "; when it was looked for once more, it did not recur")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::history::{Kind, Phase};

    fn history(phases: &[(u64, Phase)]) -> Vec<Record> {
        phases
            .iter()
            .enumerate()
            .map(|(seq, (ms, phase))| Record {
                seq: seq as u64,
                at: Duration::from_millis(*ms),
                kind: Kind::Phase(*phase),
            })
            .collect()
    }

    #[test]
    fn the_first_difference_is_found() {
        let one = history(&[(0, Phase::Warmup), (5, Phase::Chaos), (9, Phase::End)]);
        let other = history(&[(0, Phase::Warmup), (6, Phase::Chaos), (9, Phase::End)]);
        let fork = fork(&one, &other).expect("they differ");
        assert_eq!((fork.seq, fork.last_common.map(|r| r.seq)), (1, Some(0)));
    }

    #[test]
    fn a_history_that_ends_early_differs_at_its_end() {
        let one = history(&[(0, Phase::Warmup), (5, Phase::Chaos)]);
        let fork = fork(&one, &one[..1]).expect("they differ");
        assert_eq!((fork.seq, fork.one.is_some(), fork.other.is_some()), (1, true, false));
        assert!(super::fork(&one, &one.clone()).is_none());
    }
}
