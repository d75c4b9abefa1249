//! What ordinary code does without meaning harm is simulated, or refused by name: it is never passed over.

use std::fs;

use tempfile::TempDir;

use crate::subject::{Ended, run, squall};

/// A spec in which the first node plays this trick.
fn spec(trick: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(format!("{trick}.yaml"));
    let text = format!(
        "spec: 1\nabout: A node plays a trick\nsystem: gremlin\nparams: {{ plays: {trick} }}\n\
         check: [no_gremlin, {{ eventually: {{ within: 200ms, that: quiet }} }}]\nexplore: {{ seeds: 2 }}\n\
         phases: {{ warmup: 200ms, chaos: 600ms, settle: 200ms }}\nworkload: {{ ops: 5 }}\n"
    );
    fs::write(&path, text).expect("a file");
    (directory, path.to_str().expect("text").to_owned())
}

fn played(trick: &str) -> Ended {
    let (_directory, spec) = spec(trick);
    run(squall(&["run", &spec, "--no-shrink"]))
}

/// The line of `tests/src/trick.rs` that has this text.
fn line_of(text: &str) -> String {
    let source = include_str!("../../src/trick.rs");
    let line = source.lines().position(|line| line.contains(text)).expect(text) + 1;
    format!("tests/src/trick.rs:{line}:")
}

/// As [`line_of`], as seen from where the program under test runs.
fn place_of(text: &str) -> String {
    line_of(text).replace("tests/src", "src")
}

pub fn what_cannot_be_simulated_is_refused_in_one_line() {
    for (trick, what, asks, instead) in [
        ("thread", "started a thread", "std::thread::spawn(|| ())", "squall_rt::task::spawn"),
        (
            "scope",
            "started a thread (std::thread::scope)",
            "std::thread::scope(|scope|",
            "a run is one thread",
        ),
        ("pthread", "started a thread", "libc::pthread_create(", "squall_rt::task::spawn"),
        (
            "real_spawn",
            "spawned a task on the real tokio",
            "real_tokio::spawn",
            "madsim-tokio in place of tokio",
        ),
        (
            "real_spawn_blocking",
            "the real tokio::task::spawn_blocking",
            "real_tokio::task::spawn_bl",
            "directly",
        ),
        ("real_sleep", "a timer of the real tokio", "real_tokio::time::sleep", "squall_rt::time"),
        (
            "real_socket",
            "a socket, a child process or a signal of the real tokio",
            "UdpSocket::bind",
            "squall_rt::net",
        ),
    ] {
        let ended = played(trick).with(3);
        let all = format!("{}{}", ended.out, ended.err);
        let told = all.lines().find(|line| line.contains("nodes[0] ") && line.contains(what));
        let told = told.unwrap_or_else(|| panic!("{trick}: {all}"));
        assert!(told.contains(&place_of(asks)) && told.contains(instead), "{trick}: {told}");
        assert!(!all.contains("left: -1"), "{trick}: {all}");
    }
}

/// In the simulation as elsewhere: once it hung for ever, silently.
pub fn a_task_that_yields_comes_back() {
    for trick in ["real_yield", "consume_budget"] {
        played(trick).with(1).says("a gremlin struck");
    }
}

pub fn a_panic_is_told_with_its_own_place() {
    for (trick, message) in [("hook", "under a hook"), ("caught_and_panic", "the second is not")] {
        let place = line_of(&format!("panic!(\"{message}\")"));
        played(trick).with(1).says(&format!("nodes[0] panicked in {place}")).says(message);
    }
}

pub fn a_panic_of_a_part_names_the_part() {
    for (trick, part, message) in [
        ("invariant_panics", "the invariant `no_gremlin`", "the invariant panics"),
        ("condition_panics", "the condition `quiet`", "the condition panics"),
        ("strategy_panics", "the strategy of operation `nap`", "the strategy panics"),
    ] {
        played(trick).with(1).says(&format!("{part} panicked in tests/src/lib.rs:")).says(message);
    }
}

pub fn a_backtrace_comes_when_it_is_asked_for() {
    let (_directory, spec) = spec("caught_and_panic");
    let replay = |args: &[&str], variable: &str| {
        let mut command = squall(&[&["replay", &spec, "--seed", "0"], args].concat());
        command.env("RUST_BACKTRACE", variable);
        run(command).with(1).out
    };
    let place = place_of("panic!(\"the second is not\")");
    for asked in [replay(&["--backtrace"], "0"), replay(&[], "1")] {
        assert!(asked.contains(&format!("at {place}")), "{asked}");
        assert!(!asked.contains("async-task"), "{asked}");
    }
    assert!(!replay(&[], "0").contains(&format!("at {place}")));
}

/// Once a violation that was reported next went unseen, and the run passed.
pub fn who_blinds_the_harness_is_named() {
    for trick in ["subscriber", "scoped_subscriber", "no_subscriber"] {
        played(trick).with(3).says("nodes[0] put a tracing subscriber of its own in place").says("try_init");
    }
    played("subscriber").with(3).says(&place_of("set_default(Deaf)"));
    // That one cannot be had, and hides nothing.
    played("global_subscriber").with(1).says("a gremlin struck");
}

pub fn what_a_service_logs_is_told_and_changes_nothing() {
    // The end of a failing run's log comes with the failure.
    let warned = "WARN squall_tests::trick: cannot charge error=no lease\\u{9b} attempt=2 in request{id=3}:step{name=charge}";
    let failed = "ERROR shop::cart: the cart is empty in request{id=3}";
    played("log").with(1).says("its log at warn and above").says(warned).says(failed);

    let (_directory, spec) = spec("log_and_pass");
    let replay = |args: &[&str], variable: Option<&str>| {
        let mut command = squall(&[&["replay", &spec, "--seed", "0"], args].concat());
        command.env_remove("RUST_LOG").envs(variable.map(|filter| ("RUST_LOG", filter)));
        run(command).with(0)
    };
    let plain = replay(&[], None).says(warned).says(failed).says("lines of the log are not shown");
    assert!(!plain.out.contains("in passing"), "{}", plain.out);
    // Where it belongs: after the fifth beat of the node, before the sixth.
    let nodes: Vec<&str> = plain.out.lines().filter(|line| line.contains(" nodes[0] ")).collect();
    let said = nodes.iter().position(|line| line.contains("cannot charge")).expect("it is there");
    assert!(nodes[said - 1].contains("n=5 ") && nodes[said + 2].contains("n=6 "), "{}", plain.out);

    let all = replay(&["--log", "trace"], None)
        .says("TRACE shop: quietly")
        .says("INFO squall_tests::trick: in passing");
    let some = replay(&["--log", "off,shop=trace"], Some("info")).says("quietly").says(failed);
    assert!(!some.out.contains("in passing") && !some.out.contains("cannot charge"), "{}", some.out);
    let named = replay(&[], Some("info")).says("in passing");
    let digest =
        |out: &str| out.lines().find(|line| line.starts_with("digest")).expect("a digest").to_owned();
    for other in [&all.out, &some.out, &named.out] {
        assert_eq!(digest(&plain.out), digest(other));
    }
    let bad = squall(&["replay", &spec, "--seed", "0", "--log", "shop=loud"]);
    run(bad).with(2);
}
