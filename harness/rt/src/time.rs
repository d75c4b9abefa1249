//! Monotonic time: tokio's timers in production, virtual time in the simulation. Both round a sleep up to the next
//! millisecond.

use std::future::Future;
pub use std::time::Duration;
pub use tokio::time::{
    Instant, Interval, MissedTickBehavior, Sleep, error::Elapsed, interval, interval_at, sleep, sleep_until,
    timeout,
};

/// Requires `future` to complete before `deadline`.
///
/// # Errors
/// [`Elapsed`] when the deadline passes first; the future is dropped then.
pub async fn timeout_at<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    timeout(deadline.saturating_duration_since(Instant::now()), future).await
}
