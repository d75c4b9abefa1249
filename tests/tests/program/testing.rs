//! Specs as tests.

use crate::subject::{fixtures, run, specs};

pub fn tests_are_named_by_path() {
    let ended = run(specs(fixtures("harm"), &["--list", "--format", "terse"])).with(0);
    let expected: Vec<_> = ["abort", "exit", "hang", "overflow", "panic", "strike"]
        .iter()
        .map(|name| format!("harm::{name}: test"))
        .collect();
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
    let replay = " replay tests/fixtures/harm/strike.yaml --seed ";
    assert!(ended.out.contains("replay: cargo run") && ended.out.contains(replay), "{}", ended.out);
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
    let seed =
        all.out.split("--seed ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a seed");
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
