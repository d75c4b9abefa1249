//! Tasks: tokio's in production; in the simulation madsim's scheduler runs them, and they have tokio's interface. A task belongs to the
//! process that spawned it and dies with it.
//!
//! A panic in a task ends the simulation, which is a finding, unless the harness says that it is a [`JoinError`] as in production.

#[cfg(madsim)]
mod join;
#[cfg(madsim)]
mod running;

#[cfg(madsim)]
use std::{future::Future, panic::Location, sync::Arc};

#[cfg(madsim)]
pub use self::join::{AbortHandle, Id, JoinError, JoinHandle};
#[cfg(madsim)]
pub(crate) use self::running::Running;
#[cfg(madsim)]
use crate::world::tasks::{self, Tasks};
pub use tokio::task::yield_now;
#[cfg(not(madsim))]
pub use tokio::task::{AbortHandle, Id, JoinError, JoinHandle, id, spawn, try_id};

/// Starts a task that runs beside the one that calls.
///
/// # Panics
/// Outside of a run.
#[cfg(madsim)]
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let running = Tasks::current().wrap_here(future, Location::caller());
    let abort = AbortHandle::new(running.task().id, Arc::downgrade(running.task()));
    JoinHandle::new(madsim::task::spawn(running), abort)
}

/// The id of the task that calls.
///
/// # Panics
/// Outside of a task.
#[cfg(madsim)]
#[track_caller]
pub fn id() -> Id {
    try_id().expect("only a task has an id")
}

/// The id of the task that calls, if there is one.
#[cfg(madsim)]
pub fn try_id() -> Option<Id> {
    tasks::current_id()
}
