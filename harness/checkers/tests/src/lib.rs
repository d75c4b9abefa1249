//! What the tests and benchmarks of squall-checkers share.

pub mod simulated;
