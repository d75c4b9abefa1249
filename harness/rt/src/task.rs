//! Tasks: tokio's in production; in the simulation madsim's scheduler runs them, and they have tokio's interface. A task belongs to the
//! process that spawned it and dies with it.
//!
//! A panic in a task ends the simulation, which is a finding, unless the harness says that it is a [`JoinError`] as in production.

#[cfg(madsim)]
mod join;
#[cfg(madsim)]
mod join_set;
#[cfg(madsim)]
mod local;
#[cfg(madsim)]
mod running;

#[cfg(madsim)]
use std::{future::Future, panic::Location};

#[cfg(madsim)]
pub use real_tokio::{
    task::{
        LocalKey,
        coop::{self, consume_budget, unconstrained},
        yield_now,
    },
    task_local,
};
#[cfg(not(madsim))]
pub use tokio::{
    task::{
        AbortHandle, Id, JoinError, JoinHandle, JoinSet, LocalEnterGuard, LocalKey, LocalSet,
        coop::{self, consume_budget, unconstrained},
        id, spawn, spawn_local, try_id, yield_now,
    },
    task_local,
};

#[cfg(madsim)]
pub(crate) use self::running::Running;
#[cfg(madsim)]
pub use self::{
    join::{AbortHandle, Id, JoinError, JoinHandle},
    join_set::JoinSet,
    local::{LocalEnterGuard, LocalSet, spawn_local},
};
#[cfg(madsim)]
use crate::world::tasks::{self, Tasks};

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
    let (task, handle) = Tasks::current().wrap_here(future, Location::caller());
    drop(madsim::task::spawn(task));
    handle
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
