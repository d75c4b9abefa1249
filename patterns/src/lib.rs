//! Production implementations of distributed-system patterns on [`squall_rt`], which is tokio in production and a
//! simulated world under test. They report what they do through [`tracing`] events and know no test harness.

pub mod idempotency;
pub mod saga;
