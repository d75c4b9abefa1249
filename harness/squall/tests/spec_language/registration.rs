//! Systems whose declarations are wrong, one each, and what is said of them before any spec of them is taken.

use proptest::strategy::Just;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, Record, Registry,
    System,
    check::Breach,
    spec::{Code, parse},
};

use crate::shop;

/// A system with one thing wrong: the one of this number; with 0 nothing.
struct Odd<const WRONG: usize>;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    limit: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Put {
        value: u32,
    },
    Get,
    #[serde(rename = "Loud")]
    Loud,
    OneWay(#[serde(serialize_with = "as_text")] u32),
}

fn as_text<S: serde::Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

struct Nothing(&'static str);

impl Invariant for Nothing {
    fn name(&self) -> &str {
        self.0
    }
    fn observe(&mut self, _: &Record) -> Result<(), Breach> {
        Ok(())
    }
    fn exercised(&self) -> u64 {
        0
    }
}

impl Condition for Nothing {
    fn name(&self) -> &str {
        self.0
    }
    fn observe(&mut self, _: &Record) {}
    fn holds(&self) -> bool {
        true
    }
}

const fn event(name: &'static str, fields: &'static [&'static str]) -> EventKind {
    EventKind { name, fields, about: "" }
}

const fn flaw(name: &'static str, violates: &'static str) -> Flaw {
    Flaw { name, about: "", violates }
}

impl<const WRONG: usize> System for Odd<WRONG> {
    const NAME: &'static str = "odd";
    const ABOUT: &'static str = "";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_: &Params) -> Vec<Group> {
        let names: &[&'static str] = match WRONG {
            1 => &["nodes", "nodes"],
            2 => &["Nodes"],
            3 => &["my_nodes"],
            4 => &["clients"],
            5 => &["majority"],
            _ => &["nodes", "more-nodes2"],
        };
        names.iter().map(|name| Group { name, size: 1 }).collect()
    }
    fn operations(_: &Params) -> Operations<Op> {
        let good = Operations::new().with("put", 1, Just(Op::Put { value: 1 })).with("get", 1, Just(Op::Get));
        match WRONG {
            6 => good.with("loud", 1, Just(Op::Loud)),
            7 => good.with("read", 1, Just(Op::Get)),
            8 => good.with("get", 1, Just(Op::Get)),
            9 => good.with("put", 2, Just(Op::Put { value: 2 })),
            10 => good.with("one_way", 1, Just(Op::OneWay(7))),
            11 => Operations::new().with("get", 0, Just(Op::Get)),
            26 => Operations::new().with("put", 1, Just(Op::Put { value: 1 })).fields(&["valeu"]),
            _ => good,
        }
    }
    fn events() -> &'static [EventKind] {
        match WRONG {
            12 => const { &[event("odd.put", &[]), event("odd.put", &["value"])] },
            13 => const { &[event("odd.put", &["value", "value"])] },
            14 => const { &[event("net.sent", &[])] },
            15 => const { &[event("put", &[])] },
            16 => const { &[event("role.acquired", &["who"])] },
            17 => const { &[event("odd.put", &[])] },
            _ => const { &[event("odd.put", &["value"]), event("role.acquired", &["role"])] },
        }
    }
    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        let second = if WRONG == 18 { "no_loss" } else { "no_stale" };
        vec![Box::new(Nothing("no_loss")), Box::new(Nothing(second))]
    }
    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        let second = if WRONG == 19 { "quiet" } else { "settled" };
        vec![Box::new(Nothing("quiet")), Box::new(Nothing(second))]
    }
    fn flaws() -> &'static [Flaw] {
        match WRONG {
            20 => const { &[flaw("lossy", "no_los")] },
            21 => const { &[flaw("inert", "no_loss")] },
            22 => const { &[flaw("lossy", "no_loss"), flaw("lossy", "no_stale")] },
            23 => const { &[flaw("hardened", "no_loss")] },
            _ => const { &[flaw("lossy", "no_loss"), flaw("forgetful", "read_your_writes")] },
        }
    }
    fn methods() -> &'static [&'static str] {
        if WRONG == 24 { &["put", "put"] } else { &["put", "get"] }
    }
    fn roles() -> &'static [&'static str] {
        match WRONG {
            12..16 => &[],
            25 => &["The Leader"],
            _ => &["leader"],
        }
    }
    fn apply_variant(params: &mut Params, flaw: &'static str) {
        params.limit = u32::from(flaw != "inert");
    }
    async fn run_node(_: Node, _: Params) -> Result<(), BoxError> {
        Ok(())
    }
    async fn open_session(_: Node, _: Params) {}
    async fn perform(_: &mut (), _: Op) -> Outcome {
        Outcome::ok()
    }
}

/// What is said of the system with this wrong.
fn problems<const WRONG: usize>() -> Vec<String> {
    let registry = Registry::new().with::<Odd<WRONG>>();
    let text = "spec: 1\nsystem: odd\ncheck: [no_loss]\n";
    let all = registry.problems("odd").iter().chain(registry.operation_problems("odd"));
    let problems: Vec<_> = all.map(|problem| problem.what.clone()).collect();
    match parse("odd.yaml", text, &registry) {
        Ok(_) => assert!(problems.is_empty(), "a spec of it is taken: {problems:?}"),
        Err(errors) => {
            let own: Vec<_> = errors.iter().filter(|error| error.code == Code::Registration).collect();
            assert_eq!(own.len(), problems.len(), "{errors}");
            assert!(own.iter().all(|error| !error.help.is_empty()), "{errors}");
        }
    }
    problems
}

macro_rules! said {
    ($($wrong:literal: $what:literal,)*) => {
        $(assert_eq!(problems::<$wrong>(), [$what], "{}", $wrong);)*
    };
}

#[test]
fn each_wrong_declaration_is_named() {
    assert_eq!(problems::<0>(), [""; 0]);
    said! {
        1: "`nodes` is twice among its groups",
        2: "a group is named `Nodes`",
        3: "a group is named `my_nodes`",
        4: "a group is named `clients`",
        5: "a group is named `majority`",
        6: "its operation `loud` serialises as `Loud`",
        7: "its operation `read` serialises as `get`",
        8: "`get` is twice among its operations",
        9: "`put` is twice among its operations",
        10: "its operation {\"one_way\":\"7\"} does not read back: invalid type: string \"7\", expected u32",
        11: "all its operations have the weight 0",
        12: "`odd.put` is twice among its events",
        13: "`value` is twice among its fields of `odd.put`",
        14: "it declares `net.sent`, which is an event of the world",
        15: "its event `put` has no target",
        16: "its event `role.acquired` has no field `role`",
        17: "it has roles, and no node reports to have taken one",
        18: "`no_loss` is twice among its invariants",
        19: "`quiet` is twice among its conditions",
        20: "the flaw `lossy` violates `no_los`, and no invariant is named so",
        21: "the variant `inert` changes nothing",
        22: "`lossy` is twice among its flaws",
        23: "a flaw is named `hardened`",
        24: "`put` is twice among its methods",
        25: "a role is named `The Leader`",
        26: "its operation `put` has the argument `value`, and does not say so",
    }
}

#[test]
fn the_systems_of_these_tests_are_in_order() {
    assert_eq!(shop::registry().problems("shop"), []);
    assert_eq!(shop::registry().operation_problems("shop"), []);
}

/// What makes a spec hold, or fail, whatever happens.
#[test]
fn entries_that_say_nothing_are_refused() {
    let message = |entries: &str| {
        let text = format!("spec: 1\nsystem: shop\n{entries}\n");
        match parse("x.yaml", &text, &shop::registry()) {
            Ok(_) => panic!("{entries} is taken"),
            Err(errors) => errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; "),
        }
    };
    for (entries, expected) in [
        (
            "check: [order: { first: saga.completed, then: saga.completed }]",
            "the first `saga.completed` would have to come before itself",
        ),
        (
            "check: [order: { first: { event: saga.step_done, where: { step: a } }, then: saga.step_done, per: saga }]",
            "the first `saga.step_done` would have to come before itself",
        ),
        ("check: [eventually: { within: 0s, that: no_open_sagas }]", "it is due at once"),
        ("workload: { mix: {} }", "a mix of nothing"),
        ("workload: { mix: { place: 0, cancel: 0 } }", "all weights are 0, so there is nothing to do"),
        ("topology: { orders: 0 }", "a group of nobody"),
        ("matrix: { workload.clients: [1, 2, 1] }", "`1` is here twice: two cases would have one name"),
        (
            "matrix: { phases.chaos: [1s, 1000ms] }",
            "the cases `chaos=1s` and `chaos=1000ms` are the same spec",
        ),
        (
            "matrix: { workload.clients: [3], phases.settle: [10s, 10000ms] }",
            "the cases `clients=3,settle=10s` and `clients=3,settle=10000ms` are the same spec",
        ),
    ] {
        assert_eq!(message(entries), expected);
    }
    // These are others.
    for entries in [
        "check: [order: { first: saga.step_done, then: { event: saga.step_done, where: { step: a } } }]",
        "check: [order: { first: { event: saga.step_done, where: { step: a } }, then: { event: saga.step_done, where: { step: b } } }]",
    ] {
        let text = format!("spec: 1\nsystem: shop\n{entries}\n");
        parse("x.yaml", &text, &shop::registry()).unwrap_or_else(|errors| panic!("{errors}"));
    }
}
