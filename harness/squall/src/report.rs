//! Telling a person, or a program, what came out.
//!
//! Everything is written with styles; the [screen](crate::screen) strips them where they are not wanted, and lets nothing else through that a
//! terminal would act on.

// Uses: blame, diff, explore, history, inquiry, log, pool, reproduce, run, run_id, screen, shrink, spec,
// trace.

use std::{path::PathBuf, time::Duration};

use crate::{
    explore::{Outcome, SpecVerdict},
    plan::RunId,
    reproduce::Reproduce,
    run::RunReport,
    shrink::{NotShrunk, Shrunk},
    spec::{Loaded, title},
};

pub(crate) mod blame;
pub(crate) mod diff;
pub(crate) mod failure;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod progress;
pub(crate) mod record;
mod style;
pub(crate) mod table;
mod telling;
mod title;

pub(crate) use self::{style::Style, title::short_path};

/// A spec and what came out of it.
pub(crate) struct SpecReport<'a> {
    pub loaded: &'a Loaded,
    /// The spec's file as a person would type it.
    pub path: PathBuf,
    pub outcome: Outcome,
    pub elapsed: Duration,
    /// Failures that were made small.
    pub shrunk: Vec<(RunId, Result<Shrunk, NotShrunk>)>,
}

/// A failure, and the runs that show it.
pub(crate) struct Distinct<'a> {
    /// How it fails.
    pub way: String,
    /// The faults that it takes, if one of its runs was made small.
    pub faults: Option<Vec<String>>,
    /// What it takes, operations included: a form for each that its runs were made small to.
    pub forms: Vec<String>,
    /// The runs, in order.
    pub runs: Vec<&'a RunReport>,
}

impl Distinct<'_> {
    /// Equal for failures that are one, of whatever spec of a system. None where nothing is known of what it takes.
    pub(crate) fn key(&self, report: &SpecReport<'_>) -> Option<String> {
        let spec = &report.loaded.spec;
        let variant = spec.variant.as_ref().map_or("", |variant| variant.value.as_str());
        let faults = self.faults.as_ref()?.join(", ");
        Some(format!("{} {variant}: {} by {faults}", spec.system.value, self.way))
    }
}

impl SpecReport<'_> {
    /// The spec for a person: its file, and its case if the file has a matrix.
    pub(crate) fn title(&self) -> String {
        title(&self.path, self.loaded.case.as_deref())
    }

    /// The failures without repetition: those are one that fail the same way, and of those that were made small, that take the same faults.
    pub(crate) fn distinct_failures(&self) -> Vec<Distinct<'_>> {
        let mut all: Vec<Distinct<'_>> = Vec::new();
        for run in &self.outcome.failures {
            let way = failure::way(&run.verdict);
            let small = self.shrunk.iter().find(|(of, _)| *of == run.run);
            let small = small.and_then(|(_, shrunk)| shrunk.as_ref().ok());
            let faults = small.map(Shrunk::faults);
            let form = small.map(Shrunk::form);
            // One that was not made small goes with the first that fails the same way.
            let same =
                |other: &&mut Distinct<'_>| other.way == way && (faults.is_none() || other.faults == faults);
            match all.iter_mut().find(same) {
                Some(known) => {
                    known.runs.push(run);
                    known.forms.extend(form.filter(|form| !known.forms.contains(form)));
                }
                None => {
                    all.push(Distinct { way, faults, forms: form.into_iter().collect(), runs: vec![run] });
                }
            }
        }
        all
    }

    /// The command that writes down one of its runs, made small.
    pub(crate) fn keep(&self, reproduce: &Reproduce, run: &RunId) -> String {
        reproduce.keep(&self.path, self.loaded.case.as_deref(), run)
    }

    /// The command that replays one of its runs.
    pub(crate) fn replay(&self, reproduce: &Reproduce, run: &RunId) -> String {
        reproduce.replay(&self.path, self.loaded.case.as_deref(), run)
    }
}

/// How many specs came to which verdict. A nondeterministic one counts as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub vacuous: usize,
    pub undecided: usize,
    pub nondeterministic: usize,
    pub runs: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.runs += outcome.runs;
        match &outcome.verdict {
            SpecVerdict::Passed => self.passed += 1,
            SpecVerdict::Failed(_) => self.failed += 1,
            SpecVerdict::Vacuous(_) => self.vacuous += 1,
            SpecVerdict::Undecided(_) => self.undecided += 1,
            SpecVerdict::Nondeterministic(_) => {
                self.failed += 1;
                self.nondeterministic += 1;
            }
        }
    }

    pub(crate) fn specs(self) -> usize {
        self.passed + self.failed + self.vacuous + self.undecided
    }
}

/// The verdict in a word.
pub(crate) fn word(verdict: &SpecVerdict) -> &'static str {
    match verdict {
        SpecVerdict::Passed => "passed",
        SpecVerdict::Failed(_) => "failed",
        SpecVerdict::Vacuous(_) => "vacuous",
        SpecVerdict::Undecided(_) => "undecided",
        SpecVerdict::Nondeterministic(_) => "nondeterministic",
    }
}
