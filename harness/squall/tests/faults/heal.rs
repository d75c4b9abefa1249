//! `phases.heal`: when only a core heals, the core must make progress, and the rest stays broken to the end.

use std::collections::BTreeSet;

use squall::{
    Registry,
    check::Violation,
    run::{ExecuteOptions, Verdict, execute},
    spec,
};

use crate::{
    register::Register,
    told::{Told, ms, run_seed},
};

const APART: &str =
    "partition: { split: ['replica[0]', 'replica[1]', 'replica[2]', 'replica[3]', 'replica[4]', clients] }";
const DOWN: &str = "crash: { node: replica }";

fn run(variant: &str, fault: &str, heal: &str, seed: u64) -> (Told, Verdict) {
    let yaml = format!(
        "
spec: 1
system: register
variant: {variant}
workload: {{ clients: 2, ops: 100, rate: 10/s }}
network: {{ default: {{ latency: 1ms }} }}
faults:
  - {{ id: it, {fault}, at: 2s }}
phases: {{ warmup: 1s, chaos: 3s, settle: 8s, heal: {heal} }}
check:
  - eventually: {{ within: 6s, that: {{ event: register.set }} }}
"
    );
    let registry = Registry::new().with::<Register>();
    let loaded = spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    let report = execute(
        &registry,
        &loaded.spec,
        seed,
        ExecuteOptions { keep_history: true, ..ExecuteOptions::default() },
    );
    let verdict = report.verdict.clone();
    (Told { report }, verdict)
}

/// Which replicas stored something from then on.
fn storing(told: &Told, from: u64) -> BTreeSet<String> {
    told.events_in("register.stored", from..12_000).iter().map(|seen| seen.node.to_owned()).collect()
}

const QUORUM: &str = "{ core: random_quorum }";
const LIST: &str = "{ core: ['replica[0]', 'replica[1]', 'replica[2]', clients] }";

#[test]
fn a_healed_core_makes_progress_while_the_rest_stays_broken() {
    for fault in [APART, DOWN] {
        let mut cores = BTreeSet::new();
        for seed in 0..6 {
            let (told, verdict) = run("hardened", fault, QUORUM, seed);
            assert_eq!(verdict, Verdict::Passed, "{fault}, seed {seed}");
            assert!(told.events_in("register.set", 2400..4000).is_empty(), "nobody can while it lasts");
            let (at, what) = told.heals("it")[0];
            assert_eq!(
                (at, told.heals("it").len()),
                (ms(4000), 1),
                "the rest heals with the end of the run, unsaid"
            );
            let healed: BTreeSet<_> = (0..5)
                .map(|i| format!("replica[{i}]"))
                .filter(|name| {
                    what.rsplit_once(", within ").map_or(what, |(_, within)| within).contains(name)
                })
                .collect();
            assert!((3..=5).contains(&healed.len()), "a majority: {what}");
            assert_eq!(storing(&told, 4000), healed, "{what}");
            if fault == DOWN {
                for i in 0..5 {
                    let name = format!("replica[{i}]");
                    let starts = told.lives(&name).len();
                    assert_eq!(starts == 3, healed.contains(&name), "started, crashed, started: {name}");
                }
            }
            cores.insert(healed);
        }
        assert!(cores.len() > 1, "drawn for each seed: {cores:?}");
    }
}

#[test]
fn a_core_may_be_named() {
    for fault in [APART, DOWN] {
        let (told, verdict) = run("hardened", fault, LIST, 1);
        assert_eq!(verdict, Verdict::Passed);
        assert_eq!(
            storing(&told, 4000),
            BTreeSet::from(["replica[0]", "replica[1]", "replica[2]"].map(String::from))
        );
        let (_, what) = told.heals("it")[0];
        assert!(what.contains(", within replica[0], replica[1], replica[2]"), "{what}");
    }
}

#[test]
fn who_needs_everyone_is_caught_by_a_partial_heal_and_by_nothing_else() {
    for fault in [APART, DOWN] {
        let (_, verdict) = run("all_or_nothing", fault, LIST, 1);
        let Verdict::Violated(Violation { class, .. }) = verdict else { panic!("{fault}: {verdict:?}") };
        assert_eq!(class, "never_came");
        let (told, verdict) = run("all_or_nothing", fault, "all", 1);
        assert_eq!(verdict, Verdict::Passed, "when all heal, it does well: {fault}");
        assert_eq!(storing(&told, 4000).len(), 5);
    }
}

/// What each kind holds is let go of node by node.
#[test]
fn the_core_is_freed_of_every_kind() {
    let extra = "phases: { warmup: 1s, chaos: 3s, settle: 2s, heal: { core: ['store[0]', source, clients] } }
workload: { clients: 1, ops: 55, rate: 10/s }
params: { files: true }";
    let ticks = |told: &Told, node: &str| told.events_on(node, "store.tick", 4500..5900).len();
    for kind in ["pause: { node: store }", "slow: { node: store, factor: 20 }", "crash: { node: store }"] {
        let told = run_seed(extra, &format!("  - {{ id: it, {kind}, at: 2s }}"), 1);
        assert!(ticks(&told, "store[0]") > 100, "{kind}");
        assert!(ticks(&told, "store[1]") < 25, "{kind}: {}", ticks(&told, "store[1]"));
    }
    for kind in ["delay: { link: all -> all, by: 100ms }", "loss: { link: all -> all, rate: 100% }"] {
        let told = run_seed(extra, &format!("  - {{ id: it, {kind}, at: 2s }}"), 1);
        let latency = |to| told.datagrams("source[0]", to, 4500..5800)[0].latency();
        assert_eq!(latency("store[0]"), Some(ms(1)), "{kind}");
        assert_ne!(latency("store[1]"), Some(ms(1)), "{kind}");
    }
    let told = run_seed(extra, "  - { id: it, disk_error: { node: store, ops: [sync] }, at: 2s }", 1);
    let failed = |node| {
        told.events_on(node, "disk.flushed", 4500..6000).iter().any(|seen| !seen.text("error").is_empty())
    };
    assert!(!failed("store[0]") && failed("store[1]"));
    let told = run_seed(extra, "  - { id: it, clock_jump: { node: store, by: 1h }, at: 2s }", 1);
    let wall = |node| told.events_on(node, "store.tick", 4500..6000)[0].int("wall_us");
    assert!(wall("store[1]") - wall("store[0]") > 3_500_000_000);
}

/// Faults of calls concern several servers, which share their count; those of the core are healed all the same.
#[test]
fn calls_within_the_core_are_healed() {
    let extra = "phases: { warmup: 1s, chaos: 3s, settle: 2s, heal: { core: ['store[0]', source, clients] } }
workload: { clients: 1, ops: 55, rate: 10/s }";
    for fault in
        ["rpc: { to: store, outcome: error }", "replay: { link: all -> all, rate: 100%, after: 10ms }"]
    {
        let told = run_seed(extra, &format!("  - {{ id: it, {fault}, at: 2s }}"), 1);
        told.calls_are_well(4000..5900);
        let calls = told.done_in(4010..5900);
        for call in &calls {
            let executed = told.events("call.executed").iter().filter(|seen| seen.int("n") == call.n).count();
            assert_eq!(executed, 1, "{fault}: {call:?}");
        }
        assert!(told.done_in(2000..3900).iter().any(|call| {
            call.how != crate::told::End::Ok
                || told.events("call.executed").iter().filter(|seen| seen.int("n") == call.n).count() == 2
        }));
    }
}

#[test]
fn a_random_quorum_is_one_of_those_who_are_there() {
    // Two of three have left for good: the majority of the one that is there is that one.
    let extra = "phases: { warmup: 1s, chaos: 3s, settle: 2s, heal: { core: random_quorum } }";
    for seed in 0..6 {
        let told = run_seed(
            extra,
            "  - { id: gone, leave: { node: 'store[1]' }, at: 1.5s }
  - { id: too, leave: { node: 'store[2]' }, at: 1.5s }
  - { id: it, pause: { node: 'store[0]' }, at: 2s }",
            seed,
        );
        assert_eq!(told.heals("it"), [(ms(4000), "resume store[0]")], "seed {seed}");
    }
}
