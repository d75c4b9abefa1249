//! The commands that run nothing, and how all of them are used wrongly.

use std::{
    fs,
    io::{Read, pipe},
    process::Stdio,
};

use serde_json::Value;

use crate::subject::{fixtures, run, squall, systems, written};

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

/// Who writes it from memory, or has a spec of before, is told.
pub fn names_of_before_are_told_with_those_of_today() {
    let told = |args: &[&str], says: &str| {
        let ended = run(systems(args)).with(2);
        assert!(ended.err.contains(says), "{args:?}: {}", ended.err);
    };
    told(&["describe", "guarded-upstream"], "is now called `circuit-breaker`");
    for command in ["run", "check", "list"] {
        told(&[command, "../specs/breaker"], "it is now called `../specs/circuit-breaker`");
    }
    told(&["replay", "../specs/ids/calm.yaml", "--seed", "0"], "`../specs/id-blocks/calm.yaml`");
    let (_directory, spec) = written("spec: 1\nsystem: checkout-saga\ncheck: [saga_atomicity]\n");
    told(&["run", &spec], "it is now called `saga`");
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
    assert!(plan.contains("id: crash-one") && plan.contains("nap"), "{plan}");
    assert_eq!(plan, explain());
    let other = run(squall(&["explain", "fixtures/crash.yaml", "--seed", "8"])).with(0).out;
    assert_ne!(plan, other);
}

/// A plan was printed in a form of its own, which nothing read. Each shipped spec makes the same run of what `explain` prints.
pub fn what_explain_prints_is_a_spec_of_that_run() {
    let first = |spec: &str| {
        ["run", spec, "--seeds", "1", "--strategy", "random", "--no-shrink", "--format", "json"]
            .map(str::to_owned)
    };
    let args = first("../specs");
    let drawn = run(systems(&args.each_ref().map(String::as_str))).of_kind("run");
    assert!(drawn.len() > 100, "{}", drawn.len());
    let directory = tempfile::tempdir().expect("a directory");
    for (nth, ran) in drawn.iter().enumerate() {
        let spec = ran["spec"].as_str().expect("a path");
        let mut args = vec!["explain", spec];
        if let Some(case) = ran["case"].as_str() {
            args.extend(["--case", case]);
        }
        // One that is the plan of a run has no other.
        let seed = ran["seed"].to_string();
        args.extend(["--seed", &seed]);
        let plan = run(systems(&args)).with(0).out;
        fs::write(directory.path().join(format!("{nth:04}.yaml")), plan).expect("a file");
    }
    let args = first(directory.path().to_str().expect("a plain path"));
    let ended = run(systems(&args.each_ref().map(String::as_str)));
    let planned = ended.of_kind("run");
    assert_eq!(planned.len(), drawn.len(), "{}", ended.err);
    for (drawn, planned) in drawn.iter().zip(&planned) {
        assert_eq!(drawn["digest"], planned["digest"], "{} {}", drawn["spec"], drawn["case"]);
    }
}

pub fn what_is_not_there_is_named_with_what_is() {
    let strange = run(squall(&["replay", "fixtures/calm.yaml", "--seed", "1", "--node", "nodse"])).with(2);
    assert!(
        strange.err.contains("no node `nodse`") && strange.err.contains("nodes[0], nodes[1]"),
        "{}",
        strange.err
    );
    assert!(strange.err.contains("did you mean `nodes`"), "{}", strange.err);
    assert_eq!(strange.out, "");
    run(squall(&["replay", "fixtures/calm.yaml", "--seed", "1", "--node", "nodes"])).with(0);
    run(squall(&["replay", "fixtures/calm.yaml", "--seed", "1", "--node", "clients[0]"])).with(0);
    let crash = "fixtures/crash.yaml";
    for args in [
        &["replay", crash, "--seed", "1/without:nope"][..],
        &["explain", crash, "--seed", "1/without:nope"],
        &["blame", crash, "--seed", "1/without:nope"],
        &["diff", crash, "1", "1/without:nope"],
        &["replay", crash, "--seed", "1/without:operation:4711"],
    ] {
        let ended = run(squall(args));
        let said = ended.out + &ended.err;
        assert!(matches!(ended.code, Some(2..=4)), "{args:?}: {said}");
        assert!(
            said.contains("no part of the run's plan") && said.contains("the strikes crash-one"),
            "{args:?}: {said}"
        );
    }
    run(squall(&["replay", crash, "--seed", "1/without:crash-one"])).with(0);
}

pub fn a_plan_has_its_own_run_only() {
    let (_directory, file) =
        written(&run(squall(&["explain", "fixtures/harm/strike.yaml", "--seed", "7"])).with(0).out);
    for command in ["replay", "explain", "blame", "shrink"] {
        for other in ["8", "swarm:7", "8/without:operation:0"] {
            let ended = run(squall(&[command, &file, "--seed", other])).with(2);
            assert!(ended.err.contains("that of run 7 alone"), "{command} {other}: {}", ended.err);
        }
        let own = run(squall(&[command, &file]));
        assert_ne!(own.code, Some(2), "{command}: {}{}", own.out, own.err);
        let departs = run(squall(&[command, &file, "--seed", "7/without:operation:0"]));
        assert_ne!(departs.code, Some(2), "{command}: {}{}", departs.out, departs.err);
    }
    run(squall(&["diff", &file, "7", "8"])).with(2);
}

pub fn a_file_is_not_written_over() {
    let text = fs::read_to_string(fixtures("harm/strike.yaml")).expect("a fixture");
    let (directory, spec) = written(&text);
    let at = |name: &str| directory.path().join(name).to_str().expect("a plain path").to_owned();
    let shrink = |args: &[&str]| run(squall(&[&["shrink", &spec], args].concat()));
    let (small, link) = (at("small.yaml"), at("link.yaml"));
    fs::write(&small, "mine").expect("a file");
    std::os::unix::fs::symlink(&spec, &link).expect("a link");
    let refused = shrink(&["--out", &small]).with(2);
    assert!(refused.err.contains("small.yaml exists") && refused.err.contains("--force"), "{}", refused.err);
    assert_eq!(fs::read_to_string(&small).expect("it is there"), "mine");
    for own in [&spec, &link] {
        let refused = shrink(&["--out", own, "--force"]).with(2);
        assert!(refused.err.contains("is the spec itself"), "{}", refused.err);
    }
    assert_eq!(fs::read_to_string(&spec).expect("it is there"), text);
    shrink(&["--out", &small, "--force"]).with(0);
    assert!(fs::read_to_string(&small).expect("it is there").contains("plan:"));
    let refused = shrink(&["--out", &at("a\nb.yaml")]).with(2);
    assert!(refused.err.contains("control character"), "{}", refused.err);
}

pub fn a_path_of_two_lines_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a\nb.yaml");
    fs::copy(fixtures("calm.yaml"), &file).expect("a file");
    let (file, directory) = (file.to_str().expect("text"), directory.path().to_str().expect("text"));
    for args in
        [&["run", file][..], &["run", directory], &["check", directory], &["explain", file, "--seed", "1"]]
    {
        let ended = run(squall(args)).with(2);
        assert!(ended.err.contains("control character") && ended.err.contains("rename it"), "{}", ended.err);
        assert!(ended.err.contains("a\\nb.yaml"), "{}", ended.err);
    }
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

pub fn the_version_says_what_it_was_built_from() {
    for asks in ["--version", "-V"] {
        let told =
            run(squall(&[asks])).with(0).says("built from gremlins\n").says("systems: astray, gremlin");
        let build = told.out.lines().find_map(|line| line.strip_prefix("build ")).expect("a fingerprint");
        // The same that a journal bears.
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let journal = path.to_str().expect("a plain path");
        run(squall(&["run", "fixtures/calm.yaml", "--seeds", "1", "--journal", journal])).with(0);
        let journal = fs::read_to_string(&path).expect("it is written");
        let fingerprint = build.split(',').next().expect("a first part");
        assert!(fingerprint.len() == 16 && journal.contains(fingerprint), "{build}\n{journal}");
    }
    assert!(!run(systems(&["--version"])).with(0).out.contains("built from"), "nobody has said");
}
