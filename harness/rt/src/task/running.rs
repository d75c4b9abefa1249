//! A task as it is run: what was spawned, and around it what tokio does for a task of its own.

use std::{
    future::Future,
    panic,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use pin_project_lite::pin_project;
use real_tokio::sync::oneshot;

use super::join::{JoinError, JoinHandle, ignoring_panics};
use crate::world::{
    is_ending,
    tasks::{Task, Tasks},
};

pin_project! {
    /// A task that was spawned. Its output goes to its [`JoinHandle`].
    pub(crate) struct Running<F: Future> {
        // None once it has ended.
        #[pin]
        future: Option<F>,
        output: Option<oneshot::Sender<Result<F::Output, JoinError>>>,
        task: Arc<Task>,
        waker: Waker,
        key: usize,
        tasks: Arc<Tasks>,
    }

    impl<F: Future> PinnedDrop for Running<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What still has a future belongs to a dead process, or to a local set that was dropped.
            ignoring_panics(|| this.future.set(None));
            this.tasks.remove(this.task, *this.key);
        }
    }
}

#[allow(unsafe_code, reason = "madsim asks for it also where a future need not be sent, and none ever is")]
// SAFETY: a run is one thread, and async_task, which polls and drops it for madsim, checks that it is the one that spawned it.
unsafe impl<F: Future> Send for Running<F> {}

impl<F: Future> Running<F> {
    /// A task, to be polled by a scheduler, and its handle.
    pub(crate) fn new(
        future: F,
        task: Arc<Task>,
        key: usize,
        tasks: Arc<Tasks>,
    ) -> (Self, JoinHandle<F::Output>) {
        let (output, receiver) = oneshot::channel();
        let handle = JoinHandle::new(receiver, &task);
        let waker = task.clone().into();
        (Running { future: Some(future), output: Some(output), waker, task, key, tasks }, handle)
    }
}

impl<F: Future> Future for Running<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
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
        let polled = polled.unwrap_or_else(|panic| {
            if !this.tasks.continues_after_panic(task) {
                panic::resume_unwind(panic);
            }
            ignoring_panics(|| this.future.set(None));
            Poll::Ready(Err(JoinError::panicked(task.id, panic)))
        });
        let output = ready!(polled);
        task.end();
        if let Some(handle) = this.output.take() {
            // If nobody waits for it, it is dropped.
            ignoring_panics(|| drop(handle.send(output)));
        }
        Poll::Ready(())
    }
}
