//! Time-outs for what is polled often.
//!
//! To set a timer and to take it back each time is much for one that stands beside a busy connection for half a minute. An [`Alarm`]
//! sets one timer and has it serve all deadlines that come to lie behind it.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::time::{self, Instant, Sleep};

/// At most one timer, for any number of deadlines.
#[derive(Default)]
pub(super) struct Alarm(Option<Set>);

struct Set {
    at: Instant,
    /// Dropping it takes the timer back.
    _sleep: Pin<Box<Sleep>>,
    waker: Waker,
}

impl Alarm {
    /// Ready once `deadline` has passed. Until then the task is woken then, and perhaps earlier.
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        if deadline <= now {
            return Poll::Ready(());
        }
        if let Some(set) = &self.0
            && (now < set.at && set.at <= deadline)
            && set.waker.will_wake(cx.waker())
        {
            return Poll::Pending;
        }
        let mut sleep = Box::pin(time::sleep_until(deadline));
        let due = sleep.as_mut().poll(cx);
        self.0 = Some(Set { at: deadline, _sleep: sleep, waker: cx.waker().clone() });
        due
    }

    /// Waits for `deadline`.
    pub(super) async fn until(&mut self, deadline: Instant) {
        poll_fn(|cx| self.poll(deadline, cx)).await;
    }
}

/// What `future` gives, or none if `deadline` passes first. It is polled once at least, and dropped by the caller: what
/// becomes of it after the deadline may matter.
pub(super) async fn before<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut alarm = Alarm::default();
    tokio::select! {
        biased;
        output = future.as_mut() => Some(output),
        () = alarm.until(deadline) => None,
    }
}

/// The timer of one of hyper's connections.
#[derive(Clone, Default)]
pub(super) struct Timer(Arc<Mutex<Alarm>>);

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Deadline { at: Instant::now() + duration, alarm: self.0.clone() })
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }
}

struct Deadline {
    at: Instant,
    alarm: Arc<Mutex<Alarm>>,
}

impl hyper::rt::Sleep for Deadline {}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner).poll(self.at, cx)
    }
}
