//! What is commonly wrong with sagas, each in a variant of its own. The production pattern stays as it is: a flaw is put
//! around it, or in its place.

use std::sync::Arc;

use redb::Database;
use schemars::JsonSchema;
use serde::{
    Deserialize, Serialize,
    de::value::{self, StrDeserializer},
};
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

/// What [`squall::System::flaws`] lists: the names are those of [`Flawed`] in serde's eyes.
pub const ALL: &[Flaw] = &[
    Flaw {
        name: "memory_only",
        about: "the orchestrator keeps its sagas in memory; a crash leaves them half-done for ever",
        violates: "saga_progress",
    },
    Flaw {
        name: "timeout_is_refusal",
        about: "a step without an answer counts as not done, and is not compensated",
        violates: "saga_atomicity",
    },
    Flaw {
        name: "swallows_errors",
        about: "a compensation that failed is logged and reported as done",
        violates: "saga_atomicity",
    },
    Flaw {
        name: "charges_without_key",
        about: "payments ignores idempotency keys; a retry charges again",
        violates: "idempotent_effects",
    },
    Flaw {
        name: "compensates_forward",
        about: "compensations run in the order of the steps",
        violates: "saga_atomicity",
    },
    Flaw {
        name: "no_tombstones",
        about: "a compensation that finds nothing leaves no trace; the late step takes effect",
        violates: "saga_atomicity",
    },
    Flaw {
        name: "unfenced",
        about: "services take requests of an orchestrator that was replaced",
        violates: "single_coordinator",
    },
    Flaw {
        name: "lazy_commit",
        about: "services answer before what they did is synced to disk",
        violates: "acked_durable",
    },
];

impl Flawed {
    /// The flaw of that name.
    pub fn named(name: &str) -> Option<Self> {
        Flawed::deserialize(StrDeserializer::<value::Error>::new(name)).ok()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_listed_flaw_is_one_of_its_own() {
        let found: BTreeSet<String> = ALL
            .iter()
            .map(|flaw| {
                format!("{:?}", Flawed::named(flaw.name).expect("a listed flaw is known by its name"))
            })
            .collect();
        assert_eq!(found.len(), ALL.len());
    }
}
