//! A read model in redb. Rows belong to a *generation*, of which one is live; a [rebuild](super::rebuild) fills the next
//! one. The checkpoint of a generation changes in the transaction that changes its rows, and nowhere else.

use std::{marker::PhantomData, sync::Arc};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};
use tokio::sync::{Mutex, watch};

use super::{Projection, ReadModel, Row, View};
use crate::event_log::{LogError, Recorded};

/// Projection to its live generation.
const LIVE: TableDefinition<&str, u64> = TableDefinition::new("projection.live");
/// Projection and generation to checkpoint.
const CHECKPOINTS: TableDefinition<(&str, u64), u64> = TableDefinition::new("projection.checkpoints");
/// Projection, generation and key to row.
const ROWS: TableDefinition<(&str, u64, &str), &[u8]> = TableDefinition::new("projection.rows");

/// A [`Projection`] in a redb database, which others may share under other names. A handle: clones are the same read
/// model.
///
/// Reports `cqrs.opened`, `cqrs.received` for each shipment with events, `effect.projected` after each commit,
/// `cqrs.redelivered` and `cqrs.gap` for what it did not take, and what [`rebuild`](Projector::rebuild) and
/// [`read`](ReadModel::read) say.
pub struct Projector<P> {
    pub(super) shared: Arc<Shared>,
    projection: PhantomData<fn() -> P>,
}

pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) position: watch::Sender<u64>,
    /// Held by the rebuild that runs.
    pub(super) rebuilding: Mutex<()>,
}

impl<P> Clone for Projector<P> {
    fn clone(&self) -> Self {
        Projector { shared: self.shared.clone(), projection: PhantomData }
    }
}

impl<P: Projection> Projector<P> {
    /// Opens the projection in this database, and creates it if it is not there, empty and at position 0.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open(database: Database) -> Result<Self, LogError> {
        let live = match database.begin_read()?.open_table(LIVE) {
            Ok(live) => live.get(P::NAME)?.map(|generation| generation.value()),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(e) => return Err(e.into()),
        };
        let generation = match live {
            Some(generation) => generation,
            None => {
                let write = database.begin_write()?;
                write.open_table(LIVE)?.insert(P::NAME, 1)?;
                write.open_table(CHECKPOINTS)?.insert((P::NAME, 1), 0)?;
                write.open_table(ROWS)?;
                write.commit()?;
                1
            }
        };
        let position = checkpoint(&database.begin_read()?.open_table(CHECKPOINTS)?, P::NAME, generation)?;
        tracing::info!(
            target: "cqrs",
            projection = P::NAME, generation, position, fresh = live.is_none(),
            "opened"
        );
        let shared = Shared { database, position: watch::Sender::new(position), rebuilding: Mutex::new(()) };
        Ok(Projector { shared: Arc::new(shared), projection: PhantomData })
    }

    fn take(&self, after: u64, events: &[Recorded<P::Event>]) -> Result<u64, LogError> {
        let write = self.shared.database.begin_write()?;
        let generation = live(&write, P::NAME)?;
        let rows = Generation::<P>::of(&write, generation);
        let position = rows.position()?;
        let known = events.iter().take_while(|e| e.position <= position).count();
        if after > position {
            tracing::info!(target: "cqrs", projection = P::NAME, position, after, "gap");
        } else if known > 0 {
            tracing::info!(target: "cqrs", projection = P::NAME, position, count = known, "redelivered");
        }
        let fresh = &events[known..];
        if after > position || fresh.is_empty() {
            write.abort()?;
            return Ok(position);
        }
        let applied = rows.apply(fresh)?;
        write.commit()?;
        applied.report();
        self.shared.position.send_replace(applied.last);
        Ok(applied.last)
    }
}

impl<P: Projection> ReadModel<P::Event> for Projector<P> {
    type Row = P::Row;

    async fn deliver(&self, after: u64, events: Vec<Recorded<P::Event>>) -> Result<u64, LogError> {
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            let (first, last, count) = (first.position, last.position, events.len());
            tracing::info!(target: "cqrs", projection = P::NAME, after, first, last, count, "received");
        }
        self.take(after, &events)
    }

    fn view(&self, key: &str) -> Result<View<P::Row>, LogError> {
        let read = self.shared.database.begin_read()?;
        let generation = read.open_table(LIVE)?.get(P::NAME)?.map_or(0, |generation| generation.value());
        let row = match read.open_table(ROWS)?.get((P::NAME, generation, key))? {
            Some(bytes) => decode(key, bytes.value())?,
            None => P::Row::default(),
        };
        let position = checkpoint(&read.open_table(CHECKPOINTS)?, P::NAME, generation)?;
        Ok(View { row, position, stale: false })
    }

    fn position(&self) -> watch::Receiver<u64> {
        self.shared.position.subscribe()
    }
}

/// What one commit put into the rows.
pub(super) struct Applied {
    projection: &'static str,
    generation: u64,
    first: u64,
    pub(super) last: u64,
    count: usize,
}

impl Applied {
    /// To be called right after the commit.
    pub(super) fn report(&self) {
        tracing::info!(
            target: "effect",
            projection = self.projection, generation = self.generation, first = self.first, last = self.last,
            count = self.count,
            "projected"
        );
    }
}

/// One generation of the rows, in a write transaction.
pub(super) struct Generation<'t, P> {
    write: &'t WriteTransaction,
    number: u64,
    projection: PhantomData<fn() -> P>,
}

impl<'t, P: Projection> Generation<'t, P> {
    pub(super) fn of(write: &'t WriteTransaction, number: u64) -> Self {
        Generation { write, number, projection: PhantomData }
    }

    pub(super) fn position(&self) -> Result<u64, LogError> {
        checkpoint(&self.write.open_table(CHECKPOINTS)?, P::NAME, self.number)
    }

    /// Applies events, at least one, that follow on the checkpoint, and moves it.
    pub(super) fn apply(&self, events: &[Recorded<P::Event>]) -> Result<Applied, LogError> {
        let (first, last) = (events[0].position, events[events.len() - 1].position);
        let mut rows = self.write.open_table(ROWS)?;
        for event in events {
            let key = P::key(event);
            let mut row = match rows.get((P::NAME, self.number, key))? {
                Some(bytes) => decode(key, bytes.value())?,
                None => P::Row::default(),
            };
            P::apply(&mut row, event);
            let bytes = postcard::to_stdvec(&row)
                .map_err(|e| LogError::Corrupt { at: format!("row {key}"), reason: e.to_string() })?;
            rows.insert((P::NAME, self.number, key), bytes.as_slice())?;
        }
        self.write.open_table(CHECKPOINTS)?.insert((P::NAME, self.number), last)?;
        Ok(Applied { projection: P::NAME, generation: self.number, first, last, count: events.len() })
    }

    /// All rows, by key.
    pub(super) fn rows(&self) -> Result<Vec<(String, P::Row)>, LogError> {
        let rows = self.write.open_table(ROWS)?;
        let mut found = Vec::new();
        for entry in rows.range((P::NAME, self.number, "")..(P::NAME, self.number + 1, ""))? {
            let (key, bytes) = entry?;
            let key = key.value().2;
            found.push((key.to_owned(), decode(key, bytes.value())?));
        }
        Ok(found)
    }

    /// Empties it, as if it had never been.
    pub(super) fn clear(&self) -> Result<(), LogError> {
        self.write
            .open_table(ROWS)?
            .retain_in((P::NAME, self.number, "")..(P::NAME, self.number + 1, ""), |_, _| false)?;
        self.write.open_table(CHECKPOINTS)?.remove((P::NAME, self.number))?;
        Ok(())
    }

    /// Makes it the one that is read and fed.
    pub(super) fn go_live(&self) -> Result<(), LogError> {
        self.write.open_table(LIVE)?.insert(P::NAME, self.number)?;
        Ok(())
    }
}

/// The number of the live generation.
pub(super) fn live(write: &WriteTransaction, projection: &str) -> Result<u64, LogError> {
    Ok(write.open_table(LIVE)?.get(projection)?.map_or(0, |generation| generation.value()))
}

fn checkpoint(
    checkpoints: &impl ReadableTable<(&'static str, u64), u64>,
    projection: &str,
    generation: u64,
) -> Result<u64, LogError> {
    Ok(checkpoints.get((projection, generation))?.map_or(0, |position| position.value()))
}

fn decode<R: Row>(key: &str, bytes: &[u8]) -> Result<R, LogError> {
    postcard::from_bytes(bytes)
        .map_err(|e| LogError::Corrupt { at: format!("row {key}"), reason: e.to_string() })
}
