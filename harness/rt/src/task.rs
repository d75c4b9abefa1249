//! Tasks: tokio's in production, madsim's (one deterministic scheduler, an owner node for every task) in the
//! simulation. A task belongs to the node that spawned it and dies with it.

pub use tokio::task::{AbortHandle, JoinError, JoinHandle, spawn, yield_now};
