//! Shrinking: a failing run made as small as it can be, and written down as a spec of its own.
//!
//! What is shrunk is a *pinned* spec: its faults are those that the seed drew, each with its numbers fixed, and its `plan:` section
//! holds the operations and the seed. Taking something out leaves all else as it was, because every fault, link and client draws
//! from a stream of its own. A candidate is kept if its run fails *the same way*: the same invariant and class, or a panic at
//! the same place.
//!
//! Faults and operations are taken out with delta debugging (Zeller and Hildebrandt, "Simplifying and
//! Isolating Failure-Inducing Input", 2002) in turns until nothing changes: no single fault and no single operation can then
//! be left out. Operations go by whole kinds and clients first. Targets that are drawn become nodes by name, so that what only steered the
//! draw can go. What is left is a proptest value: the arguments of operations are
//! simplified by the system's strategies, numbers and times by bisection; and clients and nodes are made fewer. All that again until
//! nothing changes any more, or a limit is reached, which is said; a candidate that was tried is not run again. Where many operations are left, few
//! in their place are tried, and all of them closer together (see `instead`). At last each thing that is left is left out once
//! more under a few other schedules and seeds: that a failure needs it may have been a matter of which task ran first, or of how long a packet
//! took. What is reported is run in a fresh process.

// Uses: fault, history, inquiry, language, plan, pool, run, run_id, spec, system, worker.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    inquiry::{Inquiry, Unanswered},
    plan::{PlannedOperation, RunId, Variation},
    pool::{Apart, Pool},
    run::{RunReport, Verdict},
    spec::{Loaded, Spec},
};

mod ddmin;
mod fewer;
mod pin;
mod render;
mod schedule;
mod targets;
mod tidy;
mod timed;
mod values;

pub(crate) use self::ddmin::ddmin;
use self::pin::pinned;
pub(crate) use self::render::{build, file_name, lines, written_out, yaml};

/// How often everything is gone through at most.
const MOST_ROUNDS: usize = 10;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many candidates to run at most.
    pub runs: u64,
    /// Try no more from then on.
    pub deadline: Option<Instant>,
    /// The wall-clock limit of one run.
    pub run_timeout: Duration,
}

/// What makes two failures the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Violation { invariant: String, class: String },
    Panic { location: String },
}

impl Failure {
    /// How a run failed; none if it did not, or in a way that cannot be told from others.
    pub(crate) fn of(verdict: &Verdict) -> Option<Failure> {
        match verdict {
            Verdict::Violated(violation) => Some(Failure::Violation {
                invariant: violation.invariant.clone(),
                class: violation.class.clone(),
            }),
            Verdict::Panicked { location, .. } => Some(Failure::Panic { location: location.clone() }),
            Verdict::Passed
            | Verdict::Hung { .. }
            | Verdict::Died { .. }
            | Verdict::OutOfMemory { .. }
            | Verdict::Interrupted { .. }
            | Verdict::Undecided { .. } => None,
        }
    }
}

/// A failing run that was made small.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shrunk {
    /// The pinned spec of what is left.
    pub spec: Spec,
    /// Its run.
    pub report: RunReport,
    /// Faults and operations before.
    pub before: (usize, usize),
    /// How many candidates were run.
    pub runs: u64,
    /// Where it ended before nothing more could be left out or made simpler.
    pub stopped: Option<Stop>,
    /// What the system's code did when it was asked for something simpler, if that kept something from becoming so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindered: Option<Unanswered>,
}

/// Why shrinking ended before it had tried everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    /// So many candidates were run.
    Runs(u64),
    /// The time was up.
    Time,
    /// No single fault or operation can be left out, but it went through the rest so many times, and something became simpler each time.
    Rounds(usize),
    /// No single fault or operation can be left out, but so many steps of making the rest simpler were not enough.
    Steps(u64),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Runs(runs) => write!(f, "it stopped at its limit of {runs} runs"),
            Stop::Time => f.write_str("it stopped when the time was up"),
            Stop::Rounds(rounds) => {
                write!(f, "it stopped after {rounds} rounds, of which each made something simpler")
            }
            Stop::Steps(steps) => {
                write!(f, "it stopped making the numbers smaller after {steps} steps at a time")
            }
        }
    }
}

impl Shrunk {
    /// Whether every single fault and operation that is left is needed.
    pub fn minimal(&self) -> bool {
        !matches!(self.stopped, Some(Stop::Runs(_) | Stop::Time))
    }

    /// Faults and operations that are left.
    pub fn after(&self) -> (usize, usize) {
        size(&self.spec)
    }

    /// The faults that it takes, without times, numbers and names. Two failures of one kind that take the same faults are most likely one: which
    /// operations show it, and how many, is a matter of the mix.
    pub fn faults(&self) -> Vec<String> {
        let kinds = self.spec.faults.iter().flat_map(|fault| {
            let trigger =
                fault.when.as_ref().map_or(String::new(), |when| format!(" at {}", when.event.value));
            fault.actions().map(move |action| format!("{}{trigger}", action.name())).collect::<Vec<_>>()
        });
        let mut kinds: Vec<String> = kinds.collect();
        kinds.sort();
        kinds
    }

    /// What it takes, without times, numbers and names.
    pub fn form(&self) -> String {
        let operations = self.spec.plan.iter().flat_map(|plan| &plan.operations);
        let mut parts = self.faults();
        let mut names: Vec<_> = operations.map(|operation| operation.name().to_owned()).collect();
        names.sort();
        parts.extend(names);
        let mut counted: Vec<(String, usize)> = Vec::new();
        for part in parts {
            match counted.last_mut().filter(|(last, _)| *last == part) {
                Some((_, count)) => *count += 1,
                None => counted.push((part, 1)),
            }
        }
        let shown = |(part, count): &(String, usize)| {
            if *count > 1 { format!("{count} x {part}") } else { part.clone() }
        };
        if counted.is_empty() {
            return "nothing".to_owned();
        }
        counted.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

fn size(spec: &Spec) -> (usize, usize) {
    (spec.faults.len(), operations(spec).len())
}

/// What clients do in a pinned spec.
fn operations(spec: &Spec) -> &[PlannedOperation] {
    spec.plan.as_ref().map_or(&[], |plan| &plan.operations)
}

fn with_operations(spec: &Spec, operations: Vec<PlannedOperation>) -> Spec {
    let mut spec = spec.clone();
    if let Some(plan) = &mut spec.plan {
        plan.value.operations = operations;
    }
    spec
}

fn operations_mut(spec: &mut Spec) -> &mut [PlannedOperation] {
    spec.plan.as_mut().map_or(&mut [], |plan| &mut plan.value.operations)
}

/// Why a run was not shrunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NotShrunk {
    /// It does not fail in a way that can be told from others.
    NoFailure(String),
    /// It departs from another run at some moment, which a spec cannot say.
    Branch,
    /// Its plan could not be drawn.
    Unanswered(Unanswered),
    /// Its pinned spec does not fail the same way: a bug of ours, or code under test that looks at what a plan does not hold.
    NotReproduced(String),
}

impl std::fmt::Display for NotShrunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotShrunk::NoFailure(what) => write!(f, "there is nothing to shrink. How the run ended: {what}"),
            NotShrunk::Branch => {
                f.write_str("it departs from another run, as blame and diff have it do, which a spec cannot say: shrink that one")
            }
            NotShrunk::Unanswered(why) => why.fmt(f),
            NotShrunk::NotReproduced(what) => {
                write!(f, "the run with its plan written out {what} and not as the run itself did")
            }
        }
    }
}

impl From<Unanswered> for NotShrunk {
    fn from(why: Unanswered) -> Self {
        NotShrunk::Unanswered(why)
    }
}

/// Makes a run as small as it can.
///
/// # Errors
/// See [`NotShrunk`].
pub(crate) fn shrink(
    inquiry: &Inquiry,
    pool: &Pool,
    loaded: &Loaded,
    run: &RunId,
    limits: Limits,
    watch: &mut (dyn FnMut(u64, (usize, usize)) + Send),
) -> Result<Shrunk, NotShrunk> {
    if let Variation::Branched(..) = run.variation {
        return Err(NotShrunk::Branch);
    }
    let plan = inquiry.plan(&loaded.spec, run)?;
    let defaults = inquiry.defaults(&loaded.spec.system)?;
    let original = pool.apart().run(&loaded.spec, run, limits.run_timeout);
    let Some(failure) = Failure::of(&original.verdict) else {
        return Err(NotShrunk::NoFailure(manner(&original.verdict)));
    };
    let mut shrinker = Shrinker {
        inquiry,
        defaults,
        hindered: None,
        apart: pool.apart(),
        limits,
        failure,
        runs: 0,
        tried: BTreeMap::new(),
        exhausted: None,
        watch,
    };
    let mut spec = pinned(&loaded.spec, &plan, run);
    let before = size(&spec);
    let report = shrinker.run(&spec);
    shrinker.tried.insert(fingerprint(&spec), true);
    if Failure::of(&report.verdict).as_ref() != Some(&shrinker.failure) {
        return Err(NotShrunk::NotReproduced(manner(&report.verdict)));
    }
    shrinker.drop_what_is_later(&mut spec, &report);
    shrinker.reduce(&mut spec);
    fewer::larger(&mut shrinker, &mut spec, &plan.operations);
    fewer::denser(&mut shrinker, &mut spec);
    let mut stopped = Some(Stop::Rounds(MOST_ROUNDS));
    for _ in 0..MOST_ROUNDS {
        let before = fingerprint(&spec);
        shrinker.reduce(&mut spec);
        targets::name(&mut shrinker, &mut spec);
        let steps = values::simplify(&mut shrinker, &mut spec, &loaded.spec, run);
        tidy::tidy(&mut shrinker, &mut spec);
        if fingerprint(&spec) == before {
            schedule::retry(&mut shrinker, &mut spec);
        }
        // What became smaller may make something else superfluous.
        if fingerprint(&spec) == before {
            stopped = steps.map(Stop::Steps);
            break;
        }
    }
    shrinker.reduce(&mut spec);
    // What is reported is the run of a fresh process.
    shrinker.runs += 1;
    let report = pool.apart().run(&spec, &own_run(&spec), limits.run_timeout);
    if Failure::of(&report.verdict).as_ref() != Some(&shrinker.failure) {
        return Err(NotShrunk::NotReproduced(manner(&report.verdict)));
    }
    let Shrinker { exhausted, runs, hindered, .. } = shrinker;
    Ok(Shrunk { stopped: exhausted.or(stopped), hindered, runs, spec, report, before })
}

fn by_name(operation: &PlannedOperation) -> String {
    operation.name().to_owned()
}

/// The one run of a pinned spec.
fn own_run(spec: &Spec) -> RunId {
    spec.plan.as_ref().expect("a pinned spec has a plan").run()
}

/// The classes that there are, the rarest first.
fn classes(operations: &[PlannedOperation], class: impl Fn(&PlannedOperation) -> String) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for operation in operations {
        *counts.entry(class(operation)).or_default() += 1;
    }
    let mut classes: Vec<String> = counts.keys().cloned().collect();
    classes.sort_by_key(|class| counts[class]);
    classes
}

/// Equal for specs that make the same run.
fn fingerprint(spec: &Spec) -> u64 {
    xxh3_64(&serde_json::to_vec(spec).expect("a spec is plain data"))
}

fn manner(verdict: &Verdict) -> String {
    verdict.headline()
}

struct Shrinker<'a> {
    inquiry: &'a Inquiry,
    /// The system's default parameters, which are not written down.
    defaults: Value,
    /// See [`Shrunk::hindered`].
    hindered: Option<Unanswered>,
    apart: Apart,
    limits: Limits,
    failure: Failure,
    runs: u64,
    /// Which candidates were run, and whether they failed the same way.
    tried: BTreeMap<u64, bool>,
    /// What ran out before everything was tried.
    exhausted: Option<Stop>,
    watch: &'a mut (dyn FnMut(u64, (usize, usize)) + Send),
}

impl Shrinker<'_> {
    fn run(&mut self, spec: &Spec) -> RunReport {
        self.runs += 1;
        (self.watch)(self.runs, size(spec));
        self.apart.run(spec, &own_run(spec), self.limits.run_timeout)
    }

    /// Whether a candidate fails the same way, and can be written down: a number that became smaller may be one that no spec can have.
    fn fails(&mut self, spec: &Spec) -> bool {
        let fingerprint = fingerprint(spec);
        if let Some(known) = self.tried.get(&fingerprint) {
            return *known;
        }
        if self.runs >= self.limits.runs {
            self.exhausted = Some(Stop::Runs(self.limits.runs));
        } else if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.exhausted = Some(Stop::Time);
        }
        if self.exhausted.is_some() {
            return false;
        }
        let same = Failure::of(&self.run(spec).verdict).as_ref() == Some(&self.failure);
        let fails = same && self.is_valid(spec);
        self.tried.insert(fingerprint, fails);
        fails
    }

    /// Whether it can be read again as it would be written.
    fn is_valid(&mut self, spec: &Spec) -> bool {
        let valid = self.inquiry.is_spec(&render::text(spec, &self.defaults));
        valid.unwrap_or_else(|why| {
            self.hindered.get_or_insert(why);
            false
        })
    }

    /// Takes a candidate if it fails the same way.
    fn accept(&mut self, spec: &mut Spec, candidate: Spec) -> bool {
        let better = self.fails(&candidate);
        if better {
            *spec = candidate;
        }
        better
    }

    /// Operations and faults of after the violation had no part in it.
    fn drop_what_is_later(&mut self, spec: &mut Spec, report: &RunReport) {
        let Verdict::Violated(violation) = &report.verdict else { return };
        let mut candidate = spec.clone();
        candidate.faults.retain(|fault| fault.at.as_ref().is_none_or(|at| at.min <= violation.at));
        if let Some(plan) = &mut candidate.plan {
            plan.value.operations.retain(|operation| operation.at.0 <= violation.at);
        }
        if size(&candidate) != size(spec) {
            self.accept(spec, candidate);
        }
    }

    /// Takes out faults and operations until none can be left out.
    fn reduce(&mut self, spec: &mut Spec) {
        self.take_out(spec);
        timed::reduce(self, spec);
        self.take_out(spec);
    }

    fn take_out(&mut self, spec: &mut Spec) {
        self.take_out_all_of(spec, by_name);
        self.take_out_all_of(spec, |operation| operation.client.to_string());
        loop {
            let before = size(spec);
            let faults = ddmin(spec.faults.clone(), &mut |faults| {
                let candidate = Spec { faults: faults.to_vec(), ..spec.clone() };
                self.fails(&candidate)
            });
            spec.faults = faults;
            let operations = ddmin(operations(spec).to_vec(), &mut |operations| {
                self.fails(&with_operations(spec, operations.to_vec()))
            });
            *spec = with_operations(spec, operations);
            if size(spec) == before || self.exhausted.is_some() {
                return;
            }
        }
    }

    /// Takes out operations of whole classes: many small steps of one class may do what a few large ones of another do.
    fn take_out_all_of(&mut self, spec: &mut Spec, class: impl Fn(&PlannedOperation) -> String) {
        // The rarest alone is tried first.
        let classes = classes(operations(spec), &class);
        if classes.len() < 2 {
            return;
        }
        let of = |classes: &[String]| {
            let all = operations(spec).iter();
            with_operations(
                spec,
                all.filter(|operation| classes.contains(&class(operation))).cloned().collect(),
            )
        };
        let left = ddmin(classes, &mut |classes| self.fails(&of(classes)));
        *spec = of(&left);
    }
}
