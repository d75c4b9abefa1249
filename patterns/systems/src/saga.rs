//! A shop's checkout as an orchestrated saga: an orchestrator drives each order over four services, each with a database
//! of its own. An order is created, its goods are reserved, the card is charged, the shipment is arranged (the pivot), and the
//! order is confirmed; or nothing of it is left.
//!
//! Refusals are part of the business: goods run out, cards run dry, some places nobody ships to.
//!
//! It takes more than one sitting to read: five groups of nodes, each step with its compensation, and eight flaws that stand in the place of whole parts (the journal,
//! the driver, the participants' guards).

use std::time::Duration;

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Flaws, Group, Invariant, Node, Operations, Outcome, System,
    spec::model::Dur,
};
use squall_invariants::saga as laws;
use squall_patterns::saga::{Backoff, Settings};

mod client;
mod flaws;
mod orchestrator;
mod protocol;
mod resource;
mod steps;

use self::flaws::Flawed;

/// The system `saga`. See the [module](self).
pub struct CheckoutSaga;

/// Parameters of [`CheckoutSaga`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How long an attempt at a step may take before its outcome counts as unknown.
    pub step_timeout: Dur,
    /// How many attempts a step gets before the saga turns back.
    pub attempts: u32,
    /// How many attempts a compensation, or a step after the pivot, gets before the saga parks.
    pub persistence: u32,
    /// The wait after the first attempt; it doubles with each.
    pub backoff_base: Dur,
    /// The longest wait between attempts.
    pub backoff_cap: Dur,
    /// When a parked saga is taken up again.
    pub revisit_parked: Dur,
    /// How many sagas an orchestrator drives at the same time.
    pub max_running: u32,
    /// How long a customer waits for the answer to an order.
    pub patience: Dur,
    /// How many pieces of each item there are.
    pub stock: u32,
    /// What each card is good for, in cents.
    pub card_limit: u64,
    /// What is wrong with it; set by `variant:`.
    #[schemars(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    flaw: Option<Flawed>,
}

impl Default for Params {
    fn default() -> Self {
        let ms = |ms| Dur(Duration::from_millis(ms));
        Params {
            step_timeout: ms(250),
            attempts: 3,
            persistence: 6,
            backoff_base: ms(50),
            backoff_cap: ms(400),
            revisit_parked: ms(2000),
            max_running: 8,
            patience: ms(1500),
            stock: 12,
            card_limit: 60_000,
            flaw: None,
        }
    }
}

impl Params {
    fn settings(&self, coordinator: String) -> Settings {
        Settings {
            coordinator,
            step_timeout: self.step_timeout.0,
            attempts: self.attempts,
            persistence: self.persistence,
            backoff: Backoff { base: self.backoff_base.0, cap: self.backoff_cap.0 },
            max_running: self.max_running as usize,
            max_open: 1_000,
            revisit_parked: Some(self.revisit_parked.0),
        }
    }

    /// What the laws hold it to.
    fn rules(&self) -> laws::Rules {
        laws::Rules {
            steps: &protocol::STEPS,
            pools: &["inventory", "payments"],
            bound: self.progress_bound(),
            promises: laws::Promises {
                make: "place",
                withdraw: "cancel",
                read: "read",
                completed: "confirmed",
            },
        }
    }

    /// The longest a saga may stay open once nothing is broken any more: at each service one attempt on a connection that
    /// is no longer there, with the wait after it; then every step and every compensation at its slowest; and one
    /// second for the restart of whatever process was down.
    fn progress_bound(&self) -> Duration {
        let services = 4;
        let calls = protocol::STEPS.len() as u32 * 2 - 1;
        (self.step_timeout.0 + self.backoff_cap.0) * services
            + self.step_timeout.0 * calls
            + Duration::from_secs(1)
    }
}

/// What customers do.
#[derive(Clone, Debug, Serialize, Deserialize, Operations)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// Orders something, and waits for the answer as long as patience lasts.
    #[operation(weight = 8, returns(wrote, version, saga))]
    Place {
        /// Which item.
        #[strategy(0..protocol::ITEMS)]
        item: u8,
        /// How many pieces.
        #[strategy(1..=3u32)]
        quantity: u32,
        /// The price in all.
        #[strategy(500..20_000u64)]
        cents: u64,
        /// Whose card.
        #[strategy(0..protocol::CARDS)]
        card: u8,
        /// To an address that nobody ships to.
        #[strategy(prop::bool::weighted(0.15))]
        remote: bool,
    },
    /// Cancels an own order: the last one, or the one so many before it.
    #[operation(weight = 2, returns(saga))]
    Cancel {
        /// How many before the last.
        #[strategy(0..2u8)]
        back: u8,
    },
    /// Looks an own order up.
    #[operation(weight = 4, returns(read, version, state, saga))]
    Read {
        /// How many before the last.
        #[strategy(0..3u8)]
        back: u8,
    },
}

impl System for CheckoutSaga {
    const NAME: &'static str = "saga";
    const ABOUT: &'static str = "orders over four services, as an orchestrated saga";
    type Params = Params;
    type Op = Op;
    type Session = client::Session;

    fn groups(_: &Params) -> Vec<Group> {
        ["orchestrator", "orders", "inventory", "payments", "shipping"]
            .map(|name| Group { name, size: 1 })
            .into()
    }

    fn operations(_: &Params) -> Operations<Op> {
        Op::operations()
    }

    fn events() -> &'static [EventKind] {
        squall::events![laws::EVENTS, protocol::OWN_EVENTS]
    }

    fn invariants(params: &Params) -> Vec<Box<dyn Invariant>> {
        laws::laws(&params.rules())
    }

    fn conditions(params: &Params) -> Vec<Box<dyn Condition>> {
        laws::conditions(&params.rules())
    }

    fn methods() -> &'static [&'static str] {
        &[
            "place",
            "cancel",
            "look_up",
            "create_order",
            "cancel_order",
            "reserve",
            "release",
            "charge",
            "refund",
            "ship",
            "cancel_shipment",
            "confirm_order",
        ]
    }

    fn roles() -> &'static [&'static str] {
        &["coordinator"]
    }
    fn flaws() -> &'static [Flaw] {
        Flawed::ALL
    }

    fn apply_variant(params: &mut Params, flaw: &'static str) {
        params.flaw = Flawed::named(flaw);
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        match node.group() {
            "orchestrator" => orchestrator::run(node, params).await,
            _ => resource::run(node, params).await,
        }
    }

    async fn open_session(client: Node, params: Params) -> client::Session {
        client::Session::new(&client, params)
    }

    async fn perform(session: &mut client::Session, op: Op) -> Outcome {
        session.perform(op).await
    }
}
