//! What a run promises: the same seed gives the same run, faults do what they say and undo just that, and the dead stay
//! silent. The system under test is as treacherous as ordinary code: it selects, iterates over hash maps, reads clocks.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, Record, Registry,
    System,
    check::Breach,
    history::{Kind, Lifecycle},
    run::{ExecuteOptions, RunReport, Verdict, execute, explain},
    spec,
};

/// Nodes beat a hundred times a second and say so; clients sleep.
struct Pulse;

#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// Beat number at which a node panics; 0 for never.
    panic_at: u64,
    /// Beat number after which a node's process returns; 0 for never.
    exit_at: u64,
    /// Whether a task that is spawned panics.
    task_panics: bool,
    /// Spawn on the real tokio runtime.
    stray: bool,
    /// Report an event that is not declared.
    undeclared: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
enum Op {
    Nap { ms: u64 },
    Hang,
}

/// Beats are seen.
struct Beats(u64);

impl Invariant for Beats {
    fn name(&self) -> &str {
        "beats"
    }
    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        self.0 += u64::from(record.event().is_some_and(|(name, _)| name == "pulse.beat"));
        Ok(())
    }
    fn exercised(&self) -> u64 {
        self.0
    }
}

/// Every node that started is running.
#[derive(Default)]
struct AllUp(HashMap<String, bool>);

impl Condition for AllUp {
    fn name(&self) -> &str {
        "all_up"
    }
    fn observe(&mut self, record: &Record) {
        if let Kind::Node { node, change, .. } = &record.kind {
            let up = matches!(change, Lifecycle::Started | Lifecycle::Resumed);
            self.0.insert(node.to_string(), up);
        }
    }
    fn holds(&self) -> bool {
        self.0.values().all(|up| *up)
    }
}

struct LastWords;

impl Drop for LastWords {
    fn drop(&mut self) {
        tracing::info!(target: "pulse", "last_words");
    }
}

impl System for Pulse {
    const NAME: &'static str = "pulse";
    const ABOUT: &'static str = "nodes that beat";
    type Params = Params;
    type Op = Op;
    type Session = u64;

    fn groups(_: &Params) -> Vec<Group> {
        vec![Group { name: "nodes", size: 3 }]
    }
    fn operations(_: &Params) -> Operations<Op> {
        Operations::new().with("nap", 1, (0u64..100).prop_map(|ms| Op::Nap { ms })).with(
            "hang",
            0,
            Just(Op::Hang),
        )
    }
    fn events() -> &'static [EventKind] {
        &[
            EventKind {
                name: "pulse.beat",
                fields: &["n", "pick", "first", "wall", "random"],
                about: "a beat",
            },
            EventKind { name: "pulse.last_words", fields: &[], about: "said while dropped" },
            EventKind { name: "pulse.never", fields: &[], about: "not said" },
        ]
    }
    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        vec![Box::new(Beats(0))]
    }
    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        vec![Box::new(AllUp::default())]
    }
    fn flaws() -> &'static [Flaw] {
        &[]
    }
    fn apply_variant(_: &mut Params, _: &'static str) {}

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        if params.stray {
            real_tokio::spawn(async {});
        }
        if params.task_panics {
            let number = node.index();
            // As production does it: whoever awaits the task decides what becomes of it.
            let task = squall_rt::task::spawn(async move { assert!(number == u32::MAX, "task of {number}") });
            task.await?;
        }
        if params.undeclared {
            tracing::info!(target: "pulse", "baet");
        }
        let (beats, mut beat) = tokio::sync::mpsc::channel(8);
        squall_rt::task::spawn(async move {
            let _last_words = LastWords;
            for n in 1u64.. {
                squall_rt::time::sleep(Duration::from_millis(10)).await;
                if beats.send(n).await.is_err() {
                    return;
                }
            }
        });
        let map: HashMap<u32, u32> = (0..32).map(|i| (i, i)).collect();
        while let Some(n) = beat.recv().await {
            let pick = tokio::select! { () = async {} => 1, () = async {} => 2, () = async {} => 3 };
            let first = *map.keys().nth(n as usize % 32).unwrap();
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos() as u64;
            let random = squall_rt::rng::range(0..1_000_000);
            tracing::info!(target: "pulse", n, pick, first, wall, random, "beat");
            assert!(n != params.panic_at || node.index() != 1, "node 1 dies at beat {n}");
            if n == params.exit_at {
                return Err("had enough".into());
            }
        }
        Ok(())
    }
    async fn open_session(_: Node, _: Params) -> u64 {
        0
    }
    async fn perform(session: &mut u64, op: Op) -> Outcome {
        *session += 1;
        match op {
            Op::Nap { ms } => squall_rt::time::sleep(Duration::from_millis(ms)).await,
            Op::Hang => std::future::pending().await,
        }
        Outcome::ok().with("performed", *session)
    }
}

const CALM: &str = "
spec: 1
system: pulse
workload: { clients: 2, ops: 10 }
phases: { warmup: 100ms, chaos: 2s, settle: 500ms }
check: [beats]
";

fn registry() -> Registry {
    Registry::new().with::<Pulse>()
}

fn run(yaml: &str, seed: u64) -> RunReport {
    let registry = registry();
    let loaded = spec::parse("test.yaml", yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    execute(&registry, &loaded.spec, seed, ExecuteOptions { keep_history: true, ..ExecuteOptions::default() })
}

/// The history without beats: one line a record, with the time.
fn story(report: &RunReport) -> Vec<String> {
    let line = |record: &Record| format!("{:?} {:?}", record.at, record.kind);
    report.history.iter().filter(|r| r.event().is_none()).map(line).collect()
}

fn starts_and_heals(report: &RunReport, id: &str) -> (Duration, Duration) {
    let mut start = None;
    for record in &report.history {
        match &record.kind {
            Kind::FaultStart { fault, .. } if fault == id => start = Some(record.at),
            Kind::FaultHeal { fault, .. } if fault == id => {
                return (start.expect("it starts first"), record.at);
            }
            _ => {}
        }
    }
    panic!("{id} did not start and heal: {:#?}", story(report));
}

fn near(at: Duration, expected: Duration) -> bool {
    at >= expected && at - expected < Duration::from_micros(1)
}

#[test]
fn the_same_seed_is_the_same_run_alone_in_a_batch_and_in_parallel() {
    let chaos = format!(
        "{CALM}
faults:
  - id: crash
    crash: {{ node: one(nodes), restart_after: 50ms..200ms }}
    every: {{ poisson: 300ms }}
  - id: pause
    pause: {{ node: some(nodes) }}
    every: 200ms..400ms
    for: 100ms
"
    );
    let alone = run(&chaos, 99);
    assert!(alone.history.len() > 300, "there is something to compare: {}", alone.history.len());
    for seed in 0..99 {
        run(&chaos, seed);
    }
    let as_the_hundredth = run(&chaos, 99);
    assert_eq!(alone.history, as_the_hundredth.history);
    assert_eq!(alone.digest, as_the_hundredth.digest);
    let in_parallel: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| run(&chaos, 99).digest)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(in_parallel, [alone.digest; 4]);
    assert_ne!(alone.digest, run(&chaos, 98).digest, "another seed is another run");
}

#[test]
fn a_crash_at_an_event_lets_nothing_follow_it() {
    let report = run(
        &format!(
            "{CALM}
faults:
  - id: crash
    crash: {{ node: 'nodes[0]', restart_after: 100ms }}
    when: {{ event: pulse.beat, where: {{ n: 7 }}, nth: 2 }}
"
        ),
        1,
    );
    assert_eq!(report.verdict, Verdict::Passed);
    let start = report.history.iter().position(|r| matches!(r.kind, Kind::FaultStart { .. })).unwrap();
    let (name, fields) = report.history[start - 1].event().expect("the event comes right before the fault");
    assert_eq!((name, fields.int("n")), ("pulse.beat", Some(7)));
    assert_eq!(report.history[start].at, report.history[start - 1].at);
    for record in &report.history[start..] {
        if let Kind::Event { node, incarnation, name, .. } = &record.kind {
            assert!(node != "nodes[0]" || *incarnation == 2, "a dead process spoke: {record:?}");
            assert_ne!(name, "pulse.last_words");
        }
    }
    let (struck, healed) = starts_and_heals(&report, "crash");
    assert!(near(healed, struck + Duration::from_millis(100)), "{struck:?} {healed:?}");
}

#[test]
fn overlapping_faults_stack_and_heal_apart() {
    let report = run(
        &format!(
            "{CALM}
faults:
  - {{ id: first, pause: {{ node: 'nodes[1]' }}, at: 500ms, for: 400ms }}
  - {{ id: second, pause: {{ node: 'nodes[1]' }}, at: 700ms, for: 400ms }}
  - {{ id: down, crash: {{ node: 'nodes[2]', restart_after: 400ms }}, at: 500ms }}
  - {{ id: down_too, crash: {{ node: 'nodes[2]', restart_after: 800ms }}, at: 600ms }}
"
        ),
        3,
    );
    let beats = |node: &str, from: u64, to: u64| {
        let range = Duration::from_millis(from)..Duration::from_millis(to);
        report
            .history
            .iter()
            .filter(|r| range.contains(&r.at))
            .filter(
                |r| matches!(&r.kind, Kind::Event { node: n, name, .. } if n == node && name == "pulse.beat"),
            )
            .count()
    };
    assert!(beats("nodes[1]", 100, 500) > 30);
    assert_eq!(beats("nodes[1]", 501, 1100), 0, "still held by the second when the first has healed");
    assert!(beats("nodes[1]", 1100, 1500) > 30);
    assert_eq!(beats("nodes[2]", 501, 1400), 0, "still held down by the second crash");
    assert!(beats("nodes[2]", 1400, 1800) > 30);
    assert!(beats("nodes[0]", 500, 1400) > 80, "the others are not touched");
    assert_eq!((report.coverage.faults["down"].touched, report.coverage.faults["down_too"].touched), (1, 0));
}

#[test]
fn adding_a_fault_changes_no_draw_of_the_others() {
    let registry = registry();
    let plan = |yaml: &str| {
        let loaded = spec::parse("test.yaml", yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
        explain(&registry, &loaded.spec, 5)
    };
    let one = "
  - id: crash
    crash: { node: one(nodes), restart_after: 50ms..200ms }
    every: { poisson: 300ms }
";
    let other = "
  - id: pause
    pause: { node: some(nodes) }
    at: 1s..2s
    for: 1ms..100ms
";
    let alone = plan(&format!("{CALM}\nfaults:{one}"));
    let both = plan(&format!("{CALM}\nfaults:{other}{one}"));
    assert!(alone.faults.len() > 1);
    assert_eq!(alone.operations, both.operations);
    assert_eq!(alone.faults, both.faults[1..]);
}

#[test]
fn everything_heals_when_settle_begins() {
    let report = run(
        &format!(
            "{CALM}
faults:
  - {{ id: down, crash: {{ node: 'nodes[0]' }}, at: 1s }}
  - {{ id: still, pause: {{ node: 'nodes[1]' }}, at: 1s }}
"
        ),
        3,
    );
    for id in ["down", "still"] {
        let (_, healed) = starts_and_heals(&report, id);
        assert!(near(healed, Duration::from_millis(2100)), "{id} healed at {healed:?}");
    }
}

#[test]
fn a_panic_is_told_with_node_place_and_time() {
    let report = run(&format!("{CALM}\nparams: {{ panic_at: 50 }}"), 1);
    let Verdict::Panicked { message, location, node, at } = report.verdict else {
        panic!("{:?}", report.verdict)
    };
    assert_eq!(message, "node 1 dies at beat 50");
    assert!(location.starts_with("harness/squall/tests/run.rs:"), "{location}");
    assert_eq!(node, "nodes[1]");
    assert!(near(at, Duration::from_millis(500)) || at < Duration::from_millis(510), "{at:?}");
    assert!(report.history.len() > 100, "the history up to the panic is kept");
}

#[test]
fn a_panic_in_a_task_is_a_finding_unless_the_spec_says_that_others_continue() {
    let panics = format!("{CALM}\nparams: {{ task_panics: true }}");
    let Verdict::Panicked { message, .. } = run(&panics, 1).verdict else { panic!("it is a finding") };
    assert!(message.starts_with("task of "), "{message}");
    let report = run(&format!("{panics}\npanics: continue"), 1);
    assert!(!matches!(report.verdict, Verdict::Panicked { .. }), "{:?}", report.verdict);
    let lines = story(&report).join("\n");
    assert!(lines.contains("panicked with message") && lines.contains("task of 1"), "{lines}");
}

#[test]
fn a_process_that_returns_is_restarted() {
    let report = run(&format!("{CALM}\nparams: {{ exit_at: 30 }}"), 1);
    let lines = story(&report).join("\n");
    assert!(lines.contains(r#"Exited("had enough")"#), "{lines}");
    assert!(lines.contains("incarnation: 2, change: Started"), "{lines}");
}

#[test]
fn tasks_on_the_real_runtime_are_an_error() {
    let report = run(&format!("{CALM}\nparams: {{ stray: true }}"), 1);
    let Verdict::Undecided { reason } = report.verdict else { panic!("{:?}", report.verdict) };
    assert!(reason.contains("madsim-tokio"), "{reason}");
}

#[test]
fn an_undeclared_event_is_an_error() {
    let report = run(&format!("{CALM}\nparams: {{ undeclared: true }}"), 1);
    let Verdict::Undecided { reason } = report.verdict else { panic!("{:?}", report.verdict) };
    assert!(reason.contains("`pulse.baet`") && reason.contains("System::events()"), "{reason}");
}

#[test]
fn an_operation_that_never_ends_is_of_unknown_outcome() {
    let yaml = CALM.replace("ops: 10", "ops: 10, mix: { hang: 1 }");
    let report = run(&yaml, 1);
    assert_eq!(report.coverage.ops, [0, 0, 2], "each client hangs in its first");
}

fn verdict_of(check: &str, seed: u64) -> Verdict {
    run(&CALM.replace("check: [beats]", &format!("check:\n  - {check}")), seed).verdict
}

#[test]
fn combinators_hold_and_break() {
    let breaks = |check: &str, class: &str| match verdict_of(check, 1) {
        Verdict::Violated(violation) => assert_eq!(violation.class, class, "{check}: {violation:?}"),
        other => panic!("{check}: {other:?}"),
    };
    let holds = |check: &str| assert_eq!(verdict_of(check, 1), Verdict::Passed, "{check}");
    holds("never: pulse.never");
    breaks("never: { event: pulse.beat, where: { n: 20 } }", "never");
    holds("count: { event: pulse.beat, where: { n: 20 }, at_least: 3, at_most: 3 }");
    breaks("count: { event: pulse.beat, where: { n: 20 }, at_most: 2 }", "too_many");
    breaks("count: { event: pulse.beat, where: { n: 20 }, at_least: 4 }", "too_few");
    holds("count: { event: pulse.beat, per: n, at_most: 3 }");
    breaks("count: { event: pulse.beat, per: n, at_most: 2 }", "too_many");
    let beat = |n: u32| format!("{{ event: pulse.beat, where: {{ n: {n} }} }}");
    holds(&format!("order: {{ first: {}, then: {} }}", beat(3), beat(4)));
    breaks(&format!("order: {{ first: {}, then: {} }}", beat(4), beat(3)), "out_of_order");
    holds("eventually: { within: 400ms, that: { event: pulse.beat } }");
    breaks("eventually: { within: 400ms, that: { event: pulse.never } }", "never_came");
    breaks(&format!("eventually: {{ within: 100ms, after: start, that: {} }}", beat(30)), "too_late");
    holds("eventually: { within: 400ms, that: all_up }");
}

#[test]
fn eventually_waits_for_what_faults_broke() {
    let with = |restart: &str, at: &str| {
        let yaml = CALM.replace("[beats]", "[{ eventually: { within: 100ms, after: start, that: all_up } }]");
        run(
            &format!(
                "{yaml}
faults:
  - {{ id: down, crash: {{ node: 'nodes[0]', restart_after: {restart} }}, at: {at} }}
"
            ),
            1,
        )
    };
    let in_time = with("20ms", "50ms");
    assert_eq!(in_time.verdict, Verdict::Passed);
    assert!(in_time.coverage.exercised["eventually all_up"] > 0);
    let Verdict::Violated(violation) = with("200ms", "50ms").verdict else { panic!("it came up too late") };
    assert_eq!(violation.class, "too_late");
    let calm = run(&CALM.replace("[beats]", "[{ eventually: { within: 100ms, that: all_up } }]"), 1);
    assert_eq!(calm.coverage.exercised["eventually all_up"], 0, "nothing was ever amiss");
}

#[test]
fn sometimes_counts_what_was_seen() {
    let yaml = CALM.replace("[beats]", "[beats, { sometimes: [pulse.beat, pulse.never] }]");
    let seen = run(&yaml, 1).coverage.sometimes;
    assert!(seen["pulse.beat"] > 0);
    assert_eq!(seen["pulse.never"], 0);
}

/// Grown resident memory in KiB over a thousand runs, after two hundred to warm up.
fn growth(yaml: &str) -> u64 {
    let resident_kib = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
    };
    // What is refused is told with its place, and what that takes to look up stays in memory. Another test may do so meanwhile.
    run(&format!("{CALM}\nparams: {{ stray: true }}"), 0);
    for seed in 0..200 {
        run(yaml, seed);
    }
    let warm = resident_kib();
    for seed in 200..1200 {
        run(yaml, seed);
    }
    resident_kib().saturating_sub(warm)
}

/// Other tests run beside this one; a leak of a run's world would be tens of KiB for each of the thousand.
const NOISE_KIB: u64 = 16 * 1024;

#[test]
fn memory_stays_flat() {
    let yaml = format!(
        "{CALM}
faults:
  - {{ id: crash, crash: {{ node: some(nodes), restart_after: 50ms }}, every: 500ms }}
"
    );
    let grown = growth(&yaml);
    assert!(grown < NOISE_KIB, "{grown} KiB more after a thousand runs");
}

#[test]
fn memory_stays_flat_when_runs_panic() {
    let grown = growth(&format!("{CALM}\nparams: {{ panic_at: 20 }}"));
    assert!(grown < NOISE_KIB, "{grown} KiB more after a thousand panics");
}
