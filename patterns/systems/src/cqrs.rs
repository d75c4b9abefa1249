//! `cqrs`: bank accounts whose commands go to one node with the event log, and whose balances are read from
//! replicas that a relay fills.
//!
//! ```text
//! clients ── submit ──► command: Commands, EventLog, one Relay for each replica
//!    │                                      │ ship
//!    └──────── get, rebuild ───► replicas: Projector<Balances>
//! ```
//!
//! A session is a client. It presents with each read the position it has seen, so it reads its own writes whichever
//! replica it asks; a replica that is behind waits for a while and then refuses, or says that its answer is stale, as
//! `when_behind` has it. A command keeps its id when it is tried again.
//!
//! It is held to the [laws of CQRS](squall_invariants::cqrs) and of [event logs](squall_invariants::event_log); the harness's
//! `read_your_writes` and `monotonic_reads` go by the `wrote`, `read` and `version` that operations return.
//!
//! A third of it are the flawed log and the flawed read model, each a whole one, as a flaw of either is in its middle.

use std::{ops::Range, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Flaws, Group, Invariant, Node, Operations, Outcome, System,
    spec::model::Dur,
};
use squall_invariants::{cqrs as laws, event_log};
use squall_patterns::cqrs::WhenBehind;

mod command;
mod flaws;
mod protocol;
mod replica;
mod session;

use self::flaws::FlawKind;
pub use self::session::Session;

/// The system. See the [module](self).
pub struct AccountsCqrs;

/// What a replica that is behind does with a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behind {
    /// Refuse it.
    #[default]
    Refuse,
    /// Answer with what there is, marked as stale.
    ServeStale,
}

impl From<Behind> for WhenBehind {
    fn from(behind: Behind) -> Self {
        match behind {
            Behind::Refuse => WhenBehind::Refuse,
            Behind::ServeStale => WhenBehind::ServeStale,
        }
    }
}

/// `params:` of `cqrs`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many accounts clients work on.
    pub accounts: u32,
    /// How long the log waits for others to share a commit.
    pub group_commit: Dur,
    /// How long a client waits for one answer.
    pub call_timeout: Dur,
    /// How long a client goes on trying.
    pub op_timeout: Dur,
    /// How long a replica that is behind waits before it answers.
    pub read_wait: Dur,
    /// What it does then.
    pub when_behind: Behind,
    /// How long a shipment may take.
    pub ship_timeout: Dur,
    /// At most so many events in a shipment.
    pub ship_batch: u32,
    /// How often an idle replica is asked how far it is.
    pub heartbeat: Dur,
    /// Set by `variant:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    flaw: Option<FlawKind>,
}

impl Default for Params {
    fn default() -> Self {
        let ms = |ms| Dur(Duration::from_millis(ms));
        Params {
            accounts: 3,
            group_commit: ms(2),
            call_timeout: ms(300),
            op_timeout: ms(2000),
            read_wait: ms(150),
            when_behind: Behind::Refuse,
            ship_timeout: ms(300),
            ship_batch: 64,
            heartbeat: ms(1000),
            flaw: None,
        }
    }
}

/// What the laws hold it to: no account is overdrawn, and what was appended within the last second is on its way.
const RULES: laws::Rules =
    laws::Rules { log: event_log::Rules { floor: Some(0) }, grace: Duration::from_secs(1) };

impl Params {
    fn any_account(&self) -> Range<u32> {
        0..self.accounts.max(1)
    }
}

/// What a client does. Amounts are in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Operations)]
#[serde(rename_all = "snake_case")]
#[operations(params = Params)]
pub enum Op {
    /// Open an account with a first deposit.
    #[operation(weight = 1, returns(wrote, version, position, command))]
    Open {
        /// Which, from 0.
        #[strategy(params.any_account())]
        account: u32,
        /// How much.
        #[strategy(0i64..=100)]
        amount: i64,
    },
    /// Put money in; the first deposit opens the account.
    #[operation(weight = 6, returns(wrote, version, position, command))]
    Deposit {
        /// Which, from 0.
        #[strategy(params.any_account())]
        account: u32,
        /// How much.
        #[strategy(1i64..=100)]
        amount: i64,
    },
    /// Take money out.
    #[operation(weight = 4, returns(wrote, version, position, command))]
    Withdraw {
        /// Which, from 0.
        #[strategy(params.any_account())]
        account: u32,
        /// How much.
        #[strategy(1i64..=80)]
        amount: i64,
    },
    /// Look at the balance, at some replica.
    #[operation(weight = 8, returns(read, version, balance, position, replica, stale))]
    Read {
        /// Which, from 0.
        #[strategy(params.any_account())]
        account: u32,
    },
    /// Look at all balances at once, at some replica. For specs that ask for it.
    #[operation(weight = 0, returns(versions, balances, position, replica, stale))]
    Audit,
    /// Have a replica fold its rows anew.
    #[operation(weight = 1, returns(position, rows))]
    Rebuild {
        /// Which, from 0, modulo their number.
        #[strategy(0..8u32)]
        replica: u32,
    },
}

impl System for AccountsCqrs {
    const NAME: &'static str = "cqrs";
    const ABOUT: &'static str =
        "bank accounts: an event log and its commands on one node, balances on read replicas behind a relay";
    type Params = Params;
    type Op = Op;
    type Session = Session;

    fn groups(_: &Params) -> Vec<Group> {
        vec![Group { name: "command", size: 1 }, Group { name: "replicas", size: 2 }]
    }

    fn operations(params: &Params) -> Operations<Op> {
        Op::operations(params)
    }

    fn events() -> &'static [EventKind] {
        squall::events![event_log::EVENTS, laws::EVENTS]
    }

    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        laws::laws(RULES)
    }

    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        laws::conditions(RULES)
    }

    fn methods() -> &'static [&'static str] {
        &["submit", "get", "audit", "rebuild", "ship", "read_log"]
    }

    fn flaws() -> &'static [Flaw] {
        FlawKind::ALL
    }

    fn apply_variant(params: &mut Params, flaw: &'static str) {
        params.flaw = FlawKind::named(flaw);
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        match node.group() {
            "command" => command::run(node, params).await,
            _ => replica::run(node, params).await,
        }
    }

    async fn open_session(client: Node, params: Params) -> Session {
        Session::open(&client, params)
    }

    async fn perform(session: &mut Session, op: Op) -> Outcome {
        session.perform(op).await
    }
}
