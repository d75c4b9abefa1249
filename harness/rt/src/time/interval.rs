//! Ticks at equal distances, as `tokio::time::Interval` gives them.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use real_tokio::time::MissedTickBehavior;

use super::{Instant, Sleep, sleep_until};

/// How late a tick may be without being a missed one.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Ticks now, and every `period` from then on.
///
/// # Panics
/// When `period` is zero. Outside of a run.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start`, and every `period` from then on.
///
/// # Panics
/// When `period` is zero. Outside of a run.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval { next: Box::pin(sleep_until(start)), period, missed: MissedTickBehavior::default() }
}

/// Ticks at equal distances. What becomes of ticks that nobody waited for is said by its [`MissedTickBehavior`].
pub struct Interval {
    next: Pin<Box<Sleep>>,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and gives the moment it was due. Nothing is lost if the future is dropped.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// As [`tick`](Interval::tick).
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.next.as_mut().poll(cx));
        let (due, now) = (self.next.deadline(), Instant::now());
        let next = if now.duration_since(due) > TOLERANCE {
            self.after_missing(due, now)
        } else {
            due.checked_add(self.period)
        };
        let next = next.unwrap_or_else(|| Instant::after(Duration::MAX));
        self.next.as_mut().reset(next);
        Poll::Ready(due)
    }

    /// The tick after one that was due long ago.
    fn after_missing(&self, due: Instant, now: Instant) -> Option<Instant> {
        match self.missed {
            MissedTickBehavior::Burst => due.checked_add(self.period),
            MissedTickBehavior::Delay => now.checked_add(self.period),
            MissedTickBehavior::Skip => {
                let beyond = now.duration_since(due).as_nanos() % self.period.as_nanos();
                let beyond = Duration::from_nanos(beyond.try_into().expect("less than what has passed"));
                now.checked_add(self.period - beyond)
            }
        }
    }

    /// The next tick is a period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// The next tick is now.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick is `after` from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::after(after));
    }

    /// The next tick is at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.next.as_mut().reset(deadline);
    }

    /// What becomes of ticks that nobody waited for.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Says what becomes of ticks that nobody waits for.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// From one tick to the next.
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}
