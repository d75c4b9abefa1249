//! Shrinking, from outside: what is written down fails again, the same way, and nothing in it can be left out.

use std::{fs, path::Path};

use libtest_mimic::Trial;

use crate::subject::{run, squall, systems};

const STRIKE: &str = "fixtures/harm/strike.yaml";

/// The value of a line `key: value` of YAML.
fn entry<'a>(yaml: &'a str, key: &str) -> &'a str {
    let line = yaml.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    // A digest of decimal digits alone is quoted.
    line.unwrap_or_else(|| panic!("no {key}: {yaml}")).trim_matches('\'')
}

/// A directory, and the path of a file in it.
fn file() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("small.yaml").to_str().expect("a plain path").to_owned();
    (directory, file)
}

/// Writing a plan out changes nothing: the run has the digest that it had.
pub fn a_plan_written_out_makes_the_same_run() {
    for spec in [STRIKE, "fixtures/shrink/crashed_strike.yaml"] {
        let runs = run(squall(&["run", spec, "--format", "json", "--no-shrink"])).with(1).of_kind("run");
        let failing = runs.iter().filter(|run| run["verdict"] == "violated").take(3).collect::<Vec<_>>();
        assert!(!failing.is_empty());
        for original in failing {
            // Without a budget nothing is left out.
            let seed = original["seed"].to_string();
            let pinned = run(squall(&["shrink", spec, "--seed", &seed, "--max-runs", "0"])).with(0);
            assert!(pinned.err.contains("it stopped at its limit of 0 runs"), "{}", pinned.err);
            assert!(pinned.out.contains("it stopped at its limit of 0 runs"), "{}", pinned.out);
            assert_eq!(original["digest"], entry(&pinned.out, "digest"), "{}", pinned.out);
        }
    }
}

pub fn what_is_left_is_a_spec_that_fails_the_same_way() {
    let (_directory, file) = file();
    let shrunk = run(squall(&["shrink", STRIKE, "--out", &file])).with(0);
    assert!(shrunk.err.contains("0 of 0 strikes of faults and 0 of 5 operations are left"), "{}", shrunk.err);
    let yaml = fs::read_to_string(&file).expect("it was written");
    assert!(yaml.starts_with("# no_gremlin violated (strike)"), "{yaml}");
    assert!(yaml.contains("None of them can be left out"), "{yaml}");
    run(squall(&["check", &file])).with(0);
    let digests: Vec<_> = (0..2)
        .map(|_| {
            let again = run(squall(&["run", &file, "--format", "json", "--no-shrink"])).with(1);
            assert_eq!(
                again.of_kind("spec")[0]["notes"],
                serde_json::json!([]),
                "it is the run that was recorded"
            );
            again.of_kind("run")[0]["digest"].clone()
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], entry(&yaml, "digest"));
    // The seeds are the plan's, whatever is asked for.
    let one = run(squall(&["run", &file, "--seeds", "100", "--format", "json", "--no-shrink"])).with(1);
    assert_eq!(one.of_kind("run").len(), 1);

    fs::write(&file, yaml.replace(entry(&yaml, "digest"), "aaaaaaaaaaaaaaaa")).expect("a file");
    run(squall(&["run", &file, "--no-shrink"])).with(1).says("this is not the run that was recorded");
    fs::write(&file, yaml.replace("operations: []", "operations: [{ client: 9, at: 99s, op: { nip: 3 } }]"))
        .expect("a file");
    let bad = run(squall(&["check", &file])).with(2);
    for wrong in ["no client 9", "no operation of `gremlin`", "the run ends at 1s"] {
        assert!(bad.err.contains(wrong), "{}", bad.err);
    }
}

pub fn run_makes_each_failure_small_and_says_how_to_keep_it() {
    let ended = run(squall(&["run", STRIKE]))
        .with(1)
        .says("shrunk to nothing (0 of 0 strikes of faults, 0 of 5 operations)");
    assert!(ended.out.contains("keep it: ") && ended.out.contains(" --save"), "{}", ended.out);
    let json = run(squall(&["run", STRIKE, "--format", "json"])).with(1);
    assert_eq!(json.of_kind("spec")[0]["shrunk"][0]["minimal"], true);
    let not = run(squall(&["run", STRIKE, "--no-shrink"])).with(1);
    assert!(!not.out.contains("shrunk"), "{}", not.out);
}

pub fn what_does_not_fail_is_not_shrunk() {
    let ended = run(squall(&["shrink", "fixtures/calm.yaml"])).with(4);
    assert!(ended.err.contains("no run failed"), "{}", ended.err);
    let ended = run(squall(&["shrink", "fixtures/calm.yaml", "--seed", "3"])).with(4);
    assert!(ended.err.contains("nothing to shrink. How the run ended: passed"), "{}", ended.err);
    let ended = run(squall(&["shrink", "fixtures/harm/abort.yaml", "--seed", "5"])).with(4);
    assert!(ended.err.contains("nothing to shrink"), "{}", ended.err);
}

/// The numbers of faults, the times and the arguments of operations are all made as small as they can be.
pub fn what_is_left_is_made_simple() {
    let spec = "../specs/saga/flaw_lazy_commit.yaml";
    let shrunk = run(systems(&["shrink", spec, "--seed", "3"])).with(0);
    for simple in ["restart_after: 1ms", "nth: 1", "- client: 0\n    at: 0s", "quantity: 1", "remote: false"]
    {
        assert!(shrunk.out.contains(simple), "no {simple}: {}", shrunk.out);
    }
    let drawn = run(systems(&["explain", spec, "--seed", "3"])).with(0);
    assert!(!drawn.out.contains("restart_after: 1ms") && !drawn.out.contains("at: 0s"), "{}", drawn.out);
}

/// A failure that a node by name suffices for stayed as it was drawn, and with it whatever steered the draw.
pub fn targets_that_are_drawn_become_nodes_by_name() {
    for (spec, node) in [
        ("../specs/sensors/flaw_acks_before_sync.yaml", "collectors["),
        ("../specs/sensors/flaw_single_read.yaml", "collectors["),
    ] {
        let drawn = fs::read_to_string(spec).expect("the spec");
        assert!(drawn.contains("one("), "{drawn}");
        let shrunk = run(systems(&["shrink", spec])).with(0);
        assert!(shrunk.out.contains(node) && !shrunk.out.contains("one("), "{}", shrunk.out);
    }
}

/// What `run` tells of a failure is the run that was made small: its faults, its violation with what was expected and what was seen, its
/// history with all that is cited.
pub fn run_tells_of_the_small_run() {
    let (directory, file) = file();
    let flawed = fs::read_to_string("../specs/saga/flaw_lazy_commit.yaml").expect("the spec");
    let text: Vec<&str> = flawed.lines().filter(|line| !line.starts_with("expect:")).collect();
    fs::write(&file, text.join("\n")).expect("a file");
    let args = ["run", &file, "--seeds", "3..4"];
    let found = run(systems(&[&args[..], &["--format", "json", "--no-shrink"]].concat())).with(1);
    let found = &found.of_kind("spec")[0]["failures"][0];
    let told = run(systems(&args)).with(1);
    let block = told.out.split(&format!("FAILED {file}")).nth(1).expect("a block");
    for says in ["expected: ", "seen: ", "shrunk to ", "what happens then:", "strikes: crash payments"] {
        assert!(block.contains(says), "{says}: {block}");
    }
    let replay = format!("replay: squall replay {file} --seed {}", found["seed"]);
    assert!(block.contains(&replay), "{replay}: {block}");
    assert!(!block.contains("1 more record "), "{block}");
    assert!(
        block.contains("payments[0] holds 500 after its restart"),
        "the least that can be charged: {block}"
    );
    // It happens sooner than in the run that was found.
    let what = found["what"].as_str().expect("text");
    assert!(!block.contains(what), "{what} is of the run that was found: {block}");
    let cited = block.lines().filter(|line| line.trim_start().starts_with('>')).count();
    assert!(cited >= 2, "{block}");
    drop(directory);
}

/// A plan may fail with another seed than it was found with: it says which run it was made of, and diff compares with that.
pub fn a_plan_says_which_run_it_was_made_of() {
    let spec = "../specs/circuit-breaker/flaw_success_forgives_failures.yaml";
    for (of, seed) in [("swarm:0", "0"), ("swarm:5", "3")] {
        let (_directory, file) = file();
        run(systems(&["shrink", spec, "--seed", of, "--out", &file])).with(0);
        let yaml = fs::read_to_string(&file).expect("it was written");
        assert!(yaml.contains(&format!(", seed {of}, in ")), "{yaml}");
        assert_eq!(entry(&yaml, "of").trim_matches('\''), of);
        // In one of them it takes another seed for so few operations to do.
        assert_eq!(entry(&yaml, "seed"), seed, "{yaml}");
        run(systems(&["diff", &file, spec])).with(0).says(&format!("seed {of}"));
    }
}

/// How many strikes and operations it takes to show a flaw, where it takes more than one: the least that a person came up with, or that was found
/// from any of ten seeds.
const LEAST: [(&str, usize); 32] = [
    ("circuit-breaker::flaw_late_failure_extends_open", 3),
    ("circuit-breaker::flaw_late_success_closes", 2),
    ("circuit-breaker::flaw_leaked_probe_liveness", 2),
    ("circuit-breaker::flaw_success_forgives_failures", 2),
    ("cqrs::flaw_acknowledged_before_applied", 3),
    ("cqrs::flaw_double_count_seen_from_outside", 2),
    // Of deposits that overtake each other each replica misses another one: a coincidence, and fewer do not have it.
    ("cqrs::flaw_high_water_mark_forks", 8),
    ("cqrs::flaw_unsynced_log_seen_from_outside", 2),
    ("cqrs::flaw_no_session_token", 3),
    ("sensors::flaw_commands_before_sync", 2),
    ("sensors::flaw_forgets_seen", 2),
    ("sensors::flaw_reuses_request_id", 3),
    ("sensors::flaw_trusts_the_disk", 3),
    ("sensors::flaw_unsigned_commands", 2),
    ("id-blocks::flaw_goes_on_alone", 4),
    ("id-blocks::flaw_lazy_mark", 3),
    ("id-blocks::flaw_numbered_from_one", 3),
    ("elected-writer::flaw_answers_first", 2),
    ("elected-writer::flaw_answers_first_forks", 2),
    ("elected-writer::flaw_lease_ignored", 3),
    ("elected-writer::flaw_repeats_writes", 3),
    ("elected-writer::flaw_trusts_memory", 4),
    // The cut, the write of whoever is elected instead, and the stale read.
    ("elected-writer::flaw_lease_ignored_seen_from_outside", 3),
    ("saga::flaw_charges_without_key", 2),
    ("saga::flaw_charges_without_key_twice", 2),
    ("saga::flaw_lazy_commit_seen_from_outside", 2),
    ("saga::flaw_remembers_balance", 2),
    ("saga::flaw_remembers_balance_lost_update", 2),
    ("saga::flaw_swallows_errors", 2),
    ("saga::flaw_timeout_is_refusal", 3),
    ("saga::flaw_unfenced", 4),
    ("saga::flaw_unfenced_forks", 4),
];

/// Every flaw that ships: shrunk to at most twice the least that it takes, and its file is caught again, as the very run that was recorded.
pub fn flaws() -> Vec<Trial> {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    let files = squall::spec::discover(&[specs]).expect("the specs");
    let flaws = files
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("flaw_")));
    let mut known: Vec<&str> = LEAST.iter().map(|(name, _)| *name).collect();
    let trials: Vec<Trial> = flaws
        .map(|spec| {
            let name = squall::spec::load(&spec, &squall_systems::registry()).map(|loaded| loaded.name);
            let name = name.unwrap_or_else(|_| spec.display().to_string());
            let least = LEAST.iter().find(|(of, _)| *of == name).map_or(1, |(_, least)| *least);
            known.retain(|known| *known != name);
            Trial::test(format!("shrink::{name}"), move || {
                flaw(&spec, least);
                Ok(())
            })
        })
        .collect();
    assert_eq!(known, Vec::<&str>::new(), "no specs have these names");
    trials
}

fn flaw(spec: &Path, least: usize) {
    let (_directory, file) = file();
    let shrunk = run(systems(&["shrink", spec.to_str().expect("a plain path"), "--out", &file])).with(0);
    // `1 of 3 strikes of faults and 2 of 12 operations are left, after 99 runs`
    let said = shrunk.err.lines().find(|line| line.contains(" operations are left")).expect("it says so");
    let words: Vec<&str> = said.split(' ').collect();
    let left = |nth: usize| words[nth].parse::<usize>().expect("a number");
    assert!(left(0) + left(7) <= 2 * least, "{said}, and {least} will do");
    let yaml = fs::read_to_string(&file).expect("it was written");
    assert!(yaml.contains("None of them can be left out"), "{yaml}");
    for _ in 0..2 {
        let again = run(systems(&["run", &file, "--format", "json"])).with(0);
        let report = &again.of_kind("spec")[0];
        // Whatever the invariant, it says what it expected, and what it saw.
        let caught = &report["caught"];
        for part in ["expected", "seen"] {
            assert!(caught[part].as_str().is_some_and(|text| !text.is_empty()), "{part}: {caught}");
        }
        assert_eq!(report["verdict"], "passed", "{yaml}\n{report}");
        assert_eq!(again.of_kind("run")[0]["digest"], entry(&yaml, "digest"), "{yaml}");
    }
}
