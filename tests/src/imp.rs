//! A system that harms its process when it is asked about itself, outside of any run.

use std::env;

use proptest::{
    strategy::{NewTree, ValueTree},
    test_runner::TestRunner,
};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IntoDeserializer, value},
};
use squall::{
    BoxError, Condition, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, Record, System,
    Transport, check::Breach,
};

use crate::{Deed, act};

/// The variable of the environment that says where it does what, as `groups exit`.
pub const IMP: &str = "SQUALL_TESTS_IMP";
/// The place where it does nothing but to have no end of simpler values.
pub const ENDLESS: &str = "endless";

/// Does the deed if this is the place.
fn at(place: &str) {
    let Ok(told) = env::var(IMP) else { return };
    let Some(deed) = told.strip_prefix(place).and_then(|rest| rest.strip_prefix(' ')) else { return };
    let deed: value::StrDeserializer<'_, value::Error> = deed.into_deserializer();
    act(Deed::deserialize(deed).unwrap_or_else(|error| panic!("{IMP}={told}: {error}")), "");
}

/// One node that reports how hard it is poked.
pub struct Imp;

#[derive(Serialize, Clone, Default, JsonSchema)]
pub struct Params {
    /// Whether it minds being poked, which nothing comes of.
    touchy: bool,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        at("params");
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Plain {
            #[serde(default)]
            touchy: bool,
        }
        Plain::deserialize(from).map(|Plain { touchy }| Params { touchy })
    }
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Poke { hard: u64 },
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        at("op");
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Plain {
            Poke { hard: u64 },
        }
        Plain::deserialize(from).map(|Plain::Poke { hard }| Op::Poke { hard })
    }
}

/// Nobody is poked as hard as 10.
struct Calm(u64);

impl Invariant for Calm {
    fn name(&self) -> &str {
        "calm"
    }
    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(("imp.poked", fields)) = record.event() else { return Ok(()) };
        self.0 += 1;
        if fields.get("hard").is_some_and(|hard| hard.to_string().parse().is_ok_and(|hard: u64| hard >= 10)) {
            return Err(Breach::new("poke", "an imp was poked"));
        }
        Ok(())
    }
    fn exercised(&self) -> u64 {
        self.0
    }
}

/// How hard to poke.
#[derive(Debug)]
struct Hard;

impl proptest::strategy::Strategy for Hard {
    type Tree = Hardness;
    type Value = Op;

    fn new_tree(&self, _runner: &mut TestRunner) -> NewTree<Self> {
        at("strategy");
        Ok(Hardness(100))
    }
}

/// Goes from 100 down by tens: to 10, which still fails, as 0 does not.
struct Hardness(u64);

impl ValueTree for Hardness {
    type Value = Op;

    fn current(&self) -> Op {
        Op::Poke { hard: self.0 }
    }

    fn simplify(&mut self) -> bool {
        at("simplify");
        if env::var(IMP).as_deref() == Ok(ENDLESS) {
            self.0 = 0;
            return true;
        }
        if self.0 == 0 {
            return false;
        }
        self.0 -= 10;
        true
    }

    fn complicate(&mut self) -> bool {
        at("complicate");
        if env::var(IMP).as_deref() == Ok(ENDLESS) {
            self.0 = 1 - self.0 % 2;
            return true;
        }
        self.0 += 10;
        false
    }
}

impl System for Imp {
    const NAME: &'static str = "imp";
    const ABOUT: &'static str =
        "A node that reports how hard it is poked, and may harm whoever asks about it";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_params: &Params) -> Vec<Group> {
        at("groups");
        vec![Group { name: "imps", size: 1 }]
    }
    fn operations(_params: &Params) -> Operations<Op> {
        at("operations");
        Operations::new().with("poke", 1, Hard)
    }
    fn events() -> &'static [EventKind] {
        at("events");
        &[EventKind { name: "imp.poked", fields: &["hard"], about: "it was poked" }]
    }
    fn invariants(_params: &Params) -> Vec<Box<dyn Invariant>> {
        at("invariants");
        vec![Box::new(Calm(0))]
    }
    fn conditions(_params: &Params) -> Vec<Box<dyn Condition>> {
        at("conditions");
        Vec::new()
    }
    fn flaws() -> &'static [Flaw] {
        at("flaws");
        &[Flaw { name: "touchy", about: "it is as it ever was", violates: "calm" }]
    }
    fn methods() -> &'static [&'static str] {
        at("methods");
        &[]
    }
    fn transport(_params: &Params) -> Transport {
        at("transport");
        Transport::Squall
    }
    fn apply_variant(params: &mut Params, _flaw: &'static str) {
        at("variant");
        params.touchy = true;
    }

    async fn run_node(_node: Node, _params: Params) -> Result<(), BoxError> {
        std::future::pending().await
    }
    async fn open_session(_client: Node, _params: Params) {}
    async fn perform(_session: &mut (), op: Op) -> Outcome {
        let Op::Poke { hard } = op;
        tracing::info!(target: "imp", hard, "poked");
        Outcome::ok()
    }
}
