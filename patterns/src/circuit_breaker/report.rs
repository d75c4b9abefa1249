//! What a breaker tells the world: one `tracing` event for each decision. Listed in the [module](super) page.

use tracing::{debug, info};

use super::machine::{Recorded, State, Transition};

pub(super) fn created(breaker: &str) {
    debug!(target: "breaker", breaker, "created");
}

pub(super) fn transitions(breaker: &str, transitions: &[Transition]) {
    for &Transition { from, to, generation, reason, calls, failures, slow } in transitions {
        info!(
            target: "breaker",
            breaker,
            from = from.as_str(),
            to = to.as_str(),
            generation,
            reason = reason.as_str(),
            calls,
            failures,
            slow,
            "transition"
        );
    }
}

pub(super) fn admitted(breaker: &str, generation: u64, permit: u64, state: State) {
    debug!(target: "breaker", breaker, generation, permit, state = state.as_str(), "admitted");
}

pub(super) fn rejected(breaker: &str, generation: u64, state: State) {
    debug!(target: "breaker", breaker, generation, state = state.as_str(), "rejected");
}

pub(super) fn result(breaker: &str, generation: u64, permit: u64, failed: bool, recorded: Recorded) {
    let Recorded { state, slow, late } = recorded;
    let outcome = if failed { "failure" } else { "success" };
    debug!(target: "breaker", breaker, generation, permit, state = state.as_str(), outcome, slow, late, "result");
}

pub(super) fn returned(breaker: &str, generation: u64, permit: u64, reason: &'static str, late: bool) {
    debug!(target: "breaker", breaker, generation, permit, reason, late, "returned");
}
