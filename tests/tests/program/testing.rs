//! Specs as tests.

use crate::subject::{fixtures, run, specs, squall};

pub fn tests_are_named_by_path() {
    let ended = run(specs(fixtures("harm"), &["--list", "--format", "terse"])).with(0);
    let files = std::fs::read_dir(fixtures("harm")).expect("the fixtures").flatten();
    let mut expected: Vec<_> = files
        .map(|file| format!("harm::{}: test", file.path().file_stem().expect("a name").display()))
        .collect();
    expected.sort();
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), expected);
    // As cargo-nextest asks for the ignored ones.
    let ignored = run(specs(fixtures("harm"), &["--list", "--format", "terse", "--ignored"])).with(0);
    assert_eq!(ignored.out, "");
    // Listing reads no spec.
    let bad = tempfile::tempdir().expect("a directory");
    std::fs::write(bad.path().join("bad-one.yaml"), "no spec").expect("a file");
    let listed = run(specs(bad.path(), &["--list"])).with(0);
    assert!(listed.out.contains("::bad_one: test"), "{}", listed.out);
    let ended = run(specs(bad.path(), &[])).with(101);
    assert!(ended.out.contains("bad-one.yaml"), "{}", ended.out);
}

pub fn tests_run_alone_and_in_all() {
    let ended = run(specs(fixtures("flaw"), &["flaw::caught", "--exact", "--nocapture"])).with(0);
    assert!(ended.out.contains("1 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out"), "{}", ended.out);
    let ended = run(specs(fixtures("flaw"), &[])).with(101);
    assert!(ended.out.contains("1 passed; 2 failed"), "{}", ended.out);
}

pub fn a_failing_test_tells_what_happened_and_how_to_replay_it() {
    let ended = run(specs(fixtures("harm"), &["harm::strike", "--exact"])).with(101);
    assert!(ended.out.contains("replay: SQUALL_REPLAY="), "{}", ended.out);
    assert!(
        ended.out.contains("no_gremlin violated (strike)") && ended.out.contains("gremlin.struck"),
        "{}",
        ended.out
    );
    assert!(!ended.out.contains('\x1b'), "{:?}", ended.out);
}

pub fn the_environment_narrows_and_widens() {
    let strike = |name: &str, value: &str| {
        let mut command = specs(fixtures("harm"), &["harm::strike", "--exact"]);
        command.env(name, value);
        run(command)
    };
    let all = strike("SQUALL_SEEDS", "0..12").with(101);
    let seed = all
        .out
        .split("SQUALL_REPLAY=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .expect("a seed");
    strike("SQUALL_SEED", seed).with(101).says("1 of 1 run failed");
    let good = (0..12).map(|seed| seed.to_string()).find(|seed| strike("SQUALL_SEED", seed).code == Some(0));
    assert!(good.is_some(), "some seed passes alone");
    for (name, value) in
        [("SQUALL_SEED", "x"), ("SQUALL_SEEDS", "3..1"), ("SQUALL_SEEDS", ""), ("SQUALL_SEEDS", "0")]
    {
        let ended = strike(name, value).with(2);
        assert!(ended.err.contains(name), "{}", ended.err);
    }
}

pub fn a_directory_without_specs_is_an_error() {
    let empty = tempfile::tempdir().expect("a directory");
    let ended = run(specs(empty.path(), &[])).with(2);
    assert!(ended.err.contains("no specs"), "{}", ended.err);
    run(specs("no/such/directory", &["--list"])).with(2);
}

/// It was `cargo run`, which there is none of in a package without programs, or with several.
pub fn the_line_that_replays_needs_no_program() {
    let line_of = |directory: &str, test: &str| {
        let mut failing = specs(fixtures(directory), &[test, "--exact"]);
        // As cargo and cargo-nextest set it.
        failing.env("CARGO_PKG_NAME", "some-package");
        let ended = run(failing).with(101);
        let line = ended.out.lines().find_map(|line| line.trim().strip_prefix("replay: "));
        line.expect("a line to paste").to_owned()
    };
    let line = line_of("harm", "harm::strike");
    let target = "cargo test -p some-package --test program -- --exact harm::strike --nocapture";
    let run_id =
        line.strip_prefix("SQUALL_REPLAY=").and_then(|rest| rest.strip_suffix(target)).expect(&line).trim();
    let replay = |directory: &str, test: &str, run_id: &str, case: Option<&str>| {
        let mut command = specs(fixtures(directory), &["--exact", test, "--nocapture"]);
        command.env("SQUALL_REPLAY", run_id);
        command.envs(case.map(|case| ("SQUALL_CASE", case)));
        run(command)
    };
    let told = replay("harm", "harm::strike", run_id, None).with(101);
    let shown = run(squall(&["replay", "fixtures/harm/strike.yaml", "--seed", run_id])).with(1);
    assert!(shown.out.lines().count() > 20);
    assert!(told.out.contains(&shown.out), "the history is there:\n{}", told.out);
    let good = (0..12).map(|seed| seed.to_string()).find(|seed| *seed != run_id).expect("another");
    assert_eq!(
        replay("harm", "harm::strike", &good, None).code == Some(0),
        run(squall(&["replay", "fixtures/harm/strike.yaml", "--seed", &good])).code == Some(0)
    );

    let line = line_of("matrix", "matrix::variants");
    let case = line.split("SQUALL_CASE=").nth(1).and_then(|rest| rest.split(' ').next()).expect(&line);
    let run_id = line.split(['=', ' ']).nth(1).expect(&line);
    replay("matrix", "matrix::variants", run_id, Some(case.trim_matches('\'')))
        .with(101)
        .says("no_gremlin violated");
    let ended = replay("matrix", "matrix::variants", "nothing", None).with(2);
    assert!(ended.err.contains("SQUALL_REPLAY=nothing"), "{}", ended.err);
}

pub fn no_threads_for_tests_is_an_error() {
    let ended = run(specs(fixtures("flaw"), &["--test-threads", "0"])).with(2);
    assert!(ended.err.contains("--test-threads 0") && ended.err.contains("at least"), "{}", ended.err);
}
