//! Exploration: one spec, many seeds, one verdict.
//!
//! [`explore`] has the runs done by a [`Pool`] of workers, judges them in the order of their seeds, and stops as soon as the
//! verdict stands. What it returns depends on the spec and the seeds alone, not on the number of workers, on how
//! runs were dealt out, or on which seeds ran beyond the one that decided.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    run::RunReport,
    spec::{Spec, model::Expect},
    worker::Prints,
};

mod divergence;
mod pool;
mod queue;
mod seeds;
mod verdict;

pub(crate) use self::verdict::count;
use self::{
    divergence::same,
    pool::Next,
    verdict::{Ended, Judge},
};
pub use self::{
    divergence::{Divergence, Fork},
    pool::Pool,
    seeds::Seeds,
    verdict::{Outcome, SpecVerdict, Vacuity},
};

/// How to explore. None of it changes what happens in a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which seeds; none for as many as the spec asks for.
    pub seeds: Option<Seeds>,
    /// The wall-clock limit of one run.
    pub run_timeout: Duration,
    /// When to stop, whatever is left.
    pub deadline: Option<Instant>,
    /// After how many failing runs to stop. At least 1.
    pub max_failures: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { seeds: None, run_timeout: Duration::from_secs(20), deadline: None, max_failures: 10 }
    }
}

impl Options {
    /// The seeds to run for this spec. One that is the plan of a run has that run's.
    pub fn seeds_for(&self, spec: &Spec) -> Seeds {
        if let Some(plan) = &spec.plan {
            return Seeds::only(*plan.seed);
        }
        self.seeds.unwrap_or_else(|| Seeds::first(*spec.explore.seeds))
    }
}

/// What a person who watches is told.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The next run in the order of seeds. `failing` is how many have failed so far, this one included.
    Run {
        /// Its report.
        report: &'a RunReport,
        /// Failing runs so far.
        failing: u64,
    },
    /// Nothing new for a tenth of a second.
    Waiting,
}

/// Explores a spec. `stop` ends it early, as the deadline does.
///
/// # Panics
/// When the spec is not valid for the pool's registry.
pub fn explore(
    pool: &Pool,
    spec: &Spec,
    options: &Options,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(Progress<'_>),
) -> Outcome {
    let seeds = options.seeds_for(spec);
    let mut judge = Judge::new(spec, seeds, options.max_failures.max(1));
    let ended = {
        let ticket = pool.submit(spec, seeds, options.run_timeout, judge.wanted_failures());
        loop {
            if stop.load(Ordering::Relaxed) {
                break Ended::Stopped("interrupted");
            }
            if options.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Ended::Stopped("the time was up");
            }
            match ticket.next() {
                Next::Finished => break Ended::Finished,
                Next::Waiting => watch(Progress::Waiting),
                Next::Run(run) => {
                    let end = judge.take(&run);
                    watch(Progress::Run { report: &run.report, failing: judge.failing() });
                    if end == ControlFlow::Break(()) {
                        break Ended::Decided;
                    }
                }
            }
        }
    };
    let mut outcome = judge.finish(&ended);
    if let SpecVerdict::Nondeterministic(divergence) = &mut outcome.verdict
        && divergence.first.is_none()
        && let Some(found) = investigate(pool, spec, divergence.seed, options.run_timeout)
    {
        divergence.first = found.first;
    }
    outcome
}

/// Whether a run came out as the spec expects of one run: it passed, or it shows the violation that is expected.
pub fn is_expected(spec: &Spec, report: &RunReport) -> bool {
    use crate::run::Verdict;
    match (&report.verdict, &spec.expect) {
        (Verdict::Passed, _) => true,
        (Verdict::Violated(violation), Expect::Violates(expected)) => violation.invariant == expected.value,
        _ => false,
    }
}

/// Runs a seed a few times, with histories, in two processes, until two runs differ: a leak that lasts within a process
/// shows from run to run, one that comes from the process itself shows between the two.
fn investigate(pool: &Pool, spec: &Spec, seed: u64, limit: Duration) -> Option<Divergence> {
    let mut reports = pool.run_apart(spec, &[seed; 3], false, limit, Prints::Keep);
    reports.extend(pool.run_apart(spec, &[seed], false, limit, Prints::Keep));
    let first = reports.first()?;
    let other = reports.iter().find(|other| !same(first, other) && !other.history.is_empty())?;
    Some(Divergence::between(first, other))
}
