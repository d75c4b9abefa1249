//! Deterministic chaos testing for distributed systems.
//!
//! A YAML [spec] says which [`System`] to run, under which faults, and what must hold. From a spec and a seed comes a
//! plan; the plan is executed in a simulated world and leaves a [history]; invariants [judge](check) the
//! history. A run is a pure function of (build, spec, seed).
//!
//! Each folder uses what is below it. From the bottom: the history; the language of specs; checks, and the systems that they judge; the
//! recorder, and the cluster that a run holds in its hands; faults, which act on it; specs, which are made of all that; plans; the run. Then
//! workers, and the pool of them; shrink, blame, diff; exploration; reports; the command line and `cargo test` on top. A test reads that
//! from the sources.

#[cfg(not(madsim))]
compile_error!(
    "squall runs systems in a simulated world, which needs `--cfg madsim --cfg tokio_unstable`. They are set in \
     .cargo/config.toml; a RUSTFLAGS variable, even an empty one, replaces them. Remedy: unset RUSTFLAGS (and \
     CARGO_ENCODED_RUSTFLAGS), or add both cfgs to it."
);

// Without the flag there is nothing but the error above: what follows from it would only bury it.
#[cfg(madsim)]
mod blame;
#[cfg(madsim)]
mod bugs;
#[cfg(madsim)]
pub mod check;
#[cfg(madsim)]
pub mod cli;
#[cfg(madsim)]
mod cluster;
#[cfg(madsim)]
mod confine;
#[cfg(madsim)]
mod context;
#[cfg(madsim)]
mod diff;
#[cfg(madsim)]
pub mod explore;
#[cfg(madsim)]
mod fault;
#[cfg(madsim)]
pub mod history;
#[cfg(madsim)]
mod inquiry;
#[cfg(madsim)]
mod language;
#[cfg(madsim)]
mod limits;
#[cfg(madsim)]
pub mod log;
#[cfg(madsim)]
mod open;
#[cfg(madsim)]
pub mod plan;
#[cfg(madsim)]
mod pool;
#[cfg(madsim)]
mod record;
#[cfg(madsim)]
mod report;
#[cfg(madsim)]
mod reproduce;
#[cfg(madsim)]
pub mod run;
#[cfg(madsim)]
mod run_id;
#[cfg(madsim)]
mod screen;
#[cfg(madsim)]
pub mod shrink;
#[cfg(madsim)]
pub mod spec;
#[cfg(madsim)]
pub mod system;
#[cfg(madsim)]
pub mod testing;
#[cfg(madsim)]
pub mod trace;
#[cfg(madsim)]
pub mod worker;

#[cfg(madsim)]
pub use crate::{
    check::{Condition, Invariant, Violation},
    history::{EventKind, Fields, Record, Value},
    system::{BoxError, Flaw, Flaws, Group, Node, Operations, Outcome, Registry, System, Transport},
};
#[cfg(madsim)]
pub use squall_derive::{Flaws, Operations};
