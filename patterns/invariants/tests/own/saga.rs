//! A saga that reports as `checkout`, and whose till and depot say what they did as `shop`.

use std::time::Duration;

use squall::{BoxError, Condition, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, System};
use squall_invariants::saga::{Promises, Rules, conditions, laws};
use squall_rt::time;

use super::{Op, Params, wait};

/// An order is paid, and then sent.
const RULES: Rules = Rules {
    steps: &["pay", "send"],
    pools: &[],
    bound: Duration::from_secs(1),
    promises: Promises { make: "wait", withdraw: "never", read: "never", completed: "sent" },
};

struct Checkout;

impl Checkout {
    /// An order: of every third there is nothing left to send, so that its money goes back.
    async fn order(n: u64, flawed: bool) {
        let order = &*format!("o{n}");
        tracing::info!(target: "checkout", order, "begun");
        let tried = |what: &'static str| tracing::info!(target: "checkout", order, what, "tried");
        let did = |what: &'static str| {
            tracing::info!(target: "shop", order, what, reference = format!("{order}/{what}"), "did");
            tracing::info!(target: "checkout", order, what, "went_well");
        };
        tried("pay");
        did("pay");
        time::sleep(Duration::from_millis(20)).await;
        tried("send");
        if !n.is_multiple_of(3) {
            did("send");
            tracing::info!(target: "checkout", order, "sent");
            return;
        }
        tracing::info!(target: "checkout", order, what = "send", "could_not");
        if !flawed {
            tracing::info!(target: "shop", order, what = "pay", reference = format!("{order}/pay"), "took_back");
        }
        tracing::info!(target: "checkout", order, what = "pay", "made_good");
        tracing::info!(target: "checkout", order, "called_off");
    }
}

impl System for Checkout {
    const NAME: &'static str = "checkout";
    const ABOUT: &'static str = "a saga of somebody else's";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_: &Params) -> Vec<Group> {
        vec![Group { name: "shop", size: 1 }]
    }

    fn operations(_: &Params) -> Operations<Op> {
        wait()
    }

    fn events() -> &'static [EventKind] {
        const {
            &[
                EventKind::new("checkout.begun", &["order"], "an order came"),
                EventKind::new("checkout.tried", &["order", "what"], "a step is tried"),
                EventKind::new("checkout.went_well", &["order", "what"], "it went well"),
                EventKind::new("checkout.could_not", &["order", "what"], "it could not be done"),
                EventKind::new("checkout.made_good", &["order", "what"], "a step is made good"),
                EventKind::new("checkout.sent", &["order"], "all is done"),
                EventKind::new("checkout.called_off", &["order"], "nothing is left"),
                EventKind::new("shop.did", &["order", "what", "reference"], "a step is done"),
                EventKind::new("shop.took_back", &["order", "what", "reference"], "a step is undone"),
            ]
        }
    }

    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        laws(&RULES)
    }

    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        conditions(&RULES)
    }

    fn flaws() -> &'static [Flaw] {
        const {
            &[Flaw {
                name: "keeps_the_money",
                about: "what was paid does not go back",
                violates: "saga_atomicity",
            }]
        }
    }

    fn apply_variant(params: &mut Params, _: &'static str) {
        params.flawed = true;
    }

    async fn run_node(_: Node, params: Params) -> Result<(), BoxError> {
        for n in 1.. {
            time::sleep(Duration::from_millis(50)).await;
            Checkout::order(n, params.flawed).await;
        }
        Ok(())
    }

    async fn open_session(_: Node, _: Params) {}

    async fn perform((): &mut (), Op::Wait: Op) -> Outcome {
        Outcome::ok()
    }
}

const NAMES: &str = "{ events: {
    saga.started: { event: checkout.begun, fields: { saga: order } },
    saga.step_intended: { event: checkout.tried, fields: { saga: order, step: what } },
    saga.step_done: { event: checkout.went_well, fields: { saga: order, step: what } },
    saga.step_refused: { event: checkout.could_not, fields: { saga: order, step: what } },
    saga.step_compensated: { event: checkout.made_good, fields: { saga: order, step: what } },
    saga.completed: { event: checkout.sent, fields: { saga: order } },
    saga.compensated: { event: checkout.called_off, fields: { saga: order } },
    effect.applied: { event: shop.did, fields: { saga: order, step: what, key: reference } },
    effect.undone: { event: shop.took_back, fields: { saga: order, step: what, key: reference } } } }";

fn checks() -> String {
    format!("- saga_atomicity: {NAMES}\n- idempotent_effects: {NAMES}\n- saga_progress: {NAMES}\n")
}

#[test]
fn a_good_one_passes_and_is_judged() {
    let judged = [("saga_atomicity", 50), ("idempotent_effects", 100), ("saga_progress", 50)];
    super::passes::<Checkout>(&checks(), &judged);
}

#[test]
fn one_that_keeps_the_money_is_caught() {
    super::caught::<Checkout>(&checks(), "saga_atomicity", "not_undone");
}
