//! Single packets, calls and syncs: faults on them by number, faults that wait for them, and the trace that numbers them.

use std::time::Duration;

use squall::{
    run::{ExecuteOptions, RunReport, execute},
    spec,
    trace::{MessageFate, MessageKind, TraceEvent, Traced},
};

use crate::told::{End, Told, ms, registry, round, run_seed, spec_of};

/// A run with its trace.
fn traced(extra: &str, faults: &str, seed: u64) -> RunReport {
    let registry = registry();
    let yaml = spec_of(extra, faults);
    let loaded =
        spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{yaml}\n{errors}"));
    let report = execute(
        &registry,
        &loaded.spec,
        seed,
        ExecuteOptions { keep_history: true, trace: true, ..ExecuteOptions::default() },
    );
    assert!(report.passed(), "{:?}", report.verdict);
    report
}

/// The packets of a kind on a link: number, when it was sent, and its fate.
fn packets(trace: &[Traced], link: (&str, &str), wanted: MessageKind) -> Vec<(u64, Duration, MessageFate)> {
    let of = trace.iter().filter_map(|traced| match &traced.event {
        TraceEvent::Message { from, to, kind, number, fate, .. }
            if (from.as_str(), to.as_str()) == link && *kind == wanted =>
        {
            Some((*number, traced.at, *fate))
        }
        _ => None,
    });
    of.collect()
}

const LINK: (&str, &str) = ("source[0]", "store[1]");

fn fault(kind: &str, when: &str) -> String {
    format!("  - {{ id: it, {kind}, {when} }}\n")
}

fn waits_for(event: &str) -> String {
    format!("when: {{ {event} }}")
}

#[test]
fn a_trace_numbers_all_packets_and_changes_nothing_of_the_run() {
    let extra = "params: { files: true }\nnetwork: { default: { latency: 500us..3ms, loss: 2% } }";
    let faults = "  - { id: crash, crash: { node: 'store[0]', restart_after: 300ms }, every: 1s }
  - { id: cut, partition: { isolate: 'store[1]' }, at: 2s, for: 500ms }\n";
    for seed in 0..5 {
        let with = traced(extra, faults, seed);
        let without = run_seed(extra, faults, seed).report;
        assert_eq!(with.digest, without.digest, "seed {seed}");
        assert_eq!(with.history, without.history, "seed {seed}");
        assert_eq!(with.coverage, without.coverage, "seed {seed}");
        assert!(without.trace.is_empty() && with.trace.len() > 1_000, "{}", with.trace.len());
        let sent = packets(&with.trace, LINK, MessageKind::Datagram);
        assert!(sent.iter().map(|(number, ..)| *number).eq(1..=sent.len() as u64));
        let fates = |wanted: fn(&MessageFate) -> bool| sent.iter().filter(|(.., fate)| wanted(fate)).count();
        assert!(fates(|fate| matches!(fate, MessageFate::Delivered(after) if *after < ms(3))) > 200);
        assert!(fates(|fate| *fate == MessageFate::Lost) > 0);
        assert!((23..=27).contains(&fates(|fate| *fate == MessageFate::Blocked)), "for 500 ms, one in 20 ms");
        // Each line lies between the records that were there by then.
        for traced in &with.trace {
            let before = traced.after.checked_sub(1).map(|seq| with.history[seq as usize].at);
            let next = with.history.get(traced.after as usize).map(|record| record.at);
            let slack = Duration::from_micros(5);
            assert!(before.is_none_or(|at| at <= traced.at + slack), "{traced:?} {before:?}");
            assert!(next.is_none_or(|at| traced.at <= at + slack), "{traced:?} {next:?}");
        }
        let json = serde_json::to_string(&with.trace).expect("a trace is plain data");
        assert_eq!(serde_json::from_str::<Vec<Traced>>(&json).expect("it reads back"), with.trace);
    }
}

#[test]
fn the_packet_of_that_number_in_the_trace_is_the_one_that_is_lost() {
    let before = traced("", "", 1);
    let sent = packets(&before.trace, LINK, MessageKind::Datagram);
    let (number, at, _) = sent.iter().copied().find(|(_, at, _)| *at > ms(2500)).expect("it sends on");
    let lose = format!(
        "  - {{ id: it, message: {{ link: 'source -> store[1]', kind: datagram, numbers: {number}, outcome: lost }} }}\n"
    );
    let after = traced("", &lose, 1);
    let told = Told { report: after };
    assert_eq!(told.touched("it"), 1);
    let what = format!("datagram #{number} lost on source[0] -> store[1]");
    assert_eq!(told.starts("it"), [(ms(1000), &*what)], "without a schedule from the start of chaos");
    assert_eq!(told.heals("it"), [(ms(5000), &*what)]);
    let lost: Vec<_> = packets(&told.report.trace, LINK, MessageKind::Datagram)
        .into_iter()
        .filter(|(.., fate)| *fate == MessageFate::LostToFault)
        .collect();
    assert_eq!(lost.iter().map(|(n, at, _)| (*n, round(*at))).collect::<Vec<_>>(), [(number, round(at))]);
    for datagram in told.datagrams(LINK.0, LINK.1, 0..5900) {
        assert_eq!(datagram.got.is_empty(), round(datagram.sent) == round(at), "{datagram:?}");
    }
}

#[test]
fn single_packets_come_twice_or_late() {
    let with = |outcome: &str| {
        let fault = "message: { link: 'source -> store[1]', kind: datagram, numbers: 101..102,";
        run_seed("", &format!("  - {{ id: it, {fault} {outcome} }}, at: 1s, for: 3s }}\n"), 1)
    };
    let told = with("outcome: duplicated, by: 30ms");
    let doubled: Vec<_> = told
        .datagrams(LINK.0, LINK.1, 0..5900)
        .into_iter()
        .filter(|datagram| datagram.got.len() == 2)
        .collect();
    assert_eq!(doubled.len(), 2);
    for datagram in doubled {
        assert_eq!(round(datagram.got[1] - datagram.got[0]), ms(30));
    }
    assert_eq!((told.touched("it"), told.heals("it").len()), (2, 1));
    let told = with("outcome: delayed, by: 90ms");
    let all = told.datagrams(LINK.0, LINK.1, 0..5900);
    let late: Vec<_> = all.iter().filter(|datagram| datagram.latency() != Some(ms(1))).collect();
    assert!(late.len() == 2 && late.iter().all(|datagram| datagram.latency() == Some(ms(91))), "{late:?}");
    assert_eq!(told.starts("it")[0].1, "datagram #101..102 delayed by 90ms on source[0] -> store[1]");
}

#[test]
fn a_fault_strikes_before_the_packet_leaves_that_it_waits_for() {
    let event = "event: net.sent, where: { from: 'source[0]', to: 'store[1]', kind: datagram }, nth: 120";
    let told = traced("", &fault("crash: { node: source, restart_after: 300ms }", &waits_for(event)), 1);
    let sent = packets(&told.trace, LINK, MessageKind::Datagram);
    let (_, at, fate) = sent[119];
    assert_eq!(fate, MessageFate::NeverLeft);
    assert!(sent[118].2 == MessageFate::Delivered(ms(1)) && sent[120].1 >= at + ms(300));
    let told = Told { report: told };
    assert_eq!(told.starts("it"), [(round(at), "crash source[0] (unsynced writes lost)")]);
    assert_eq!(told.touched("it"), 1);
    // It is no event of the history.
    assert!(told.events("net.sent").is_empty());
}

#[test]
fn a_partition_stops_the_very_packet_that_it_waits_for() {
    let event = "event: net.sent, where: { from: 'source[0]', to: 'store[1]', kind: datagram }, nth: 120";
    let when = format!("{}, for: 10ms", waits_for(event));
    let told = traced("", &fault("partition: { one_way: 'source -> store[1]' }", &when), 1);
    let sent = packets(&told.trace, LINK, MessageKind::Datagram);
    let blocked: Vec<_> =
        sent.iter().filter(|(.., fate)| *fate == MessageFate::Blocked).map(|(number, ..)| *number).collect();
    assert_eq!(blocked, [120], "the next comes 20 ms later, and is healed");
}

#[test]
fn some_time_after_a_packet() {
    let event = "event: net.sent, where: { from: 'source[0]', to: 'store[1]', kind: datagram }, nth: 120, after: 30ms";
    let when = format!("{}, for: 100ms", waits_for(event));
    let report = traced("", &fault("pause: { node: 'store[1]' }", &when), 1);
    let (_, at, fate) = packets(&report.trace, LINK, MessageKind::Datagram)[119];
    assert_eq!(fate, MessageFate::Delivered(ms(1)));
    assert_eq!(Told { report }.starts("it")[0].0, round(at + ms(30)));
}

/// The fate of the twentieth put, if the store is crashed at that stage of it.
fn twentieth_put(stage: &str) -> (End, bool) {
    let event = format!("event: rpc.{stage}, where: {{ to: 'store[0]', method: put }}, nth: 20");
    let crash = fault("crash: { node: 'store[0]', restart_after: 300ms }", &waits_for(&event));
    let told = Told { report: traced("", &crash, 1) };
    let put = &told.done()[19];
    assert_eq!(told.starts("it").len(), 1, "{stage}");
    assert!((round(put.start)..=put.start + ms(5)).contains(&told.starts("it")[0].0), "{stage}");
    let executed = told.events("call.executed").iter().any(|seen| seen.int("n") == put.n);
    (put.how, executed)
}

#[test]
fn a_callee_that_is_crashed_at_a_stage_of_a_call_gets_no_further() {
    assert_eq!(twentieth_put("arrived"), (End::Unknown, false), "before its handler runs");
    assert_eq!(twentieth_put("replied"), (End::Unknown, true), "after it has");
    let (how, executed) = twentieth_put("called");
    assert!(how != End::Ok && !executed, "before it leaves its caller");
}

#[test]
fn a_caller_that_is_crashed_as_it_calls_has_called_nobody() {
    let event = "event: rpc.called, where: { from: 'clients[0]', method: put }, nth: 20";
    let crash = fault("crash: { node: clients, restart_after: 300ms }", &waits_for(event));
    let told = Told { report: traced("", &crash, 1) };
    let put = &told.done()[19];
    assert_eq!(put.how, End::Unknown);
    assert!(told.events("call.executed").iter().all(|seen| seen.int("n") != put.n));
    assert_eq!(told.done()[20].how, End::Ok, "it goes on with the next");
}

/// How many puts the store had synced when it came back, and how many it had been given, if it loses power at the 40th sync.
fn synced_at(event: &str) -> u64 {
    let crash = "crash: { node: 'store[0]', disk: lose_unsynced, restart_after: 300ms }";
    let event = format!("event: {event}, where: {{ node: 'store[0]' }}, nth: 39");
    let told = Told { report: traced("", &fault(crash, &waits_for(&event)), 1) };
    let found = told.events_on("store[0]", "disk.found", 0..6000);
    assert_eq!(found.len(), 2);
    found[1].int("synced")
}

#[test]
fn a_sync_is_cut_off_before_or_after_it_takes_effect() {
    // Each put syncs the file, then the directory: the 39th sync is the file's of the twentieth.
    assert_eq!(synced_at("disk.sync"), 19);
    assert_eq!(synced_at("disk.synced"), 20);
}

#[test]
fn runs_that_wait_for_messages_are_the_same_every_time() {
    let faults = "  - { id: a, crash: { node: 'store[0]', restart_after: 200ms }, when: { event: net.sent, where: { kind: ack }, nth: 3 }, times: 4 }
  - { id: b, delay: { link: all -> all, by: 5ms }, when: { event: rpc.arrived, nth: 5..9, after: 0ms..3ms }, for: 500ms }
  - { id: c, reset: { link: all <-> all }, when: { event: disk.sync, nth: 30 } }\n";
    for seed in 0..10 {
        let first = run_seed("network: { default: { latency: 500us..3ms } }", faults, seed);
        let again = traced("network: { default: { latency: 500us..3ms } }", faults, seed);
        assert_eq!(first.report.digest, again.digest, "seed {seed}");
        assert_eq!(first.report.history, again.history);
        for id in ["a", "b", "c"] {
            assert!(first.touched(id) > 0, "{id} of seed {seed}");
        }
    }
}
