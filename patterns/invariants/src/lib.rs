//! What patterns promise, as invariants over a documented vocabulary of events.
//!
//! A law here knows no implementation. It reads what nodes report: a breaker of your own that reports `breaker.admitted` and its kin is held
//! to [`breaker_correctness`](circuit_breaker::Correctness) as the one of squall-patterns is. Each module has
//!
//! - `EVENTS`: the vocabulary, to be declared by [`System::events`](squall::System::events), with which fields each event must have and
//!   which may be missing;
//! - `Rules`: the configuration that the laws need, as plain data;
//! - `laws`: all of them at once, for [`System::invariants`](squall::System::invariants), and each by itself;
//! - `conditions`, where there are any, for [`System::conditions`](squall::System::conditions).
//!
//! Where a service reports under other names, a spec maps them: `- breaker_correctness: { events: { breaker.admitted: guard.let_through } }`.
//!
//! | module | laws |
//! |---|---|
//! | [`circuit_breaker`] | `breaker_correctness`, `permits_balanced`, `breaker_recovers`; the condition `breakers_closed`; `breaker_from_outside` for one that says nothing of its states |
//! | [`cqrs`] | `event_log_integrity`, `projection_correctness`; the condition `replicas_caught_up` |
//! | [`event_log`] | `event_log_integrity` |
//! | [`every_pattern`] | `effects_once`, `writes_survive`, `permits_returned`, `tokens_rise`, `layer_contract`, `failures_final`, `intervals_monotonic` |
//! | [`saga`] | `saga_atomicity`, `idempotent_effects`, `acked_durable`, `single_coordinator`, `saga_progress`; the condition `no_open_sagas` |

// Where the simulation is switched off, squall says so.
#![cfg(madsim)]

pub mod circuit_breaker;
pub mod cqrs;
mod event;
pub mod event_log;
pub mod every_pattern;
#[cfg(test)]
mod judged;
pub mod saga;
