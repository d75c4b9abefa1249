//! Small clusters built from the patterns, one module each: nodes, workload, invariants, and flawed variants that the specs
//! must catch.

/// The systems of this crate.
pub fn registry() -> squall::Registry {
    squall::Registry::new()
}
