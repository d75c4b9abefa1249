//! Waiting for a moment of virtual time.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use real_tokio::task::coop;

use super::Instant;
use crate::world::timers::{TimerKey, Timers};

/// Waits for exactly `duration`. One of zero, or less than what has passed when it is first polled, does not wait.
///
/// # Panics
/// Outside of a run.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::after(duration))
}

/// Waits until exactly `deadline`. One that is past does not wait.
///
/// # Panics
/// Outside of a run.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, state: State::Unset, timers: Timers::current() }
}

pin_project! {
    /// Ends at its deadline. As long as it is not polled it has no timer, and none when it is dropped.
    #[project(!Unpin)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Sleep {
        deadline: Instant,
        state: State,
        timers: Arc<Timers>,
    }

    impl PinnedDrop for Sleep {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.state.unset(this.timers);
        }
    }
}

enum State {
    Unset,
    Set(TimerKey),
    Over,
}

impl State {
    fn unset(&mut self, timers: &Timers) {
        if let State::Set(key) = std::mem::replace(self, State::Unset) {
            drop(timers.take_back(key));
        }
    }
}

impl Sleep {
    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it has ended. One that was never polled has not.
    pub fn is_elapsed(&self) -> bool {
        match self.state {
            State::Unset => false,
            State::Set(_) => self.deadline.into_std() <= self.timers.now(),
            State::Over => true,
        }
    }

    /// Gives it another deadline, also when it has ended. Whoever polled it last is woken then.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        let State::Set(key) = std::mem::replace(this.state, State::Unset) else { return };
        let Some(waker) = this.timers.take_back(key) else { return };
        if deadline.into_std() <= this.timers.now() {
            waker.wake();
        } else {
            *this.state = State::Set(this.timers.set(deadline.into_std(), waker));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let turn = ready!(coop::poll_proceed(cx));
        let this = self.project();
        if matches!(this.state, State::Over) || this.deadline.into_std() <= this.timers.now() {
            this.state.unset(this.timers);
            *this.state = State::Over;
            turn.made_progress();
            return Poll::Ready(());
        }
        match this.state {
            State::Set(key) => this.timers.renew(*key, cx.waker()),
            _ => *this.state = State::Set(this.timers.set(this.deadline.into_std(), cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
