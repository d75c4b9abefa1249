//! Consistency checkers: was what clients saw possible?
//!
//! A *history* says who asked what, when, and what came back ([`history`]). A checker compares it with what the system
//! promises and answers with a [`Verdict`]: legal, illegal with an explanation, or unknown because the [`Budget`] ran
//! out. Unknown is never legal. Nothing here knows where a history comes from.
//!
//! # Choose a checker
//!
//! | your clients | and the system promises | ask |
//! |---|---|---|
//! | read, write, swap, put, take, lock .. one object at a time | each call takes effect at one moment between its beginning and its end | [`linearizability::check`] with one of the [`models`], or with [your own](model) |
//! | the same | one order for all, which keeps that of each client | [`sequential::check`] |
//! | the same, in a simulator that knows the order of effects | linearizability | [`linearizability::check_witness`]: linear, searches where the order does not fit |
//! | transactions on lists or registers | serializability, snapshots, causal, .. (15 [levels](transactions::Level)) | [`transactions::check`], or [`transactions::analyze`] for all levels and anomalies at once |
//! | the same, in a database that tells its time stamps | serializability or snapshots | [`transactions::timestamps::check`]: linear, no search |
//! | reads and writes | read-your-writes, monotonic reads, PRAM, .. | [`sessions::check`] |
//! | draw ids, add to sets, move money, .. | one thing that is cheap to check | [`specific`] |
//! | have been recorded to a file | any of these | [`judge::judge`] on what [`formats::read`] made of it |
//!
//! For single objects put something different each time if you can: what is written once is judged in O(n log n) (see [`models`]), what repeats by
//! a search, which is fast too while few calls run at once. For transactions read what you replace, or append to lists: then
//! versions are ordered by what clients saw, and nothing is searched for.
//!
//! # Build a history
//!
//! [`Recorder`] takes events as they happen. From a log, build [`Operation`]s: a call took effect between two positions, and only
//! their order counts.
//!
//! ```
//! use squall_checkers::{Operation, Recorder, models::RegisterInput::*, models::RegisterOutput::*};
//!
//! let mut recorder = Recorder::new();
//! let write = recorder.invoke(0, Write(1));
//! let read = recorder.invoke(1, Read);         // concurrent with the write
//! recorder.ok(read, Value(0));
//! recorder.ok(write, Done);
//! let lost = recorder.invoke(0, Write(2));
//! recorder.info(lost);                         // a time-out: it may have happened, now, later or never
//! let refused = recorder.invoke(1, Write(3));
//! recorder.fail(refused);                      // it did not happen
//!
//! let history = recorder.finish();
//! assert_eq!(history.len(), 3);
//! assert!(history[0].overlaps(&history[1]));
//! assert!(history[2].output().is_none());
//! assert_eq!(history[1], Operation::ok(1, Read, Value(0), 1, 2));
//! ```
//!
//! Say `info` of whatever you are not sure that it failed: a wrong `fail` makes a right history illegal, a needless `info` only makes
//! checking slower and weaker.
//!
//! # Read a verdict
//!
//! ```
//! use squall_checkers::{Budget, Operation, Verdict, linearizability};
//! use squall_checkers::models::{Register, RegisterInput::*, RegisterOutput::*};
//!
//! let history = [
//!     Operation::ok(0, Write(1), Done, 0, 1),
//!     Operation::ok(0, Write(2), Done, 2, 3),
//!     Operation::ok(1, Read, Value(2), 4, 5),
//!     Operation::ok(1, Read, Value(1), 6, 7),     // stale
//! ];
//! match linearizability::check(&Register::new(0), &history, Budget::default()) {
//!     Verdict::Legal { by } => println!("it could be, as shown by {by}"),
//!     Verdict::Illegal(violation) => {
//!         // The fewest calls that cannot be, the state they start from, and what stopped each attempt to order them.
//!         assert_eq!(violation.operations.len(), 3);
//!         assert_eq!(violation.starts[0].state, "0");
//!         assert!(violation.summary.contains("the read returned 1, but the register holds 2"));
//!         println!("{violation}");
//!     }
//!     Verdict::Unknown { reason } => println!("nothing is known: {reason}"),
//! }
//! ```
//!
//! [`draw`] makes a picture of what is wrong. What a [`Budget`] counts is the same on every machine, so a verdict is too, unless it has a
//! limit of time.

pub mod draw;
pub mod explain;
#[cfg(feature = "formats")]
pub mod formats;
pub mod history;
#[cfg(feature = "formats")]
pub mod judge;
pub mod linearizability;
mod memory;
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
