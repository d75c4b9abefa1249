//! A system to write specs for. It is described in full and never run.

use proptest::strategy::Just;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, Record, Registry,
    System,
    check::Breach,
    spec::model::{CountRange, Dur},
};

/// An order goes from the gateway to orders, and from there to payments.
pub struct Shop;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Who leads: the orders service, or everyone for themselves.
    pub style: Style,
    /// How long a step may take.
    pub step_timeout: Dur,
    /// How often a step is tried.
    pub attempts: CountRange,
    /// How many orders may be open.
    pub window: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    Orchestrated,
    Choreographed,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            style: Style::Orchestrated,
            step_timeout: "500ms".parse().expect("a duration"),
            attempts: CountRange { min: 3, max: 3 },
            window: 8,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Place,
    Cancel,
    Read,
}

struct Named(&'static str);

impl Invariant for Named {
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

impl Condition for Named {
    fn name(&self) -> &str {
        self.0
    }
    fn observe(&mut self, _: &Record) {}
    fn holds(&self) -> bool {
        true
    }
}

impl System for Shop {
    const NAME: &'static str = "shop";
    const ABOUT: &'static str = "Orders that are paid for.";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_: &Params) -> Vec<Group> {
        vec![
            Group { name: "gateway", size: 1 },
            Group { name: "orders", size: 3 },
            Group { name: "payments", size: 2 },
        ]
    }
    fn operations(_: &Params) -> Operations<Op> {
        Operations::new()
            .with("place", 5, Just(Op::Place))
            .with("cancel", 1, Just(Op::Cancel))
            .fields(&["order", "amount"])
            .with("read", 4, Just(Op::Read))
    }
    fn events() -> &'static [EventKind] {
        &[
            EventKind {
                name: "saga.step_done",
                fields: &["saga", "step"],
                about: "A step was acknowledged.",
            },
            EventKind { name: "saga.completed", fields: &["saga"], about: "All steps are done." },
            EventKind { name: "saga.compensated", fields: &["saga"], about: "All steps are undone." },
            EventKind { name: "effect.charged", fields: &["order", "amount"], about: "Money moved." },
            EventKind { name: "role.acquired", fields: &["role"], about: "A node leads now." },
            EventKind { name: "role.lost", fields: &["role"], about: "It does no longer." },
        ]
    }
    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        vec![Box::new(Named("saga_atomicity")), Box::new(Named("charged_once"))]
    }
    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        vec![Box::new(Named("no_open_sagas"))]
    }
    fn flaws() -> &'static [Flaw] {
        &[Flaw {
            name: "forgets_on_crash",
            about: "The intent log is not synced.",
            violates: "saga_atomicity",
        }]
    }
    fn methods() -> &'static [&'static str] {
        &["charge", "refund", "reserve"]
    }
    fn apply_variant(params: &mut Params, _: &'static str) {
        params.window = 255;
    }
    async fn run_node(_: Node, _: Params) -> Result<(), BoxError> {
        Ok(())
    }
    async fn open_session(_: Node, _: Params) {}
    async fn perform(_: &mut (), _: Op) -> Outcome {
        Outcome::ok()
    }
}

/// A registry with the shop alone.
pub fn registry() -> Registry {
    Registry::new().with::<Shop>()
}
