//! What people get wrong: flawed logs and read models in the place of the pattern's, reporting the same events.

use serde::{Deserialize, Serialize};
use squall::Flaws;

mod log;
mod read_model;

pub use self::{
    log::{BareLog, Unchecked},
    read_model::{AckFirst, BareModel},
};

/// A flawed variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    /// Events are appended whatever the stream's version is, so a decision overwrites one it has not seen.
    #[violates("event_log_integrity")]
    NoExpectedVersion,
    /// Commands are acknowledged before the log is synced, so a power loss takes them back.
    #[violates("event_log_integrity")]
    UnsyncedLog,
    /// Positions come from a sequence before the commit, so the relay passes over those that commit late.
    #[violates("projection_correctness")]
    HighWaterMark,
    /// A replica acknowledges events it has only queued in memory, and a crash loses them.
    #[violates("projection_correctness")]
    AcknowledgedBeforeApplied,
    /// The checkpoint is saved before the rows, in a transaction of its own; a crash in between skips events.
    #[violates("projection_correctness")]
    CheckpointBeforeApply,
    /// The projection adds up whatever is delivered, and what is delivered twice counts twice.
    #[violates("projection_correctness")]
    DoubleCount,
    /// Reads go to any replica without saying what the session has seen.
    #[violates("read_your_writes")]
    NoSessionToken,
}
