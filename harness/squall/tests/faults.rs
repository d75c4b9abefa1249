//! Each fault kind, through a spec: what it does to a service and its clients, and that its heal undoes just that.

use std::time::Duration;

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, Record, Registry, System,
    history::{Fields, Kind},
    run::{ExecuteOptions, RunReport, execute},
    spec,
};
use squall_rt::{
    disk,
    net::TcpListener,
    rpc::{Call, CallError, Client, Method, Server},
    time::Instant,
};

/// A server that counts calls: durably in a file that it syncs, and in one that it does not.
struct Counter;

#[derive(Serialize, Deserialize)]
struct Hit(u64);

impl Method for Hit {
    const NAME: &'static str = "hit";
    type Reply = ();
}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
enum Op {
    Hit { n: u64 },
}

#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoParams {}

fn write_count(path: &str, count: u64, sync: bool) -> std::io::Result<()> {
    let file = disk::OpenOptions::new().read(true).write(true).create(true).open(path)?;
    file.write_all_at(&count.to_le_bytes(), 0)?;
    if sync {
        file.sync_all()?;
        disk::sync_dir("/")?;
    }
    Ok(())
}

fn read_count(path: &str) -> u64 {
    disk::read(path).ok().and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?))).unwrap_or(0)
}

impl System for Counter {
    const NAME: &'static str = "counter";
    const ABOUT: &'static str = "counts calls";
    type Params = NoParams;
    type Op = Op;
    type Session = Client;

    fn groups(_: &NoParams) -> Vec<Group> {
        vec![Group { name: "server", size: 1 }]
    }
    fn operations(_: &NoParams) -> Operations<Op> {
        Operations::new().with("hit", 1, any::<u64>().prop_map(|n| Op::Hit { n }))
    }
    fn events() -> &'static [EventKind] {
        &[
            EventKind { name: "counter.found", fields: &["synced", "unsynced"], about: "at the start" },
            EventKind { name: "counter.hit", fields: &["n"], about: "a call arrived" },
        ]
    }
    fn invariants(_: &NoParams) -> Vec<Box<dyn Invariant>> {
        Vec::new()
    }
    fn flaws() -> &'static [Flaw] {
        &[]
    }
    fn apply_variant(_: &mut NoParams, _: &'static str) {}

    async fn run_node(_: Node, _: NoParams) -> Result<(), BoxError> {
        let (synced, unsynced) = (read_count("/synced"), read_count("/unsynced"));
        tracing::info!(target: "counter", synced, unsynced, "found");
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let server = Server::new().on(|Hit(n), _: Call| async move {
            write_count("/synced", read_count("/synced") + 1, true).expect("the disk works");
            write_count("/unsynced", read_count("/unsynced") + 1, false).expect("the disk works");
            tracing::info!(target: "counter", n, "hit");
            Ok(())
        });
        Ok(server.serve(listener).await?)
    }
    async fn open_session(_: Node, _: NoParams) -> Client {
        Client::new("server-0:80")
    }
    async fn perform(client: &mut Client, op: Op) -> Outcome {
        let Op::Hit { n } = op;
        let start = Instant::now();
        match client.call(&Hit(n), Duration::from_millis(400)).await {
            Ok(()) => Outcome::ok().with("took_us", start.elapsed().as_micros() as u64),
            Err(CallError::Unknown { reason }) => Outcome::unknown(reason),
            Err(error) => Outcome::failed(error),
        }
    }
}

/// Ten calls a second from one client; the fault is there from 2 s to 3 s; all links take a millisecond.
fn run(fault: &str) -> RunReport {
    let yaml = format!(
        "
spec: 1
system: counter
workload: {{ clients: 1, ops: 40, rate: 10/s }}
network: {{ default: {{ latency: 1ms }} }}
phases: {{ warmup: 1s, chaos: 4s, settle: 1s }}
faults:
  - id: it
    {fault}
    at: 2s
"
    );
    let registry = Registry::new().with::<Counter>();
    let loaded = spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    execute(&registry, &loaded.spec, 1, ExecuteOptions { keep_history: true })
}

/// How operations ended, by when they started: before, during and after the fault.
#[derive(Debug, Default)]
struct Ends {
    ok: Vec<u64>,
    failed: Vec<String>,
    unknown: Vec<String>,
}

fn ends(report: &RunReport) -> [Ends; 3] {
    let mut ends: [Ends; 4] = Default::default();
    let mut started = Duration::ZERO;
    for record in &report.history {
        // A call that starts within its deadline of the heal may live to see it, and says nothing of either.
        let phase = match started.as_millis() {
            ..2000 => 0,
            2000..2600 => 1,
            2600..3000 => 3,
            _ => 2,
        };
        let reason = |fields: &Fields| fields.text("reason").unwrap_or("").to_owned();
        match &record.kind {
            Kind::Invoke(..) => started = record.at,
            Kind::Ok(_, fields) => ends[phase].ok.push(fields.int("took_us").unwrap() as u64),
            Kind::Fail(_, fields) => ends[phase].failed.push(reason(fields)),
            Kind::Info(_, fields) => ends[phase].unknown.push(reason(fields)),
            _ => {}
        }
    }
    assert!(ends[0].ok.len() >= 10 && ends[0].failed.is_empty() && ends[0].unknown.is_empty(), "{ends:?}");
    let [before, during, after, _] = ends;
    [before, during, after]
}

fn hits(report: &RunReport, from_ms: u64, to_ms: u64) -> usize {
    let range = Duration::from_millis(from_ms)..Duration::from_millis(to_ms);
    let hit = |r: &&Record| r.event().is_some_and(|(name, _)| name == "counter.hit");
    report.history.iter().filter(|r| range.contains(&r.at)).filter(hit).count()
}

fn recovers(ends: &Ends) {
    assert!(ends.ok.len() >= 10, "{ends:?}");
    assert!(
        ends.ok.iter().rev().take(8).all(|us| (2_000..3_000).contains(us)),
        "a round trip again: {ends:?}"
    );
}

#[test]
fn a_dropping_partition_leaves_calls_unanswered() {
    for cut in ["isolate: server", "isolate: clients", "split: [server, rest]", "split: [clients, server]"] {
        let report = run(&format!("partition: {{ {cut} }}\n    for: 1s"));
        let [_, during, after] = ends(&report);
        assert!(during.ok.is_empty(), "{cut}: {during:?}");
        assert!(!during.unknown.is_empty(), "{cut}: a request was on its way: {during:?}");
        assert_eq!(hits(&report, 2010, 3000), 0, "{cut}");
        recovers(&after);
        assert!(report.coverage.faults["it"].touched > 0);
    }
}

#[test]
fn a_rejecting_partition_refuses() {
    let report = run("partition: { isolate: server, mode: reject }\n    for: 1s");
    let [_, during, after] = ends(&report);
    assert!(during.ok.is_empty(), "{during:?}");
    assert!(during.failed.iter().any(|reason| reason.contains("refused")), "{during:?}");
    recovers(&after);
}

#[test]
fn a_holding_partition_delivers_after_the_heal() {
    let report = run("partition: { isolate: server, mode: hold }\n    for: 1s");
    let [_, during, after] = ends(&report);
    assert!(during.ok.is_empty() && !during.unknown.is_empty(), "{during:?}");
    assert_eq!(hits(&report, 2010, 3000), 0);
    assert!(hits(&report, 3000, 3010) > 0, "what was held arrives at once");
    recovers(&after);
}

#[test]
fn a_one_way_partition_lets_requests_through_and_no_replies() {
    let report = run("partition: { one_way: server -> clients }\n    for: 1s");
    let [_, during, after] = ends(&report);
    assert!(during.ok.is_empty() && !during.unknown.is_empty(), "{during:?}");
    assert!(hits(&report, 2010, 3000) > 0, "the first request arrived, and was executed");
    recovers(&after);
}

#[test]
fn a_delay_takes_as_long_as_it_says() {
    let report = run("delay: { link: clients -> server, by: 100ms, jitter: 10ms }\n    for: 1s");
    let [_, during, after] = ends(&report);
    assert!(during.ok.len() >= 5, "{during:?}");
    assert!(during.ok.iter().any(|us| (102_000..113_000).contains(us)), "{during:?}");
    recovers(&after);
    let both = run("delay: { link: clients <-> server, by: 100ms }\n    for: 1s");
    assert!(ends(&both)[1].ok.iter().any(|us| (202_000..203_000).contains(us)));
}

#[test]
fn loss_delays_and_loses() {
    let all = run("loss: { link: clients -> server, rate: 100% }\n    for: 1s");
    let [_, during, after] = ends(&all);
    assert!(during.ok.is_empty(), "{during:?}");
    recovers(&after);
    let some = run("loss: { link: clients <-> server, rate: 30% }\n    for: 1s");
    let [_, during, after] = ends(&some);
    assert!(during.ok.iter().any(|us| *us > 150_000), "a lost segment is sent again: {during:?}");
    recovers(&after);
}

#[test]
fn a_pause_stops_and_resumes() {
    let report = run("pause: { node: server }\n    for: 1s");
    let [_, during, after] = ends(&report);
    assert!(during.ok.is_empty() && !during.unknown.is_empty(), "{during:?}");
    assert_eq!(hits(&report, 2001, 3000), 0);
    recovers(&after);
}

/// What the server found on its disk when it came back, and how many hits it had counted.
fn found(report: &RunReport) -> (i64, i64, i64) {
    let found: Vec<_> = report
        .history
        .iter()
        .filter_map(|r| r.event())
        .filter(|(name, _)| *name == "counter.found")
        .map(|(_, fields)| (fields.int("synced").unwrap(), fields.int("unsynced").unwrap()))
        .collect();
    assert_eq!(found[0], (0, 0));
    assert_eq!(found.len(), 2, "it crashed once");
    (found[1].0, found[1].1, hits(report, 0, 2000) as i64)
}

#[test]
fn a_crash_leaves_on_the_disk_what_it_says() {
    let report = run("crash: { node: server, disk: keep, restart_after: 1s }");
    let (synced, unsynced, hits_before) = found(&report);
    assert_eq!((synced, unsynced), (hits_before, hits_before), "a process crash leaves the page cache");
    let [_, during, after] = ends(&report);
    assert!(during.ok.is_empty(), "{during:?}");
    assert!(during.failed.iter().any(|reason| reason.contains("refused")), "the kernel answers: {during:?}");
    recovers(&after);

    let report = run("crash: { node: server, disk: lose_unsynced, restart_after: 1s }");
    let (synced, unsynced, hits_before) = found(&report);
    assert_eq!((synced, unsynced), (hits_before, 0), "a power loss takes what was not synced");
    let [_, during, _] = ends(&report);
    assert!(!during.failed.iter().any(|reason| reason.contains("refused")), "silence: {during:?}");

    let report = run("crash: { node: server, disk: wiped, restart_after: 1s }");
    let (synced, unsynced, _) = found(&report);
    assert_eq!((synced, unsynced), (0, 0));
}
