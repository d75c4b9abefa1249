//! Why a run failed: which faults it takes, which of their strikes are enough, and from which moment on it was bound to fail.
//!
//! All is asked of the run itself, by what would have happened if ([`Branch`]). A fault is *needed* if the run passes without it, and so do most
//! futures without it: it is left out of the very run that failed, with all of its strikes; each comes to its moment and does nothing. Strikes are
//! *enough* if the run fails the same way with all others left out. Where several sets of them are enough, one or another will do, and no
//! fault of one alone is needed. A moment is judged by futures: all that is drawn from then on is drawn anew, a number of
//! times, and the share of futures that fail *the same way* says how far the failure was settled by then. Before the
//! decisive moment few of them fail, after it most do.
//!
//! That every branch is the same run up to where it branches off is not taken on trust: each is compared with the run, record
//! by record. A run without a strike that is not is an error ([`NotBlamed::NotOneRun`]). A future that is not does not count
//! ([`End::Apart`]), and another is drawn: it takes a timer of its own to begin one, and madsim's heap of timers has no order
//! among those that are due at the same nanosecond, so that one timer more may turn two others round.

// Uses: history, pool, run, run_id, shrink, spec.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    history::{Kind, Record},
    plan::{Branch, Part, RunId},
    pool::Pool,
    run::{RunReport, Verdict},
    shrink::Failure,
    spec::Spec,
};

mod enough;
mod moment;
mod runner;
mod suspect;

pub(crate) use self::{
    enough::Enough,
    moment::{Moment, Turn},
    runner::Runner,
    suspect::{Effect, Share, Strike, Suspect},
};

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Futures of each moment. At least 1.
    pub futures: u64,
    /// How many runs the search for what is enough, and for what is needed together, may take.
    pub runs: u64,
    /// The wall-clock limit of one run.
    pub run_timeout: Duration,
}

/// What is to blame for the failure of a run.
#[derive(Clone, Debug)]
pub(crate) struct Blame {
    /// The run.
    pub report: RunReport,
    /// The faults that had struck before it failed, by their first strikes.
    pub suspects: Vec<Suspect>,
    /// Sets of strikes each of which is enough. None only if the budget of runs had room for none.
    pub enough: Vec<Enough>,
    /// Of faults that are not needed by themselves, the smallest set found that is: it takes one or another of them. None if the run fails
    /// without all of these.
    pub together: Option<BTreeSet<String>>,
    /// The search ended at its budget of runs: there may be smaller sets.
    pub cut_short: bool,
    /// The moments that were tried, by time.
    pub moments: Vec<Moment>,
    /// Where the share of futures that fail rises most.
    pub turn: Option<Turn>,
    /// Futures of each moment.
    pub futures: u64,
    /// How many runs it took.
    pub runs: u64,
}

/// Why nobody was blamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotBlamed {
    /// The run does not fail in a way that can be told from others.
    NoFailure(String),
    /// A branch of the run is another run from before where it branches off: nondeterminism, or a bug of ours.
    NotOneRun {
        /// The branch.
        run: RunId,
        /// The record that differs.
        seq: usize,
    },
}

impl std::fmt::Display for NotBlamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotBlamed::NoFailure(what) => write!(f, "there is nobody to blame. How the run ended: {what}"),
            NotBlamed::NotOneRun { run, seq } => {
                write!(
                    f,
                    "record {seq} of {run} differs from the run's, though it should be the same up to there"
                )
            }
        }
    }
}

/// Finds out what is to blame for the failure of a run. `watch` is told how many runs were done.
///
/// # Errors
/// See [`NotBlamed`].
pub(crate) fn blame(
    pool: &Pool,
    spec: &Spec,
    run: &RunId,
    limits: Limits,
    watch: &mut dyn FnMut(u64),
) -> Result<Blame, NotBlamed> {
    let mut runner = Runner::new(pool, spec, limits.run_timeout);
    let report = runner.one(run);
    let Some(failure) = Failure::of(&report.verdict) else {
        return Err(NotBlamed::NoFailure(report.verdict.headline()));
    };
    let mut asker = Asker {
        runner,
        run: run.clone(),
        history: &report.history,
        failure,
        limits,
        known: BTreeMap::new(),
        searched: 0,
        cut_short: false,
        watch,
    };
    let suspects = suspect::suspects(&mut asker)?;
    let (enough, together) = enough::enough(&mut asker);
    let (moments, turn) = moment::moments(&mut asker, &report.verdict);
    let (runs, cut_short) = (asker.runner.runs, asker.cut_short);
    Ok(Blame { suspects, enough, together, cut_short, moments, turn, futures: limits.futures, runs, report })
}

/// How a branch of the run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It failed the same way.
    Same,
    /// It passed.
    Passed,
    /// It failed, but in another way: the verdict in a line.
    Otherwise(String),
    /// It is another run from before where it was to branch off: at this record.
    Apart(usize),
}

/// Asks what would have happened.
struct Asker<'a> {
    runner: Runner<'a>,
    run: RunId,
    /// The run's.
    history: &'a [Record],
    failure: Failure,
    limits: Limits,
    /// Which runs with but a few strikes fail the same way.
    known: BTreeMap<RunId, bool>,
    /// How many runs the search took.
    searched: u64,
    /// It ended at its budget.
    cut_short: bool,
    watch: &'a mut dyn FnMut(u64),
}

impl Asker<'_> {
    /// How these branches of the run end, each of which is the same up to some time.
    fn ends(&mut self, branches: &[(RunId, Duration)]) -> Vec<End> {
        let runs: Vec<RunId> = branches.iter().map(|(run, _)| run.clone()).collect();
        let (history, failure) = (self.history, &self.failure);
        let ends = self.runner.each(&runs, &|nth, report| {
            let (_, until) = &branches[nth];
            // One that took its process with it left no history.
            if !report.history.is_empty()
                && let Some(seq) = parts_before(history, &report.history, *until)
            {
                return End::Apart(seq);
            }
            match &report.verdict {
                Verdict::Passed => End::Passed,
                verdict if Failure::of(verdict).as_ref() == Some(failure) => End::Same,
                verdict => End::Otherwise(verdict.headline()),
            }
        });
        (self.watch)(self.runner.runs);
        ends
    }

    /// How these branches end, each of which has to be the same up to its time.
    fn sure_ends(&mut self, branches: &[(RunId, Duration)]) -> Result<Vec<End>, NotBlamed> {
        let ends = self.ends(branches);
        let apart = ends.iter().zip(branches).find_map(|(end, (run, _))| match end {
            End::Apart(seq) => Some(NotBlamed::NotOneRun { run: run.clone(), seq: *seq }),
            _ => None,
        });
        apart.map_or(Ok(ends), Err)
    }

    /// Whether the search may have one more run, which is counted.
    fn may_search(&mut self) -> bool {
        self.cut_short |= self.searched >= self.limits.runs;
        self.searched += u64::from(!self.cut_short);
        !self.cut_short
    }

    /// The run without these, and up to when it is the same.
    fn without(&self, parts: &BTreeSet<Part>) -> (RunId, Duration) {
        let is_out = |record: &&Record| match &record.kind {
            Kind::FaultStart { fault, .. } => parts.iter().any(|part| part.has_strike(fault)),
            _ => false,
        };
        let until = self.history.iter().find(is_out).map_or(Duration::ZERO, |record| record.at);
        (self.run.branched(Branch::Without(parts.clone())), until)
    }
}

/// The first record of before that time in which two histories differ.
fn parts_before(one: &[Record], other: &[Record], until: Duration) -> Option<usize> {
    let before = one.iter().filter(|record| record.at < until).count();
    (0..before).find(|i| other.get(*i).is_none_or(|record| !one[*i].is_same(record)))
}
