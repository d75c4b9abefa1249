//! How well the strategies find the flaws that ship: for each flaw and strategy, how many runs it takes to the first detection, how often it
//! is found at all, how small the run shrinks.
//!
//! A measurement begins at a *base seed*; base seeds lie so far apart that their runs have nothing in common. Everything that is measured
//! is a count of runs, so the same build measures the same on any machine.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    check::label,
    explore::{Options, Pool, Progress, Seeds, explore},
    inquiry::{Inquiry, Unanswered, Unread},
    plan::RunId,
    run::Verdict,
    shrink::{self, Limits},
    spec::{
        Loaded, Spec,
        model::{Expect, Strategy},
    },
    system::Facts,
};

/// How far base seeds lie apart.
const APART: u64 = 1_000_000;
/// How many runs shrinking may take.
const SHRINK_RUNS: u64 = 1000;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub strategies: Vec<Strategy>,
    /// How many base seeds.
    pub bases: u64,
    /// How many runs to look for a flaw from a base seed.
    pub runs: u64,
    pub run_timeout: Duration,
    /// Whether to shrink the first run found.
    pub shrink: bool,
    /// Whether the specs were not made for the flaws.
    pub across: bool,
}

/// A flaw, and how each strategy found it.
#[derive(Clone, Debug)]
pub(crate) struct Measured<'a> {
    pub loaded: &'a Loaded,
    /// The flaw's name.
    pub flaw: String,
    /// The invariant that it violates.
    pub violates: String,
    /// In the order that was asked for.
    pub by: Vec<Found>,
}

/// How one strategy found a flaw.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub strategy: Strategy,
    /// For each base seed, how many runs it took, the one that found it included; none if it was not found.
    pub runs: Vec<Option<u64>>,
    /// What was found from the first base seed, made small.
    pub shrunk: Option<Small>,
}

/// A run that was made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Small {
    pub faults: usize,
    pub operations: usize,
    /// How many runs that took.
    pub runs: u64,
    pub minimal: bool,
}

impl Found {
    /// How many base seeds it was found from.
    pub(crate) fn times(&self) -> usize {
        self.runs.iter().flatten().count()
    }

    /// The median number of runs over all base seeds, where one that did not find it counts as more than any; none if fewer than half did.
    pub(crate) fn median(&self) -> Option<u64> {
        let mut runs: Vec<u64> = self.runs.iter().map(|runs| runs.unwrap_or(u64::MAX)).collect();
        runs.sort_unstable();
        runs.get((runs.len() - 1) / 2).copied().filter(|runs| *runs < u64::MAX)
    }
}

/// The cases among these that expect a flaw to be caught.
pub(crate) fn flaws(specs: &[Loaded]) -> Vec<Loaded> {
    let of_flaw = |loaded: &&Loaded| loaded.spec.variant.is_some() && expected(&loaded.spec).is_some();
    specs.iter().filter(of_flaw).cloned().collect()
}

/// Each flaw under each of these specs that passes and checks what the flaw violates, though it was not made for it. Specs of systems whose
/// flaws cannot be known are added to `unread`.
pub(crate) fn across(inquiry: &Inquiry, specs: &[Loaded], unread: &mut Vec<Unread>) -> Vec<Loaded> {
    let mut with_flaws = Vec::new();
    let mut known: BTreeMap<&str, Result<Facts, Unanswered>> = BTreeMap::new();
    for loaded in specs {
        if loaded.spec.expect != Expect::Pass || loaded.spec.plan.is_some() {
            continue;
        }
        let system = loaded.spec.system.as_str();
        let flaws = match known.entry(system).or_insert_with(|| inquiry.facts(system)) {
            Ok(facts) => &facts.flaws,
            Err(why) => {
                unread.push(Unread { path: loaded.path.clone(), why: why.clone() });
                continue;
            }
        };
        for flaw in flaws {
            if loaded.spec.check.iter().any(|check| label(check) == flaw.violates) {
                let mut loaded = loaded.clone();
                loaded.spec.variant = Some(flaw.name.clone().into());
                loaded.spec.expect = Expect::Violates(flaw.violates.clone().into());
                with_flaws.push(loaded);
            }
        }
    }
    with_flaws
}

fn expected(spec: &Spec) -> Option<&str> {
    match &spec.expect {
        Expect::Violates(invariant) => Some(&invariant.value),
        Expect::Pass => None,
    }
}

/// One thing to measure: which flaw, which strategy, which base seed; by their positions.
type Job = (usize, usize, usize);
/// What came of it: how many runs it took, the run that was found, and what that shrank to.
type Done = (Job, Option<(u64, RunId)>, Option<Small>);

/// Measures, several explorations at a time. `watch` is told of each that is done. None if it was stopped.
pub(crate) fn measure<'a>(
    inquiry: &Inquiry,
    pool: &Pool,
    flaws: &'a [Loaded],
    asked: &Asked,
    at_once: usize,
    stop: &AtomicBool,
    watch: &(dyn Fn() + Sync),
) -> Option<Vec<Measured<'a>>> {
    let bases = asked.bases as usize;
    let all = (0..flaws.len()).flat_map(|flaw| {
        (0..asked.strategies.len()).flat_map(move |by| (0..bases).map(move |base| (flaw, by, base)))
    });
    let jobs: Mutex<VecDeque<Job>> = Mutex::new(all.collect());
    let done: Mutex<Vec<Done>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(job @ (flaw, by, base)) = job.filter(|_| !stop.load(Ordering::Relaxed)) else {
                        return;
                    };
                    let loaded = &flaws[flaw];
                    let found = find(pool, &loaded.spec, asked.strategies[by], base as u64, asked, stop);
                    let small = match &found {
                        Some((_, run)) if asked.shrink && base == 0 => {
                            make_small(inquiry, pool, loaded, run, asked.run_timeout)
                        }
                        _ => None,
                    };
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((job, found, small));
                    watch();
                }
            });
        }
    });
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(job, ..)| *job);
    let mut done = done.into_iter();
    let measured = flaws.iter().map(|loaded| {
        let by = asked.strategies.iter().map(|strategy| {
            let mut of_bases =
                done.by_ref().take(bases).map(|(_, found, small)| (found.map(|(n, _)| n), small));
            let (first, shrunk) = of_bases.next().unwrap_or((None, None));
            let runs = std::iter::once(first).chain(of_bases.map(|(runs, _)| runs)).collect();
            Found { strategy: *strategy, runs, shrunk }
        });
        Measured {
            loaded,
            flaw: loaded.spec.variant.as_ref().map(|variant| variant.value.clone()).unwrap_or_default(),
            violates: expected(&loaded.spec).unwrap_or_default().to_owned(),
            by: by.collect(),
        }
    });
    Some(measured.collect())
}

/// Looks for a run that violates what the spec expects: how many runs it took, and which it was.
fn find(
    pool: &Pool,
    spec: &Spec,
    strategy: Strategy,
    base: u64,
    asked: &Asked,
    stop: &AtomicBool,
) -> Option<(u64, RunId)> {
    let expected = expected(spec)?.to_owned();
    // Other failures on the way are none of its business.
    let spec = Spec { expect: Expect::Pass, ..spec.clone() };
    let first = base * APART;
    let options = Options {
        seeds: Some(Seeds::from(first, asked.runs)),
        strategy: Some(vec![strategy]),
        run_timeout: asked.run_timeout,
        max_failures: u64::MAX,
        recheck: false,
        ..Options::default()
    };
    let enough = AtomicBool::new(false);
    let mut found = None;
    let mut runs = 0;
    explore(pool, &spec, &options, &enough, &mut |progress| {
        let Progress::Run { report, .. } = progress else {
            if stop.load(Ordering::Relaxed) {
                enough.store(true, Ordering::Relaxed);
            }
            return;
        };
        runs += 1;
        if matches!(&report.verdict, Verdict::Violated(violation) if violation.invariant == expected) {
            found.get_or_insert((runs, report.run.clone()));
        }
        if found.is_some() || runs >= asked.runs || stop.load(Ordering::Relaxed) {
            enough.store(true, Ordering::Relaxed);
        }
    });
    found.filter(|(runs, _)| *runs <= asked.runs)
}

fn make_small(
    inquiry: &Inquiry,
    pool: &Pool,
    loaded: &Loaded,
    run: &RunId,
    run_timeout: Duration,
) -> Option<Small> {
    let limits = Limits { runs: SHRINK_RUNS, deadline: None, run_timeout };
    let shrunk = shrink::shrink(inquiry, pool, loaded, run, limits, &mut |_, _| {}).ok()?;
    let (faults, operations) = shrunk.after();
    Some(Small { faults, operations, runs: shrunk.runs, minimal: shrunk.minimal() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(runs: &[Option<u64>]) -> Found {
        Found { strategy: Strategy::Random, runs: runs.to_vec(), shrunk: None }
    }

    #[test]
    fn the_median_counts_what_was_not_found() {
        assert_eq!(found(&[Some(3), Some(1), Some(2)]).median(), Some(2));
        assert_eq!(found(&[Some(3), None, Some(2)]).median(), Some(3));
        assert_eq!(found(&[None, None, Some(2)]).median(), None);
        assert_eq!(found(&[None, Some(5), None, Some(2)]).median(), Some(5), "half of them did");
        assert_eq!(found(&[None, Some(5), None, Some(2)]).times(), 2);
    }
}
