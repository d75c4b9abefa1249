//! The world as code under test sees it: network, disk, clock, tasks, random numbers.
//!
//! Services written against this crate compile and run unchanged in two worlds:
//!
//! | | `--cfg madsim` | without |
//! |---|---|---|
//! | [`net`] | a simulated network: latency, loss and partitions per link and direction | `tokio::net` |
//! | [`disk`] | a simulated disk that loses what was not synced when the node crashes | `std::fs` |
//! | [`clock`] | the node's own wall clock | `SystemTime::now` |
//! | [`process`] | the supervisor asks a process to end | SIGTERM, ctrl-c |
//! | [`time`], [`task`] | virtual time to the nanosecond, and tasks as tokio has them, on madsim's scheduler | tokio |
//! | [`rng`] | a stream of its own for each node, drawn from the seed | `fastrand` |
//! | [`http`] | HTTP/1.1 over [`net`]: axum routers and a pooled client, the same code in both | |
//! | [`rpc`] | the same typed request / reply protocol over [`net`] in both | |
//!
//! Code under test reports what it does through [`tracing`](https://docs.rs/tracing) events; no type of a test
//! harness appears in it. The simulated world itself is driven through [`world`], which exists only with
//! `--cfg madsim` and is for harnesses, not for services.

#[cfg(all(madsim, not(tokio_unstable)))]
compile_error!(
    "the simulated world needs `--cfg tokio_unstable` beside `--cfg madsim`, or the branches of tokio::select! would \
     differ from run to run. Both are set in .cargo/config.toml; a RUSTFLAGS variable replaces them."
);

mod accept;
pub mod clock;
pub mod disk;
pub mod http;
pub mod net;
pub mod process;
pub mod rng;
pub mod rpc;
pub mod task;
pub mod time;
#[cfg(madsim)]
pub mod world;

/// The embedded database that services keep their data in, opened with [`disk::open_database`].
pub use redb;
