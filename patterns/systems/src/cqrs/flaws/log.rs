//! Flawed event logs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use squall_patterns::{
    cqrs::account::AccountEvent,
    event_log::{AppendError, Appended, Batch, Cause, Event, Expected, Log, LogError, Recorded, Settled},
};
use squall_rt::{
    redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition},
    rng,
    time::sleep,
};
use tokio::sync::watch;

/// `no_expected_version`: a sound log, asked for nothing.
#[derive(Clone)]
pub struct Unchecked<L>(pub L);

impl<L: Log<AccountEvent>> Log<AccountEvent> for Unchecked<L> {
    async fn append(&self, mut batch: Batch<AccountEvent>) -> Result<Settled, AppendError> {
        batch.expected = Expected::Any;
        self.0.append(batch).await
    }
    async fn reject(&self, stream: &str, cause: Cause, reason: Vec<u8>) -> Result<Settled, AppendError> {
        self.0.reject(stream, cause, reason).await
    }
    fn settled(&self, stream: &str, cause: Cause) -> Result<Option<Settled>, AppendError> {
        self.0.settled(stream, cause)
    }
    fn read_stream(&self, stream: &str, version: u64) -> Result<Vec<Recorded<AccountEvent>>, LogError> {
        self.0.read_stream(stream, version)
    }
    fn read_after(&self, position: u64, limit: usize) -> Result<Vec<Recorded<AccountEvent>>, LogError> {
        self.0.read_after(position, limit)
    }
    fn head(&self) -> watch::Receiver<u64> {
        self.0.head()
    }
}

/// Position to stream, version, cause, index, kind and quantity.
const EVENTS: TableDefinition<u64, (&str, u64, u128, u32, &str, i64)> = TableDefinition::new("events");
const REJECTED: TableDefinition<u128, &[u8]> = TableDefinition::new("rejected");

/// How long a transaction of `high_water_mark` is in flight, at most.
const IN_FLIGHT: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// `high_water_mark`: the position is drawn when the transaction begins, and visible when it commits.
    NumbersEarly,
    /// `unsynced_log`: the commit does not reach the disk.
    NeverSyncs,
}

/// A log as one writes it in an afternoon: one table, scanned for everything.
#[derive(Clone)]
pub struct BareLog {
    database: Arc<Database>,
    wrong: Wrong,
    next: Arc<AtomicU64>,
    head: Arc<watch::Sender<u64>>,
}

impl BareLog {
    /// `high_water_mark`.
    pub fn numbered_early(database: Arc<Database>) -> Result<Self, LogError> {
        Self::open(database, Wrong::NumbersEarly)
    }

    /// `unsynced_log`.
    pub fn unsynced(database: Arc<Database>) -> Result<Self, LogError> {
        Self::open(database, Wrong::NeverSyncs)
    }

    fn open(database: Arc<Database>, wrong: Wrong) -> Result<Self, LogError> {
        let write = database.begin_write()?;
        let head = write.open_table(EVENTS)?.last()?.map_or(0, |(position, _)| position.value());
        write.open_table(REJECTED)?;
        write.commit()?;
        tracing::info!(target: "event_log", position = head, "opened");
        Ok(BareLog {
            database,
            wrong,
            next: Arc::new(AtomicU64::new(head + 1)),
            head: Arc::new(watch::Sender::new(head)),
        })
    }

    fn all(&self) -> Result<Vec<Recorded<AccountEvent>>, LogError> {
        self.read_after(0, usize::MAX)
    }

    fn commit(&self, batch: &Batch<AccountEvent>, first: u64) -> Result<Settled, AppendError> {
        if let Some(settled) = self.settled(&batch.stream, batch.cause)? {
            return Ok(settled);
        }
        let base = self.read_stream(&batch.stream, 0)?.last().map_or(0, |e| e.version);
        if !batch.expected.accepts(base) {
            return Err(AppendError::Conflict { expected: batch.expected, actual: base });
        }
        let last = first + batch.events.len() as u64 - 1;
        self.write(batch, first, base)?;
        tracing::info!(target: "effect", first, last, "committed");
        self.head.send_modify(|head| *head = last.max(*head));
        let version = base + batch.events.len() as u64;
        Ok(Settled::Appended(Appended { version, position: last, repeated: false }))
    }

    fn write(&self, batch: &Batch<AccountEvent>, first: u64, base: u64) -> Result<(), LogError> {
        let mut write = self.database.begin_write()?;
        if self.wrong == Wrong::NeverSyncs {
            write.set_durability(Durability::None).expect("nothing in this transaction needs a sync");
        }
        for (index, event) in (0u32..).zip(&batch.events) {
            let (position, version) = (first + u64::from(index), base + 1 + u64::from(index));
            let (stream, kind, quantity) = (batch.stream.as_str(), event.kind(), event.quantity());
            let stored = (stream, version, batch.cause.id, index, kind, quantity);
            write.open_table(EVENTS)?.insert(position, stored)?;
            tracing::info!(
                target: "event_log",
                position, stream, version, expected = %batch.expected, cause = %batch.cause, index, kind, quantity,
                "staged"
            );
        }
        Ok(write.commit()?)
    }
}

impl Log<AccountEvent> for BareLog {
    async fn append(&self, batch: Batch<AccountEvent>) -> Result<Settled, AppendError> {
        let first = self.next.fetch_add(batch.events.len() as u64, Ordering::Relaxed);
        if self.wrong == Wrong::NumbersEarly {
            sleep(rng::duration(Duration::ZERO..IN_FLIGHT)).await;
        }
        self.commit(&batch, first)
    }

    async fn reject(&self, stream: &str, cause: Cause, reason: Vec<u8>) -> Result<Settled, AppendError> {
        if let Some(settled) = self.settled(stream, cause)? {
            return Ok(settled);
        }
        let write = self.database.begin_write().map_err(LogError::from)?;
        let mut rejected = write.open_table(REJECTED).map_err(LogError::from)?;
        rejected.insert(cause.id, reason.as_slice()).map_err(LogError::from)?;
        drop(rejected);
        write.commit().map_err(LogError::from)?;
        Ok(Settled::Rejected(reason))
    }

    fn settled(&self, _: &str, cause: Cause) -> Result<Option<Settled>, AppendError> {
        let read = self.database.begin_read().map_err(LogError::from)?;
        let rejected = read.open_table(REJECTED).map_err(LogError::from)?;
        if let Some(reason) = rejected.get(cause.id).map_err(LogError::from)? {
            return Ok(Some(Settled::Rejected(reason.value().to_vec())));
        }
        let events = self.all()?;
        let last = events.iter().rfind(|e| e.cause == cause.id);
        Ok(last.map(|e| {
            Settled::Appended(Appended { version: e.version, position: e.position, repeated: true })
        }))
    }

    fn read_stream(&self, stream: &str, version: u64) -> Result<Vec<Recorded<AccountEvent>>, LogError> {
        let mut events = self.all()?;
        events.retain(|e| e.stream == stream && e.version > version);
        Ok(events)
    }

    fn read_after(&self, position: u64, limit: usize) -> Result<Vec<Recorded<AccountEvent>>, LogError> {
        let events = self.database.begin_read()?.open_table(EVENTS)?;
        events
            .range(position + 1..)?
            .take(limit)
            .map(|entry| {
                let (position, stored) = entry?;
                let (stream, version, cause, index, kind, quantity) = stored.value();
                let event = match kind {
                    "opened" => AccountEvent::Opened,
                    "deposited" => AccountEvent::Deposited { amount: quantity },
                    _ => AccountEvent::Withdrawn { amount: -quantity },
                };
                Ok(Recorded {
                    position: position.value(),
                    stream: stream.to_owned(),
                    version,
                    cause,
                    index,
                    event,
                })
            })
            .collect()
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}
