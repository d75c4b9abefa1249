//! What is left in the hands of whoever spawned a task, with tokio's interface.

use std::{
    any::Any,
    fmt,
    future::Future,
    io,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll, ready},
};

use real_tokio::sync::oneshot;

use crate::world::tasks::Task;

/// Calls `f`, which drops something whose destructor nobody can do anything about.
pub(super) fn ignoring_panics(f: impl FnOnce()) {
    let _ = panic::catch_unwind(AssertUnwindSafe(f));
}

/// Names a task among all of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u64);

impl Id {
    /// Of the n-th task of a run.
    pub(crate) fn nth(n: u64) -> Self {
        Id(n)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Awaits the end of a task. To drop it leaves the task alone.
pub struct JoinHandle<T> {
    /// There is one until it is dropped.
    output: Option<oneshot::Receiver<Result<T, JoinError>>>,
    abort: AbortHandle,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(output: oneshot::Receiver<Result<T, JoinError>>, task: &Arc<Task>) -> Self {
        JoinHandle { output: Some(output), abort: AbortHandle { id: task.id, task: Arc::downgrade(task) } }
    }

    /// Has the task end where it waits: its future is dropped at its next turn. Does nothing to one that has ended.
    pub fn abort(&self) {
        self.abort.abort();
    }

    /// Whether the task has ended. One that was aborted has not before its future is dropped.
    pub fn is_finished(&self) -> bool {
        self.abort.is_finished()
    }

    /// To abort the task from elsewhere.
    pub fn abort_handle(&self) -> AbortHandle {
        self.abort.clone()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.abort.id
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.id();
        let output = self.output.as_mut().expect("there is one until it is dropped");
        // A task that is gone without an output belonged to a process that is dead.
        let output = ready!(Pin::new(output).poll(cx));
        Poll::Ready(output.unwrap_or_else(|_| Err(JoinError::cancelled(id))))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // An output that nobody took goes with it.
        ignoring_panics(|| self.output = None);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.abort.id).finish()
    }
}

/// Aborts a task without awaiting it.
#[derive(Clone)]
pub struct AbortHandle {
    id: Id,
    task: Weak<Task>,
}

impl AbortHandle {
    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        if let Some(task) = self.task.upgrade() {
            task.abort();
        }
    }

    /// As [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.task.upgrade().is_none_or(|task| task.has_ended())
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id).finish()
    }
}

/// Why a task has no output.
pub struct JoinError {
    id: Id,
    cause: Cause,
}

enum Cause {
    Cancelled,
    /// With what it panicked. In a lock so that an error can be shared between threads, as tokio's can.
    Panicked(Mutex<Box<dyn Any + Send>>),
}

impl JoinError {
    pub(super) fn cancelled(id: Id) -> Self {
        JoinError { id, cause: Cause::Cancelled }
    }

    pub(super) fn panicked(id: Id, payload: Box<dyn Any + Send>) -> Self {
        JoinError { id, cause: Cause::Panicked(Mutex::new(payload)) }
    }

    /// Whether the task was aborted, or died with its process.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panicked(_))
    }

    /// What the task panicked with.
    ///
    /// # Panics
    /// When it did not panic.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        self.try_into_panic().expect("a task was cancelled, it did not panic")
    }

    /// What the task panicked with, or the error as it is.
    ///
    /// # Errors
    /// The error itself when the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.cause {
            Cause::Panicked(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Cause::Cancelled => Err(self),
        }
    }

    /// The id of the task.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The words of a panic, if it has any.
    fn message(&self) -> Option<String> {
        let Cause::Panicked(payload) = &self.cause else { return None };
        let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&'static str>().copied()).map(str::to_owned)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, self.message()) {
            (Cause::Cancelled, _) => write!(f, "task {} was cancelled", self.id),
            (Cause::Panicked(_), Some(message)) => {
                write!(f, "task {} panicked with message {message:?}", self.id)
            }
            (Cause::Panicked(_), None) => write!(f, "task {} panicked", self.id),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, self.message()) {
            (Cause::Cancelled, _) => write!(f, "JoinError::Cancelled({:?})", self.id),
            (Cause::Panicked(_), Some(message)) => {
                write!(f, "JoinError::Panic({:?}, {message:?}, ...)", self.id)
            }
            (Cause::Panicked(_), None) => write!(f, "JoinError::Panic({:?}, ...)", self.id),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        io::Error::other(match error.cause {
            Cause::Cancelled => "task was cancelled",
            Cause::Panicked(_) => "task panicked",
        })
    }
}
