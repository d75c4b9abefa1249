//! A run is a function of its seed, and where it is not, that is found.

use std::collections::BTreeMap;

use crate::subject::{Ended, run, squall, written};

/// The digest of each run, by its name.
fn run_crash(args: &[&str]) -> BTreeMap<String, String> {
    let args = [&["run", "fixtures/crash.yaml", "--format", "json"], args].concat();
    run(squall(&args)).with(0).digests().into_iter().collect()
}

pub fn the_same_seed_gives_the_same_digest_everywhere() {
    let batch = run_crash(&["--jobs", "1"]);
    assert_eq!(batch.len(), 100);
    let different: std::collections::BTreeSet<_> = batch.values().collect();
    assert_eq!(different.len(), 100, "seeds make different runs");
    assert_eq!(run_crash(&["--jobs", "4"]), batch, "in parallel, in other processes");
    assert_eq!(run_crash(&["--in-process"]), batch, "in one process");
    assert_eq!(run_crash(&["--in-process", "--jobs", "3"]), batch, "in parallel, in one process");
    for seed in [0, 42, 99] {
        let alone = run_crash(&["--seeds", &format!("{seed}..{}", seed + 1)]);
        let name = seed.to_string();
        assert_eq!(alone[&name], batch[&name], "alone");
    }
}

pub fn the_report_does_not_depend_on_the_number_of_workers() {
    let report = |jobs: &str| {
        let args = [
            "run",
            "fixtures/harm/strike.yaml",
            "fixtures/flaw",
            "fixtures/harm/abort.yaml",
            "--format",
            "json",
        ];
        run(squall(&[&args[..], &["--max-failures", "2", "--jobs", jobs]].concat())).with(1).reported()
    };
    let alone = report("1");
    assert_eq!(alone, report("2"));
    assert_eq!(alone, report("7"));
}

/// The first record that differs is the one that the leak is in.
fn names_the_leak(ended: &Ended) {
    assert!(ended.out.contains("NONDETERMINISTIC fixtures/leak/"), "{}", ended.out);
    let forks: Vec<_> = ended
        .out
        .lines()
        .filter(|line| line.contains("one has") && line.contains("gremlin.leaked"))
        .collect();
    assert_eq!(forks.len(), 2, "{}", ended.out);
    assert_ne!(forks[0].rsplit_once("number="), forks[1].rsplit_once("number="));
}

pub fn a_leak_within_a_process_is_70() {
    let ended = run(squall(&["run", "fixtures/leak/count.yaml", "--jobs", "1"])).with(70);
    names_the_leak(&ended);
    run(squall(&["run", "fixtures/leak/count.yaml", "--jobs", "2"])).with(70);
    let json = run(squall(&["run", "fixtures/leak/count.yaml", "--jobs", "1", "--format", "json"])).with(70);
    let spec = &json.of_kind("spec")[0];
    assert_eq!(spec["verdict"], "nondeterministic");
    assert!(spec["first_difference"]["seq"].is_number(), "{spec}");
}

pub fn a_leak_between_processes_is_70() {
    for jobs in ["1", "2"] {
        let ended = run(squall(&["run", "fixtures/leak/pid.yaml", "--jobs", jobs])).with(70);
        names_the_leak(&ended);
        assert!(ended.out.contains("seed 0 is not one run: it passed both times"), "{}", ended.out);
    }
}

/// A spec of the system `leaky`.
fn leaky(params: &str, rest: &str) -> (tempfile::TempDir, String) {
    written(&format!(
        "spec: 1\nsystem: leaky\nparams: {{ {params} }}\nphases: {{ warmup: 50ms, chaos: 100ms, settle: 50ms }}\n\
         workload: {{ ops: 2 }}\n{rest}\n"
    ))
}

const SAW_NOTHING: &str = "check: [{ count: { event: leaky.saw, at_least: 1 } }]";

/// Run 0 differed from all others, at one job nobody noticed, and at more it was up to their number.
pub fn what_outlives_a_run_is_70_with_any_number_of_workers() {
    let jobs: [&[&str]; 4] = [&["--jobs", "1"], &["--jobs", "2"], &["--jobs", "7"], &["--in-process"]];
    for sees in ["first", "map", "directory", "on_disk"] {
        let (_directory, file) =
            leaky(&format!("sees: {sees}"), &format!("{SAW_NOTHING}\nexplore: {{ seeds: 12 }}"));
        for jobs in jobs {
            let ended = run(squall(&[&["run", &file], jobs].concat())).with(70);
            assert!(ended.out.contains("NONDETERMINISTIC"), "{sees}, {jobs:?}: {}", ended.out);
            assert!(ended.out.contains("seed 0 is not one run"), "{sees}, {jobs:?}: {}", ended.out);
        }
        let one = run(squall(&["run", &file, "--seeds", "5..6"])).with(70);
        assert!(one.out.contains("seed 5 is not one run"), "{}", one.out);
    }
}

/// With a check on it, one run failed, or two, or four.
pub fn a_violation_that_depends_on_the_runs_before_is_70() {
    let rest = "check: [{ never: { event: leaky.saw, where: { number: 1 } } }]\nexplore: { seeds: 12 }";
    for sees in ["first", "map", "directory"] {
        let (_directory, file) = leaky(&format!("sees: {sees}"), rest);
        for jobs in ["1", "2", "4", "12"] {
            run(squall(&["run", &file, "--jobs", jobs])).with(70).says("NONDETERMINISTIC");
        }
    }
}

pub fn what_shows_after_some_runs_only_is_70() {
    let (_directory, file) = leaky("sees: seventh", &format!("{SAW_NOTHING}\nexplore: {{ seeds: 12 }}"));
    run(squall(&["run", &file, "--jobs", "1"])).with(70).says("seed 0 is not one run");
    run(squall(&["run", &file, "--jobs", "12"])).with(70).says("NONDETERMINISTIC");
}

/// It was told only if it could be shown once more.
pub fn a_difference_that_does_not_recur_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let marker = directory.path().join("marker");
    let params = format!("sees: file, file: {}", marker.display());
    let (_directory, file) = leaky(&params, SAW_NOTHING);
    let journal = directory.path().join("journal");
    let ended = run(squall(&["run", &file, "--journal", journal.to_str().expect("text")])).with(70);
    let told = ended.out.lines().find(|line| line.starts_with("NONDETERMINISTIC")).expect("a line");
    assert!(told.contains("it passed both times, with digest") && told.contains("did not recur"), "{told}");
    let digests: std::collections::BTreeSet<&str> = told
        .split([' ', ';'])
        .filter(|word| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit()))
        .collect();
    assert_eq!(digests.len(), 2, "{told}");
    let resumed = run(squall(&["run", "--resume", journal.to_str().expect("text")])).with(70);
    assert!(resumed.out.contains(told), "it is not looked for again: {}", resumed.out);
}

pub fn in_process_says_what_it_cannot_see() {
    let ended = run(squall(&["run", "fixtures/calm.yaml", "--in-process"])).with(0);
    assert!(ended.err.contains("no run is executed again in a fresh process"), "{}", ended.err);
}
