//! The commands that run nothing, and how all of them are used wrongly.

use std::{
    fs,
    io::{Read, pipe},
    process::Stdio,
};

use serde_json::Value;

use crate::subject::{run, squall};

pub fn bad_usage_and_bad_specs_are_2() {
    for args in [
        &["run", "--seeds", "x"][..],
        &["run", "--seeds", "5..3"],
        &["run", "--jobs", "0"],
        &["run", "--max-time", "5"],
        &["run", "--max-failures", "0"],
        &["run", "--no-such-flag"],
        &["replay", "fixtures/calm.yaml"],
        &["replay", "fixtures/calm.yaml", "--seed", "-1"],
        &["no-such-command"],
        &["run", "no/such/path"],
        &["check", "src"],
        &["describe", "gremlins"],
        &["describe", "fault", "partitoin"],
        &[],
    ] {
        let ended = run(squall(args)).with(2);
        assert!(!ended.err.is_empty(), "{args:?} says nothing");
    }
    let bad = tempfile::tempdir().expect("a directory");
    let file = bad.path().join("bad.yaml");
    fs::write(&file, "spec: 1\nsystem: gremlin\nfautls: []\ncheck: [no_gremlin]\n").expect("a file");
    let ended = run(squall(&["run", file.to_str().expect("a plain path")])).with(2);
    assert!(ended.err.contains("fautls") && ended.err.contains(":3:1"), "{}", ended.err);
    assert!(ended.out.is_empty(), "nothing is run while a spec is bad: {}", ended.out);
}

pub fn nothing_selected_is_4() {
    run(squall(&["run", "fixtures", "--filter", "no-such-spec"])).with(4);
    run(squall(&["run", "fixtures", "--seeds", "0"])).with(4);
}

pub fn check_accepts_and_refuses() {
    run(squall(&["check", "fixtures"])).with(0).says("ok  fixtures/calm.yaml");
    let bad = tempfile::tempdir().expect("a directory");
    fs::write(bad.path().join("a.yaml"), "spec: 1\nsystem: gremlin\ncheck: [no_gremlins]\n").expect("a file");
    fs::write(bad.path().join("b.yaml"), "").expect("a file");
    let path = bad.path().to_str().expect("a plain path");
    let ended = run(squall(&["check", path, "--format", "json"])).with(2);
    let errors = ended.of_kind("error");
    assert_eq!(errors.len(), 2, "both files are checked: {}", ended.out);
    assert_eq!(errors[0]["line"], 3);
    assert!(errors[0]["help"].as_str().is_some_and(|help| help.contains("no_gremlin")), "{}", errors[0]);
}

pub fn describe_a_system() {
    let ended = run(squall(&["describe", "gremlin"])).with(0);
    insta::assert_snapshot!("describe_gremlin", ended.out);
}

/// The list of kinds and the table of each, as they are printed: parameters, values, defaults, meanings, incident, example.
pub fn describe_faults() {
    let list = run(squall(&["describe", "fault"])).with(0).out;
    let mut page = list.clone();
    let kinds = list.lines().skip(1).map_while(|line| line.split_whitespace().next());
    let mut count = 0;
    for kind in kinds {
        let table =
            run(squall(&["describe", "fault", kind])).with(0).says("Stands for:").says("Example:").out;
        page += &format!("\n---- squall describe fault {kind}\n{table}");
        count += 1;
    }
    assert_eq!(count, squall::spec::model::KINDS.len());
    insta::assert_snapshot!("describe_faults", page);
    let ended = run(squall(&["describe", "fault", "partitoin"])).with(2);
    assert!(ended.err.contains("did you mean `partition`"), "{}", ended.err);
}

pub fn explain_is_yaml_and_always_the_same() {
    let explain = || run(squall(&["explain", "fixtures/crash.yaml", "--seed", "7"])).with(0).out;
    let plan = explain();
    assert!(plan.contains("fault: crash-one") && plan.contains("nap"), "{plan}");
    assert_eq!(plan, explain());
    let other = run(squall(&["explain", "fixtures/crash.yaml", "--seed", "8"])).with(0).out;
    assert_ne!(plan, other);
}

pub fn list_shows_systems_and_specs() {
    run(squall(&["list", "fixtures"]))
        .with(0)
        .says("gremlin  Nodes that beat")
        .says("variant haunted")
        .says("fixtures/harm/abort.yaml");
}

pub fn schema_is_json() {
    let ended = run(squall(&["schema"])).with(0);
    let schema: Value = serde_json::from_str(&ended.out).expect("it is JSON");
    assert!(schema["properties"]["faults"].is_object());
}

pub fn a_reader_that_goes_away_is_no_panic() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let mut list = squall(&["schema"]);
    list.stdout(writer).stderr(Stdio::piped());
    let mut child = list.spawn().expect("the program starts");
    let mut err = String::new();
    child.stderr.take().expect("it was asked for").read_to_string(&mut err).expect("it is UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(141));
    assert_eq!(err, "");
}
