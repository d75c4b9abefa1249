//! Production implementations of distributed-system patterns, for services that run on `squall-rt`: in production on
//! tokio, and unchanged in a simulated world. They report what they do through `tracing` and know no test harness.

pub mod circuit_breaker;
pub mod cqrs;
pub mod event_log;
pub mod idempotency;
pub mod saga;
