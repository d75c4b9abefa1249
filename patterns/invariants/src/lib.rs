//! What patterns promise, as invariants over a documented vocabulary of events.
//!
//! A law here knows no implementation. It reads what nodes report: a breaker of your own that reports `breaker.admitted` and its kin is held
//! to [`breaker_correctness`](circuit_breaker::Correctness) as the one of squall-patterns is. Each module has
//!
//! - `EVENTS`: the vocabulary, to be declared by [`System::events`](squall::System::events), with which fields each event must have and
//!   which may be missing;
//! - `Rules`: the configuration that the laws need, as plain data;
//! - `laws`: all of them at once, for [`System::invariants`](squall::System::invariants), and each by itself.
//!
//! Where a service reports under other names, a spec maps them: `- breaker_correctness: { events: { breaker.admitted: guard.let_through } }`.
//!
//! | module | laws |
//! |---|---|
//! | [`circuit_breaker`] | `breaker_correctness`, `permits_balanced`, `breaker_recovers`; the condition `breakers_closed` |
//! | [`saga`] | `saga_atomicity`, `idempotent_effects`, `acked_durable`, `single_coordinator`, `saga_progress`; the condition `no_open_sagas` |

// Where the simulation is switched off, squall says so.
#![cfg(madsim)]

pub mod circuit_breaker;
mod event;
pub mod saga;
