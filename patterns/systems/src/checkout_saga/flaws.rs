//! What is commonly wrong with sagas, each in a variant of its own. The production pattern stays as it is: a flaw is put
//! around it, or in its place.

use std::sync::Arc;

use redb::Database;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{Flaw, Node};
use squall_patterns::saga::{Definition, Participant};

mod coordination;
mod guards;

pub use self::coordination::{MemoryJournal, Naive};
use self::{
    coordination::Distorted,
    guards::{LazyCommit, NoKeys, NoTombstones, Unfenced},
};
use super::{
    Params,
    protocol::{Charge, ConfirmOrder, CreateOrder, Order, Reserve, Ship, Work},
    resource::Guard,
    steps::Remote,
};

/// The flaws, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flawed {
    MemoryOnly,
    TimeoutIsRefusal,
    SwallowsErrors,
    ChargesWithoutKey,
    CompensatesForward,
    NoTombstones,
    Unfenced,
    LazyCommit,
}

const LIST: &[(Flawed, Flaw)] = &[
    (
        Flawed::MemoryOnly,
        Flaw {
            name: "memory_only",
            about: "the orchestrator keeps its sagas in memory; a crash leaves them half-done for ever",
            violates: "saga_progress",
        },
    ),
    (
        Flawed::TimeoutIsRefusal,
        Flaw {
            name: "timeout_is_refusal",
            about: "a step without an answer counts as not done, and is not compensated",
            violates: "saga_atomicity",
        },
    ),
    (
        Flawed::SwallowsErrors,
        Flaw {
            name: "swallows_errors",
            about: "a compensation that failed is logged and reported as done",
            violates: "saga_atomicity",
        },
    ),
    (
        Flawed::ChargesWithoutKey,
        Flaw {
            name: "charges_without_key",
            about: "payments ignores idempotency keys; a retry charges again",
            violates: "idempotent_effects",
        },
    ),
    (
        Flawed::CompensatesForward,
        Flaw {
            name: "compensates_forward",
            about: "compensations run in the order of the steps",
            violates: "saga_atomicity",
        },
    ),
    (
        Flawed::NoTombstones,
        Flaw {
            name: "no_tombstones",
            about: "a compensation that finds nothing leaves no trace; the late step takes effect",
            violates: "saga_atomicity",
        },
    ),
    (
        Flawed::Unfenced,
        Flaw {
            name: "unfenced",
            about: "services take requests of an orchestrator that was replaced",
            violates: "single_coordinator",
        },
    ),
    (
        Flawed::LazyCommit,
        Flaw {
            name: "lazy_commit",
            about: "services answer before what they did is synced to disk",
            violates: "acked_durable",
        },
    ),
];

/// What [`squall::System::flaws`] lists.
pub const ALL: &[Flaw] = &{
    let mut flaws = [LIST[0].1; LIST.len()];
    let mut i = 0;
    while i < LIST.len() {
        flaws[i] = LIST[i].1;
        i += 1;
    }
    flaws
};

impl Flawed {
    /// The flaw of that name.
    pub fn named(name: &str) -> Option<Self> {
        LIST.iter().find(|(_, flaw)| flaw.name == name).map(|(flawed, _)| *flawed)
    }
}

/// The guard of a service's node, if it is flawed.
pub fn guard(
    params: &Params,
    group: &str,
    db: &Arc<Database>,
) -> Result<Option<Box<dyn Guard>>, redb::Error> {
    Ok(match params.flaw {
        Some(Flawed::ChargesWithoutKey) if group == Charge::GROUP => Some(Box::new(NoKeys(db.clone()))),
        Some(Flawed::NoTombstones) => Some(Box::new(NoTombstones(Participant::new(db.clone())?, db.clone()))),
        Some(Flawed::Unfenced) => Some(Box::new(Unfenced(Participant::new(db.clone())?))),
        Some(Flawed::LazyCommit) => Some(Box::new(LazyCommit(db.clone()))),
        _ => None,
    })
}

/// The saga's definition, if it is flawed.
pub fn definition(params: &Params, node: &Node) -> Option<Definition<Order>> {
    let flaw =
        params.flaw.filter(|flaw| matches!(flaw, Flawed::TimeoutIsRefusal | Flawed::SwallowsErrors))?;
    Some(
        Definition::new("checkout")
            .undoable(Distorted { step: Remote::<CreateOrder>::new(node), flaw })
            .undoable(Distorted { step: Remote::<Reserve>::new(node), flaw })
            .undoable(Distorted { step: Remote::<Charge>::new(node), flaw })
            .pivot(Distorted { step: Remote::<Ship>::new(node), flaw })
            .forward(Remote::<ConfirmOrder>::new(node)),
    )
}
