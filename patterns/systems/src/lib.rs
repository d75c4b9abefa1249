//! Small clusters built from the patterns, one module each: nodes, workload, invariants, and flawed variants that the specs
//! must catch.

pub mod circuit_breaker;
pub mod cqrs;
pub mod elected_writer;
pub mod id_blocks;
pub mod saga;
pub mod sensors;

/// The systems of this crate.
pub fn registry() -> squall::Registry {
    squall::Registry::new()
        .with::<circuit_breaker::GuardedUpstream>()
        .with::<cqrs::AccountsCqrs>()
        .with::<elected_writer::ElectedWriter>()
        .with::<id_blocks::IdBlocks>()
        .with::<saga::CheckoutSaga>()
        .with::<sensors::Sensors>()
        .renamed("guarded-upstream", "circuit-breaker")
        .renamed("accounts-cqrs", "cqrs")
        .renamed("checkout-saga", "saga")
        // Directories of specs.
        .renamed("breaker", "circuit-breaker")
        .renamed("ids", "id-blocks")
        .renamed("leader", "elected-writer")
        .renamed("faults", "sensors")
}
