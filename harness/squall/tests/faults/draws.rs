//! Random draws: each fault, each strike's targets, each parameter has a stream of its own, so that adding one changes nothing of
//! the others.

use squall::{
    plan::Plan,
    run::explain,
    spec::{self, model::KINDS},
};

use crate::told::{Datagram, Told, ms, registry, run_seed, spec_of};

/// Each kind, at the third store or its links.
pub const EACH: &[&str] = &[
    "partition: { isolate: 'store[2]' }",
    "delay: { link: 'store[2] -> store[1]', by: 5ms..20ms, jitter: 5ms }",
    "loss: { link: 'store[2] -> store[1]', rate: 30% }",
    "duplicate: { link: 'store[2] -> store[1]', rate: 30%, within: 7ms }",
    "reorder: { link: 'store[2] -> store[1]', rate: 30%, by: 5ms..30ms }",
    "corrupt: { link: 'store[2] -> store[1]', rate: 30% }",
    "bandwidth: { link: 'store[2] -> store[1]', limit: 10kB/s, queue: 1kB }",
    "hold: { link: 'store[2] -> store[1]' }",
    "reset: { link: 'store[2] -> source' }",
    "half_open: { node: 'store[2]', peer: rest }",
    "rpc: { to: 'store[2]', method: put, calls: 1..3, outcome: late, by: 10ms..20ms }",
    "message: { link: 'store[2] -> store[1]', kind: datagram, numbers: 1..9999, outcome: delayed, by: 5ms..9ms }",
    "tamper: { link: 'store[2] -> store[1]', rate: 30% }",
    "replay: { link: 'store[2] -> store[1]', rate: 30%, after: 10ms..200ms }",
    "crash: { node: 'store[2]', disk: torn, restart_after: 100ms..300ms }",
    "pause: { node: 'store[2]' }",
    "restart: { node: 'store[2]', grace: 100ms, restart_after: 200ms..300ms }",
    "slow: { node: 'store[2]', factor: 5, period: 80ms }",
    "cancel: { client: 'clients[0]' }",
    "disk_stall: { node: 'store[2]', by: 1ms..5ms, ops: [write, sync] }",
    "disk_error: { node: 'store[2]', rate: 30%, ops: [write] }",
    "disk_full: { node: 'store[2]', free: 4KiB }",
    "disk_corrupt: { node: 'store[2]', rate: 30% }",
    "disk_torn: { node: 'store[2]', rate: 30% }",
    "disk_short_read: { node: 'store[2]', rate: 30% }",
    "disk_lying_sync: { node: 'store[2]' }",
    "clock_skew: { node: 'store[2]', by: -2s..2s }",
    "clock_jump: { node: 'store[2]', by: -1h..1h }",
    "clock_drift: { node: 'store[2]', rate: -5%..5% }",
    "clock_strobe: { node: 'store[2]', by: 100ms..200ms, every: 20ms }",
    "join: { group: source, count: 1..2 }",
    "leave: { node: 'store[2]', grace: 90ms }",
];

pub fn name(kind: &str) -> &str {
    kind.split_once(':').expect("a kind").0
}

/// Kinds without a `for`: over at once, or saying it themselves.
pub fn lasts(kind: &str) -> &'static str {
    match name(kind) {
        "reset" | "half_open" | "cancel" | "crash" | "restart" => "",
        _ => ", for: 300ms",
    }
}

/// What is given for a fault shows in what is told of its strike: the delay of 0ns told nothing of the jitter of 900 ms that a failure hinged
/// on.
#[test]
fn every_parameter_shows() {
    for kind in EACH {
        let yaml = spec_of("", &format!("  - {{ id: it, {kind}, at: 2s{} }}", lasts(kind)));
        let loaded = spec::parse("test.yaml", &yaml, &registry()).expect("a spec");
        let plan = explain(&registry(), &loaded.spec, 1);
        let action = serde_json::to_value(&plan.faults[0].action).expect("plain data");
        let told = run_seed("", &format!("  - {{ id: it, {kind}, at: 2s{} }}", lasts(kind)), 1);
        let what = told.starts("it")[0].1.to_owned();
        let params = action.as_object().and_then(|action| action.values().next()?.as_object().cloned());
        for (param, value) in params.unwrap_or_default() {
            let shown = match (name(kind), param.as_str()) {
                // How long it is down shows at the heal; what clocks do is told for each node in units of its own.
                (_, "restart_after") | ("clock_skew" | "clock_jump" | "clock_drift", _) => continue,
                // These have words of their own.
                (_, "disk" | "mode" | "outcome") => continue,
                // Targets are told as the nodes that they meant.
                (_, "link" | "node" | "isolate" | "peer" | "client" | "to") => continue,
                _ => value,
            };
            let texts: Vec<String> = match shown {
                serde_json::Value::String(text) => vec![text],
                serde_json::Value::Array(list) => {
                    list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
                }
                serde_json::Value::Number(number) => vec![number.as_f64().expect("a number").to_string()],
                other => vec![other.to_string()],
            };
            for text in texts {
                assert!(what.contains(&text), "{param}: {text} of {kind} does not show in `{what}`");
            }
        }
    }
}

#[test]
fn each_kind_is_here() {
    assert_eq!(EACH.iter().map(|kind| name(kind)).collect::<Vec<_>>(), KINDS);
}

const A: &str = "  - { id: a, loss: { link: 'source -> one(store)', rate: 50% }, every: { poisson: 400ms }, for: 100ms..300ms }\n";
const B: &str =
    "  - { id: b, clock_skew: { node: some(store), by: -1s..1s }, at: 1s..4s, for: 300ms..900ms }\n";

fn plan(faults: &str, seed: u64) -> Plan {
    let registry = registry();
    let yaml = spec_of("", faults);
    let loaded = spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    explain(&registry, &loaded.spec, seed)
}

#[test]
fn one_fault_more_of_any_kind_changes_nothing_in_the_plan_of_the_others() {
    for seed in 0..5 {
        let two = plan(&format!("{A}{B}"), seed);
        assert!(two.faults.len() > 4 && !two.operations.is_empty());
        for kind in EACH {
            let third = format!("  - {{ id: k, {kind}, every: 300ms..500ms{} }}\n", lasts(kind));
            let three = plan(&format!("{A}{third}{B}"), seed);
            assert_eq!(three.operations, two.operations, "{kind}");
            let others: Vec<_> =
                three.faults.iter().filter(|planned| planned.fault != "k").cloned().collect();
            assert_eq!(others, two.faults, "{kind}");
            assert!(three.faults.len() > two.faults.len() + 5);
        }
    }
}

#[test]
fn one_fault_more_of_any_kind_changes_nothing_of_what_the_others_do() {
    let latency = "network: { default: { latency: 1ms..5ms, loss: 5% } }\nparams: { files: true }";
    // A link and a clock that the third fault has nothing to do with. Nothing but datagrams takes that link: in which order a node's
    // tasks send at one moment is the scheduler's to say.
    let a = A.replace("source -> one(store)", "source[0] -> store[1]");
    let b = B.replace("some(store)", "'store[1]'");
    let story = |told: &Told| {
        let strikes = |id| {
            let of = |all: Vec<(std::time::Duration, &str)>| {
                all.into_iter().map(|(at, what)| (at, what.to_owned())).collect::<Vec<_>>()
            };
            (of(told.starts(id)), of(told.heals(id)))
        };
        (strikes("a"), strikes("b"))
    };
    let datagrams = |told: &Told| told.datagrams("source[0]", "store[1]", 0..5900);
    let two = run_seed(latency, &format!("{a}{b}"), 7);
    assert!(two.touched("a") > 0 && two.touched("b") > 0);
    for kind in EACH {
        let third = format!("  - {{ id: k, {kind}, at: 1.5s{} }}\n", lasts(kind));
        let three = run_seed(latency, &format!("{a}{third}{b}"), 7);
        assert!(!three.starts("k").is_empty());
        assert_eq!(story(&three), story(&two), "{kind}");
        // The same are lost, and the others take as long; a poll more or less is some nanoseconds.
        for (a, b) in datagrams(&two).iter().zip(datagrams(&three)) {
            assert_eq!((a.n, a.got.len()), (b.n, b.got.len()), "{kind}");
            let took =
                |datagram: &Datagram| datagram.got.first().map_or(0, |got| (*got - datagram.sent).as_nanos());
            assert!(took(a).abs_diff(took(&b)) < 20_000, "{kind}: {a:?} {b:?}");
        }
    }
}

#[test]
fn probability_is_drawn_apart() {
    let with = |probability: &str| {
        let faults = format!("{A}{B}").replace(", every", &format!(", probability: {probability}, every"));
        plan(&faults, 3)
    };
    let always = plan(&format!("{A}{B}"), 3);
    assert_eq!(with("100%").faults, always.faults);
    let half = with("50%").faults;
    assert!(half.len() > 1 && half.len() < always.faults.len());
    assert!(half.iter().all(|planned| always.faults.contains(planned)), "what is left is as it was");
}

#[test]
fn a_strike_that_is_left_out_by_chance_is_not_in_the_run() {
    let told =
        run_seed("", "  - { id: it, reset: { link: source -> store }, every: 100ms, probability: 30% }", 1);
    let struck = told.starts("it").len();
    assert!((4..25).contains(&struck), "{struck} of 40");
    assert_eq!(told.report.coverage.faults["it"].struck, struck as u64);
}

/// What the plan says of drawn parameters.
fn drawn(params: &str, seed: u64) -> std::collections::BTreeMap<String, serde_json::Value> {
    let registry = registry();
    let yaml = spec_of(&format!("params: {params}"), "");
    let loaded = spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    explain(&registry, &loaded.spec, seed).params
}

#[test]
fn parameters_are_drawn_for_each_seed_each_from_its_own_stream() {
    let all = "{ patience: 200ms..600ms, window: 1..9, style: { draw: [plain, fancy] } }";
    let first = drawn(all, 1);
    assert_eq!(first.keys().map(String::as_str).collect::<Vec<_>>(), ["patience", "style", "window"]);
    assert_eq!(drawn(all, 1), first);
    let values = |key: &str| -> std::collections::BTreeSet<String> {
        (0..40).map(|seed| drawn(all, seed)[key].to_string()).collect()
    };
    assert_eq!(values("window").len(), 9, "both ends included");
    assert_eq!(values("style").len(), 2);
    assert!(values("patience").len() > 30);
    for seed in 0..40 {
        let one = drawn("{ window: { draw: 1..9 } }", seed);
        assert_eq!(one["window"], drawn(all, seed)["window"], "others do not shift it");
        let patience = drawn(all, seed)["patience"].as_str().unwrap().parse::<spec::model::Dur>().unwrap();
        assert!((ms(200)..=ms(600)).contains(&patience.0));
    }
    assert!(drawn("{ window: 3 }", 1).is_empty(), "nothing is drawn where a value is");
}

#[test]
fn what_is_drawn_shifts_no_fault_and_no_operation() {
    let registry = registry();
    let of = |params: &str| {
        let yaml = spec_of(&format!("params: {params}"), &format!("{A}{B}"));
        let loaded = spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
        explain(&registry, &loaded.spec, 3)
    };
    let (plain, drawn) = (of("{ window: 3 }"), of("{ window: 1..9 }"));
    assert_eq!((&plain.faults, &plain.operations), (&drawn.faults, &drawn.operations));
}
