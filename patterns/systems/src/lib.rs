//! Small clusters built from the patterns, each with a workload, invariants and deliberately flawed variants.

pub mod checkout_saga;

/// The systems of this crate.
pub fn registry() -> squall::Registry {
    squall::Registry::new().with::<checkout_saga::CheckoutSaga>()
}
