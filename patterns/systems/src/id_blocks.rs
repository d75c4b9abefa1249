//! `id-blocks`: unique numbers over gRPC. Allocators hand them out one by one, from blocks they reserve at a sequencer.
//!
//! ```text
//!   clients --Take, TakeMany--> allocators --Reserve--> sequencer (its mark is in redb)
//! ```
//!
//! A system written for madsim-tonic and for nothing of squall's network: all it says goes through generated clients and
//! servers. The sequencer commits its mark before it answers, and answers a repeated request with the same block. An
//! allocator keeps its block in memory alone: a crash wastes what is left of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Flaws, Group, Invariant, Node, Operations, Outcome, System,
    Transport, spec::model::Dur,
};

mod allocator;
mod client;
mod flaws;
mod invariants;
mod sequencer;
#[cfg(test)]
mod tests;

pub use self::flaws::IdFlaw;

/// What tonic-build makes of `proto/id_blocks.proto`.
mod proto {
    tonic::include_proto!("squall.ids");
}

/// Where every server of this system listens.
const PORT: u16 = 50051;

/// The system. See the [module](self).
pub struct IdBlocks;

/// Its parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many numbers an allocator reserves at a time.
    pub block: u32,
    /// An allocator with fewer left reserves more on its own.
    pub low_water: u32,
    /// How long an allocator waits for the sequencer.
    pub reserve_timeout: Dur,
    /// How long a client waits for one answer, or for the next number of a stream.
    pub patience: Dur,
    /// What is wrong with it: nothing in the good implementation. Set by `variant`.
    pub flaw: Option<IdFlaw>,
}

impl Default for Params {
    fn default() -> Self {
        let ms = |n| Dur(Duration::from_millis(n));
        Params { block: 12, low_water: 4, reserve_timeout: ms(300), patience: ms(900), flaw: None }
    }
}

/// What clients do. Allocators are given by position, modulo how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Operations)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Take a number.
    #[operation(weight = 3, returns(id))]
    Take {
        /// From which allocator.
        #[strategy(0..8u32)]
        allocator: u32,
    },
    /// Take several, as a stream.
    #[operation(weight = 1, returns(ids))]
    TakeMany {
        /// From which allocator.
        #[strategy(0..8u32)]
        allocator: u32,
        /// How many.
        #[strategy(2..=10u32)]
        count: u32,
    },
}

const EVENTS: &[EventKind] = &[
    EventKind {
        name: "effect.reserved",
        fields: &["allocator", "request", "first", "size", "repeated"],
        about: "the sequencer has committed a block, or answers a request it has answered before",
    },
    EventKind { name: "effect.issued", fields: &["id"], about: "an allocator hands out a number" },
    EventKind {
        name: "allocator.stocked",
        fields: &["first", "size"],
        about: "an allocator has got a block",
    },
    EventKind {
        name: "allocator.unanswered",
        fields: &["request", "code"],
        about: "an allocator's request was not answered, and it will ask again",
    },
];

impl System for IdBlocks {
    const NAME: &'static str = "id-blocks";
    const ABOUT: &'static str = "unique numbers over gRPC, handed out from reserved blocks";
    type Params = Params;
    type Op = Op;
    type Session = client::Session;

    fn transport(_params: &Params) -> Transport {
        Transport::NetSim
    }

    fn groups(_params: &Params) -> Vec<Group> {
        vec![Group { name: "sequencer", size: 1 }, Group { name: "allocators", size: 2 }]
    }

    fn operations(_params: &Params) -> Operations<Op> {
        Op::operations()
    }

    fn events() -> &'static [EventKind] {
        EVENTS
    }

    fn invariants(_params: &Params) -> Vec<Box<dyn Invariant>> {
        vec![Box::new(invariants::Unique::default()), Box::new(invariants::Disjoint::default())]
    }

    fn conditions(_params: &Params) -> Vec<Box<dyn Condition>> {
        vec![Box::new(invariants::Stocked::default())]
    }

    fn flaws() -> &'static [Flaw] {
        IdFlaw::ALL
    }

    fn apply_variant(params: &mut Params, flaw: &'static str) {
        params.flaw = IdFlaw::named(flaw);
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        match node.group() {
            "sequencer" => sequencer::run(params).await,
            "allocators" => allocator::run(node, params).await,
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
