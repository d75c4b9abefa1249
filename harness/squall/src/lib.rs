//! Deterministic chaos testing for distributed systems.
//!
//! A YAML [spec] says which [`System`] to run, under which faults, and what must hold. From a spec and a seed comes a
//! plan; the plan is executed in a simulated world and leaves a [history]; invariants [judge](check) the
//! history. A run is a pure function of (build, spec, seed).

#[cfg(not(madsim))]
compile_error!(
    "squall runs systems in a simulated world, which needs `--cfg madsim --cfg tokio_unstable`. They are set in \
     .cargo/config.toml; a RUSTFLAGS variable, even an empty one, replaces them. Remedy: unset RUSTFLAGS (and \
     CARGO_ENCODED_RUSTFLAGS), or add both cfgs to it."
);

pub mod check;
pub mod cli;
pub mod explore;
mod fault;
pub mod history;
pub mod plan;
mod report;
pub mod run;
pub mod spec;
pub mod system;
pub mod testing;
pub mod worker;

pub use crate::{
    check::{Condition, Invariant, Violation},
    history::{Fields, Record, Value},
    system::{BoxError, EventKind, Flaw, Group, Node, Operations, Outcome, Registry, System},
};
