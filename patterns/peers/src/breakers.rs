//! The breakers, set alike.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use failsafe::{backoff, failure_policy, futures::CircuitBreaker as _};
use recloser::{AsyncRecloser, Recloser};
use squall::BoxError;
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};
use tower_service::Service;

use crate::{
    Whose,
    driven::{Call, Driven, Failed},
};

/// Begins a call, or turns it away.
pub(crate) type Begin = Box<dyn Fn() -> Option<Driven> + Send + Sync>;

/// A breaker that stays open for so long.
///
/// # Errors
/// What it says of its configuration.
pub(crate) fn new(whose: Whose, wait: Duration) -> Result<Begin, BoxError> {
    Ok(match whose {
        Whose::Failsafe => {
            let policy = failure_policy::consecutive_failures(3, backoff::constant(wait));
            let breaker = failsafe::Config::new().failure_policy(policy).build();
            Box::new(move || {
                let breaker = breaker.clone();
                Driven::begin(|call| async move { drop(breaker.call(call).await) })
            })
        }
        Whose::Recloser => {
            let recloser =
                Recloser::custom().error_rate(0.5).closed_len(4).half_open_len(1).open_wait(wait).build();
            let breaker = AsyncRecloser::from(recloser);
            Box::new(move || {
                Driven::begin(|call| {
                    let guarded = breaker.call(call);
                    async move { drop(guarded.await) }
                })
            })
        }
        Whose::TowerResilience => {
            let layer = CircuitBreakerLayer::builder()
                .failure_rate_threshold(0.5)
                .sliding_window_type(SlidingWindowType::TimeBased)
                .sliding_window_duration(Duration::from_secs(1))
                .minimum_number_of_calls(4)
                .wait_duration_in_open(wait)
                .permitted_calls_in_half_open(1)
                .build()?;
            let breaker = layer.layer_fn(Upstream);
            Box::new(move || {
                let mut breaker = breaker.clone();
                // What is within is always ready, and without back-pressure the breaker is, too.
                let ready =
                    Service::<Call>::poll_ready(&mut breaker, &mut Context::from_waker(Waker::noop()));
                if !matches!(ready, Poll::Ready(Ok(()))) {
                    return None;
                }
                Driven::begin(|call| {
                    let guarded = breaker.call(call);
                    async move { drop(guarded.await) }
                })
            })
        }
    })
}

/// The service that a layer stands before: it makes the call that it is given.
#[derive(Clone)]
struct Upstream;

impl Service<Call> for Upstream {
    type Response = ();
    type Error = Failed;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Call {
        call
    }
}
