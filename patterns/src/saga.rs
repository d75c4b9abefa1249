//! The orchestrated saga: a business transaction over several services, each with a database of its own, that ends with
//! all of its steps done or with none (Garcia-Molina and Salem, "Sagas", SIGMOD 1987; Richardson, "Microservices
//! Patterns", chapter 4).
//!
//! An [`Orchestrator`] drives sagas along a [`Definition`]: undoable steps, at most one *pivot*, and steps that may only go
//! forward. What makes it hold under crashes, lost replies and slow networks:
//!
//! - **Nothing is done before its intent is durable.** The [`Journal`] has the intent of a step before its first attempt,
//!   and its result before the next one. A restarted orchestrator takes every open saga up where the journal ends.
//! - **An unknown outcome is neither success nor failure.** A step without an answer is repeated with the same key. When its
//!   attempts are used up, the saga turns back, and *the step in doubt is compensated too*.
//! - **Compensations run in reverse, one after the other, until each is acknowledged.** One that cannot be had parks the
//!   saga, visibly; it is never reported as done.
//! - **The pivot decides.** Once it is known to be done, the saga goes forward only: later steps are repeated until
//!   they are done, or the saga parks.
//! - **One coordinator drives a saga.** Each start of an orchestrator claims a higher epoch. Participants and the
//!   journal refuse a [`Token`] that is older than one they have seen.
//! - **A participant makes each effect at most once**, and refuses a step that arrives after its compensation: see
//!   [`Participant`].
//!
//! Everything is reported through tracing events with the target `saga`, each after what it reports is durable, with the
//! fields `saga`, `coordinator` and `epoch`: `started`, `step_intended`, `step_done`, `step_refused`, `step_unknown`,
//! `compensating`, `step_compensated`, `compensation_failed`, `completed`, `compensated`, `parked`, `resumed`.
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures_util::future::{BoxFuture, FutureExt};
//! use redb::Database;
//! use squall_patterns::saga::{
//!     Attempt, Compensate, Compensation, Definition, Execution, Orchestrator, Phase, RedbJournal, Settings, Step,
//! };
//!
//! /// A step at some service; a real one calls it, and passes `attempt.key` and `attempt.token` on.
//! struct At(&'static str);
//!
//! impl Step<u32> for At {
//!     fn name(&self) -> &'static str {
//!         self.0
//!     }
//!     fn execute<'a>(&'a self, attempt: Attempt<'a, u32>) -> BoxFuture<'a, Execution> {
//!         async move { Execution::Done(attempt.key.as_bytes().to_vec()) }.boxed()
//!     }
//! }
//!
//! impl Compensate<u32> for At {
//!     fn compensate<'a>(&'a self, _: Attempt<'a, u32>) -> BoxFuture<'a, Compensation> {
//!         async move { Compensation::Done }.boxed()
//!     }
//! }
//!
//! async fn buy(db: Arc<Database>) -> Result<(), Box<dyn std::error::Error>> {
//!     let checkout = Definition::new("checkout")
//!         .undoable(At("reserve"))
//!         .undoable(At("charge"))
//!         .pivot(At("ship"))
//!         .forward(At("confirm"));
//!     let journal = Arc::new(RedbJournal::new(db)?);
//!     let orchestrator = Orchestrator::start(checkout, journal, Settings::new("shop-1"))?;
//!     let saga = orchestrator.submit("order-4711", 1)?;
//!     assert_eq!(saga.settled().await?, Phase::Completed);
//!     Ok(())
//! }
//! ```
//!
//! Sagas are not isolated from each other: what a step did can be seen, and built upon, before the saga ends.

use std::time::Duration;

use squall_rt::rng;

mod definition;
mod driver;
mod journal;
mod orchestrator;
mod participant;
mod progress;
mod shared;

pub use self::{
    definition::{Attempt, Compensate, Compensation, Definition, Execution, Step, Token, Undoable},
    journal::{Entry, Journal, JournalError, RedbJournal},
    orchestrator::{CancelError, Handle, Orchestrator, SubmitError},
    participant::{Executed, Participant, Undone, Verdict},
    shared::Failure,
};

/// How an orchestrator behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Names the orchestrator over all of its restarts. Epochs of different coordinators are not compared.
    pub coordinator: String,
    /// How long one attempt at a step or a compensation may take before its outcome counts as unknown.
    pub step_timeout: Duration,
    /// How many attempts a step gets before the saga turns back. At least 1.
    pub attempts: u32,
    /// How many attempts get those that cannot be given up, compensations and steps after the pivot, before the saga
    /// parks. At least 1.
    pub persistence: u32,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// How many sagas are driven at the same time. The others wait; so do parked ones. At least 1.
    pub max_running: usize,
    /// How many sagas may be open, parked ones included, before new ones are refused.
    pub max_open: usize,
    /// When a parked saga is taken up again by itself. `None`: only when [`Handle::unpark`] says so.
    pub revisit_parked: Option<Duration>,
}

impl Settings {
    /// Settings that suit services in one data centre.
    pub fn new(coordinator: impl Into<String>) -> Self {
        Settings {
            coordinator: coordinator.into(),
            step_timeout: Duration::from_secs(1),
            attempts: 4,
            persistence: 10,
            backoff: Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(10) },
            max_running: 256,
            max_open: 10_000,
            revisit_parked: Some(Duration::from_secs(60)),
        }
    }
}

/// Exponential back-off with equal jitter: half of the wait is fixed, the other half is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first attempt.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after attempt number `attempt`, from 1: between half of `min(cap, base * 2^(attempt - 1))` and all of it.
    pub fn after(&self, attempt: u32) -> Duration {
        let full = self.base.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(self.cap);
        let half = full / 2;
        if half.is_zero() { full } else { half + rng::duration(Duration::ZERO..half) }
    }
}

/// Where a saga stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It goes forward and can still turn back.
    Forward,
    /// The pivot is done: it goes forward only.
    Committed,
    /// It compensates.
    Compensating,
    /// It stands still, its attempts used up, and waits for [`Handle::unpark`] or [`Settings::revisit_parked`].
    Parked,
    /// Over: every step is done.
    Completed,
    /// Over: nothing of it is left.
    Compensated,
}

impl Phase {
    /// Whether the saga is over.
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Completed | Phase::Compensated)
    }
}
