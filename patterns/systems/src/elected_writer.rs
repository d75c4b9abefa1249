//! `elected-writer`: a register that only one of several writers may change, the one that etcd says is elected.
//!
//! ```text
//!   clients --Write, Read--> writers --Fence, Write--> store (register and highest token, in redb)
//!                               \----lease, election---> etcd
//! ```
//!
//! A system written for madsim-etcd-client and madsim-tonic. A writer stands for election with a key under a lease; the
//! oldest key wins, and its revision is the winner's fencing token. The winner fences the store with it, keeps what the
//! register holds, and answers reads from memory for as long as it can be sure of its lease. A write that is not answered
//! ends the term: whether it got through is settled by the next fence.
//!
//! The etcd is madsim's: one process that keeps nothing on disk. So a spec may cut it off and pause it, but not crash it,
//! which would be a data loss that no etcd has; the process says so.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Flaws, Group, Invariant, Node, Operations, Outcome, System,
    Transport, check::Mapping, spec::model::Dur,
};
use squall_invariants::every_pattern::{TokensRise, WritesSurvive};

mod client;
mod election;
mod etcd;
mod invariants;
mod store;
mod writer;

/// What tonic-build makes of `proto/elected_writer.proto`.
mod proto {
    tonic::include_proto!("squall.writer");
}

/// Where writers and store listen.
const PORT: u16 = 50051;

/// The system. See the [module](self).
pub struct ElectedWriter;

/// Its parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many seconds a lease lasts. etcd may end it up to a second early.
    pub lease: u32,
    /// How often a writer renews its lease.
    pub renew_every: Dur,
    /// How often a writer that waits for its turn looks.
    pub look_every: Dur,
    /// How long a writer waits for etcd and for the store.
    pub call_timeout: Dur,
    /// How long the store works on a request, at most. Requests overtake each other meanwhile.
    pub store_works: Dur,
    /// How long a client waits for a writer.
    pub patience: Dur,
    /// What is wrong with it: nothing in the good implementation. Set by `variant`.
    pub flaw: Option<WriterFlaw>,
}

impl Default for Params {
    fn default() -> Self {
        let ms = |n| Dur(Duration::from_millis(n));
        Params {
            lease: 3,
            renew_every: ms(500),
            look_every: ms(200),
            call_timeout: ms(400),
            store_works: ms(20),
            patience: ms(600),
            flaw: None,
        }
    }
}

/// What is wrong with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum WriterFlaw {
    /// The store takes writes with old tokens.
    #[violates("tokens_rise")]
    Unfenced,
    /// A writer answers reads until etcd tells it that its lease is over.
    #[violates("reads_current")]
    LeaseIgnored,
    /// A writer that is elected again does not look at what others have written since.
    #[violates("reads_current")]
    TrustsMemory,
    /// A writer answers a write before the store has it, and what the store then does not take is lost.
    #[violates("linearizable register")]
    AnswersFirst,
    /// A client makes a write again that was not answered, over what others have written since.
    #[violates("linearizable register")]
    RepeatsWrites,
}

/// What clients do. Writers are given by position, modulo how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Operations)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Change the register.
    #[operation(weight = 1, returns(wrote, version))]
    Write {
        /// Whom to ask first.
        #[strategy(0..8u32)]
        via: u32,
        /// To what.
        #[strategy(1..1_000u64)]
        value: u64,
    },
    /// Read it.
    #[operation(weight = 3, returns(value, read, version))]
    Read {
        /// Whom to ask first.
        #[strategy(0..8u32)]
        via: u32,
    },
}

const EVENTS: &[EventKind] = &[
    EventKind {
        name: "effect.fenced",
        fields: &["token", "writer"],
        about: "the store will take no write with a lower token",
    },
    EventKind {
        name: "effect.written",
        fields: &["token", "writer", "version", "value"],
        about: "the store has committed a write",
    },
    EventKind {
        name: "store.refused",
        fields: &["token", "writer", "highest"],
        about: "the store refuses an old token",
    },
    EventKind {
        name: "role.acquired",
        fields: &["role", "token"],
        about: "a writer is elected, has fenced the store, and takes up its work",
    },
    EventKind { name: "role.lost", fields: &["role", "token"], about: "a writer's term is over" },
    EventKind {
        name: "election.failed",
        fields: &["why"],
        about: "a writer gives up its candidacy or its term, and will stand again",
    },
];

impl System for ElectedWriter {
    const NAME: &'static str = "elected-writer";
    const ABOUT: &'static str = "writers elected with etcd leases, and a register fenced with their tokens";
    type Params = Params;
    type Op = Op;
    type Session = client::Session;

    fn transport(_params: &Params) -> Transport {
        Transport::NetSim
    }

    fn groups(_params: &Params) -> Vec<Group> {
        vec![
            Group { name: "etcd", size: 1 },
            Group { name: "store", size: 1 },
            Group { name: "writers", size: 3 },
        ]
    }

    fn operations(_params: &Params) -> Operations<Op> {
        Op::operations()
    }

    fn events() -> &'static [EventKind] {
        EVENTS
    }

    fn invariants(_params: &Params) -> Vec<Box<dyn Invariant>> {
        // Both take a writer's token: to fence the store, and to write.
        let tokens = Mapping::new().event("token.taken", "effect.fenced").field("holder", "writer");
        let tokens = tokens.event("token.taken", "effect.written").field("holder", "writer");
        let versions = Mapping::new().event("write.stored", "effect.written");
        vec![
            tokens.invariant(Box::<TokensRise>::default()),
            versions.invariant(Box::<WritesSurvive>::default()),
            Box::new(invariants::Current::default()),
        ]
    }

    fn conditions(_params: &Params) -> Vec<Box<dyn Condition>> {
        vec![Box::new(invariants::Elected::default())]
    }

    fn roles() -> &'static [&'static str] {
        &["writer"]
    }
    fn flaws() -> &'static [Flaw] {
        WriterFlaw::ALL
    }

    fn apply_variant(params: &mut Params, flaw: &'static str) {
        params.flaw = WriterFlaw::named(flaw);
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        match node.group() {
            "etcd" => etcd::run(node).await,
            "store" => store::run(params).await,
            "writers" => writer::run(node, params).await,
            group => Err(format!("no node of group {group:?} here").into()),
        }
    }

    async fn open_session(client: Node, params: Params) -> client::Session {
        client::Session::new(&client, &params)
    }

    async fn perform(session: &mut client::Session, op: Op) -> Outcome {
        session.perform(op).await
    }
}
