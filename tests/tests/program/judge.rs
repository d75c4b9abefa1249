//! Histories from files.

use std::fs;

use crate::subject::{run, squall, systems};

const STALE: &str = "fixtures/histories/stale_read.jsonl";
const SKEW: &str = "fixtures/histories/write_skew.edn";

pub fn a_history_is_legal_illegal_or_unknown() {
    run(squall(&["judge", STALE, "--model", "register"])).with(1).says("illegal: not linearizable");
    run(squall(&["judge", STALE, "--model", "register", "--consistency", "sequential"]))
        .with(0)
        .says("legal: sequential");
    run(squall(&["judge", STALE, "--model", "register", "--consistency", "sequential", "--steps", "1"]))
        .with(3)
        .says("unknown: undecided after 1 steps");
    run(squall(&["judge", SKEW, "--model", "list-append"])).with(1).says("G2-item");
    run(squall(&[
        "judge",
        SKEW,
        "--model",
        "list-append",
        "--consistency",
        "snapshot-isolation",
        "--format",
        "auto",
    ]))
    .with(0)
    .says("the strongest levels that hold: strong-snapshot-isolation");
}

pub fn a_single_property_is_judged() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, svg) = (directory.path().join("history"), directory.path().join("why.svg"));
    let path = file.to_str().expect("a plain path");
    let line = |process: u32, kind: &str, value: &str| {
        format!("{{\"process\": {process}, \"type\": \"{kind}\", \"f\": \"give\", \"value\": {value}}}\n")
    };
    let given = |process, id| line(process, "invoke", "null") + &line(process, "ok", id);
    let judged = |text: String, more: &[&str]| {
        fs::write(&file, text).expect("a file");
        // As it is called in a spec.
        let args: Vec<&str> = ["judge", path, "--model", "unique_ids"].iter().chain(more).copied().collect();
        run(squall(&args))
    };
    judged(given(0, "1") + &given(1, "2"), &[]).with(0).says("legal: unique-ids");
    let twice = given(0, "1") + &given(1, "1");
    let svg = svg.to_str().expect("a plain path");
    judged(twice.clone(), &["--svg", svg])
        .with(1)
        .says("seen: 1 was given to process 0, and then to process 1")
        .says("nothing is drawn");
    let ended = judged(twice.clone(), &["--format", "json"]).with(1);
    assert_eq!(ended.of_kind("judgement")[0]["explanation"]["property"]["class"], "given_twice");
    assert!(judged(twice, &["--consistency", "causal"]).with(2).err.contains("no consistency goes with it"));
    assert!(
        judged(line(0, "invoke", "null") + &line(0, "ok", "null"), &[]).with(2).err.contains("history:1:")
    );
}

pub fn an_illegal_history_is_explained_and_drawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let svg = directory.path().join("why.svg");
    let path = svg.to_str().expect("a plain path");
    let ended =
        run(squall(&["judge", STALE, "--model", "register", "--format", "json", "--svg", path])).with(1);
    let judgement = &ended.of_kind("judgement")[0];
    assert_eq!(judgement["verdict"], "illegal");
    assert_eq!(judgement["counts"]["ok"], 4);
    let operations = judgement["explanation"]["object"]["operations"].as_array().expect("operations");
    assert!(operations.iter().any(|operation| operation["process"] == 2), "the stale read: {judgement}");
    let picture = fs::read_to_string(&svg).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.contains("process 2"), "{picture}");
}

pub fn what_cannot_be_read_is_2_with_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("history");
    let path = file.to_str().expect("a plain path");
    let judged = |text: &str, more: &[&str]| {
        fs::write(&file, text).expect("a file");
        let args: Vec<&str> = ["judge", path, "--model", "register"].iter().chain(more).copied().collect();
        run(squall(&args))
    };
    let ended = judged("{:process 0 :type :invoke :f :read}\n{:process 0", &[]).with(2);
    assert!(ended.err.contains("history:2:1: this is never closed"), "{}", ended.err);
    let ended = judged("{:process 0 :type :invoke :f :push}", &["--format", "json"]).with(2);
    assert_eq!(ended.of_kind("error")[0]["line"], 1);
    assert!(judged("what is this", &[]).with(2).err.contains("--format"));
    assert!(
        judged("", &[]).with(2).err.contains("history:1:1: there is nothing to judge: the file is empty")
    );
    let ended = judged("", &["--format", "edn", "--format", "json"]).with(2);
    assert_eq!(ended.of_kind("error")[0]["column"], 1);
    // What editors and other systems put around lines is no part of them.
    let lines = "\u{feff}{\"process\": 0, \"type\": \"invoke\", \"f\": \"read\"}\r\n{\"process\": 0, \"type\": \"ok\", \"value\": null}\r\n";
    judged(lines, &[]).with(0);
    let ended = judged(&lines.replacen("}\r\n{", "} {", 1), &[]).with(2);
    assert!(ended.err.contains("one event is one line"), "{}", ended.err);
    let deep = "{\"process\": 0, \"value\": ".to_owned() + &"[".repeat(100_000);
    assert!(judged(&deep, &[]).with(2).err.contains("this is not JSON: recursion limit exceeded"));
    // What blocks or never ends is not opened, and what is too long is told before it is read.
    let refused = |name: &str, says: &str| {
        let ended = run(squall(&["judge", name, "--model", "register", "--max-size", "1"])).with(2);
        assert!(ended.err.contains(says), "{name}: {}", ended.err);
    };
    refused("no/such/file", "is not there");
    refused("/dev/zero", "is a device, and no regular file");
    refused("/proc/self/environ", "made up by the kernel");
    refused("fixtures", "is a directory");
    fs::write(&file, " ".repeat(3 << 20)).expect("a file");
    refused(path, "has 3 MiB, and at most 1 MiB are read\nhelp: --max-size raises the limit");
    assert!(run(squall(&["judge", STALE, "--model", "nothing"])).with(2).err.contains("the models are"));
    assert!(
        run(squall(&["judge", STALE, "--model", "register", "--format", "xml"]))
            .with(2)
            .err
            .contains("jepsen-log")
    );
    let level = ["judge", STALE, "--model", "register", "--consistency", "serializable"];
    assert!(run(squall(&level)).with(2).err.contains("ask for linearizable or sequential"));
}

pub fn what_clients_saw_in_a_run_is_drawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let svg = directory.path().join("why.svg");
    let path = svg.to_str().expect("a plain path");
    let spec = "../specs/elected-writer/flaw_lease_ignored_seen_from_outside.yaml";
    let ran = run(systems(&["run", spec, "--format", "json"])).with(0);
    let seed = ran.of_kind("spec")[0]["caught"]["seed"].to_string();
    run(systems(&["replay", spec, "--seed", &seed, "--svg", path])).with(0).says("drawn in");
    let picture = fs::read_to_string(&svg).expect("a picture");
    assert!(picture.contains("elected-without-etcd"), "the fault is a band: {picture}");
    let calm = ["replay", "../specs/elected-writer/calm.yaml", "--seed", "0", "--svg", path];
    assert!(run(systems(&calm)).with(2).err.contains("nothing to draw"));
}
