//! The log in a redb database: positions to events, streams to positions, causes to what became of them.

use std::{marker::PhantomData, sync::Arc};

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};
use tokio::sync::watch;

use super::{AppendError, Appended, Batch, Cause, Event, LogError, Recorded, Settled};

/// Position to event.
const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("event_log.events");
/// Stream and version to position.
const STREAMS: TableDefinition<(&str, u64), u64> = TableDefinition::new("event_log.streams");
/// Cause to (fingerprint, stream, version and position of its last event, reason of its rejection). The version and the
/// position of a rejected one are 0.
const CAUSES: TableDefinition<u128, (u64, &str, u64, u64, &[u8])> = TableDefinition::new("event_log.causes");

/// An entry of a [transaction](EventLog::commit): what a writer asks of the log.
#[derive(Clone, Debug)]
pub enum Entry<E> {
    /// Append these events.
    Append(Batch<E>),
    /// Close this cause without events.
    Reject {
        /// The stream that it was about.
        stream: String,
        /// The cause.
        cause: Cause,
        /// Why, in the writer's own encoding.
        reason: Vec<u8>,
    },
}

/// An event log in a redb database, which it may share with other tables. A handle: clones are the same log.
///
/// Its methods block for as long as the database does, and a write waits for other write transactions of the database:
/// from async code, append through [`GroupCommit`](super::GroupCommit).
pub struct EventLog<E> {
    database: Arc<Database>,
    head: Arc<watch::Sender<u64>>,
    events: PhantomData<fn(E) -> E>,
}

impl<E> Clone for EventLog<E> {
    fn clone(&self) -> Self {
        EventLog { database: self.database.clone(), head: self.head.clone(), events: PhantomData }
    }
}

impl<E: Event> EventLog<E> {
    /// Opens the log in this database, and creates it if it is not there. A database holds one log, and a log is opened
    /// once in a process.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn open(database: Arc<Database>) -> Result<Self, LogError> {
        let head = match database.begin_read()?.open_table(EVENTS) {
            Ok(events) => last_position(&events)?,
            Err(TableError::TableDoesNotExist(_)) => {
                // So that readers find tables, from here on.
                let write = database.begin_write()?;
                write.open_table(EVENTS)?;
                write.open_table(STREAMS)?;
                write.open_table(CAUSES)?;
                write.commit()?;
                0
            }
            Err(e) => return Err(e.into()),
        };
        tracing::info!(target: "event_log", position = head, "opened");
        Ok(EventLog { database, head: Arc::new(watch::Sender::new(head)), events: PhantomData })
    }

    /// Appends one batch in a transaction of its own.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(&self, batch: Batch<E>) -> Result<Settled, AppendError> {
        self.commit(vec![Entry::Append(batch)]).remove(0)
    }

    /// Writes any number of entries in one transaction, each judged by itself, in order: a conflict of one leaves the
    /// others as they are. One result for each entry.
    pub fn commit(&self, entries: Vec<Entry<E>>) -> Vec<Result<Settled, AppendError>> {
        let count = entries.len();
        self.try_commit(entries).unwrap_or_else(|e| vec![Err(AppendError::Log(e)); count])
    }

    fn try_commit(&self, entries: Vec<Entry<E>>) -> Result<Vec<Result<Settled, AppendError>>, LogError> {
        let write = self.database.begin_write()?;
        let mut staging = Staging::open(&write)?;
        let before = staging.head;
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            results.push(match staging.enter(entry) {
                Err(AppendError::Log(e)) => return Err(e),
                judged => judged,
            });
        }
        let (head, changed) = (staging.head, staging.changed);
        let rejected = std::mem::take(&mut staging.rejected);
        drop(staging);
        if !changed {
            write.abort()?;
            return Ok(results);
        }
        write.commit()?;
        // Not before: a refusal that is not durable may come out otherwise after a crash.
        for (stream, cause) in rejected {
            tracing::info!(target: "event_log", stream, cause = %cause, "rejected");
        }
        if head > before {
            tracing::info!(target: "effect", first = before + 1, last = head, "committed");
            self.head.send_replace(head);
        }
        Ok(results)
    }

    /// See [`Log::settled`](super::Log::settled).
    ///
    /// # Errors
    /// [`AppendError::CauseReused`], [`AppendError::Log`].
    pub fn settled(&self, stream: &str, cause: Cause) -> Result<Option<Settled>, AppendError> {
        let read = self.database.begin_read().map_err(LogError::from)?;
        let causes = read.open_table(CAUSES).map_err(LogError::from)?;
        let settled = find_cause(&causes, stream, cause)?;
        if settled.is_some() {
            tracing::info!(target: "event_log", stream, cause = %cause, "repeated");
        }
        Ok(settled)
    }

    /// See [`Log::read_stream`](super::Log::read_stream).
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn read_stream(&self, stream: &str, version: u64) -> Result<Vec<Recorded<E>>, LogError> {
        let read = self.database.begin_read()?;
        let (streams, events) = (read.open_table(STREAMS)?, read.open_table(EVENTS)?);
        let mut found = Vec::new();
        for entry in streams.range((stream, version.saturating_add(1))..=(stream, u64::MAX))? {
            let position = entry?.1.value();
            let stored = events.get(position)?.ok_or_else(|| LogError::Corrupt {
                at: format!("position {position}"),
                reason: format!("stream {stream} has an event here, but there is none"),
            })?;
            found.push(decode(position, stored.value())?);
        }
        Ok(found)
    }

    /// See [`Log::read_after`](super::Log::read_after).
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn read_after(&self, position: u64, limit: usize) -> Result<Vec<Recorded<E>>, LogError> {
        let events = self.database.begin_read()?.open_table(EVENTS)?;
        events
            .range(position.saturating_add(1)..)?
            .take(limit)
            .map(|entry| {
                let (position, stored) = entry?;
                decode(position.value(), stored.value())
            })
            .collect()
    }

    /// See [`Log::head`](super::Log::head).
    pub fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}

/// A write transaction while entries are put into it.
struct Staging<'t> {
    events: Table<'t, u64, &'static [u8]>,
    streams: Table<'t, (&'static str, u64), u64>,
    causes: Table<'t, u128, (u64, &'static str, u64, u64, &'static [u8])>,
    head: u64,
    changed: bool,
    /// What was refused for good, once it is committed.
    rejected: Vec<(String, Cause)>,
}

impl<'t> Staging<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, LogError> {
        let events = write.open_table(EVENTS)?;
        let head = last_position(&events)?;
        Ok(Staging {
            events,
            streams: write.open_table(STREAMS)?,
            causes: write.open_table(CAUSES)?,
            head,
            changed: false,
            rejected: Vec::new(),
        })
    }

    fn enter<E: Event>(&mut self, entry: Entry<E>) -> Result<Settled, AppendError> {
        let (stream, cause) = match &entry {
            Entry::Append(batch) => (batch.stream.as_str(), batch.cause),
            Entry::Reject { stream, cause, .. } => (stream.as_str(), *cause),
        };
        if let Some(settled) = find_cause(&self.causes, stream, cause)? {
            tracing::info!(target: "event_log", stream, cause = %cause, "repeated");
            return Ok(settled);
        }
        match entry {
            Entry::Append(batch) => self.append(batch),
            Entry::Reject { stream, cause, reason } => {
                self.causes
                    .insert(cause.id, (cause.fingerprint, stream.as_str(), 0, 0, reason.as_slice()))
                    .map_err(LogError::from)?;
                self.changed = true;
                self.rejected.push((stream, cause));
                Ok(Settled::Rejected(reason))
            }
        }
    }

    fn append<E: Event>(&mut self, batch: Batch<E>) -> Result<Settled, AppendError> {
        let Batch { stream, expected, cause, events } = batch;
        if events.is_empty() {
            return Err(AppendError::Empty);
        }
        let base = self.version_of(&stream)?;
        if !expected.accepts(base) {
            tracing::info!(target: "event_log", stream, cause = %cause, expected = %expected, actual = base, "conflict");
            return Err(AppendError::Conflict { expected, actual: base });
        }
        let mut version = base;
        for (index, event) in (0u32..).zip(events) {
            version += 1;
            self.head += 1;
            let recorded = Recorded {
                position: self.head,
                stream: stream.clone(),
                version,
                cause: cause.id,
                index,
                event,
            };
            self.insert(&recorded)?;
            // Before the commit: whoever reads the reports learns what a crash in the middle of it may have left.
            tracing::info!(
                target: "event_log",
                position = recorded.position, stream, version, expected = %expected, cause = %cause, index,
                kind = recorded.event.kind(), quantity = recorded.event.quantity(),
                "staged"
            );
        }
        let no_rejection: &[u8] = &[];
        self.causes
            .insert(cause.id, (cause.fingerprint, stream.as_str(), version, self.head, no_rejection))
            .map_err(LogError::from)?;
        self.changed = true;
        Ok(Settled::Appended(Appended { version, position: self.head, repeated: false }))
    }

    fn insert<E: Event>(&mut self, recorded: &Recorded<E>) -> Result<(), LogError> {
        let bytes = postcard::to_stdvec(recorded).map_err(|e| LogError::Corrupt {
            at: format!("position {}", recorded.position),
            reason: e.to_string(),
        })?;
        self.events.insert(recorded.position, bytes.as_slice())?;
        self.streams.insert((recorded.stream.as_str(), recorded.version), recorded.position)?;
        Ok(())
    }

    fn version_of(&self, stream: &str) -> Result<u64, LogError> {
        match self.streams.range((stream, 0)..=(stream, u64::MAX))?.next_back() {
            Some(last) => Ok(last?.0.value().1),
            None => Ok(0),
        }
    }
}

fn last_position(events: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, LogError> {
    Ok(events.last()?.map_or(0, |(position, _)| position.value()))
}

fn find_cause(
    causes: &impl ReadableTable<u128, (u64, &'static str, u64, u64, &'static [u8])>,
    stream: &str,
    cause: Cause,
) -> Result<Option<Settled>, AppendError> {
    let Some(found) = causes.get(cause.id).map_err(LogError::from)? else {
        return Ok(None);
    };
    let (fingerprint, of, version, position, reason) = found.value();
    if fingerprint != cause.fingerprint || of != stream {
        return Err(AppendError::CauseReused);
    }
    Ok(Some(match position {
        0 => Settled::Rejected(reason.to_vec()),
        _ => Settled::Appended(Appended { version, position, repeated: true }),
    }))
}

fn decode<E: Event>(position: u64, bytes: &[u8]) -> Result<Recorded<E>, LogError> {
    postcard::from_bytes(bytes)
        .map_err(|e| LogError::Corrupt { at: format!("position {position}"), reason: e.to_string() })
}
