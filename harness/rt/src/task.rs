//! Tasks: tokio's in production; in the simulation madsim's scheduler runs them, and they have tokio's interface. A task belongs to the
//! process that spawned it and dies with it.
//!
//! A process of the simulation has one thread, as tokio's current-thread runtime has: a call that blocks it, one to a disk that stalls, holds up all of
//! its tasks. What may block for long belongs into [`spawn_blocking`], there as in production.
//!
//! A panic in a task ends the simulation, which is a finding, unless the harness says that it is a [`JoinError`] as in production.

#[cfg(madsim)]
mod join;
#[cfg(madsim)]
mod join_set;
#[cfg(madsim)]
pub(crate) mod local;
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
        id, spawn, spawn_blocking, spawn_local, try_id, yield_now,
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
use crate::world::{
    Threaded, blocking,
    tasks::{self, Kind, Tasks},
};

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
    start(Threaded::here(future), Location::caller(), Kind::Spawned)
}

/// Runs a function that may block on a thread of its own: whatever it waits for, the process goes on. To abort it has no effect once it has begun. A
/// process has 512 such threads; what is more than that waits for one of them to end. In the simulation they stand still while the process's
/// own thread is blocked.
///
/// # Panics
/// Outside of a run.
#[cfg(madsim)]
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    start(blocking(f), Location::caller(), Kind::Blocking)
}

#[cfg(madsim)]
fn start<F: Future + 'static>(
    task: Threaded<F>,
    spawned_at: &'static Location<'static>,
    kind: Kind,
) -> JoinHandle<F::Output> {
    let (task, handle) = Tasks::current().wrap_here(task, spawned_at, kind);
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
