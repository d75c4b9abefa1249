//! Small clusters built from the patterns, one module each: nodes, workload, invariants, and flawed variants that the specs
//! must catch.

pub mod accounts_cqrs;
pub mod checkout_saga;
pub mod elected_writer;
pub mod guarded_upstream;
pub mod id_blocks;
pub mod sensors;

/// The systems of this crate.
pub fn registry() -> squall::Registry {
    squall::Registry::new()
        .with::<accounts_cqrs::AccountsCqrs>()
        .with::<checkout_saga::CheckoutSaga>()
        .with::<elected_writer::ElectedWriter>()
        .with::<guarded_upstream::GuardedUpstream>()
        .with::<id_blocks::IdBlocks>()
        .with::<sensors::Sensors>()
}
