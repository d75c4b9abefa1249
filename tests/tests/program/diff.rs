//! Why a run failed, from outside: where two runs part, which faults a failure takes, which moment settled it. And what that rests on: a
//! branch of a run is the run itself up to where it branches off.

use std::{collections::BTreeSet, path::Path, time::Duration};

use serde_json::Value;
use squall::{
    history::{Kind, Record},
    plan::{Part, RunId},
    run::{self, ExecuteOptions, RunReport},
    spec::{self, Spec, model::DurationRange},
};

use crate::subject::{run, squall, systems};

const STRIKE: &str = "fixtures/harm/strike.yaml";
const CRASHED: &str = "fixtures/shrink/crashed_strike.yaml";

fn load(path: &str) -> Spec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    spec::load(&path, &squall_tests::registry()).expect("the fixture is valid").spec
}

fn execute(spec: &Spec, run: &str) -> RunReport {
    let run: RunId = run.parse().expect("a run's name");
    run::execute(
        &squall_tests::registry(),
        spec,
        run,
        ExecuteOptions { keep_history: true, ..ExecuteOptions::default() },
    )
}

/// The part of a history that is before a time.
fn before(report: &RunReport, at: Duration) -> Vec<&Record> {
    report.history.iter().filter(|record| record.at < at).collect()
}

pub fn a_future_is_the_same_run_up_to_its_moment() {
    let mut spec = load(CRASHED);
    // It strikes at a beat, and beats are 100 ms apart: two timers at the same nanosecond, which madsim's heap does not order.
    spec.faults[2].lasts = Some(DurationRange::exactly(Duration::from_millis(97)).into());
    // Before anything is drawn, between two faults, in the middle of one that lasts, while a fault waits for its event.
    for (from, text) in [(150, "150ms"), (230, "230ms"), (305, "305ms"), (450, "450ms")] {
        let at = Duration::from_millis(from);
        for seed in 0..4 {
            let original = execute(&spec, &seed.to_string());
            let past = before(&original, at);
            let mut different = 0;
            for future in 0..6 {
                let report = execute(&spec, &format!("{seed}/{text}/{future}"));
                assert_eq!(before(&report, at), past, "{seed}/{text}/{future}");
                different += u32::from(report.digest != original.digest);
            }
            let over = original.history.last().is_none_or(|last| last.at < at);
            assert!(over || different >= 5, "{seed} from {text}: {different} of 6 futures are others");
        }
    }
}

pub fn a_future_is_as_reproducible_as_any_run() {
    let spec = load(CRASHED);
    let digest = |run: &str| execute(&spec, run).digest;
    let mut digests = BTreeSet::new();
    for future in 0..8 {
        let name = format!("3/250ms/{future}");
        assert_eq!(digest(&name), digest(&name), "{name}");
        digests.insert(digest(&name).to_string());
    }
    assert_eq!(digests.len(), 8, "each future is another");
    let again = || run(squall(&["replay", CRASHED, "--seed", "3/250ms/1", "--digest"])).out;
    let line = again();
    assert_eq!(line, again());
    assert!(line.starts_with(&digest("3/250ms/1").to_string()), "as in this process: {line}");
}

pub fn what_is_left_out_comes_to_its_moment_and_does_nothing() {
    let spec = load(CRASHED);
    let mut tried = 0;
    for seed in 0..6_u64 {
        let original = execute(&spec, &seed.to_string());
        for record in &original.history {
            let part = match &record.kind {
                Kind::FaultStart { fault, .. } => Part::Strike(fault.to_string()),
                Kind::Invoke(operation, _) => Part::Operation(operation.id),
                _ => continue,
            };
            let report = execute(&spec, &format!("{seed}/without:{part}"));
            assert_eq!(before(&report, record.at), before(&original, record.at), "{seed}/without:{part}");
            let is_there = report.history.iter().any(|record| match (&record.kind, &part) {
                (Kind::FaultStart { fault, .. } | Kind::FaultHeal { fault, .. }, Part::Strike(name)) => {
                    fault == name.as_str()
                }
                (Kind::Invoke(operation, _) | Kind::Ok(operation, _), Part::Operation(id)) => {
                    operation.id == *id
                }
                _ => false,
            });
            assert!(!is_there, "{seed}/without:{part} has it");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

/// A fault that has struck heals as it would have; one that has not strikes at another time, and after the moment.
pub fn what_was_to_come_is_drawn_anew() {
    let spec = load("fixtures/crash.yaml");
    let strike = |report: &RunReport| {
        let strikes = report.history.iter().filter(|record| matches!(record.kind, Kind::FaultStart { .. }));
        strikes.map(|record| record.at).collect::<Vec<_>>()
    };
    let original = strike(&execute(&spec, "1"));
    let [at] = original[..] else { panic!("it strikes once: {original:?}") };
    let mut times = BTreeSet::new();
    for future in 0..8 {
        let [anew] = strike(&execute(&spec, &format!("1/300100us/{future}")))[..] else {
            panic!("as often as the spec says")
        };
        assert!(anew > Duration::from_micros(300_100) && anew < Duration::from_millis(601), "{anew:?}");
        times.insert(anew);
        let after = at + Duration::from_micros(10);
        let kept = execute(&spec, &format!("1/{}us/{future}", after.as_micros()));
        assert_eq!(strike(&kept), [at], "it has struck");
        let heals = |report: &RunReport| {
            report
                .history
                .iter()
                .any(|record| matches!(&record.kind, Kind::Node { incarnation: 2, .. }) && record.at > at)
        };
        assert!(heals(&kept), "and its node starts again");
    }
    assert!(times.len() > 6, "{times:?}");
}

/// A fault that waits for an event waits for another one, if it has not struck: one that is still to come. Two strikes that were drawn
/// each for itself came at the same event, which they never do in a run that the spec draws.
pub fn faults_that_wait_for_events_wait_for_later_ones() {
    let text = "
spec: 1
system: gremlin
faults:
  - { id: skew, clock_skew: { node: all, by: 1s }, when: { event: gremlin.beat, nth: 3..12 }, times: 2, for: 21ms }
check: [no_gremlin]
phases: { warmup: 200ms, chaos: 900ms, settle: 200ms }
";
    let spec = spec::parse("waits.yaml", text, &squall_tests::registry()).expect("it is valid").spec;
    // At which beats it strikes.
    let beats = |report: &RunReport| {
        let (mut beats, mut strikes) = (0, Vec::new());
        for record in &report.history {
            match &record.kind {
                Kind::Event { name, .. } if name == "gremlin.beat" => beats += 1,
                Kind::FaultStart { .. } => strikes.push((beats, record.at)),
                _ => {}
            }
        }
        strikes
    };
    let from = Duration::from_millis(350);
    let (mut both, mut neither, mut one) = (0, 0, 0);
    for seed in 0..24 {
        let original = execute(&spec, &seed.to_string());
        let seen = original.history.iter().filter(|r| r.at < from && r.event().is_some()).count();
        let own = beats(&original);
        let struck = own.iter().filter(|(_, at)| *at < from).count();
        assert_eq!((own.len(), own[0].0 + 1), (2, own[1].0), "{own:?}");
        let mut different = BTreeSet::new();
        for future in 0..12 {
            let name = format!("{seed}/350ms/{future}");
            let anew = beats(&execute(&spec, &name));
            assert_eq!(anew.len(), 2, "{name}: {anew:?}");
            assert_eq!(anew[..struck], own[..struck], "{name}: what has struck has struck");
            assert!(anew[struck..].iter().all(|(beat, _)| *beat > seen), "{name}: {anew:?} after {seen}");
            if struck == 0 {
                assert_eq!(anew[0].0 + 1, anew[1].0, "{name}: one beat after the other");
            }
            different.extend(anew[struck..].iter().map(|(beat, _)| *beat));
        }
        match struck {
            0 => neither += 1,
            1 => one += 1,
            _ => both += 1,
        }
        assert!(struck == 2 || different.len() > 3, "{seed}: other beats in other futures: {different:?}");
    }
    assert!(both > 0 && neither > 5 && one > 0, "{both}, {neither}, {one}");
}

/// The first failing run of a fixture.
fn failing(spec: &str) -> String {
    let runs = run(squall(&["run", spec, "--format", "json", "--no-shrink"])).with(1).of_kind("run");
    let first = runs.iter().find(|run| run["verdict"] == "violated").expect("one fails");
    first["seed"].to_string().trim_matches('"').to_owned()
}

pub fn two_runs_part_at_the_first_record_that_differs() {
    let seed = failing(STRIKE);
    let future = format!("{seed}/310ms/1");
    let args = ["diff", STRIKE, &seed, &future];
    let human = run(squall(&args)).with(0);
    insta::assert_snapshot!("diff", crate::verdicts::without_chance(&human.out));
    let json = &run(squall(&[&args[..], &["--format", "json"]].concat())).with(0).of_kind("diff")[0];
    let shared = json["shared"].as_u64().expect("a number") as usize;
    let spec = load(STRIKE);
    let [one, other] = [&seed, &future].map(|run| execute(&spec, run).history);
    assert_eq!(one[..shared].len(), other[..shared].len());
    assert_ne!(one[shared].kind, other[shared].kind, "the next is where they part");
    assert!(shared > 6, "beats until 310 ms are the same");
    let same = run(squall(&["diff", STRIKE, &seed, &seed])).with(0);
    same.says("The histories are the same").says("Their plans are the same");
}

pub fn the_plans_of_two_runs_are_compared() {
    run(squall(&["diff", "fixtures/crash.yaml", "1", "2"]))
        .with(0)
        .says("Their plans differ:")
        .says("fault crash-one: at ")
        .says("operation 0: nap of clients[0] at ");
    run(squall(&["diff", "fixtures/crash.yaml", "1", "1/without:crash-one"]))
        .with(0)
        .says("fault crash-one only in A: at ");
}

/// What was shrunk, against the run it was.
pub fn two_specs_are_compared() {
    let seed = failing(STRIKE);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("small.yaml");
    let file = file.to_str().expect("a plain path");
    run(squall(&["shrink", STRIKE, "--seed", &seed, "--out", file])).with(0);
    run(squall(&["diff", file, STRIKE]))
        .with(0)
        .says(&format!("B  {STRIKE}, seed {seed}: no_gremlin violated"))
        .says("operation 0 only in B: nap of clients[0]");
    assert!(run(squall(&["diff", STRIKE, STRIKE])).with(2).err.contains("which run"));
    run(squall(&["replay", file, "--seed", &seed])).with(1).says("it is the run that was recorded");
}

pub fn without_a_neighbour_diff_is_4() {
    let seed = failing(STRIKE);
    let ended = run(squall(&["diff", STRIKE, &seed])).with(4);
    assert!(ended.err.contains("none passes"), "{}", ended.err);
    let ended = run(squall(&["diff", "fixtures/calm.yaml", "1"])).with(4);
    assert!(ended.err.contains("passed"), "{}", ended.err);
    let ended = run(squall(&["blame", "fixtures/calm.yaml", "--seed", "1"])).with(4);
    assert!(ended.err.contains("nobody to blame"), "{}", ended.err);
}

/// The gremlin throws its dice at the moment at which it strikes.
pub fn a_failure_that_no_fault_has_part_in() {
    let seed = failing(STRIKE);
    let human = run(squall(&["blame", STRIKE, "--seed", &seed])).with(0);
    insta::assert_snapshot!("blame", crate::verdicts::without_chance(&human.out));
    let seed = failing(CRASHED);
    let blamed = blame(squall(&["blame", CRASHED, "--seed", &seed, "--futures", "4", "--format", "json"]));
    assert!(blamed["faults"].as_array().is_some_and(|faults| !faults.is_empty()), "{blamed}");
    for fault in blamed["faults"].as_array().expect("a list") {
        assert_eq!(fault["effect"], "not needed", "{blamed}");
    }
    assert_eq!(blamed["enough"][0]["strikes"], serde_json::json!([]));
    assert_eq!(blamed["needed_together"], Value::Null);
}

fn blame(command: std::process::Command) -> Value {
    run(command).with(0).of_kind("blame").remove(0)
}

/// Flaws that ship, each with the fault that is known to bring it out: that one is blamed, and the run without it passes.
pub fn the_known_culprit_is_blamed() {
    let mut settled = 0;
    for (spec, culprit) in [
        ("../specs/sensors/flaw_acks_before_sync.yaml", "power-loss"),
        ("../specs/sensors/flaw_no_timeout.yaml", "replies-held"),
        ("../specs/saga/flaw_memory_only.yaml", "crash-after-charge"),
        ("../specs/cqrs/flaw_unsynced_log.yaml", "power-loss"),
    ] {
        let explored = run(systems(&["run", spec, "--format", "json", "--no-shrink"])).with(0);
        let seed = explored.of_kind("spec")[0]["caught"]["seed"].to_string();
        let seed = seed.trim_matches('"');
        let blamed = blame(systems(&["blame", spec, "--seed", seed, "--format", "json"]));
        let faults = blamed["faults"].as_array().expect("a list");
        let needed: Vec<&Value> = faults.iter().filter(|fault| fault["effect"] == "needed").collect();
        assert!(!needed.is_empty(), "{spec}: {blamed:#}");
        for fault in needed {
            assert_eq!(fault["fault"], culprit, "{spec}");
            let without = fault["futures_failing_without"].as_u64().unwrap_or(0);
            assert!(without <= 2, "{spec}: {without} of 12 futures fail without {culprit}");
        }
        let turn = &blamed["turn"];
        let (before, after) = (turn["failing_before"].as_u64(), turn["failing_after"].as_u64());
        let whatever = turn.is_null();
        if whatever {
            // The spec has the fault strike in every run, and the flaw shows each time.
            let moments = blamed["moments"].as_array().expect("a list");
            assert!(moments.iter().all(|moment| moment["failing"] == 12), "{spec}: {blamed:#}");
        } else {
            assert!(after > before, "{spec}: {turn:#}");
            settled += 1;
        }

        // The two futures are what they are said to be.
        let ended = |run_of: &Value| {
            let name = run_of.as_str().expect("a run's name");
            let line = run(systems(&["replay", spec, "--seed", name, "--digest"])).with(0).out;
            line.split_once("  ").expect("a digest and a verdict").1.trim().to_owned()
        };
        let what = blamed["what"].as_str().expect("text");
        let way = |text: &str| text.split(" at ").next().map(str::to_owned);
        assert_eq!(way(&ended(&blamed["failing_future"])), way(what), "{spec}");
        if !whatever {
            assert_eq!(ended(&blamed["passing_future"]), "passed", "{spec}");
        }

        // The neighbour shares the run's past up to what it lacks.
        let neighbour = run(systems(&["diff", spec, seed, "--format", "json"])).with(0);
        let neighbour = &neighbour.of_kind("diff")[0];
        assert_eq!(neighbour["other"]["passed"], true, "{spec}");
        assert!(neighbour["shared"].as_u64() > Some(10), "{spec}: {}", neighbour["shared"]);
    }
    assert!(settled > 0, "of some a moment decides");
}
