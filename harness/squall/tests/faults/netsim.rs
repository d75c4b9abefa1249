//! A system over madsim's own network: what that network cannot do is refused by name, the rest is not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, Registry, System, Transport,
    spec::{self, Code},
};

use crate::draws::{EACH, lasts, name};

struct Bridged;

#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
struct NoParams {}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
enum Op {
    Nothing,
}

impl System for Bridged {
    const NAME: &'static str = "bridged";
    const ABOUT: &'static str = "runs over NetSim";
    type Params = NoParams;
    type Op = Op;
    type Session = ();

    fn groups(_: &NoParams) -> Vec<Group> {
        vec![Group { name: "store", size: 3 }, Group { name: "source", size: 1 }]
    }
    fn operations(_: &NoParams) -> Operations<Op> {
        Operations::new().with("nothing", 1, proptest::strategy::Just(Op::Nothing))
    }
    fn events() -> &'static [EventKind] {
        &[]
    }
    fn invariants(_: &NoParams) -> Vec<Box<dyn Invariant>> {
        Vec::new()
    }
    fn flaws() -> &'static [Flaw] {
        &[]
    }
    fn transport(_: &NoParams) -> Transport {
        Transport::NetSim
    }
    fn apply_variant(_: &mut NoParams, _: &'static str) {}
    async fn run_node(_: Node, _: NoParams) -> Result<(), BoxError> {
        std::future::pending().await
    }
    async fn open_session(_: Node, _: NoParams) {}
    async fn perform(_: &mut (), _: Op) -> Outcome {
        Outcome::ok()
    }
}

/// What is said of a spec, with the codes; nothing if it is in order.
fn errors(rest: &str) -> Vec<(Code, String)> {
    let registry = Registry::new().with::<Bridged>();
    match spec::parse("test.yaml", &format!("spec: 1\nsystem: bridged\n{rest}\n"), &registry) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(|error| (error.code, error.message.clone())).collect(),
    }
}

fn is_refused(rest: &str, what: &str) {
    let errors = errors(rest);
    assert!(
        matches!(errors.as_slice(), [(Code::Transport, message)] if message.contains("NetSim") && message.contains(what)),
        "{rest}: {errors:?}"
    );
}

const REFUSED: &[&str] = &[
    "duplicate",
    "reorder",
    "corrupt",
    "bandwidth",
    "hold",
    "reset",
    "half_open",
    "rpc",
    "message",
    "tamper",
    "replay",
];

#[test]
fn each_kind_that_netsim_cannot_do_is_refused_by_name() {
    for kind in EACH {
        let fault = format!("faults:\n  - {{ id: it, {kind}, at: 2s{} }}", lasts(kind));
        let fault = fault.replace("method: put, ", "");
        match name(kind) {
            of if REFUSED.contains(&of) => is_refused(&fault, &format!("`{of}`")),
            "delay" => is_refused(&fault, "a delay on some links only"),
            "loss" => is_refused(&fault, "a loss on some links only"),
            _ => assert!(errors(&fault).is_empty(), "{kind}: {:?}", errors(&fault)),
        }
    }
    for (fault, what) in [
        ("partition: { isolate: store, mode: reject }", "this mode of a partition"),
        ("partition: { isolate: store, mode: hold }", "this mode of a partition"),
        ("loss: { link: all <-> all, rate: { burst: { rate: 10%, length: 3 } } }", "losses in bursts"),
    ] {
        is_refused(&format!("faults:\n  - {{ id: it, {fault}, at: 2s }}"), what);
    }
    for fault in ["delay: { link: all <-> all, by: 10ms }", "loss: { link: all -> all, rate: 10% }"] {
        assert!(errors(&format!("faults:\n  - {{ id: it, {fault}, at: 2s }}")).is_empty(), "{fault}");
    }
}

#[test]
fn packets_and_calls_that_netsim_does_not_know_are_nothing_to_wait_for() {
    let fault = |event: &str| {
        format!("faults:\n  - {{ id: it, pause: {{ node: store }}, when: {{ event: {event} }}, for: 1s }}")
    };
    for event in ["net.sent", "rpc.called", "rpc.arrived", "rpc.replied"] {
        is_refused(&fault(event), &format!("`{event}`"));
    }
    for event in ["disk.sync", "disk.synced"] {
        assert!(errors(&fault(event)).is_empty(), "{event}: {:?}", errors(&fault(event)));
    }
}

#[test]
fn links_that_netsim_cannot_shape_are_refused_by_name() {
    for (network, what) in [
        ("links: { 'store -> source': { latency: 5ms } }", "links that differ from each other"),
        ("zones: { a: { nodes: [store], within: { latency: 1ms } } }", "links that differ from each other"),
        (
            "zones: { a: { nodes: [store] }, b: { nodes: [source] } }, between_zones: { latency: 9ms }",
            "links that differ from each other",
        ),
        ("default: { jitter: 5ms }", "`jitter`"),
        ("default: { duplicate: 5% }", "`duplicate`"),
        ("default: { bandwidth: 5MB/s }", "`bandwidth`"),
        ("default: { mtu: 1400 }", "`mtu`"),
        ("default: { latency: { exp: { min: 1ms, mean: 2ms } } }", "a latency that is not uniform"),
        ("default: { loss: { burst: { rate: 1%, length: 3 } } }", "losses in bursts"),
    ] {
        is_refused(&format!("network: {{ {network} }}"), what);
    }
    assert!(errors("network: { default: { latency: 1ms..5ms, loss: 1% } }").is_empty());
    let zones = "network: { zones: { a: { nodes: [store] }, b: { nodes: [source] } } }
faults: [{ id: it, partition: { isolate: zone(a) }, at: 2s, for: 1s }]";
    assert!(errors(zones).is_empty(), "{:?}", errors(zones));
}
