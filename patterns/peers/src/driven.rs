//! A call in a breaker that wraps futures, driven by hand: begun by whoever wants to call, ended by saying how the call went. Dropped, it is
//! cancelled.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use real_tokio::task::unconstrained;

/// What is wrapped: a call that ends when it is told how it went.
pub(crate) struct Call(Arc<Mutex<Progress>>);

#[derive(Default)]
struct Progress {
    begun: bool,
    /// Whether it went well.
    ended: Option<bool>,
}

impl Future for Call {
    type Output = Result<(), Failed>;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        let mut progress = lock(&self.0);
        progress.begun = true;
        match progress.ended {
            Some(true) => Poll::Ready(Ok(())),
            Some(false) => Poll::Ready(Err(Failed)),
            None => Poll::Pending,
        }
    }
}

/// The call failed.
#[derive(Debug)]
pub(crate) struct Failed;

/// A call that a breaker let through.
pub(crate) struct Driven {
    progress: Arc<Mutex<Progress>>,
    wrapped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Driven {
    /// Asks a breaker for leave: `wrap` gives it the call. None if it turns that away.
    pub(crate) fn begin<F>(wrap: impl FnOnce(Call) -> F) -> Option<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let progress = Arc::new(Mutex::new(Progress::default()));
        let mut driven = Driven { wrapped: Box::pin(wrap(Call(progress.clone()))), progress };
        driven.poll();
        let begun = lock(&driven.progress).begun;
        begun.then_some(driven)
    }

    /// Says how it went.
    pub(crate) fn end(mut self, good: bool) {
        lock(&self.progress).ended = Some(good);
        self.poll();
    }

    /// A breaker waits for nothing but the call, so that one poll takes it as far as it goes; nobody need be woken. It is no task, and has no
    /// task's budget.
    fn poll(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut unconstrained(self.wrapped.as_mut())).poll(&mut context);
    }
}

fn lock(progress: &Mutex<Progress>) -> std::sync::MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
