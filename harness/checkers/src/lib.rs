//! Consistency checkers: was what clients saw possible?
//!
//! A *history* says who asked what, when, and what came back ([`history`]). A checker compares it with what the system
//! promises and answers with a [`Verdict`]: legal, illegal with an explanation, or unknown because the [`Budget`] ran
//! out. Unknown is never legal.
//!
//! Nothing here knows where a history comes from: record one with [`Recorder`], or build the [`Operation`]s from a log.
//!
//! ```
//! use squall_checkers::Recorder;
//!
//! let mut recorder = Recorder::new();
//! let write = recorder.invoke(0, "write 1");
//! let read = recorder.invoke(1, "read");       // concurrent with the write
//! recorder.ok(read, "0");
//! recorder.ok(write, "done");
//! let lost = recorder.invoke(0, "write 2");
//! recorder.info(lost);                         // a time-out: it may have happened, now, later or never
//! let refused = recorder.invoke(1, "write 3");
//! recorder.fail(refused);                      // it did not happen
//!
//! let history = recorder.finish();
//! assert_eq!(history.len(), 3);
//! assert!(history[0].overlaps(&history[1]));
//! assert!(history[2].output().is_none());
//! ```

pub mod draw;
pub mod explain;
#[cfg(feature = "formats")]
pub mod formats;
pub mod history;
#[cfg(feature = "formats")]
pub mod judge;
pub mod linearizability;
pub mod model;
pub mod models;
mod ranks;
mod search;
pub mod sequential;
pub mod sessions;
pub mod specific;
pub mod transactions;
pub mod verdict;

pub use crate::{
    explain::Violation,
    history::{Moment, Operation, Process, Recorder, Returned},
    model::Model,
    verdict::{Budget, Exhausted, Meter, Verdict},
};
