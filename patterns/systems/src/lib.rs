//! Small clusters built from the patterns, each with a workload, invariants and flawed variants.

pub mod accounts_cqrs;

/// All systems.
pub fn registry() -> squall::Registry {
    squall::Registry::new().with::<accounts_cqrs::AccountsCqrs>()
}
