use std::time::Duration;

use super::*;
use crate::{
    check::Violation,
    run::{Digest, FaultCount},
};

fn spec(yaml: &str) -> Spec {
    serde_yaml::from_str(&format!("spec: 1\nsystem: s\n{yaml}")).expect("a spec")
}

const PASS: &str = "
faults: [{ id: cut, partition: { isolate: a }, at: 2s }]
check: [inv, { sometimes: [a.b] }]
explore: { seeds: 4 }
";
const VIOLATES: &str = "
check: [inv]
expect: { violates: inv }
explore: { seeds: 4 }
";

fn run(seed: u64, verdict: Verdict) -> Checked {
    let coverage = Coverage {
        faults: [("cut".to_owned(), FaultCount { struck: 1, touched: 5 })].into(),
        exercised: [("inv".to_owned(), 3)].into(),
        sometimes: [("a.b".to_owned(), seed % 2)].into(),
        ops: [1, 0, 0],
        ..Coverage::default()
    };
    let report = RunReport { coverage, digest: Digest(seed), ..RunReport::lost(seed.into(), verdict) };
    Checked { report, again: None }
}

fn violated(invariant: &str) -> Verdict {
    Verdict::Violated(Violation {
        invariant: invariant.to_owned(),
        class: "c".to_owned(),
        expected: String::new(),
        seen: String::new(),
        message: "m".to_owned(),
        at: Duration::from_secs(1),
        evidence: vec![0],
    })
}

/// Judges these runs as a pool would hand them on; what is left after the judge has seen enough does not count.
fn judge(spec: &Spec, runs: impl IntoIterator<Item = Checked>) -> Outcome {
    let runs: Vec<_> = runs.into_iter().collect();
    let in_all = runs.len() as u64;
    let mut judge = Judge::new(spec, &[Strategy::Random], in_all, 2);
    for run in &runs {
        if judge.take(run).is_break() {
            return judge.finish(&Ended::Decided, in_all);
        }
    }
    judge.finish(&Ended::Finished, in_all)
}

fn passing(n: u64) -> Vec<Checked> {
    (0..n).map(|seed| run(seed, Verdict::Passed)).collect()
}

#[test]
fn runs_that_pass_and_bite_pass() {
    let outcome = judge(&spec(PASS), passing(4));
    assert!(matches!(outcome.verdict, SpecVerdict::Passed), "{outcome:?}");
    assert_eq!((outcome.runs, outcome.coverage.ops), (4, [4, 0, 0]));
}

#[test]
fn every_way_to_fail_fails_a_spec_that_should_pass() {
    for verdict in [
        violated("inv"),
        Verdict::Hung { after: Duration::from_secs(1) },
        Verdict::Died { how: "signal 6".to_owned() },
        Verdict::Panicked {
            message: "m".to_owned(),
            location: "l".to_owned(),
            node: "n".to_owned(),
            at: Duration::ZERO,
        },
    ] {
        let mut runs = passing(4);
        runs[2] = run(2, verdict);
        let outcome = judge(&spec(PASS), runs);
        assert!(matches!(outcome.verdict, SpecVerdict::Failed(_)), "{outcome:?}");
        assert_eq!(outcome.failures.iter().map(|run| run.run.seed).collect::<Vec<_>>(), [2]);
        assert_eq!(outcome.runs, 4, "the others still run");
    }
}

#[test]
fn enough_failures_are_enough_and_it_says_so() {
    let outcome = judge(&spec(PASS), (0..9).map(|seed| run(seed, violated("inv"))));
    assert_eq!((outcome.runs, outcome.failures.len()), (2, 2));
    assert!(outcome.notes[0].contains("stopped after 2 failing runs"), "{:?}", outcome.notes);
}

#[test]
fn an_undecided_run_is_not_a_passed_one() {
    let mut runs = passing(4);
    runs[1] = run(1, Verdict::Undecided { reason: "stray task".to_owned() });
    let outcome = judge(&spec(PASS), runs);
    assert!(
        matches!(&outcome.verdict, SpecVerdict::Undecided(why) if why.contains("stray task")),
        "{outcome:?}"
    );
}

#[test]
fn what_did_nothing_in_any_run_makes_a_spec_vacuous() {
    let empty = |seed| {
        let mut run = run(seed, Verdict::Passed);
        run.report.coverage.faults.insert("cut".to_owned(), FaultCount { struck: 1, touched: 0 });
        let idle = Idle { planned: 1, struck: [("partition of a".to_owned(), 1)].into(), ..Idle::default() };
        run.report.coverage.idle.insert("cut".to_owned(), idle);
        run.report.coverage.exercised.insert("inv".to_owned(), 0);
        run.report.coverage.sometimes.insert("a.b".to_owned(), 0);
        run
    };
    let outcome = judge(&spec(PASS), (0..4).map(empty));
    let SpecVerdict::Vacuous(found) = &outcome.verdict else { panic!("{outcome:?}") };
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "fault cut struck 4 times and touched nothing: partition of a (4 times); there were no packets that are sent there while it lasts (faults[0])",
            "inv never had anything to judge (check[0])",
            "a.b was never seen (check[1].sometimes[0])",
        ]
    );
    // Fewer runs need not bite in every part, but something has to be judged in them.
    let fewer = judge(&spec(PASS), (0..3).map(empty));
    let SpecVerdict::Vacuous(found) = &fewer.verdict else { panic!("{fewer:?}") };
    assert_eq!(found[0].to_string(), "inv never had anything to judge (check[0])");
    let judged = |seed| {
        let mut run = empty(seed);
        run.report.coverage.exercised.insert("inv".to_owned(), seed);
        run
    };
    let fewer = judge(&spec(PASS), (0..3).map(judged));
    assert!(matches!(fewer.verdict, SpecVerdict::Passed), "{fewer:?}");
    assert!(fewer.notes[0].contains("not judged as vacuous"), "{:?}", fewer.notes);
}

/// A split of whoever holds a role and the rest touches something though nobody holds it.
#[test]
fn a_role_that_nobody_ever_takes_makes_a_spec_vacuous() {
    let text = PASS.replace("isolate: a", "split: [one(role(leeder)), rest]");
    let text = text
        .replace("at: 2s }", "at: 2s }, { id: slow, delay: { link: role(leader) -> a, by: 1s }, at: 2s }");
    let spec = spec(&text);
    let taking = |role: &str| {
        let mut runs: Vec<_> = (1..5).map(|seed| run(seed, Verdict::Passed)).collect();
        for run in &mut runs {
            let coverage = &mut run.report.coverage;
            coverage.faults.insert("slow".to_owned(), FaultCount { struck: 1, touched: 5 });
            coverage.roles.insert(role.to_owned());
        }
        judge(&spec, runs)
    };
    let outcome = taking("leader");
    let SpecVerdict::Vacuous(found) = &outcome.verdict else { panic!("{outcome:?}") };
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["no node ever took the role leeder (roles taken: leader) (faults[0])"]);
}

#[test]
fn without_a_run_nothing_passes() {
    for spec in [PASS, VIOLATES, "check: []"].map(spec) {
        let outcome = judge(&spec, []);
        assert!(
            matches!(&outcome.verdict, SpecVerdict::Undecided(why) if why.contains("no run was judged")),
            "{outcome:?}"
        );
    }
}

#[test]
fn an_expected_violation_ends_it_at_the_first() {
    let mut runs = passing(4);
    runs[1] = run(1, violated("inv"));
    runs[2] = run(2, violated("other"));
    let outcome = judge(&spec(VIOLATES), runs);
    assert!(matches!(outcome.verdict, SpecVerdict::Passed), "{outcome:?}");
    assert_eq!((outcome.runs, outcome.caught.map(|run| run.run.seed)), (2, Some(1)));
}

#[test]
fn another_failure_than_the_expected_one_fails_at_once() {
    let mut runs = passing(4);
    runs[0] = run(0, violated("other"));
    runs[1] = run(1, violated("inv"));
    let outcome = judge(&spec(VIOLATES), runs);
    assert!(matches!(&outcome.verdict, SpecVerdict::Failed(why) if why.contains("other")), "{outcome:?}");
    assert_eq!(outcome.runs, 1);
}

#[test]
fn a_flaw_that_is_not_caught_fails_and_one_that_was_hardly_looked_for_is_undecided() {
    let outcome = judge(&spec(VIOLATES), passing(4));
    assert!(matches!(&outcome.verdict, SpecVerdict::Failed(why) if why.contains("4 runs")), "{outcome:?}");
    let outcome = judge(&spec(VIOLATES), passing(1));
    assert!(matches!(&outcome.verdict, SpecVerdict::Undecided(why) if why.contains("1 run,")), "{outcome:?}");
}

#[test]
fn a_second_execution_that_differs_overrules_everything() {
    let mut runs = passing(4);
    runs[3] = run(3, violated("inv"));
    let mut again = runs[0].report.clone();
    again.digest = Digest(99);
    runs[0].again = Some(again);
    let outcome = judge(&spec(PASS), runs);
    assert!(
        matches!(&outcome.verdict, SpecVerdict::Nondeterministic(divergence) if divergence.run.seed == 0),
        "{outcome:?}"
    );
}

#[test]
fn time_that_is_up_decides_nothing() {
    let spec = spec(PASS);
    let mut judge = Judge::new(&spec, &[Strategy::Random], 4, 2);
    assert!(judge.take(&run(0, Verdict::Passed)).is_continue());
    let outcome = judge.finish(&Ended::Stopped("the time was up"), 4);
    assert!(matches!(&outcome.verdict, SpecVerdict::Undecided(why) if why.contains("1 of 4")), "{outcome:?}");
}

/// A sweep may have fewer runs than the spec asks for: it is complete then, and its verdict stands.
#[test]
fn a_strategy_that_has_no_more_runs_is_done() {
    let finish = |wanted: u64, yaml: &str| {
        let spec = spec(yaml);
        let mut judge = Judge::new(&spec, &[Strategy::Sweep], wanted, 2);
        assert!(passing(3).iter().all(|run| judge.take(run).is_continue()));
        judge.finish(&Ended::Finished, 3).verdict
    };
    assert!(matches!(finish(4, VIOLATES), SpecVerdict::Failed(why) if why.contains("not caught")));
    assert!(matches!(finish(3, VIOLATES), SpecVerdict::Undecided(_)), "fewer runs were wanted");
    let never_seen = "check: [inv, { sometimes: [c.d] }]\nexplore: { seeds: 4 }";
    assert!(matches!(finish(4, never_seen), SpecVerdict::Vacuous(_)));
}
