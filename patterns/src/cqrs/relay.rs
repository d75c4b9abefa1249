//! The way of events from the log to a replica: in order, at least once.
//!
//! The relay asks for nothing and remembers little. Each shipment says after which position it starts; the replica answers
//! with its own checkpoint, and the relay goes on from there, so that a replica that lost its disk is
//! filled again from the start, and one that has got further than the relay knew is not bothered with what it has.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, TableDefinition, TableError};
use serde::{Deserialize, Serialize};
use squall_rt::{
    rng,
    rpc::{Client, Code, Method, Status},
    time::{Duration, sleep, timeout},
};

use super::ReadModel;
use crate::event_log::{Event, Log, LogError, Recorded};

/// Replica to the position that it is known to have reached.
const CURSORS: TableDefinition<&str, u64> = TableDefinition::new("relay.cursors");

/// How many positions the saved cursor lags behind, at most, while the relay is busy.
const SAVE_EVERY: u64 = 1024;

/// Delivers events to a replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "E: Event")]
pub struct Ship<E> {
    /// The shipment is all that the log has above this position, up to its last event. Without events it asks how far
    /// the replica is.
    pub after: u64,
    /// In order.
    pub events: Vec<Recorded<E>>,
}

impl<E: Event> Method for Ship<E> {
    const NAME: &'static str = "ship";
    type Reply = Shipped;
}

impl<E: Event> Ship<E> {
    /// What a replica does with a shipment.
    ///
    /// # Errors
    /// [`Code::Internal`] when the read model fails.
    pub async fn deliver(self, to: &impl ReadModel<E>) -> Result<Shipped, Status> {
        let position = to
            .deliver(self.after, self.events)
            .await
            .map_err(|e| Status::new(Code::Internal, e.to_string()))?;
        Ok(Shipped { position })
    }
}

/// A replica's answer to a shipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipped {
    /// Its checkpoint: it has all events up to here, durably.
    pub position: u64,
}

/// Reads the log from afar, to rebuild a projection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "E: Event")]
pub struct ReadLog<E> {
    /// Above this position.
    pub after: u64,
    /// At most so many.
    pub limit: u32,
    #[serde(skip)]
    events: std::marker::PhantomData<fn() -> E>,
}

impl<E: Event> ReadLog<E> {
    /// The events above `after`, at most `limit`.
    pub fn new(after: u64, limit: u32) -> Self {
        ReadLog { after, limit, events: std::marker::PhantomData }
    }

    /// What the command side does with it.
    ///
    /// # Errors
    /// [`Code::Internal`] when the log fails.
    pub fn answer(&self, log: &impl Log<E>) -> Result<Vec<Recorded<E>>, Status> {
        log.read_after(self.after, self.limit as usize)
            .map_err(|e| Status::new(Code::Internal, e.to_string()))
    }
}

impl<E: Event> Method for ReadLog<E> {
    const NAME: &'static str = "read_log";
    type Reply = Vec<Recorded<E>>;
}

/// How a relay ships.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// At most so many events in a shipment.
    pub batch: usize,
    /// How long a shipment may take.
    pub timeout: Duration,
    /// How often an idle replica is asked how far it is.
    pub heartbeat: Duration,
    /// The wait after the first failure in a row; it doubles with each further one. A random half of it is taken off.
    pub backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        RelaySettings {
            batch: 256,
            timeout: Duration::from_secs(1),
            heartbeat: Duration::from_secs(1),
            backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(2),
        }
    }
}

/// Ships the events of a log to one replica.
///
/// Reports `cqrs.shipped`, `cqrs.ship_failed`, `cqrs.rewound`, and `cqrs.replica_ahead` when the replica has seen what the
/// log does not have: the log was put back to an older state, and a person has to decide which of the two is right.
pub struct Relay<L> {
    log: L,
    cursors: Arc<Database>,
    replica: String,
    client: Client,
    settings: RelaySettings,
}

impl<L> Relay<L> {
    /// A relay to the replica of that name, reached through `client`. It remembers in `cursors` how far the replica is.
    pub fn new(
        log: L,
        cursors: Arc<Database>,
        replica: impl Into<String>,
        client: Client,
        settings: RelaySettings,
    ) -> Self {
        Relay { log, cursors, replica: replica.into(), client, settings }
    }

    /// Ships until the log closes its [head](Log::head), which an [`EventLog`](crate::event_log::EventLog) never does.
    ///
    /// # Errors
    /// When the log or the cursor cannot be read or written. What the replica does never ends a relay.
    pub async fn run<E: Event>(self) -> Result<(), LogError>
    where
        L: Log<E>,
    {
        let mut head = self.log.head();
        let mut saved = self.load_cursor()?;
        let (mut cursor, mut failures) = (saved, 0u32);
        loop {
            head.mark_unchanged();
            let events = self.log.read_after(cursor, self.settings.batch)?;
            let (last, count) = (events.last().map_or(cursor, |e| e.position), events.len());
            match self.client.call(&Ship { after: cursor, events }, self.settings.timeout).await {
                Ok(Shipped { position }) if position > *head.borrow() => {
                    tracing::error!(target: "cqrs", replica = self.replica, position, head = *head.borrow(), "replica_ahead");
                    failures += 1;
                }
                Ok(Shipped { position }) => {
                    failures = 0;
                    if position < cursor {
                        tracing::info!(target: "cqrs", replica = self.replica, from = cursor, to = position, "rewound");
                    } else if count > 0 {
                        tracing::info!(target: "cqrs", replica = self.replica, after = cursor, last, count, "shipped");
                    }
                    cursor = position;
                }
                Err(e) => {
                    tracing::info!(target: "cqrs", replica = self.replica, after = cursor, count, reason = %e, "ship_failed");
                    failures += 1;
                }
            }
            if failures > 0 {
                sleep(self.pause(failures)).await;
                continue;
            }
            let caught_up = cursor >= *head.borrow();
            let idle = if caught_up {
                match timeout(self.settings.heartbeat, head.changed()).await {
                    Ok(Ok(())) => false,
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => true,
                }
            } else {
                false
            };
            // Now and then is enough: it spares a sync for each shipment, and the replica knows better anyway.
            if cursor != saved && (idle || cursor.abs_diff(saved) >= SAVE_EVERY) {
                self.save_cursor(cursor)?;
                saved = cursor;
            }
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        let ceiling =
            self.settings.backoff.saturating_mul(1 << (failures - 1).min(16)).min(self.settings.max_backoff);
        let ceiling = ceiling.max(Duration::from_millis(1));
        rng::duration(ceiling / 2..ceiling)
    }

    fn load_cursor(&self) -> Result<u64, LogError> {
        match self.cursors.begin_read()?.open_table(CURSORS) {
            Ok(cursors) => Ok(cursors.get(self.replica.as_str())?.map_or(0, |position| position.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    fn save_cursor(&self, position: u64) -> Result<(), LogError> {
        let write = self.cursors.begin_write()?;
        write.open_table(CURSORS)?.insert(self.replica.as_str(), position)?;
        Ok(write.commit()?)
    }
}
