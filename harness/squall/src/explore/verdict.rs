//! From the runs of a spec to its verdict. Runs come in the order in which their strategy asked for them, each already executed a second
//! time where it had to be, so the verdict is a function of the spec, its seeds and the strategy alone.

use std::{collections::BTreeSet, fmt, ops::ControlFlow};

use crate::{
    check::{label, pattern::Pattern},
    explore::{Statement, divergence::Divergence},
    plan::{RunId, Variation},
    pool::Checked,
    run::{Coverage, Idle, RunReport, Verdict},
    shrink,
    spec::{
        Span, Spec,
        model::{Check, Expect, Fault, Strategy},
    },
    trace,
};

/// What became of a spec.
#[derive(Clone, Debug)]
pub enum SpecVerdict {
    /// As expected.
    Passed,
    /// Not as expected: runs failed that should have passed, or failed otherwise than they should, or did not fail at all.
    Failed(String),
    /// Every run passed, and yet they prove nothing.
    Vacuous(Vec<Vacuity>),
    /// It cannot be said.
    Undecided(String),
    /// A run was not the same when it was executed again, so nothing can be said of any.
    Nondeterministic(Box<Divergence>),
}

/// Something in a spec that did nothing in any run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacuity {
    /// Which entry, as `faults[2]`.
    pub path: String,
    /// Where it is written.
    pub span: Span,
    /// What it did not do.
    pub what: String,
}

impl fmt::Display for Vacuity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.path)
    }
}

/// What came out of a spec.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The verdict.
    pub verdict: SpecVerdict,
    /// How many runs were made, those among them that could not be judged.
    pub runs: u64,
    /// How many of them were drawn independently of each other and passed; what bounds the chance of a failure.
    pub independent: u64,
    /// What the runs reached, in all.
    pub coverage: Coverage,
    /// The runs that failed though they should not have, in order; each was confirmed in a fresh process.
    pub failures: Vec<RunReport>,
    /// For a spec that expects a violation: the first run that shows it, confirmed in a fresh process.
    pub caught: Option<RunReport>,
    /// What the strategies say of what they covered.
    pub statements: Vec<Statement>,
    /// What else a person should know.
    pub notes: Vec<String>,
}

impl Outcome {
    /// A bound on the chance that a run of this spec fails, at 95 % confidence: 3 / n after n independent runs of which none failed (the "rule of
    /// three"; Hanley and Lippman-Hand, JAMA 1983). None if one failed, or none was independent.
    pub fn bound(&self) -> Option<f64> {
        let clean = self.failures.is_empty() && self.caught.is_none() && self.independent > 0;
        clean.then(|| (3.0 / self.independent as f64).min(1.0))
    }
}

/// Why no more runs came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// They were all done.
    Finished,
    /// The judge had seen enough.
    Decided,
    /// Something else was up.
    Stopped(&'static str),
}

/// Judges runs as they come.
pub(super) struct Judge<'a> {
    spec: &'a Spec,
    /// Whether any strategy has the spec's own faults strike together, as it says.
    draws_faults: bool,
    /// How many runs were wanted. A strategy that has fewer has made all that it can.
    wanted: u64,
    max_failures: u64,
    outcome: Outcome,
    undecided: Option<(RunId, String)>,
    divergence: Option<Box<Divergence>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(spec: &'a Spec, strategies: &[Strategy], wanted: u64, max_failures: u64) -> Self {
        let outcome = Outcome {
            verdict: SpecVerdict::Passed,
            runs: 0,
            independent: 0,
            coverage: Coverage::default(),
            failures: Vec::new(),
            caught: None,
            statements: Vec::new(),
            notes: Vec::new(),
        };
        let draws_faults = strategies.iter().any(|strategy| *strategy != Strategy::Sweep);
        Judge { spec, draws_faults, wanted, max_failures, outcome, undecided: None, divergence: None }
    }

    /// How many failing runs are worth confirming ahead of their turn.
    pub(super) fn wanted_failures(&self) -> u64 {
        match self.spec.expect {
            Expect::Pass => self.max_failures,
            Expect::Violates(_) => 1,
        }
    }

    /// How many runs it took so far.
    pub(super) fn runs(&self) -> u64 {
        self.outcome.runs
    }

    /// How many runs failed so far, expected or not.
    pub(super) fn failing(&self) -> u64 {
        self.outcome.failures.len() as u64 + u64::from(self.outcome.caught.is_some())
    }

    /// How many abstract states were reached so far.
    pub(super) fn states(&self) -> usize {
        self.outcome.coverage.states.len()
    }

    /// Takes the next run; breaks when no more are needed.
    pub(super) fn take(&mut self, run: &Checked) -> ControlFlow<()> {
        self.outcome.runs += 1;
        self.compare_with_record(&run.report);
        add(&mut self.outcome.coverage, &run.report.coverage);
        if let Some(again) = &run.again
            && !run.report.is_same(again)
        {
            self.divergence = Some(Box::new(Divergence::between(&run.report, again)));
            return ControlFlow::Break(());
        }
        let report = &run.report;
        match (&report.verdict, &self.spec.expect) {
            (Verdict::Passed, _) => {
                let independent = matches!(report.run.variation, Variation::None | Variation::Swarm);
                self.outcome.independent += u64::from(independent);
                ControlFlow::Continue(())
            }
            (Verdict::Undecided { reason } | Verdict::Interrupted { why: reason }, _) => {
                self.undecided.get_or_insert((report.run.clone(), reason.clone()));
                ControlFlow::Continue(())
            }
            (Verdict::Violated(violation), Expect::Violates(expected))
                if violation.invariant == expected.value =>
            {
                self.outcome.caught = Some(report.clone());
                ControlFlow::Break(())
            }
            (_, Expect::Violates(_)) => {
                self.outcome.failures.push(report.clone());
                ControlFlow::Break(())
            }
            (_, Expect::Pass) => {
                self.outcome.failures.push(report.clone());
                if self.failing() >= self.max_failures {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
        }
    }

    /// For the plan of a run: says if the run is another than the one that was recorded.
    fn compare_with_record(&mut self, report: &RunReport) {
        let Some((recorded, build)) =
            self.spec.plan.as_ref().and_then(|plan| Some((plan.digest.as_ref()?, &plan.build)))
        else {
            return;
        };
        let digest = report.digest.to_string();
        if *recorded != digest {
            let same = build.as_deref() == Some(shrink::build());
            let why = if same { "though the build is the same" } else { "as another build made it" };
            self.outcome.notes.push(format!(
                "this is not the run that was recorded, {why}: digest {digest}, then {recorded}"
            ));
        }
    }

    /// The verdict, of `in_all` runs that there would have been.
    pub(super) fn finish(mut self, ended: &Ended, in_all: u64) -> Outcome {
        self.outcome.verdict = self.verdict(ended, in_all);
        let stuck = stuck(&self.outcome.coverage, self.outcome.runs);
        self.outcome.notes.extend(stuck);
        self.outcome
    }

    fn verdict(&mut self, ended: &Ended, in_all: u64) -> SpecVerdict {
        if let Some(divergence) = self.divergence.take() {
            return SpecVerdict::Nondeterministic(divergence);
        }
        let runs = self.outcome.runs;
        // Whatever the way here, nothing is said of a spec of which nothing was judged.
        if runs == 0 {
            let why = match ended {
                Ended::Stopped(why) => why,
                Ended::Finished | Ended::Decided => "its seeds and strategies come to no run",
            };
            return SpecVerdict::Undecided(format!("no run was judged: {why}"));
        }
        let exhausted = *ended == Ended::Finished && in_all < self.wanted;
        let asked = match &self.spec.plan {
            Some(_) => 1,
            None if exhausted => runs,
            None => self.spec.explore.seeds.value,
        };
        let failures = &self.outcome.failures;
        match &self.spec.expect {
            Expect::Violates(expected) => {
                let invariant = &expected.value;
                if self.outcome.caught.is_some() {
                    SpecVerdict::Passed
                } else if let Some(failure) = failures.first() {
                    SpecVerdict::Failed(format!(
                        "expected a violation of {invariant}, and seed {} {}",
                        failure.run,
                        manner(&failure.verdict)
                    ))
                } else if let Ended::Stopped(why) = ended {
                    SpecVerdict::Undecided(format!(
                        "{why}; {invariant} was not violated in {runs} of {in_all} runs"
                    ))
                } else if let Some((seed, reason)) = &self.undecided {
                    SpecVerdict::Undecided(format!("seed {seed} could not be judged: {reason}"))
                } else if runs < asked {
                    SpecVerdict::Undecided(format!(
                        "{invariant} was not violated in {}, and the spec asks for {asked}",
                        count(runs, "run")
                    ))
                } else {
                    SpecVerdict::Failed(format!(
                        "not caught: {invariant} was not violated in {}",
                        count(runs, "run")
                    ))
                }
            }
            Expect::Pass => {
                if !failures.is_empty() {
                    if *ended == Ended::Decided && runs < in_all {
                        let note = format!(
                            "stopped after {} with {} of {in_all} runs done; --max-failures changes that",
                            count(failures.len() as u64, "failing run"),
                            runs
                        );
                        self.outcome.notes.push(note);
                    }
                    SpecVerdict::Failed(format!("{} of {} failed", failures.len(), count(runs, "run")))
                } else if let Some((seed, reason)) = &self.undecided {
                    SpecVerdict::Undecided(format!("seed {seed} could not be judged: {reason}"))
                } else if let Ended::Stopped(why) = ended {
                    SpecVerdict::Undecided(format!(
                        "{why} after {runs} of {in_all} runs; none of them failed"
                    ))
                } else {
                    let IdleChecks { found: checks, nothing_judged } =
                        idle_checks(self.spec, &self.outcome.coverage);
                    // One run that once failed need not bite in every part, nor need a few of many.
                    if nothing_judged && (self.spec.plan.is_some() || runs < asked) {
                        return SpecVerdict::Vacuous(checks);
                    }
                    let found = if self.spec.plan.is_some() {
                        Vec::new()
                    } else {
                        let faults = idle_faults(self.spec, &self.outcome.coverage);
                        let roles = roles_nobody_took(self.spec, &self.outcome.coverage);
                        faults.chain(roles).filter(|_| self.draws_faults).chain(checks).collect()
                    };
                    match found {
                        none if none.is_empty() => SpecVerdict::Passed,
                        found if runs >= asked => SpecVerdict::Vacuous(found),
                        found => {
                            self.outcome.notes.push(format!(
                                "not judged as vacuous, as only {runs} of the {asked} seeds of the spec were run: {}",
                                found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                            ));
                            SpecVerdict::Passed
                        }
                    }
                }
            }
        }
    }
}

/// How a run ended, to follow its name in a sentence.
fn manner(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Violated(violation) => format!("violated {}", violation.invariant),
        Verdict::Panicked { location, .. } => format!("panicked at {location}"),
        Verdict::Hung { after } => format!("did not end within {after:?}"),
        Verdict::OutOfMemory { .. } => "ran out of memory".to_owned(),
        Verdict::Died { how } => format!("died of {}", how.lines().next().unwrap_or_default()),
        Verdict::Undecided { .. } => "could not be judged".to_owned(),
        Verdict::Interrupted { .. } => "could not be done".to_owned(),
    }
}

pub(crate) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// What is to be said of tasks that can never go on, if there are such.
pub(crate) fn stuck(coverage: &Coverage, runs: u64) -> Option<String> {
    let tasks: Vec<_> =
        coverage.stuck.iter().map(|(whose, tasks)| format!("{} of {whose}", count(*tasks, "task"))).collect();
    (!tasks.is_empty()).then(|| {
        format!(
            "at the end of {}, these waited for what can never wake them, as nothing is left that could: {}",
            count(runs, "run"),
            tasks.join("; ")
        )
    })
}

fn add(sum: &mut Coverage, run: &Coverage) {
    for (whose, tasks) in &run.stuck {
        *sum.stuck.entry(whose.clone()).or_default() += tasks;
    }
    for (fault, count) in &run.faults {
        let sum = sum.faults.entry(fault.clone()).or_default();
        sum.struck += count.struck;
        sum.touched += count.touched;
    }
    for (fault, idle) in &run.idle {
        sum.idle.entry(fault.clone()).or_default().add(idle);
    }
    // Of one that touched something once, nobody asks why not.
    let faults = &sum.faults;
    sum.idle.retain(|fault, _| faults.get(fault).is_none_or(|count| count.touched == 0));
    for (check, n) in &run.exercised {
        let sum = sum.exercised.entry(check.clone()).or_default();
        // What an invariant of the system says of itself may be any number.
        *sum = sum.saturating_add(*n);
    }
    for (pattern, n) in &run.sometimes {
        *sum.sometimes.entry(pattern.clone()).or_default() += n;
    }
    for (sum, n) in sum.ops.iter_mut().zip(run.ops) {
        *sum += n;
    }
    sum.roles.extend(run.roles.iter().cloned());
    sum.states.extend(&run.states);
}

/// The faults that did nothing in any run, in the order of the spec.
fn idle_faults(spec: &Spec, coverage: &Coverage) -> impl Iterator<Item = Vacuity> {
    spec.faults.iter().enumerate().filter_map(|(i, fault)| {
        let id = &fault.id.value;
        let count = coverage.faults.get(id).copied().unwrap_or_default();
        let idle = coverage.idle.get(id).cloned().unwrap_or_default();
        let what = match (count.struck, count.touched) {
            (0, _) => format!("fault {id} never struck: {}", why_not_struck(fault, &idle)),
            (n, 0) => {
                format!("fault {id} struck {} and touched nothing: {}", times(n), why_untouched(fault, &idle))
            }
            _ => return None,
        };
        Some(Vacuity { path: format!("faults[{i}]"), span: fault.id.span, what })
    })
}

/// Roles that faults name, and that no node took in any run. Such a fault may have touched something by its other targets.
fn roles_nobody_took(spec: &Spec, coverage: &Coverage) -> impl Iterator<Item = Vacuity> {
    spec.faults.iter().enumerate().flat_map(|(i, fault)| {
        let taken: Vec<_> = coverage.roles.iter().map(String::as_str).collect();
        let taken = if taken.is_empty() { "none".to_owned() } else { taken.join(", ") };
        let unknown: Vec<_> = fault.roles().difference(&coverage.roles).cloned().collect();
        let vacuity = move |role: String| Vacuity {
            path: format!("faults[{i}]"),
            span: fault.id.span,
            what: format!("no node ever took the role {role} (roles taken: {taken})"),
        };
        unknown.into_iter().map(vacuity)
    })
}

fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

/// Why a fault never struck, in words.
fn why_not_struck(fault: &Fault, idle: &Idle) -> String {
    let Some(trigger) = &fault.when else {
        return match idle.planned {
            0 => "no strike of it was drawn in any run (`every`, `between`, `probability`)".to_owned(),
            _ => "its time came when settle had begun".to_owned(),
        };
    };
    let event = &trigger.event.value;
    let meant = Pattern::of(event, trigger.fields.iter().map(|(name, value)| (&name.value, value)));
    let nth = trigger.nth.map_or(1, |nth| nth.min);
    if idle.planned == 0 {
        return "no strike of it was drawn in any run (`probability`)".to_owned();
    }
    // Histories do not hold what the world reports.
    if trace::world_event(event).is_some() {
        return format!("its event {meant} never came for the {} time", ordinal(nth));
    }
    match (idle.most_meant, idle.named) {
        (0, 0) => format!("its event {meant} never came"),
        (0, n) => {
            let value = |(field, values): (&String, &BTreeSet<String>)| {
                format!("{field}: {}", values.iter().cloned().collect::<Vec<_>>().join(", "))
            };
            let values: Vec<_> = idle.values.iter().map(value).collect();
            let with = match values.is_empty() {
                true => "without that field".to_owned(),
                false => format!("with {}", values.join("; ")),
            };
            format!("its event {meant} never came; {event} came {}, {with}", times(n))
        }
        (most, _) if most < nth => {
            format!(
                "its event {meant} came {} in a run at most, and it waits for the {}",
                times(most),
                ordinal(nth)
            )
        }
        _ => format!("its event {meant} came, and settle had begun before it could strike"),
    }
}

/// `3rd`.
fn ordinal(n: u64) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}

/// Why a fault that struck touched nothing, in words: what it did to whom, and what would have counted.
fn why_untouched(fault: &Fault, idle: &Idle) -> String {
    let did: Vec<String> = idle
        .struck
        .iter()
        .map(|(what, n)| if *n == 1 { what.clone() } else { format!("{what} ({})", times(*n)) })
        .collect();
    let touches = fault.actions().next().map_or("", |action| action.touches());
    format!("{}; there were no {touches}", did.join("; "))
}

/// The checks that judged nothing in any run.
struct IdleChecks {
    /// In the order of the spec.
    found: Vec<Vacuity>,
    /// No run could have failed by any check, so that it is of no account how many there were.
    nothing_judged: bool,
}

fn idle_checks(spec: &Spec, coverage: &Coverage) -> IdleChecks {
    let mut found = Vec::new();
    let mut judged = false;
    if spec.check.iter().all(|check| matches!(check.value, Check::Sometimes(_))) {
        let what = match spec.check.is_empty() {
            true => {
                "no run can fail: nothing is checked. `check:` names invariants; `squall describe` lists those of a system"
            }
            false => "no run can fail: nothing is checked but what is seen sometimes",
        };
        found.push(Vacuity { path: "check".to_owned(), span: spec.spec.span, what: what.to_owned() });
    }
    for (i, check) in spec.check.iter().enumerate() {
        let path = format!("check[{i}]");
        match &check.value {
            Check::Sometimes(patterns) => {
                for (j, pattern) in patterns.iter().enumerate() {
                    let label = Pattern::new(pattern).to_string();
                    if coverage.sometimes.get(&label).is_none_or(|n| *n == 0) {
                        let path = format!("{path}.sometimes[{j}]");
                        let what = format!("{label} was never seen");
                        found.push(Vacuity { path, span: pattern.event.span, what });
                    }
                }
            }
            other => {
                let label = label(other);
                let what = if !can_fail(other) {
                    format!("{label} holds whatever happens: no number of events breaks it")
                } else if coverage.exercised.get(&label).is_none_or(|n| *n == 0) {
                    format!("{label} never had anything to judge")
                } else {
                    judged = true;
                    continue;
                };
                found.push(Vacuity { path, span: check.span, what });
            }
        }
    }
    IdleChecks { found, nothing_judged: !judged }
}

/// Whether there is a history that a check does not hold for.
fn can_fail(check: &Check) -> bool {
    match check {
        // For each value of a field that comes at all, one is there.
        Check::Count(count) => {
            let least = if count.per.is_some() { 2 } else { 1 };
            count.at_most.is_some() || count.at_least.is_some_and(|n| n >= least)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
