//! A run is a function of its seed, and where it is not, that is found.

use std::collections::BTreeMap;

use crate::subject::{Ended, run, squall};

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
