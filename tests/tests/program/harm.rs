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
    // What it prints is seen where one looks for it: in the history, where and when it was printed.
    let replay = run(squall(&["replay", "fixtures/print.yaml", "--seed", "3"])).with(0).says("number=0");
    let lines: Vec<String> =
        replay.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let event = lines.iter().position(|line| line.contains("number=0")).expect("it was reported");
    let (at, _) = lines[event].split_once(" gremlin.leaked").expect("the node that reported it");
    let printed = ["{\"start\":4711}", "{\"done\":{\"seed\":4711}}", "half a line"];
    assert_eq!(lines[event - 3..event], printed.map(|text| format!("{at} print {text}")), "{}", replay.out);
    assert_eq!(replay.err, "");
}

/// What a run prints that does not come to its end belongs to its history, too.
pub fn what_a_dying_run_prints_stands_in_its_history() {
    let struck = failures(&run_harm("abort"))[0].0.to_string();
    let replay = run(squall(&["replay", "fixtures/harm/abort.yaml", "--seed", &struck])).with(1);
    let printed = replay.out.find("print the gremlin aborts").expect("it is in the history");
    assert!(printed < replay.out.find("This is how far it got").expect("it says so"), "{}", replay.out);
}

/// Neither output nor closed streams nor processes of its own are a harm: the run is judged, and so are those after it.
pub fn what_a_run_does_to_its_streams_harms_nobody() {
    for deed in ["flood", "close_streams", "fork", "fork_and_go_on"] {
        let spec = format!("fixtures/harm/{deed}.yaml");
        let ended = run(squall(&["run", &spec, "--format", "json", "--jobs", "2"])).with(0);
        assert_eq!(failures(&ended), [], "{deed}");
    }
}

/// The descriptors of the worker are not for the code that runs in it.
pub fn whoever_takes_the_worker_s_descriptors_is_named() {
    let struck: Vec<u64> = failures(&run_harm("strike")).into_iter().map(|(seed, _)| seed).collect();
    let expected: Vec<_> = struck.iter().map(|seed| (*seed, "died".to_owned())).collect();
    for (deed, what) in [
        ("close_others", "it closed or read descriptors that are not its own"),
        ("close_all", "it closed or read descriptors that are not its own"),
        ("scribble", "it wrote to a descriptor that is not its own"),
    ] {
        let ended = run_harm(deed);
        assert_eq!(failures(&ended), expected, "{deed}");
        assert!(ended.out.contains(what), "{deed}: {}", ended.out);
    }
}

/// A process closes what it has before it is dead. Whoever looks in between has to wait, or the same death is told in two ways.
pub fn one_death_is_told_in_one_way() {
    let args = [
        "run",
        "fixtures/harm/exit_always.yaml",
        "--format",
        "json",
        "--jobs",
        "2",
        "--max-failures",
        "1000",
    ];
    let ended = run(squall(&args)).with(1);
    let spec = &ended.of_kind("spec")[0];
    let failing = spec["failures"].as_array().expect("failures");
    assert_eq!(failing.len(), 20, "{spec}");
    for failure in failing {
        assert_eq!(failure["what"], "its process died: exit code 101, in the middle of the run");
    }
}

/// A run that kills itself cannot be told from one that is killed, but for that it is killed every time.
pub fn a_run_that_kills_itself_is_undecided() {
    let struck: Vec<u64> = failures(&run_harm("strike")).into_iter().map(|(seed, _)| seed).collect();
    let ended = run(squall(&["run", "fixtures/harm/kill.yaml", "--format", "json", "--jobs", "2"])).with(3);
    let expected: Vec<_> = struck.iter().map(|seed| (*seed, "interrupted".to_owned())).collect();
    assert_eq!(failures(&ended), expected);
    let ended = ended.says("its worker process was ended 3 times, and not by squall");
    assert!(ended.out.contains("signal 9 (SIGKILL)"), "{}", ended.out);
}

pub fn a_worker_that_is_killed_from_outside_costs_nothing() {
    if !Path::new("/proc/self/stat").exists() {
        return;
    }
    let args = ["run", "fixtures/calm.yaml", "--seeds", "600", "--format", "json", "--jobs", "2"];
    let expected = run(squall(&args)).with(0).reported();
    for signal in ["-KILL", "-TERM", "-SEGV", "-USR1"] {
        let campaign = start(squall(&args));
        let mut killed = 0;
        while killed < 5 && is_running(campaign.id()) {
            for worker in children(campaign.id()) {
                // It may be gone already.
                let kill =
                    Command::new("kill").args([signal, &worker.to_string()]).stderr(Stdio::null()).status();
                killed += u32::from(kill.expect("kill").success());
            }
            pause(Duration::from_millis(150));
        }
        assert!(killed >= 2, "{killed} were killed");
        let ended = Ended::from(campaign.wait_with_output().expect("it ends")).with(0);
        assert_eq!(ended.reported(), expected, "after {killed} times {signal}");
    }
}

/// The processes with this in their environment.
fn family(mark: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("this test needs /proc").flatten();
    let of_it = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(of_it)
        .filter(|pid| is_running(*pid))
        .collect()
}

pub fn what_a_worker_started_ends_with_it() {
    if !Path::new("/proc/self/stat").exists() {
        return;
    }
    for (deed, code, what) in [
        ("fork", 0, "passed"),
        // Its child has the socket and the pipe, and outlives it: that says nothing of how it died.
        ("fork_and_abort", 1, "its process died: signal 6 (SIGABRT)"),
    ] {
        let mark = format!("{deed}-{}", std::process::id());
        let mut command =
            squall(&["run", &format!("fixtures/harm/{deed}.yaml"), "--format", "json", "--jobs", "2"]);
        command.env("GREMLIN_FAMILY", &mark);
        run(command).with(code).says(what);
        wait_for(deed, || family(&format!("GREMLIN_FAMILY={mark}")).is_empty());
    }
    // And with a parent that is killed.
    let mut command = squall(&["run", "fixtures/harm/fork.yaml", "--seeds", "100000", "--jobs", "2"]);
    let mark = format!("killed-{}", std::process::id());
    command.env("GREMLIN_FAMILY", &mark);
    let mut parent = start(command);
    wait_for("children are forked", || family(&format!("GREMLIN_FAMILY={mark}")).len() > 5);
    parent.kill().expect("it runs");
    parent.wait().expect("it was killed");
    wait_for("they end", || family(&format!("GREMLIN_FAMILY={mark}")).is_empty());
}

pub fn a_worker_without_a_parent_says_so() {
    for args in [&["run", "fixtures/calm.yaml"][..], &["list"]] {
        let mut command = squall(args);
        command.env("SQUALL_WORKER", "1");
        let ended = run(command).with(2);
        assert!(ended.err.contains("SQUALL_WORKER=1") && ended.err.contains("unset it"), "{}", ended.err);
    }
}

pub fn in_process_runs_too() {
    run(squall(&["run", "fixtures/calm.yaml", "--in-process"])).with(0).says("20 runs");
    run(squall(&["run", "fixtures/harm/panic.yaml", "--in-process"])).with(1).says("the gremlin panics");
}

pub fn replay_of_a_run_that_aborts() {
    let seed = failures(&run_harm("abort"))[0].0.to_string();
    run(squall(&["replay", "fixtures/harm/abort.yaml", "--seed", &seed]))
        .with(1)
        .says("gremlin.beat")
        .says("This is how far it got")
        .says("signal 6 (SIGABRT)");
}

/// What a run has recorded before it takes its process with it is told as of any run that fails.
pub fn a_run_that_is_killed_tells_how_far_it_got() {
    for deed in ["hang", "abort", "grow", "chatter"] {
        let spec = format!("fixtures/harm/{deed}.yaml");
        let args = ["--run-timeout", "3s", "--memory", "128MiB", "--max-failures", "1", "--jobs", "2"];
        let told = run(squall(&[&["run", &spec][..], &args].concat())).with(1);
        // The first node did it on its fifth beat.
        let last = if deed == "chatter" { "gremlin.leaked" } else { "gremlin.beat" };
        let (_, excerpt) = told.out.split_once("FAILED").expect("it failed");
        let marked: Vec<&str> = excerpt.lines().filter(|line| line.starts_with("  > ")).collect();
        assert!(marked.len() == 1 && marked[0].contains(last), "{deed}: {}", told.out);

        let told = run(squall(&[&["run", &spec, "--format", "json"][..], &args].concat())).with(1);
        let failure = &told.of_kind("spec")[0]["failures"][0];
        assert!(failure["last_record"].to_string().contains(last), "{deed}: {failure}");
        // One that aborts does so at once.
        let is_known = deed != "abort";
        let polled = failure["polled"].as_str();
        assert_eq!(
            polled.is_some_and(|polled| polled.starts_with("nodes[0]")),
            is_known,
            "{deed}: {failure}"
        );
        assert_eq!(excerpt.contains("it was killed in the code of nodes[0]"), is_known, "{deed}: {excerpt}");
        let seed = failure["seed"].to_string();
        run(squall(&["replay", &spec, "--seed", &seed, "--run-timeout", "3s", "--memory", "128MiB"]))
            .with(1)
            .says(last)
            .says("This is how far it got");
    }
}

pub fn a_run_that_takes_too_much_memory_is_named() {
    let struck: Vec<u64> = failures(&run_harm("strike")).into_iter().map(|(seed, _)| seed).collect();
    let expected: Vec<_> = struck.iter().map(|seed| (*seed, "out_of_memory".to_owned())).collect();
    for (deed, what) in [
        ("hoard", "out of memory: its process had more than 256MiB, and was killed"),
        ("grow", "out of memory: its process had more than 256MiB, and was killed"),
        ("demand", "out of memory: its process aborted as it was not given 32768GiB"),
    ] {
        let spec = format!("fixtures/harm/{deed}.yaml");
        let args = ["run", &spec, "--format", "json", "--jobs", "2", "--memory", "256MiB"];
        let ended = run(squall(&args)).with(1);
        assert_eq!(failures(&ended), expected, "{deed}");
        assert!(ended.out.contains(what), "{deed}: {}", ended.out);
    }
    // What is left over from other runs is not held against the next one.
    let args = ["run", "fixtures/harm/leak.yaml", "--seeds", "12", "--format", "json", "--memory", "256MiB"];
    assert_eq!(failures(&run(squall(&args)).with(0)), []);
    run(squall(&["run", "fixtures/calm.yaml", "--memory", "1MiB"])).with(2);
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
