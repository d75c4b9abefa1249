//! `squall blame` where causes are redundant: each of several faults suffices, so that a run without one of them fails as before.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::subject::{run, squall};

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

/// The strikes that had this effect, by name.
fn with_effect<'v>(blamed: &'v Value, effect: &str) -> Vec<&'v str> {
    let strikes = blamed["strikes"].as_array().expect("a list").iter();
    strikes
        .filter(|strike| strike["effect"] == effect)
        .filter_map(|strike| strike["fault"].as_str())
        .collect()
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
    assert!(human.contains("without crash-a and crash-b and crash-c together it passes"), "{human}");
    assert_ne!(without(&spec, "crash-a+crash-b"), "passed");
    assert_eq!(without(&spec, "crash-a+crash-b+crash-c"), "passed");
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
