//! Futures that have to complete in time.

use std::{
    fmt,
    future::{Future, IntoFuture},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use real_tokio::task::coop;

use super::{Instant, Sleep, sleep, sleep_until};

/// A deadline that has passed.
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}

/// Requires `future` to complete within `duration`. It is polled once in any case, and [`Elapsed`] if that does not complete it in time.
///
/// # Panics
/// Outside of a run.
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep(duration) }
}

/// Requires `future` to complete before `deadline`. It is polled once in any case, and [`Elapsed`] if that does not complete it in time.
///
/// # Panics
/// Outside of a run.
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep_until(deadline) }
}

pin_project! {
    /// A future with a deadline.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The future without its deadline.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future without its deadline.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future without its deadline.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // A future that always uses up the task's budget must not keep the deadline from being seen.
        let is_over = if had_budget && !coop::has_budget_remaining() {
            pin!(coop::unconstrained(this.sleep)).poll(cx)
        } else {
            this.sleep.poll(cx)
        };
        is_over.map(|()| Err(Elapsed(())))
    }
}
