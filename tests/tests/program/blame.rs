//! `squall blame` against the truth: what it names as needed is, what it names as enough is, and where causes are redundant it says so.

use std::{env, path::Path};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::subject::{run, squall, systems};

/// A spec of these faults. Its runs fail if its three nodes start more than so many times.
fn spec(starts: u32, faults: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("redundant.yaml");
    let text = format!(
        "
spec: 1
system: gremlin
topology: {{ nodes: 3 }}
faults:
  - {{ id: bystander, clock_skew: {{ node: \"nodes[0]\", by: 1s }}, at: 250ms, for: 33ms }}
{faults}
check: [{{ count: {{ event: gremlin.beat, where: {{ n: 1 }}, at_most: {starts} }} }}]
phases: {{ warmup: 200ms, chaos: 600ms, settle: 200ms }}
workload: {{ ops: 5 }}
"
    );
    std::fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("a plain path").to_owned();
    (directory, path)
}

/// A node, or all, that crash at this time and start again.
fn crash(id: &str, which: &str, at: &str) -> String {
    format!("  - {{ id: {id}, crash: {{ node: \"nodes{which}\", restart_after: 51ms }}, at: {at} }}\n")
}

/// What is to blame for run 0, as JSON and as a person reads it.
fn blame(spec: &str) -> (Value, String) {
    let args = ["blame", spec, "--seed", "0", "--futures", "3"];
    let human = run(squall(&args)).with(0).out;
    (run(squall(&[&args[..], &["--format", "json"]].concat())).with(0).of_kind("blame").remove(0), human)
}

/// The faults that had this effect, by id.
fn with_effect<'v>(blamed: &'v Value, effect: &str) -> Vec<&'v str> {
    let faults = blamed["faults"].as_array().expect("a list").iter();
    faults.filter(|fault| fault["effect"] == effect).filter_map(|fault| fault["fault"].as_str()).collect()
}

/// The sets of strikes that are enough, in the order of their names.
fn enough(blamed: &Value) -> Vec<&Value> {
    let sets = blamed["enough"].as_array().expect("a list");
    let mut sets: Vec<_> = sets.iter().map(|enough| &enough["strikes"]).collect();
    sets.sort_by_key(|set| set.to_string());
    sets
}

/// How the run without these ends.
fn without(spec: &str, parts: &str) -> String {
    let line = run(squall(&["replay", spec, "--seed", &format!("0/without:{parts}"), "--digest"])).out;
    line.split_once("  ").expect("a digest and an end").1.trim().to_owned()
}

pub fn either_of_two_faults_suffices() {
    let (_directory, spec) = spec(3, &(crash("crash-a", "[1]", "310ms") + &crash("crash-b", "[2]", "347ms")));
    let (blamed, human) = blame(&spec);
    assert_eq!(with_effect(&blamed, "not needed"), ["bystander", "crash-a", "crash-b"], "{blamed:#}");
    assert_eq!(blamed["needed_together"], json!(["crash-a", "crash-b"]), "and the bystander is none of them");
    assert_eq!(enough(&blamed), [&json!(["crash-a"]), &json!(["crash-b"])]);
    for says in
        ["one or another is enough, all else left out: crash-a", "or crash-b", "--seed 0/only:crash-b"]
    {
        assert!(human.contains(says), "{human}");
    }
    let says = "Each fault alone can be spared; without crash-a and crash-b together it passes.";
    assert!(human.contains(says), "{human}");

    // What it rests on.
    assert!(without(&spec, "crash-a").contains("count gremlin.beat"), "{}", without(&spec, "crash-a"));
    assert!(without(&spec, "crash-b").contains("count gremlin.beat"), "{}", without(&spec, "crash-b"));
    assert_eq!(without(&spec, "crash-a+crash-b"), "passed");

    // The nearest run that passes lacks both, too.
    let nearest = run(squall(&["diff", &spec, "0", "--format", "json"])).with(0);
    let mut lacks: Vec<Value> =
        nearest.of_kind("diff")[0]["without"].as_array().expect("it was looked for").clone();
    lacks.sort_by_key(Value::to_string);
    assert_eq!(lacks, ["crash-a", "crash-b"]);
}

/// No pair of them, then, makes the run pass.
pub fn any_of_three_faults_suffices() {
    let crashes = [
        crash("crash-a", "[1]", "310ms"),
        crash("crash-b", "[2]", "347ms"),
        crash("crash-c", "[0]", "368ms"),
    ];
    let (_directory, spec) = spec(3, &crashes.concat());
    let (blamed, human) = blame(&spec);
    assert!(with_effect(&blamed, "needed").is_empty(), "{blamed:#}");
    assert_eq!(blamed["needed_together"], json!(["crash-a", "crash-b", "crash-c"]));
    assert_eq!(enough(&blamed), [&json!(["crash-a"]), &json!(["crash-b"]), &json!(["crash-c"])]);
    assert!(human.contains("without crash-a and crash-b and crash-c together it passes"), "{human}");
    assert_ne!(without(&spec, "crash-a+crash-b"), "passed");
    assert_eq!(without(&spec, "crash-a+crash-b+crash-c"), "passed");
    // What is compared with says no less.
    let diff = run(squall(&["diff", &spec, "0"])).with(0);
    assert!(diff.out.contains("the nearest run that passes: A without fault crash-"), "{}", diff.out);
    for crash in ["crash-a", "crash-b", "crash-c"] {
        assert!(diff.out.contains(&format!("fault {crash} with all of its strikes")), "{}", diff.out);
    }
}

/// One cause that is needed does not hide that it takes another, too, of which there are two.
pub fn one_fault_and_either_of_two() {
    let crashes =
        [crash("crash-all", "", "310ms"), crash("crash-b", "[1]", "547ms"), crash("crash-c", "[2]", "568ms")];
    let (_directory, spec) = spec(6, &crashes.concat());
    let (blamed, human) = blame(&spec);
    assert_eq!(with_effect(&blamed, "needed"), ["crash-all"], "{blamed:#}");
    assert_eq!(with_effect(&blamed, "not needed"), ["bystander", "crash-b", "crash-c"], "{blamed:#}");
    assert_eq!(blamed["needed_together"], json!(["crash-b", "crash-c"]));
    assert_eq!(enough(&blamed), [&json!(["crash-all", "crash-b"]), &json!(["crash-all", "crash-c"])]);
    let says =
        "It takes crash-all: without it the run passes. So it does without crash-b and crash-c together.";
    assert!(human.contains(says), "{human}");
    assert_ne!(without(&spec, "crash-b"), "passed");
    assert_ne!(without(&spec, "crash-c"), "passed");
    assert_eq!(without(&spec, "crash-b+crash-c"), "passed");
}

/// One cause alone is needed, and no set of them is looked for.
pub fn a_cause_that_is_alone_is_needed() {
    let (_directory, spec) = spec(3, &crash("crash-a", "[1]", "310ms"));
    let (blamed, human) = blame(&spec);
    assert_eq!(with_effect(&blamed, "needed"), ["crash-a"], "{blamed:#}");
    assert_eq!(with_effect(&blamed, "not needed"), ["bystander"], "{blamed:#}");
    assert_eq!(blamed["needed_together"], Value::Null);
    assert!(human.contains("It takes crash-a: without it the run passes."), "{human}");
}

/// A fault that strikes again and again: without any one strike another does the same, also one that would only come after the failure.
/// "It takes none of the faults: without any of them it still fails" was said of it.
pub fn a_fault_that_strikes_again_is_needed() {
    let again = "  - { id: crash, crash: { node: \"nodes[1]\", restart_after: 21ms }, every: 60ms, between: [300ms, 700ms] }\n";
    let (_directory, spec) = spec(3, again);
    let (blamed, human) = blame(&spec);
    assert_eq!(with_effect(&blamed, "needed"), ["crash"], "{blamed:#}");
    assert_eq!(enough(&blamed), [&json!(["crash"])]);
    assert!(human.contains("It takes crash: without it the run passes."), "{human}");
    assert_ne!(without(&spec, "crash"), "passed", "the second strike does what the first did");
    assert_eq!(without(&spec, "fault:crash"), "passed");
}

/// The search for what is enough says when it ended at its limit.
pub fn a_search_that_is_cut_short_says_so() {
    let crashes = crash("crash-a", "[1]", "310ms") + &crash("crash-b", "[2]", "347ms");
    let (_directory, spec) = spec(3, &crashes);
    let args = ["blame", &spec, "--seed", "0", "--futures", "1", "--max-runs", "2"];
    run(squall(&args)).with(0).says("ended at its limit").says("--max-runs");
    let whole = run(squall(&args[..6])).with(0).out;
    assert!(!whole.contains("ended at its limit"), "{whole}");
}

/// Of all flaws that ship, every so many are blamed in each run of the tests; all of them where this is set.
const WHOLE: &str = "SQUALL_WHOLE";
const EVERY: usize = 9;
/// These were blamed on nobody.
const ONCE_WRONG: [&str; 4] = [
    "saga/flaw_no_tombstones.yaml",
    "saga/flaw_timeout_is_refusal.yaml",
    "saga/flaw_swallows_errors.yaml",
    "saga/flaw_charges_without_key.yaml",
];

/// What is said of the flaws that ship, held against runs that blame did not make.
pub fn flaws() -> Vec<Trial> {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    let files = squall::spec::discover(&[specs]).expect("the specs");
    let flaws = files
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("flaw_")));
    let whole = env::var_os(WHOLE).is_some();
    let sampled = flaws.enumerate().filter(|(nth, file)| {
        whole || nth % EVERY == 0 || ONCE_WRONG.iter().any(|spec| file.ends_with(spec))
    });
    let trial = |(_, spec): (usize, std::path::PathBuf)| {
        let name = spec.with_extension("");
        let name: Vec<_> = name.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        Trial::test(format!("blame::{}::{}", name[1], name[0]), move || {
            is_true(spec.to_str().expect("a plain path"));
            Ok(())
        })
    };
    sampled.map(trial).collect()
}

/// How a run of a flaw ends: passed, or in which way it failed, without the time.
fn end(spec: &str, run_id: &str) -> String {
    let line = run(systems(&["replay", spec, "--seed", run_id, "--digest"])).out;
    let end = line.split_once("  ").expect("a digest and an end").1.trim();
    end.split(" at ").next().unwrap_or(end).to_owned()
}

fn is_true(spec: &str) {
    let explored = run(systems(&["run", spec, "--format", "json", "--no-shrink"])).with(0);
    let caught = &explored.of_kind("spec")[0]["caught"];
    let seed = caught["seed"].to_string();
    let seed = seed.trim_matches('"');
    let args = ["blame", spec, "--seed", seed, "--futures", "5", "--format", "json"];
    let blamed = run(systems(&args)).with(0).of_kind("blame").remove(0);
    let failure = blamed["what"].as_str().expect("text").split(" at ").next().expect("a part");
    let needed = with_effect(&blamed, "needed");

    // Enough: alone it fails, and without any one of its strikes it does not.
    let sets = blamed["enough"].as_array().expect("a list");
    assert!(!sets.is_empty(), "{blamed:#}");
    for set in sets {
        let own = set["run"].as_str().map_or_else(|| set["run"].to_string(), str::to_owned);
        assert_eq!(end(spec, &own), failure, "{spec}: {own}");
    }
    let names = |set: &Value| -> Vec<String> {
        set["strikes"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let least = names(&sets[0]);
    for out in &least {
        let rest: Vec<&str> = least.iter().filter(|name| *name != out).map(String::as_str).collect();
        let rest = format!("{seed}/only:{}", rest.join("+"));
        assert_ne!(end(spec, &rest), failure, "{spec}: {rest} is enough, too");
    }

    // Needed: without it most futures pass, those that blame did not draw.
    for fault in blamed["faults"].as_array().expect("a list") {
        let id = fault["fault"].as_str().expect("an id");
        if !needed.contains(&id) {
            continue;
        }
        assert_eq!(end(spec, &format!("{seed}/without:fault:{id}")), "passed", "{spec}: {id}");
        let from = fault["strikes"][0]["at_ns"].as_u64().expect("a time") + 1_000_000;
        let futures = (100..105).map(|nth| format!("{seed}/without:fault:{id}/{from}ns/{nth}"));
        let failing = futures.filter(|future| end(spec, future) == failure).count();
        assert!(failing <= 2, "{spec}: {failing} of 5 futures fail without {id}");
    }

    // Somebody is named, unless it is nobody.
    let nobody = end(spec, &format!("{seed}/only:")) == failure;
    assert_eq!(least.is_empty(), nobody, "{spec}: {blamed:#}");
    let named = !needed.is_empty()
        || !with_effect(&blamed, "needed here").is_empty()
        || !with_effect(&blamed, "fails otherwise").is_empty()
        || !blamed["needed_together"].is_null();
    assert!(named || nobody, "{spec}: {blamed:#}");
}
