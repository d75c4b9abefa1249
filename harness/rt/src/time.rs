//! Monotonic time: tokio's timers in production, virtual time in the simulation, with the same interface.
//!
//! In the simulation a sleep ends at its deadline, to the nanosecond. tokio's end at a millisecond after it.

#[cfg(madsim)]
mod instant;
#[cfg(madsim)]
mod interval;
#[cfg(madsim)]
mod sleep;
#[cfg(madsim)]
mod timeout;

pub use std::time::Duration;

#[cfg(madsim)]
pub use real_tokio::time::MissedTickBehavior;
#[cfg(not(madsim))]
pub use tokio::time::{
    Instant, Interval, MissedTickBehavior, Sleep, Timeout, error::Elapsed, interval, interval_at, sleep,
    sleep_until, timeout, timeout_at,
};

#[cfg(madsim)]
pub use self::{
    instant::Instant,
    interval::{Interval, interval, interval_at},
    sleep::{Sleep, sleep, sleep_until},
    timeout::{Elapsed, Timeout, timeout, timeout_at},
};
