//! A circuit breaker: stops calling an upstream that fails or crawls, and finds out by a few probes when it is well again.
//!
//! The pattern is Nygard's (*Release It!*, 2007); sliding windows, minimum calls, slow calls, permitted probes and the
//! special states follow Resilience4j's `CircuitBreaker`, the success threshold follows Failsafe.
//!
//! ```text
//!             calls >= minimum and rate >= threshold
//!    closed ------------------------------------------> open <----------------------+
//!      ^                                                 |                          |
//!      |                                the wait is over |     too few can succeed, |
//!      |                                 and a call came v     or it takes too long |
//!      +------------------------------------------- half-open ----------------------+
//!               enough probes succeeded
//! ```
//!
//! **Generations.** Every transition starts a new generation. A [`Permit`] carries the generation it was given in, and what
//! becomes of it counts in that generation only: a result that comes late, after the breaker has moved on, changes nothing.
//!
//! **Cancellation.** A permit is given back when it is dropped, so a call that is cancelled (its future dropped) or that
//! panics neither counts nor keeps a probe's place. For that reason put time-outs *inside* of the breaker: one outside
//! cancels the call, and the breaker never hears of the slowness.
//!
//! **Time.** There are no timers and no tasks: time-driven transitions are made by the next call that looks. A breaker that
//! nobody calls stays open, which nobody notices. A half-open period that ran out unnoticed counts as ended when it should have,
//! so the wait that follows it is not prolonged by the silence.
//!
//! **Events**, target `breaker`, all with the field `breaker`, the breaker's name:
//!
//! | event | fields | when |
//! |---|---|---|
//! | `created` | | once |
//! | `transition` | `from` `to` `generation` (the new one) `reason` `calls` `failures` `slow` | the state changes |
//! | `admitted` | `generation` `permit` `state` | a call may go ahead |
//! | `rejected` | `generation` `state` | a call may not |
//! | `result` | `generation` `permit` `state` (that the result found) `outcome` (success, failure) `slow` `late` | a call ended |
//! | `returned` | `generation` `permit` `reason` (ignored, dropped) `late` | a permit came back unused |
//!
//! `transition` is reported at level INFO, the rest at DEBUG. Events are emitted after the breaker's lock is released, so a
//! subscriber may use the breaker; with several threads their order is that of `generation`, not of arrival.
//!
//! ```
//! # use std::time::Duration;
//! use squall_patterns::circuit_breaker::{CallError, CircuitBreaker, Config};
//!
//! async fn price(breaker: &CircuitBreaker) -> Result<u64, &'static str> {
//!     match breaker.call(async { Err::<u64, _>("no route") }).await {
//!         Ok(price) => Ok(price),
//!         Err(CallError::Failed(error)) => Err(error),
//!         Err(CallError::Rejected(_)) => Err("pricing is down, try later"),
//!     }
//! }
//! # let config = Config { wait: Duration::from_secs(5), ..Config::default() };
//! # config.validate().unwrap();
//! ```

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard},
};

use squall_rt::time::{Duration, Instant};

mod config;
mod machine;
mod registry;
mod report;
#[cfg(test)]
mod tests;
mod window;

pub use self::{
    config::{Backoff, Config, ConfigError, HalfOpen, SlowCalls, Window},
    machine::{Reason, State, Transition},
    registry::Breakers,
};
use self::{
    machine::{Admission, Machine},
    window::Tally,
};

/// How a call ended, as far as the breaker is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream did its work.
    Success,
    /// The upstream failed to.
    Failure,
    /// It says nothing about the upstream's health: the caller's own mistake, for one. The permit is given back.
    Ignored,
}

/// The breaker does not let the call through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The state it was in: open, half-open with all probes taken, or forced open.
    pub state: State,
    /// When the breaker may let a call through again, if that is a matter of time.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit breaker is {}", self.state)?;
        match self.retry_after {
            Some(wait) => write!(f, ", retry after {wait:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Rejected {}

/// Why a guarded call gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The breaker did not let it through: the call was never begun.
    Rejected(Rejected),
    /// The call was made and failed.
    Failed(E),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Rejected(rejected) => rejected.fmt(f),
            CallError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::Rejected(_) => None,
            CallError::Failed(error) => error.source(),
        }
    }
}

/// What a breaker knows at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The state, as the next call will find it.
    pub state: State,
    /// The generation: how many transitions there were.
    pub generation: u64,
    /// Calls in the sliding window, or probes that ended in half-open.
    pub calls: u32,
    /// How many of them failed.
    pub failures: u32,
    /// How many of them were slow.
    pub slow: u32,
    /// Permits that are out, of whatever generation.
    pub in_flight: u64,
}

/// A circuit breaker. See the [module](self). Clones share one state.
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

struct Shared {
    name: Box<str>,
    /// The state machine counts time from here.
    origin: Instant,
    machine: Mutex<Machine>,
}

impl Shared {
    /// Does something to the state machine and reports the transitions that came of it.
    fn with<R>(&self, act: impl FnOnce(&mut Machine, Duration) -> R) -> (R, Vec<Transition>) {
        let mut machine = self.lock();
        // Under the lock, so that the machine never sees time step back.
        let now = self.origin.elapsed();
        let done = act(&mut machine, now);
        (done, machine.take_changes())
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().expect("nothing panics under this lock")
    }
}

impl CircuitBreaker {
    /// A closed breaker. `name` is for people and events: the upstream's, usually.
    ///
    /// # Errors
    /// What [`Config::validate`] says.
    pub fn new(name: impl Into<String>, config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let name = name.into().into_boxed_str();
        report::created(&name);
        let machine = Mutex::new(Machine::new(config));
        Ok(CircuitBreaker { shared: Arc::new(Shared { name, origin: Instant::now(), machine }) })
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Makes a call if the breaker lets it through. An `Err` counts as a failure; see [`call_judged`](Self::call_judged) for
    /// finer distinctions. Dropping the future cancels the call and gives the permit back.
    ///
    /// # Errors
    /// [`CallError::Rejected`] when the breaker does not let it through, [`CallError::Failed`] with the call's own error.
    pub async fn call<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, CallError<E>> {
        let judge = |result: &Result<T, E>| if result.is_ok() { Outcome::Success } else { Outcome::Failure };
        self.call_judged(judge, call).await
    }

    /// Makes a call if the breaker lets it through; `judge` decides which results are recorded as failures, which as
    /// successes, and which are ignored.
    ///
    /// # Errors
    /// [`CallError::Rejected`] when the breaker does not let it through, [`CallError::Failed`] with the call's own error.
    pub async fn call_judged<T, E>(
        &self,
        judge: impl FnOnce(&Result<T, E>) -> Outcome,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        let result = call.await;
        permit.record(judge(&result));
        result.map_err(CallError::Failed)
    }

    /// Asks for leave to make one call, for callers that [`call`](Self::call) does not fit.
    ///
    /// # Errors
    /// [`Rejected`] when the breaker is open, forced open, or half-open with all its probes taken.
    pub fn try_acquire(&self) -> Result<Permit, Rejected> {
        let Shared { name, .. } = &*self.shared;
        let ((since, admission), changes) = self.shared.with(|machine, now| (now, machine.admit(now)));
        report::transitions(name, &changes);
        match admission {
            Admission::Admitted { generation, permit: id, state } => {
                report::admitted(name, generation, id, state);
                Ok(Permit { shared: self.shared.clone(), generation, id, since, recorded: false })
            }
            Admission::Rejected { generation, state, retry_after } => {
                report::rejected(name, generation, state);
                Err(Rejected { state, retry_after })
            }
        }
    }

    /// The state, as the next call will find it.
    pub fn state(&self) -> State {
        self.metrics().state
    }

    /// What the breaker knows at this moment.
    pub fn metrics(&self) -> Metrics {
        let (metrics, changes) = self.shared.with(|machine, now| {
            machine.advance(now);
            let Tally { calls, failures, slow } = machine.tally(now);
            Metrics {
                state: machine.state(),
                generation: machine.generation(),
                calls,
                failures,
                slow,
                in_flight: machine.in_flight(),
            }
        });
        report::transitions(&self.shared.name, &changes);
        metrics
    }

    /// Opens the breaker by hand, for the configured wait; then it probes as usual. An open one waits anew.
    pub fn trip(&self) {
        self.force(State::Open);
    }

    /// Closes the breaker by hand, with an empty window. Ends forced open, disabled and metrics-only too.
    pub fn reset(&self) {
        self.force(State::Closed);
    }

    /// Rejects every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.force(State::ForcedOpen);
    }

    /// Admits every call and records nothing until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.force(State::Disabled);
    }

    /// Admits every call and keeps the window, but never opens, until [`reset`](Self::reset): to try out thresholds.
    pub fn metrics_only(&self) {
        self.force(State::MetricsOnly);
    }

    fn force(&self, to: State) {
        let ((), changes) = self.shared.with(|machine, now| machine.force(now, to));
        report::transitions(&self.shared.name, &changes);
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.shared.lock();
        f.debug_struct("CircuitBreaker")
            .field("name", &self.shared.name)
            .field("state", &machine.state())
            .field("generation", &machine.generation())
            .finish_non_exhaustive()
    }
}

/// Leave to make one call. Say how it ended with [`record`](Self::record); dropped without, it is given back unused.
#[must_use = "a permit that is dropped is given back"]
pub struct Permit {
    shared: Arc<Shared>,
    generation: u64,
    id: u64,
    since: Duration,
    recorded: bool,
}

impl Permit {
    /// The generation it was given in.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Its number, unique for this breaker.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Says how the call ended. The time since the permit was given is the call's duration.
    pub fn record(mut self, outcome: Outcome) {
        self.recorded = true;
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Ignored => return self.give_back("ignored"),
        };
        let ((before, recorded), after) = self.shared.with(|machine, now| {
            machine.advance(now);
            let before = machine.take_changes();
            (before, machine.record(now, self.generation, failed, now.saturating_sub(self.since)))
        });
        let name = &self.shared.name;
        report::transitions(name, &before);
        report::result(name, self.generation, self.id, failed, recorded);
        report::transitions(name, &after);
    }

    fn give_back(&self, reason: &'static str) {
        let (late, changes) = self.shared.with(|machine, now| machine.give_back(now, self.generation));
        report::transitions(&self.shared.name, &changes);
        report::returned(&self.shared.name, self.generation, self.id, reason, late);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.recorded {
            self.give_back("dropped");
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("breaker", &self.shared.name)
            .field("generation", &self.generation)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
