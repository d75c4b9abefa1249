//! What code under test does to its process costs that run, and nothing else.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::subject::{Ended, run, squall, squall_at};

/// The seeds of the 12 runs that failed, and how.
fn failures(ended: &Ended) -> Vec<(u64, String)> {
    let runs = ended.of_kind("run");
    assert_eq!(runs.len(), 12, "every seed has its run: {}", ended.out);
    runs.iter()
        .filter(|run| run["verdict"] != "passed")
        .map(|run| {
            (run["seed"].as_u64().expect("a number"), run["verdict"].as_str().expect("text").to_owned())
        })
        .collect()
}

fn run_harm(deed: &str) -> Ended {
    let spec = format!("fixtures/harm/{deed}.yaml");
    run(squall(&["run", &spec, "--format", "json", "--run-timeout", "500ms", "--jobs", "2"])).with(1)
}

pub fn whatever_a_run_does_costs_that_run_only() {
    let struck: Vec<u64> = failures(&run_harm("strike")).into_iter().map(|(seed, _)| seed).collect();
    assert!(!struck.is_empty() && struck.len() < 10, "some runs, but not all: {struck:?}");
    for (deed, verdict) in
        [("panic", "panicked"), ("abort", "died"), ("overflow", "died"), ("exit", "died"), ("hang", "hung")]
    {
        // Each deed is done in the same runs, as it is drawn from the same seed.
        let expected: Vec<_> = struck.iter().map(|seed| (*seed, verdict.to_owned())).collect();
        assert_eq!(failures(&run_harm(deed)), expected, "{deed}");
    }
}

/// Somebody builds it again meanwhile: workers that are started then are of the build that the campaign began with.
pub fn a_program_that_is_replaced_goes_on_as_it_was() {
    if !cfg!(target_os = "linux") {
        // Elsewhere a file that is gone cannot be executed.
        return;
    }
    let running = env::current_exe().expect("this executable has a path");
    let directory = tempfile::tempdir_in(running.parent().expect("a directory")).expect("a directory");
    let program = directory.path().join("program");
    fs::hard_link(&running, &program).expect("a link");
    // Each run that aborts takes its worker with it.
    let args = ["run", "fixtures/harm/abort.yaml", "--format", "json", "--jobs", "2"];
    let campaign = squall_at(&program, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let campaign = campaign.expect("it starts");
    fs::remove_file(&program).expect("the link goes");
    fs::write(&program, "another build").expect("a file");
    let ended = Ended::from(campaign.wait_with_output().expect("it ends")).with(1);
    assert_eq!(failures(&ended), failures(&run_harm("abort")));
}

pub fn the_last_words_of_a_process_are_reported() {
    let told = |deed: &str| run(squall(&["run", &format!("fixtures/harm/{deed}.yaml")])).with(1);
    told("abort").says("its process died: signal 6 (SIGABRT)").says("the gremlin aborts");
    told("overflow").says("its process died: signal 6 (SIGABRT)").says("has overflowed its stack");
    told("exit").says("its process died: exit code 0, in the middle of the run");
    told("panic").says("nodes[0] panicked in tests/src/lib.rs:").says("the gremlin panics");
}

pub fn what_code_under_test_prints_and_reads_does_not_reach_the_protocol() {
    let ended = run(squall(&["run", "fixtures/print.yaml", "--format", "json", "--jobs", "2"])).with(0);
    assert_eq!(ended.of_kind("run").len(), 20);
    // What it prints is seen where one looks for it.
    let replay = run(squall(&["replay", "fixtures/print.yaml", "--seed", "3"])).with(0).says("number=0");
    assert!(replay.err.contains("{\"start\":4711}") && replay.err.contains("half a line"), "{}", replay.err);
    assert!(!replay.err.contains('\x1e'), "{:?}", replay.err);
}

pub fn in_process_runs_too() {
    run(squall(&["run", "fixtures/calm.yaml", "--in-process"])).with(0).says("20 runs");
    run(squall(&["run", "fixtures/harm/panic.yaml", "--in-process"])).with(1).says("the gremlin panics");
}

pub fn replay_of_a_run_that_aborts() {
    let seed = failures(&run_harm("abort"))[0].0.to_string();
    run(squall(&["replay", "fixtures/harm/abort.yaml", "--seed", &seed]))
        .with(1)
        .says("The run left no history")
        .says("signal 6 (SIGABRT)");
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent_of = |pid: u32| -> Option<u32> {
        // The name may hold anything, so count from its end: state, parent.
        stat(pid)?.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").expect("this test needs /proc").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[expect(clippy::disallowed_methods, reason = "the tests of the program are not in a simulation")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[track_caller]
fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let since = Instant::now();
    while !reached() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        pause(Duration::from_millis(20));
    }
}

/// A command that goes on for ever, once it does.
fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

pub fn workers_end_with_their_parent() {
    if !Path::new("/proc/self/stat").exists() {
        return;
    }
    // Workers in the middle of a run that never ends.
    let mut parent = start(squall(&["run", "fixtures/harm/hang.yaml", "--jobs", "2", "--run-timeout", "1h"]));
    wait_for("two workers run", || children(parent.id()).len() >= 2);
    pause(Duration::from_millis(300));
    let workers = children(parent.id());
    parent.kill().expect("it runs");
    parent.wait().expect("it was killed");
    wait_for("the workers end", || !workers.iter().any(|worker| is_running(*worker)));
}

pub fn an_interrupt_ends_with_what_there_is() {
    let mut child = start(squall(&["run", "fixtures/calm.yaml", "--seeds", "100000000", "--format", "json"]));
    let mut out = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut first = String::new();
    out.read_line(&mut first).expect("a run");
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(interrupt.success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("the rest");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    let last = rest.lines().last().expect("a summary");
    assert!(last.contains("\"summary\"") && last.contains("\"undecided\":1"), "{last}");
    assert!(rest.contains("interrupted"));
}
