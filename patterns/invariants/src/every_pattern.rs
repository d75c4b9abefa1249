//! What every pattern promises: effects once, writes that last, permits that come back, tokens that rise, failures that are final, layers that
//! keep to their contract, and intervals measured by a clock that cannot be set.
//!
//! Each law stands alone and has a vocabulary of its own. Hardly a service reports in these words: its system [maps](squall::check::Mapping)
//! its own events to them, or a spec does.
//!
//! | law | | what it reads |
//! |---|---|---|
//! | [`effects_once`](EffectsOnce) | X1: at most one effect for each key, exactly one if it was acknowledged | `effect.made`, `request.acknowledged` |
//! | [`writes_survive`](WritesSurvive) | X2: what was stored or acknowledged survives any crash | `write.stored`, `write.acknowledged`, `write.found` |
//! | [`permits_returned`](PermitsReturned) | X3: each permit comes back once, dropped futures and panics included | `permit.given`, `permit.returned`, `permit.due` |
//! | [`tokens_rise`](TokensRise) | X4: the fencing tokens that a resource takes rise, and each is one holder's | `token.taken` |
//! | [`layer_contract`](LayerContract) | X5: no call without readiness of its own, and no attempt that outlives the answer | `service.ready`, `service.called`, `service.ended`, `service.dropped`, `service.answered` |
//! | [`failures_final`](FailuresFinal) | X6: what was said to have failed never has an effect, then or later | `effect.made`, `request.failed` |
//! | [`intervals_monotonic`](IntervalsMonotonic) | X7: an interval is as long as whoever measured it says | `interval.began`, `interval.ended` |
//!
//! # Vocabulary
//!
//! | event | fields | |
//! |---|---|---|
//! | `effect.made` | `key` | by a resource, durably: the effect of the request with this idempotency key |
//! | `request.acknowledged`, `request.failed` | `key` | somebody was told that the request has had its effect, or that it never will. So was a client whose operation succeeds, or fails, and returns `key` |
//! | `write.stored` | `version`; optional `key` | by a resource, durably: its key has this version now. Versions of a key rise |
//! | `write.acknowledged` | `version`; optional `key` | somebody was told so. So was a client whose operation succeeds and returns `wrote` (the key) and `version` |
//! | `write.found` | `version`; optional `key` | by a resource: what it has of a key, as it starts or is read; 0 for nothing |
//! | `permit.given`, `permit.returned` | `permit`; optional `pool` | a permit of this number, given once in a process's life, is out, and is back |
//! | `permit.due` | `permit`; optional `pool` | whoever had it is done, in whatever way: it has come back by now. Optional: without it a leak shows at the end |
//! | `token.taken` | `token`; optional `resource`, `holder` | by a resource: it does something in the name of this token |
//! | `service.ready` | `service`; optional `reserved` | a service, one clone of it, says that it is ready. `reserved` is how many permits it holds for that |
//! | `service.called` | `service`, `call`; optional `of` | it is called; `of` is the request that the call is an attempt at |
//! | `service.ended` | `call` | the call's future is done or dropped |
//! | `service.dropped` | `service` | the clone is |
//! | `service.answered` | `of` | the request is answered |
//! | `interval.began` | `interval` | a process takes the time |
//! | `interval.ended` | `interval`, `elapsed` | so many milliseconds ago, it says |
//!
//! A `key`, `pool` or `resource` that is not told is the only one of its node. An event without a field that it must have is a breach of class
//! `unreadable_event`.

use std::time::Duration;

use squall::Invariant;

mod effects;
mod intervals;
mod layer;
mod permits;
#[cfg(test)]
mod script;
mod survival;
mod tokens;

pub(crate) use self::permits::{Permits, Pool};
pub use self::{
    effects::{EffectsOnce, FailuresFinal},
    intervals::IntervalsMonotonic,
    layer::LayerContract,
    permits::PermitsReturned,
    survival::WritesSurvive,
    tokens::TokensRise,
};

/// What the laws need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether the versions of a key rise one by one.
    pub gapless: bool,
    /// No permit is out for longer.
    pub longest_hold: Duration,
    /// By how much a measured interval may differ.
    pub tolerance: Duration,
}

/// All laws.
pub fn laws(rules: Rules) -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<EffectsOnce>::default(),
        Box::new(WritesSurvive::new(rules.gapless)),
        Box::new(PermitsReturned::new(rules.longest_hold)),
        Box::<TokensRise>::default(),
        Box::<LayerContract>::default(),
        Box::<FailuresFinal>::default(),
        Box::new(IntervalsMonotonic::new(rules.tolerance)),
    ]
}
