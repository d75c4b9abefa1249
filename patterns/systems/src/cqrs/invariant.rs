//! What must hold, judged by the history alone: from the reports of the log the invariants rebuild what was committed, and
//! fold it with code of their own.

mod caught_up;
mod ledger;
mod log_integrity;
mod projection;
#[cfg(test)]
mod tests;

pub use self::{caught_up::CaughtUp, log_integrity::LogIntegrity, projection::ProjectionCorrectness};
