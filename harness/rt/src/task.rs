//! Tasks: tokio's in production, madsim's (one deterministic scheduler, an owner node for every task) in the
//! simulation. A task belongs to the node that spawned it and dies with it.

pub use tokio::task::{AbortHandle, JoinError, JoinHandle, spawn};

/// Lets other tasks run before this one goes on.
#[cfg(not(madsim))]
#[allow(clippy::disallowed_methods, reason = "in production it does what it says")]
pub async fn yield_now() {
    tokio::task::yield_now().await;
}

/// Lets other tasks run before this one goes on. (madsim passes tokio's own `yield_now` on, which defers the wake-up until the
/// runtime around the simulation is idle: never. A task that calls that one hangs.)
#[cfg(madsim)]
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
