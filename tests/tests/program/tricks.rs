//! What ordinary code does without meaning harm is simulated, or refused by name: it is never passed over.

use std::fs;

use tempfile::TempDir;

use crate::subject::{Ended, run, squall};

/// A spec in which the first node plays this trick.
fn spec(trick: &str) -> (TempDir, String) {
    spec_with(trick, &format!("params: {{ plays: {trick} }}"))
}

fn spec_with(trick: &str, lines: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(format!("{trick}.yaml"));
    let text = format!(
        "spec: 1\nabout: A node plays a trick\nsystem: gremlin\n{lines}\n\
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
        ("real_socket", "a socket of the real tokio", "real_tokio::net::UdpSocket::bind", "squall_rt::net"),
        ("std_socket", "a socket of the operating system", "std::net::UdpSocket::bind", "squall_rt::net"),
        ("lookup", "looked up a name", "to_socket_addrs", "squall_rt::net"),
        ("command", "started another process", "std::process::Command::new", "in the task itself"),
        ("fork", "started another process", "libc::fork()", "in the task itself"),
        ("shell", "started another process", "libc::system(", "in the task itself"),
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

/// Which of a node's tasks it is that does not come back.
pub fn who_hangs_is_told_with_the_place_of_its_task() {
    let hung = |trick: &str| {
        let (_directory, spec) = spec(trick);
        run(squall(&["run", &spec, "--no-shrink", "--run-timeout", "5s", "--seeds", "1"])).with(1)
    };
    let place = line_of("drop(squall_rt::task::spawn(async {");
    let waits =
        format!("Receiver::recv`, called at {}", place_of("let _ = std::sync::mpsc::channel::<()>().1.recv"));
    hung("receive_in_task")
        .says(&format!("killed in the code of nodes[0], in the task spawned at {place}"))
        .says(&waits)
        .says("`.await` instead");
    // The first task of a process is the process's own.
    let first = hung("receive").says("killed in the code of nodes[0]");
    assert!(!first.out.contains("in the task spawned"), "{}", first.out);
}

/// Where calls may block, tasks run on stacks that the system knows nothing of.
pub fn a_stack_that_calls_can_leave_is_read_and_overflows_as_any_other() {
    let stalled = |params: &str| {
        let slow = "faults: [{ id: slow, disk_stall: { node: nodes, by: 1ms }, at: 1ms }]";
        let (_directory, spec) = spec_with("stalled", &format!("params: {params}\n{slow}"));
        run(squall(&["run", &spec, "--no-shrink", "--run-timeout", "5s", "--seeds", "1"])).with(1)
    };
    stalled("{ plays: receive }").says("killed in the code of nodes[0]").says("Receiver::recv`, called at ");
    stalled("{ does: overflow }")
        .says("its process died: signal 6 (SIGABRT)")
        .says("a task has overflowed its stack");
    // What listens for that takes no other fault for its own, not even one that no instruction brings about.
    stalled("{ does: kill_as_a_fault }").says("its process died: signal 11 (SIGSEGV)");
}

pub fn tasks_that_nothing_can_wake_are_told() {
    let place = line_of("drop(squall_rt::task::spawn(std::future::pending");
    let says = format!(
        "waited for what can never wake them, as nothing is left that could: 4 tasks of nodes, spawned at {place}"
    );
    // Nothing is quiet in it, so its second check is idle.
    played("forgotten").with(5).says("note: at the end of 2 runs").says(&says);
    let (_directory, spec) = spec("forgotten");
    run(squall(&["replay", &spec, "--seed", "0"])).with(0).says("2 tasks of nodes, spawned at");
}

/// rand 0.8 seeds itself so. Once each run was another, and nothing said why.
pub fn random_numbers_of_the_kernel_are_the_seed_s() {
    // Its second check is idle, and that is all.
    played("kernel").with(5);
}

/// Once it waited for itself for ever.
pub fn an_invariant_that_reports_is_named() {
    played("invariant_reports")
        .with(3)
        .says("an invariant or a condition reported an event of `gremlin`")
        .says("Breach");
}

/// The sum over all runs took the campaign with it.
pub fn an_invariant_may_say_any_number() {
    // Its second check is idle, and that is all.
    played("boundless").with(5).says("quiet");
}

/// Nothing was left of it but that a panic cannot unwind.
pub fn the_panic_that_ends_a_process_is_told() {
    let place = line_of("panic!(\"it has to unwind\")");
    let ended = played("cannot_unwind").with(1).says("signal 6 (SIGABRT)");
    let told = ended
        .out
        .lines()
        .find(|line| line.contains("it has to unwind"))
        .unwrap_or_else(|| panic!("{}", ended.out));
    assert!(told.contains(&place), "{told}");
}

/// The parent waited for ever for a thread that it was to wait for first.
pub fn a_worker_that_has_itself_traced_can_be_ended() {
    played("traced").with(1).says("a gremlin struck");
}

/// The signal that one spec had asked for struck another.
pub fn what_a_run_leaves_in_its_process_is_no_other_specs() {
    let (directory, alarm) = spec("alarm");
    let calm = directory.path().join("calm.yaml");
    let text = fs::read_to_string("fixtures/calm.yaml").expect("a fixture");
    fs::write(&calm, format!("{text}\n")).expect("a file");
    let calm = calm.to_str().expect("text");
    let args = ["run", &alarm, calm, "--jobs", "1", "--seeds", "400", "--no-shrink", "--format", "json"];
    let ended = run(squall(&args));
    let specs = ended.of_kind("spec");
    let [first, second] = &specs[..] else { panic!("two specs: {}", ended.out) };
    assert_eq!(
        (second["verdict"].as_str(), second["runs"].as_u64()),
        (Some("passed"), Some(400)),
        "{second}"
    );
    assert_ne!(first["runs"].as_u64(), Some(0), "{first}");
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
