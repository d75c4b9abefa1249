//! Strategies, from outside: what they issue is the same with any number of workers, each run has a name that shows it again, and
//! what they cover is told.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::subject::{Ended, run, squall, systems};

const TWO_ORDERS: &str = "
spec: 1
system: saga
workload: { clients: 1, ops: 2, mix: { place: 1 } }
phases: { warmup: 1s, chaos: 2s, settle: 10s }
check: [saga_atomicity, idempotent_effects, acked_durable]
explore: { strategy: sweep }
";

fn explore(strategy: &str, jobs: &str) -> Ended {
    let args = [
        "run",
        "fixtures/crash.yaml",
        "--seeds",
        "5..65",
        "--strategy",
        strategy,
        "--jobs",
        jobs,
        "--format",
        "json",
    ];
    run(squall(&args))
}

pub fn what_is_run_does_not_depend_on_the_number_of_workers() {
    for strategy in ["random", "swarm", "guided", "pct", "sweep", "random,guided,swarm"] {
        let alone = explore(strategy, "1").digests();
        assert!(alone.len() >= 30, "{strategy}: {}", alone.len());
        assert_eq!(alone, explore(strategy, "2").digests(), "{strategy}");
        assert_eq!(alone, explore(strategy, "5").digests(), "{strategy}");
    }
}

/// Alone, in a process of its own, each run is what it was among others.
pub fn a_run_s_name_shows_it_again() {
    for strategy in ["swarm", "guided", "pct", "sweep"] {
        let all = explore(strategy, "2").digests();
        let different: BTreeSet<_> = all.iter().map(|(_, digest)| digest).collect();
        assert!(different.len() * 3 > all.len(), "{strategy}: {} of {}", different.len(), all.len());
        for (name, digest) in [&all[1], &all[all.len() / 2], &all[all.len() - 1]] {
            assert!(name.starts_with(&format!("{strategy}:")), "{name}");
            let replayed = run(squall(&["replay", "fixtures/crash.yaml", "--seed", name]));
            assert!(replayed.out.contains(digest.as_str()), "{name}: {}", replayed.out);
        }
    }
}

/// Several strategies take turns, and a seed has the same turn in whatever range it is.
pub fn strategies_take_turns() {
    let names = |seeds: &str| {
        let args =
            ["run", "fixtures/calm.yaml", "--seeds", seeds, "--strategy", "random,swarm", "--format", "json"];
        let ended = run(squall(&args));
        ended.digests().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names("4"), ["0", "swarm:1", "2", "swarm:3"]);
    assert_eq!(names("3..5"), ["swarm:3", "4"]);
}

pub fn the_spec_says_which_strategy_and_the_command_line_another() {
    let spec = "fixtures/strategies/swarm.yaml";
    let of = |args: &[&str]| {
        let args = [&["run", spec, "--format", "json"], args].concat();
        run(squall(&args)).with(0).digests().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert!(of(&[]).iter().all(|name| name.starts_with("swarm:")));
    assert!(of(&["--strategy", "random"]).iter().all(|name| !name.contains(':')));
    let bad = run(squall(&["run", spec, "--strategy", "swam"])).with(2);
    assert!(bad.err.contains("did you mean `swarm`"), "{}", bad.err);
    let bad = run(squall(&["replay", spec, "--seed", "swam:3"])).with(2);
    assert!(bad.err.contains("no strategy `swam`"), "{}", bad.err);
}

/// Swarm leaves out faults and operations; over all runs none is left out.
pub fn swarm_leaves_something_out() {
    let spec = "../specs/saga/services_crash.yaml";
    let plans: Vec<String> = (0..12)
        .map(|seed| run(systems(&["explain", spec, "--seed", &format!("swarm:{seed}")])).with(0).out)
        .collect();
    let faults = |plan: &String| plan.matches("- id:").count();
    let drawn = run(systems(&["explain", spec, "--seed", "0"])).with(0).out;
    assert!(
        plans.iter().any(|plan| faults(plan) == 0) && plans.iter().any(|plan| faults(plan) >= faults(&drawn))
    );
    for operation in ["place", "cancel", "read"] {
        let with = plans.iter().filter(|plan| plan.contains(&format!("  {operation}:"))).count();
        assert!((1..12).contains(&with), "{operation} is in {with} of 12 plans");
    }
}

/// Clean runs that are independent bound the chance of a failure; runs that depend on each other do not.
pub fn clean_runs_bound_the_chance_of_a_failure() {
    let bound = |strategy: &str| {
        let args =
            ["run", "fixtures/calm.yaml", "--seeds", "300", "--strategy", strategy, "--format", "json"];
        run(squall(&args)).with(0).of_kind("spec")[0]["failure_bound"].clone()
    };
    assert_eq!(bound("random"), 0.01);
    assert_eq!(bound("swarm"), 0.01);
    assert_eq!(bound("guided"), Value::Null);
    run(squall(&["run", "fixtures/calm.yaml", "--seeds", "300"])).with(0).says("p<1.0%");
}

/// Single faults are all tried, however few runs were asked for; then pairs, as far as these go.
pub fn a_sweep_says_what_it_covered() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("sweep.yaml");
    std::fs::write(&file, TWO_ORDERS).expect("a file");
    let spec = file.to_str().expect("a plain path");
    let swept = |seeds: &str| {
        let ended = run(systems(&["run", spec, "--seeds", seeds, "--format", "json"])).with(0);
        let spec = ended.of_kind("spec")[0].clone();
        (spec["runs"].as_u64().expect("a number"), spec["covered"]["sweep"].clone())
    };
    let (runs, few) = swept("1");
    let singles = few["single_faults"].as_u64().expect("a number");
    assert!(singles > 100, "{few}");
    assert_eq!(few["single_faults_covered"], singles);
    assert_eq!(
        few["single_faults_in_vain"], 0,
        "the run is the recorded one up to the fault, the first packet included"
    );
    assert_eq!(few["pairs_covered"], 0);
    assert_eq!(runs, singles + 1, "and the run without faults");
    let (runs, more) = swept(&(singles + 21).to_string());
    assert_eq!(
        (more["single_faults_covered"].as_u64(), more["pairs_covered"].as_u64()),
        (Some(singles), Some(20))
    );
    assert_eq!(runs, singles + 21);
    let text = run(systems(&["run", spec])).with(0);
    assert!(
        text.out.contains("single faults: ") && text.out.contains("covered, 0 violations; pairs: 0 of "),
        "{}",
        text.out
    );
}

/// What takes a single fault is found by the sweep from wherever it begins, and what it found can be shrunk and kept.
pub fn a_sweep_finds_what_a_single_fault_breaks() {
    let spec = "../specs/saga/flaw_charges_without_key.yaml";
    for seeds in ["0..1", "1000..1001", "777777..777778"] {
        let ended =
            run(systems(&["run", spec, "--strategy", "sweep", "--seeds", seeds, "--format", "json"])).with(0);
        let caught = ended.of_kind("spec")[0]["caught"]["run"].as_str().expect("it was caught").to_owned();
        assert!(caught.starts_with("sweep:"), "{caught}");
        if seeds == "0..1" {
            let shrunk = run(systems(&["shrink", spec, "--seed", &caught])).with(0);
            assert!(shrunk.out.contains("None of them can be left out"), "{}", shrunk.out);
        }
    }
}

/// The spec's own faults strike alone in the runs of several seeds: in the one it begins with, this flaw takes more.
pub fn a_sweep_tries_the_specs_own_faults_from_several_seeds() {
    let spec = "../specs/elected-writer/flaw_lease_ignored.yaml";
    let alone = "sweep:1000000+strike@fault:elected-without-etcd";
    run(systems(&["replay", spec, "--seed", alone])).with(0).says("strikes: partition").says(": passed");
    let args = ["run", spec, "--strategy", "sweep", "--seeds", "1000000..1000001", "--format", "json"];
    let ended = run(systems(&args)).with(0);
    let caught = ended.of_kind("spec")[0]["caught"]["run"].as_str().expect("it was caught").to_owned();
    assert!(caught.contains("+strike@fault:elected-without-etcd"), "{caught}");
    assert!(!caught.starts_with("sweep:1000000+"), "{caught}");
}

/// What takes two of the spec's own faults does not wait until every point has been tried.
pub fn a_sweep_tries_the_specs_own_faults_two_at_a_time() {
    let spec = "../specs/sensors/flaw_wall_clock_lease.yaml";
    for seeds in ["0..1", "1000000..1000001"] {
        let args = ["run", spec, "--strategy", "sweep", "--seeds", seeds, "--format", "json"];
        let report = run(systems(&args)).with(0).of_kind("spec")[0].clone();
        let caught = report["caught"]["run"].as_str().expect("it was caught").to_owned();
        assert_eq!(caught.matches("+strike@fault:").count(), 2, "{caught}");
        assert!(report["runs"].as_u64() < Some(100), "{report}");
    }
}

/// The measure of the strategies is a count of runs: the same on any machine, and that of the checked-in table.
pub fn bugs_measures_the_same_every_time() {
    let measured = |jobs: &str| {
        let args = [
            "bugs",
            "../specs/cqrs/flaw_double_count.yaml",
            "../specs/saga/flaw_unfenced.yaml",
            "--bases",
            "4",
            "--runs",
            "60",
            "--strategy",
            "random,swarm,guided",
            "--jobs",
            jobs,
            "--format",
            "json",
        ];
        run(systems(&args)).with(0).json()
    };
    let alone = measured("1");
    assert_eq!(alone, measured("3"));
    assert_eq!(alone.len(), 2);
    let random = &alone[0]["strategies"]["random"];
    assert_eq!((&random["of"], random["runs"].as_array().map(Vec::len)), (&Value::from(4), Some(4)));
    assert!(random["shrunk"]["minimal"] == true, "{random}");
    run(systems(&["bugs", "../specs/saga/calm.yaml"])).with(4);
}
