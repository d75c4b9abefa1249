//! A task as madsim runs it: what was spawned, and around it what tokio does for a task of its own.

use std::{
    any::Any,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;

use super::join::JoinError;
use crate::world::{
    is_ending,
    tasks::{Task, Tasks},
};

pin_project! {
    /// A task that was spawned. It gives what a [`JoinHandle`](super::JoinHandle) does.
    pub(crate) struct Running<F: Future> {
        // None once it has ended.
        #[pin]
        future: Option<F>,
        task: Arc<Task>,
        waker: Waker,
        key: usize,
        tasks: Arc<Tasks>,
    }

    impl<F: Future> PinnedDrop for Running<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The process is dead, and has no destructors that could fail.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
            this.tasks.remove(this.task, *this.key);
        }
    }
}

impl<F: Future> Running<F> {
    pub(crate) fn new(future: F, task: Arc<Task>, key: usize, tasks: Arc<Tasks>) -> Self {
        Running { future: Some(future), waker: task.clone().into(), task, key, tasks }
    }

    pub(super) fn task(&self) -> &Arc<Task> {
        &self.task
    }
}

impl<F: Future> Future for Running<F> {
    type Output = Result<F::Output, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The run has panicked: nothing of it goes on.
        if is_ending() {
            return Poll::Pending;
        }
        let task = &**this.task;
        let polled = this.tasks.poll(task, cx.waker(), || {
            if task.is_aborted() {
                this.future.set(None);
                return Poll::Ready(Err(JoinError::cancelled(task.id)));
            }
            let future = this.future.as_mut().as_pin_mut().expect("a task that has ended is not polled");
            let polled = future.poll(&mut Context::from_waker(this.waker));
            if polled.is_ready() {
                this.future.set(None);
            }
            polled.map(Ok)
        });
        polled.unwrap_or_else(|panic| {
            if !this.tasks.continues_after_panic(task) {
                panic::resume_unwind(panic);
            }
            // What panics while it is dropped after a panic is a consequence of that one.
            let _: Result<(), Box<dyn Any + Send>> =
                panic::catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
            Poll::Ready(Err(JoinError::panicked(task.id, panic)))
        })
    }
}
