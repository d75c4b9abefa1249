//! Exploration: one spec, many runs, one verdict.
//!
//! Which runs is up to a strategy. [`explore`] has them done by a [`Pool`] of workers, judges them in the order in which the strategy
//! asked for them, and stops as soon as the verdict stands. What it returns depends on the spec, the seeds and the strategy alone, not
//! on the number of workers, on how runs were dealt out, or on which ran beyond the one that decided.

// Uses: check, history, inquiry, language, open, pool, reproduce, run, run_id, shrink, spec, trace.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

pub use crate::pool::{Pool, Statement};
use crate::{
    plan::RunId,
    pool::{Issue, Next},
    run::{RunReport, Verdict},
    spec::{
        Spec,
        model::{Expect, Strategy},
    },
};

mod divergence;
pub(crate) mod journal;
mod seeds;
pub(crate) mod source;
mod verdict;

pub(crate) use self::verdict::{count, stuck};
use self::{
    divergence::Sought,
    journal::Journal,
    verdict::{Ended, Judge},
};
pub use self::{
    divergence::{Divergence, Fork},
    seeds::Seeds,
    verdict::{Outcome, SpecVerdict, Vacuity},
};

/// How to explore. None of it changes what happens in a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which seeds; none for as many as the spec asks for.
    pub seeds: Option<Seeds>,
    /// What runs to make of them; none for what the spec says.
    pub strategy: Option<Vec<Strategy>>,
    /// The wall-clock limit of one run.
    pub run_timeout: Duration,
    /// When to stop, whatever is left.
    pub deadline: Option<Instant>,
    /// After how many failing runs to stop. At least 1.
    pub max_failures: u64,
    /// Whether failing runs, and a sample of the others, are executed twice, so that what is reported can be trusted.
    pub recheck: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seeds: None,
            strategy: None,
            run_timeout: Duration::from_secs(20),
            deadline: None,
            max_failures: 10,
            recheck: true,
        }
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

    /// The strategies for this spec. One that is the plan of a run has nothing to be varied.
    pub fn strategies_for(&self, spec: &Spec) -> Vec<Strategy> {
        match &self.strategy {
            _ if spec.plan.is_some() => vec![Strategy::Random],
            Some(strategies) => strategies.clone(),
            None => spec.explore.strategy.list(),
        }
    }
}

/// What a person who watches is told.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The next run.
    Run {
        /// Its report.
        report: &'a RunReport,
        /// Failing runs so far, this one included.
        failing: u64,
        /// Abstract states reached so far.
        states: usize,
        /// How many runs there will be, as far as that is known.
        total: u64,
        /// It was done in an earlier session.
        past: bool,
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
    explore_on(pool, spec, options, stop, None, watch)
        .unwrap_or_else(|error| unreachable!("there is no journal: {error}"))
}

/// Explores a spec as [`explore`] does, and keeps a journal of it: what is in it already is judged and not executed.
///
/// # Errors
/// The journal cannot be read or written, or holds runs that are not those of this exploration.
pub(crate) fn explore_on(
    pool: &Pool,
    spec: &Spec,
    options: &Options,
    stop: &AtomicBool,
    mut journal: Option<&mut Journal>,
    watch: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome, journal::Error> {
    let seeds = options.seeds_for(spec);
    let strategies = options.strategies_for(spec);
    let mut judge = Judge::new(spec, &strategies, seeds.count(), options.max_failures.max(1));
    let mut source = source::source(spec, &strategies, seeds);
    let mut decided = false;
    if let Some(journal) = &mut journal {
        while !decided && let Some(run) = journal.past_run()? {
            if source.next() != Issue::Run(run.report.run.clone()) {
                return Err(journal.out_of_order());
            }
            source.learn(&run.report);
            decided = judge.take(&run).is_break();
            watch(Progress::Run {
                report: &run.report,
                failing: judge.failing(),
                states: judge.states(),
                total: source.total(),
                past: true,
            });
        }
        if let Some(sought) = journal.past_end()? {
            let ended = if decided { Ended::Decided } else { Ended::Finished };
            let (total, statements) = (source.total(), source.statements());
            let mut outcome = Outcome { statements, ..judge.finish(&ended, total) };
            if let (SpecVerdict::Nondeterministic(divergence), Some(sought)) = (&mut outcome.verdict, sought)
            {
                divergence.looked_for(sought);
            }
            return Ok(outcome);
        }
    }
    let (ended, total, statements) = if decided {
        (Ended::Decided, source.total(), source.statements())
    } else {
        let wanted = judge.wanted_failures().saturating_sub(judge.failing());
        let ticket =
            pool.submit(spec, source, judge.runs(), options.run_timeout, options.recheck.then_some(wanted));
        let ended = loop {
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
                    // The journal ends before it: whoever goes on with the campaign gives it another chance.
                    journal = journal.filter(|_| !matches!(run.report.verdict, Verdict::Interrupted { .. }));
                    if let Some(journal) = &mut journal {
                        journal.run(&run)?;
                    }
                    let end = judge.take(&run);
                    watch(Progress::Run {
                        report: &run.report,
                        failing: judge.failing(),
                        states: judge.states(),
                        total: ticket.total(),
                        past: false,
                    });
                    if end == ControlFlow::Break(()) {
                        break Ended::Decided;
                    }
                }
            }
        };
        (ended, ticket.total(), ticket.statements())
    };
    let mut outcome = judge.finish(&ended, total);
    outcome.statements = statements;
    let mut sought = None;
    if let SpecVerdict::Nondeterministic(divergence) = &mut outcome.verdict {
        let found = investigate(pool, spec, &divergence.run, options.run_timeout);
        divergence.looked_for(found.clone());
        sought = Some(found);
    }
    if let Some(journal) = journal
        && !matches!(ended, Ended::Stopped(_))
    {
        journal.end(sought)?;
    }
    Ok(outcome)
}

/// Whether a run came out as the spec expects of one run: it passed, or it shows the violation that is expected.
pub fn is_expected(spec: &Spec, report: &RunReport) -> bool {
    match (&report.verdict, &spec.expect) {
        (Verdict::Passed, _) => true,
        (Verdict::Violated(violation), Expect::Violates(expected)) => violation.invariant == expected.value,
        _ => false,
    }
}

/// How often a run that is not one is executed in one process to find where it parts.
const SOUGHT: usize = 8;

/// Executes a run a few times, with histories, in two processes, until two runs differ: a leak that lasts within a process
/// shows from run to run, one that comes from the process itself shows between the two.
fn investigate(pool: &Pool, spec: &Spec, run: &RunId, limit: Duration) -> Sought {
    let mut reports = pool.run_apart(spec, &vec![run.clone(); SOUGHT], limit);
    reports.extend(pool.run_apart(spec, std::slice::from_ref(run), limit));
    let others = |first: &RunReport| reports.iter().filter(|other| !first.is_same(other)).collect::<Vec<_>>();
    let Some(first) = reports.first() else { return Sought::default() };
    let others = others(first);
    let first = others.iter().find_map(|other| Divergence::between(first, other).first);
    Sought { recurred: !others.is_empty(), first }
}
