//! Production implementations of distributed-system patterns, one module each.
//!
//! They are written against [`squall_rt`] alone, so the same code runs in production and inside the simulated world, and
//! they report what they decide through `tracing` events.

pub mod circuit_breaker;
