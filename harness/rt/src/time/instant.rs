//! A moment of virtual time, with the interface of `tokio::time::Instant`.
//!
//! Not tokio's own: what that says depends on a feature which any crate of a build may turn on, and then it asks the real clock.

use std::{
    fmt,
    ops::{Add, AddAssign, Sub, SubAssign},
    time::{self, Duration},
};

/// A moment, to be compared with others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(time::Instant);

/// What is as good as never.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

impl Instant {
    /// Now.
    pub fn now() -> Self {
        Instant(time::Instant::now())
    }

    /// The same moment as std has it.
    pub fn from_std(instant: time::Instant) -> Self {
        Instant(instant)
    }

    /// The same moment as std has it.
    pub fn into_std(self) -> time::Instant {
        self.0
    }

    /// So much later than now; in thirty years if there is no such moment.
    pub(super) fn after(duration: Duration) -> Self {
        let now = Instant::now();
        now.checked_add(duration).unwrap_or_else(|| now + FAR)
    }

    /// How much later than `earlier` it is; zero if it is not.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// How much later than `earlier` it is, unless it is earlier.
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// How much later than `earlier` it is; zero if it is not.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// How long ago it was; zero if it lies ahead.
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// So much later, if there is such a moment.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    /// So much earlier, if there is such a moment.
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_sub(duration).map(Instant)
    }
}

impl From<time::Instant> for Instant {
    fn from(instant: time::Instant) -> Self {
        Instant(instant)
    }
}

impl From<Instant> for time::Instant {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
