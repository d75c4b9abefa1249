//! What is commonly wrong with sagas, each in a variant of its own. The production pattern stays as it is: a flaw is put
//! around it, or in its place.

use std::sync::Arc;

use redb::Database;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{Flaws, Node};
use squall_patterns::saga::{Definition, Participant};

mod coordination;
mod guards;

pub use self::coordination::{MemoryJournal, Naive};
use self::{
    coordination::Distorted,
    guards::{LazyCommit, NoKeys, NoTombstones, RemembersBalance, Unfenced},
};
use super::{
    Params,
    protocol::{Charge, ConfirmOrder, CreateOrder, Order, Reserve, Ship, Work},
    resource::Guard,
    steps::Remote,
};

/// The flaws, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum Flawed {
    /// The orchestrator keeps its sagas in memory; a crash leaves them half-done for ever.
    #[violates("saga_progress")]
    MemoryOnly,
    /// A step without an answer counts as not done, and is not compensated.
    #[violates("saga_atomicity")]
    TimeoutIsRefusal,
    /// A compensation that failed is logged and reported as done.
    #[violates("saga_atomicity")]
    SwallowsErrors,
    /// Payments ignores idempotency keys; a retry charges again.
    #[violates("idempotent_effects")]
    ChargesWithoutKey,
    /// Compensations run in the order of the steps.
    #[violates("saga_atomicity")]
    CompensatesForward,
    /// A compensation that finds nothing leaves no trace; the late step takes effect.
    #[violates("saga_atomicity")]
    NoTombstones,
    /// Services take requests of an orchestrator that was replaced.
    #[violates("single_coordinator")]
    Unfenced,
    /// Services answer before what they did is synced to disk.
    #[violates("acked_durable")]
    LazyCommit,
    /// A compensation gives back to the balance that its step had left, over what others took since.
    #[violates("saga_atomicity")]
    RemembersBalance,
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
        Some(Flawed::RemembersBalance) => Some(Box::new(RemembersBalance(Participant::new(db.clone())?))),
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
