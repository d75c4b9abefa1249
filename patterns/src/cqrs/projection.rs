//! The query side: a read model that follows the log, and how a session reads from it.

use std::{fmt::Debug, future::Future};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use squall_rt::time::{Duration, timeout};
use tokio::sync::watch;

use super::Token;
use crate::event_log::{Event, LogError, Recorded};

mod projector;
mod rebuild;

pub use self::{
    projector::Projector,
    rebuild::{RebuildError, Rebuilt},
};

/// How events become rows. Each event changes one row.
pub trait Projection: Send + Sync + 'static {
    /// The events.
    type Event: Event;
    /// The rows.
    type Row: Row;
    /// Names it in its database and in reports.
    const NAME: &'static str;

    /// The key of the row that an event changes.
    fn key(event: &Recorded<Self::Event>) -> &str;
    /// Changes the row, which is the default if there was none. It depends on nothing else, and it need not be
    /// idempotent.
    fn apply(row: &mut Self::Row, event: &Recorded<Self::Event>);
}

/// A row of a read model, stored in postcard's encoding.
pub trait Row:
    Serialize + DeserializeOwned + Default + Clone + PartialEq + Debug + Send + Sync + 'static
{
    /// The version of the stream that it shows; 0 for the default row.
    fn version(&self) -> u64;
    /// The one number that tells most about it, for reports.
    fn quantity(&self) -> i64;
}

/// What to do with a read when the replica has not caught up with the session in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhenBehind {
    /// Refuse it: consistency first.
    #[default]
    Refuse,
    /// Answer with what there is, and say that it is stale: availability first.
    ServeStale,
}

/// What a read returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View<R> {
    /// The row; the default if there is none.
    pub row: R,
    /// The position that the row shows: it is the fold of all events up to here.
    pub position: u64,
    /// Whether this is older than what the session has seen.
    pub stale: bool,
}

/// Why a read has no answer.
#[derive(Clone, Debug)]
pub enum ReadError {
    /// The replica is behind what the session has seen, and did not catch up in time.
    Behind {
        /// Where the replica is.
        position: u64,
    },
    /// The database failed.
    Log(LogError),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReadError::Behind { position } => write!(f, "behind: this replica is at position {position}"),
            ReadError::Log(e) => write!(f, "read model: {e}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// A read model that a relay fills and sessions read, whatever it is kept in. [`Projector`] is the one in redb.
pub trait ReadModel<E: Event>: Clone + Send + Sync + 'static {
    /// Its rows.
    type Row: Row;

    /// Takes a shipment: all events above `after`, in order, up to the last of `events`. Returns the checkpoint, up to
    /// which all events are in the rows, durably. What is in them already is left out, and a shipment that starts
    /// above the checkpoint is not taken.
    ///
    /// # Errors
    /// When the database fails; the shipment may be delivered again.
    fn deliver(
        &self,
        after: u64,
        events: Vec<Recorded<E>>,
    ) -> impl Future<Output = Result<u64, LogError>> + Send;

    /// The row of this key and the position that it shows, at this moment.
    ///
    /// # Errors
    /// When the database fails.
    fn view(&self, key: &str) -> Result<View<Self::Row>, LogError>;

    /// The checkpoint, as it rises.
    fn position(&self) -> watch::Receiver<u64>;

    /// Reads for a session that has seen the log up to `token`: waits until the replica is there, at most `wait`, then
    /// does what `behind` says.
    ///
    /// Reports `cqrs.exposed` with what it returns, `cqrs.behind` when the wait was in vain.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read(
        &self,
        key: &str,
        token: Token,
        wait: Duration,
        behind: WhenBehind,
    ) -> impl Future<Output = Result<View<Self::Row>, ReadError>> + Send {
        async move {
            let mut position = self.position();
            let caught_up =
                matches!(timeout(wait, position.wait_for(|position| *position >= token.0)).await, Ok(Ok(_)));
            let mut view = self.view(key).map_err(ReadError::Log)?;
            view.stale = view.position < token.0;
            if !caught_up {
                tracing::info!(target: "cqrs", key, wanted = token.0, position = view.position, "behind");
            }
            if view.stale && behind == WhenBehind::Refuse {
                return Err(ReadError::Behind { position: view.position });
            }
            tracing::info!(
                target: "cqrs",
                key, version = view.row.version(), quantity = view.row.quantity(), position = view.position,
                stale = view.stale,
                "exposed"
            );
            Ok(view)
        }
    }
}
