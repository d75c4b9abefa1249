//! An event log: the source of truth of a service that keeps its state as the events that led to it.
//!
//! Events belong to *streams*, one for each aggregate. In its stream an event has a *version*, 1, 2, 3 and so on without
//! a gap; in the whole log it has a *position*, and positions rise in commit order, so a reader that has seen position
//! `p` will never find something new below it. (Positions taken from a sequence before the commit do not have this
//! property: a later one may become visible first, and a reader passes over the earlier.)
//!
//! | Guarantee | How |
//! |---|---|
//! | no lost update | an append says which version it [expects](Expected) and conflicts otherwise |
//! | all or nothing | a [`Batch`] is one database transaction |
//! | at most once | a batch names its [`Cause`]; the same cause again returns what the first one did |
//! | a refusal is final | [`Log::reject`] closes a cause: a late duplicate of the command cannot succeed |
//! | durable before acknowledged | redb syncs before an append returns |
//!
//! The semantics are those of [EventStoreDB](https://docs.kurrent.io/clients/grpc/appending-events.html) (expected
//! revision, idempotent append) and of Young's *CQRS Documents* (2010).
//!
//! [`EventLog`] is the log in a redb database, [`GroupCommit`] puts the appends of many tasks into one transaction, and
//! [`Log`] is what readers and writers of a log need, whatever it is kept in.
//!
//! Reported through `tracing`: `event_log.opened`, `event_log.staged` for each event before its commit,
//! `effect.committed` after it, `event_log.conflict`, `event_log.repeated`, `event_log.rejected`.

use std::{fmt, future::Future, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::watch;

mod group_commit;
mod store;

pub use self::{
    group_commit::GroupCommit,
    store::{Entry, EventLog},
};

/// A domain event: a fact about an aggregate, in the past tense. It is stored in
/// [postcard](https://docs.rs/postcard)'s encoding, so variants and fields may only ever be added at the end.
pub trait Event: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// What happened, in a word: `deposited`.
    fn kind(&self) -> &'static str;

    /// The one number that tells most about it, for reports: the change of a balance, the count of items. 0 if there
    /// is none.
    fn quantity(&self) -> i64;
}

/// What brings events about: one command of one client, whatever number of times it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Unique to the command; the client draws it and keeps it when it tries again. An event's own id is this and its
    /// index in the batch.
    pub id: u128,
    /// Of the command's content. The same id with another fingerprint is a client's mistake, and is refused rather
    /// than taken for a repetition.
    pub fingerprint: u64,
}

impl Cause {
    /// The cause that a command is: its id, and the fingerprint (64-bit FNV-1a of postcard) of its content.
    ///
    /// # Panics
    /// When the content does not serialise, as a map with an unknown length does not.
    pub fn new(id: u128, content: &impl Serialize) -> Self {
        let bytes = postcard::to_stdvec(content).expect("a command is plain data");
        let fingerprint = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Cause { id, fingerprint }
    }
}

/// The id, as 32 hexadecimal digits.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.id)
    }
}

/// The state that a stream must be in for an append to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Any state. For facts that hold whatever else happened; wrong for decisions.
    Any,
    /// No event yet.
    None,
    /// At least one event.
    Exists,
    /// Exactly this version; 0 is the same as [`Expected::None`].
    Version(u64),
}

impl Expected {
    /// Whether a stream at `version` (0: no event yet) is in that state.
    pub fn accepts(self, version: u64) -> bool {
        match self {
            Expected::Any => true,
            Expected::None => version == 0,
            Expected::Exists => version > 0,
            Expected::Version(expected) => version == expected,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Any => f.write_str("any"),
            Expected::None => f.write_str("none"),
            Expected::Exists => f.write_str("exists"),
            Expected::Version(version) => version.fmt(f),
        }
    }
}

/// Events to append to one stream, all or none.
#[derive(Clone, Debug)]
pub struct Batch<E> {
    /// The stream.
    pub stream: String,
    /// What the stream must be like.
    pub expected: Expected,
    /// What brings the events about.
    pub cause: Cause,
    /// The events, at least one, in order.
    pub events: Vec<E>,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded<E> {
    /// Its place in the whole log, from 1.
    pub position: u64,
    /// Its stream.
    pub stream: String,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// The id of what brought it about.
    pub cause: u128,
    /// Its place in the batch, from 0.
    pub index: u32,
    /// The event itself.
    pub event: E,
}

/// Where a batch is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The version of its last event.
    pub version: u64,
    /// The position of its last event.
    pub position: u64,
    /// Whether it was there already, from an earlier delivery of the same cause.
    pub repeated: bool,
}

/// What became of a cause, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Its events are in the log.
    Appended(Appended),
    /// It has no events and never will; the reason is the writer's own.
    Rejected(Vec<u8>),
}

/// Why nothing was appended.
#[derive(Clone, Debug)]
pub enum AppendError {
    /// The stream is not in the expected state. Load it, decide again, append again.
    Conflict {
        /// What was expected.
        expected: Expected,
        /// The version that the stream is at.
        actual: u64,
    },
    /// The cause's id was used before, for other content or another stream.
    CauseReused,
    /// A batch without events.
    Empty,
    /// The log failed; whether the events are in it is unknown.
    Log(LogError),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Conflict { expected, actual } => {
                write!(f, "expected version {expected}, but the stream is at {actual}")
            }
            AppendError::CauseReused => f.write_str("the command id was used before, for another command"),
            AppendError::Empty => f.write_str("a batch needs at least one event"),
            AppendError::Log(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for AppendError {}

impl From<LogError> for AppendError {
    fn from(e: LogError) -> Self {
        AppendError::Log(e)
    }
}

/// The log could not be read or written.
#[derive(Clone, Debug)]
pub enum LogError {
    /// The database failed.
    Storage(Arc<redb::Error>),
    /// Something stored does not decode; it was written by a newer version, or the disk lies.
    Corrupt {
        /// Where it is.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The task that writes the log is gone.
    Stopped,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Storage(e) => write!(f, "storage: {e}"),
            LogError::Corrupt { at, reason } => write!(f, "corrupt at {at}: {reason}"),
            LogError::Stopped => f.write_str("the log's writer has stopped"),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LogError::Storage(e) => Some(e.as_ref()),
            _ => None,
        }
    }
}

macro_rules! storage_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for LogError {
            fn from(e: $error) -> Self {
                LogError::Storage(Arc::new(e.into()))
            }
        }
    )*};
}
storage_errors!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);

/// What readers and writers of a log need of it.
pub trait Log<E: Event>: Clone + Send + Sync + 'static {
    /// Appends a batch. It is durable when this returns.
    ///
    /// # Errors
    /// See [`AppendError`]. After all but [`AppendError::Log`], nothing was appended.
    fn append(&self, batch: Batch<E>) -> impl Future<Output = Result<Settled, AppendError>> + Send;

    /// Closes a cause without events, with a reason of the writer's own. If it has events already, it keeps them, and
    /// the result says so.
    ///
    /// # Errors
    /// As [`Log::append`].
    fn reject(
        &self,
        stream: &str,
        cause: Cause,
        reason: Vec<u8>,
    ) -> impl Future<Output = Result<Settled, AppendError>> + Send;

    /// What became of a cause. `None` if the log does not know it.
    ///
    /// # Errors
    /// [`AppendError::CauseReused`], [`AppendError::Log`].
    fn settled(&self, stream: &str, cause: Cause) -> Result<Option<Settled>, AppendError>;

    /// The events of a stream above `version`, in order.
    ///
    /// # Errors
    /// See [`LogError`].
    fn read_stream(&self, stream: &str, version: u64) -> Result<Vec<Recorded<E>>, LogError>;

    /// The events of all streams above `position`, in order, at most `limit`.
    ///
    /// # Errors
    /// See [`LogError`].
    fn read_after(&self, position: u64, limit: usize) -> Result<Vec<Recorded<E>>, LogError>;

    /// The position of the last event, as it rises.
    fn head(&self) -> watch::Receiver<u64>;
}
