//! Flawed read models.

use std::{sync::Arc, time::Duration};

use squall_patterns::{
    cqrs::{
        Projection, Projector, ReadModel, View,
        account::{AccountEvent, Balance, Balances},
    },
    event_log::{LogError, Recorded},
};
use squall_rt::{
    redb::{Database, ReadableDatabase, ReadableTable, TableDefinition},
    rng, task,
    time::sleep,
};
use tokio::sync::{mpsc, watch};

type Events = Vec<Recorded<AccountEvent>>;

/// `acknowledged_before_applied`: a sound projector behind a queue in memory. What is in the queue counts as done.
#[derive(Clone)]
pub struct AckFirst {
    projector: Projector<Balances>,
    queue: mpsc::UnboundedSender<Events>,
}

/// How long events wait in its queue.
const QUEUED: std::ops::Range<Duration> = Duration::from_millis(10)..Duration::from_millis(60);

impl AckFirst {
    /// Starts the task that empties the queue.
    pub fn start(projector: Projector<Balances>) -> Self {
        let (queue, mut queued) = mpsc::unbounded_channel::<Events>();
        let model = projector.clone();
        task::spawn(async move {
            while let Some(events) = queued.recv().await {
                sleep(rng::duration(QUEUED)).await;
                // Whatever it is, it follows on what is there: the queue is in order.
                let after = *model.position().borrow();
                if let Err(e) = model.deliver(after, events).await {
                    tracing::error!(target: "accounts", reason = %e, "queue_failed");
                }
            }
        });
        AckFirst { projector, queue }
    }
}

impl ReadModel<AccountEvent> for AckFirst {
    type Row = Balance;

    async fn deliver(&self, after: u64, events: Events) -> Result<u64, LogError> {
        let Some(last) = events.last().map(|e| e.position) else { return Ok(after) };
        self.queue.send(events).map_err(|_| LogError::Stopped)?;
        Ok(last)
    }

    fn view(&self, key: &str) -> Result<View<Balance>, LogError> {
        self.projector.view(key)
    }

    fn position(&self) -> watch::Receiver<u64> {
        self.projector.position()
    }
}

const CHECKPOINT: TableDefinition<&str, u64> = TableDefinition::new("checkpoint");
/// Account to balance and version.
const ROWS: TableDefinition<&str, (i64, u64)> = TableDefinition::new("rows");

/// What the checkpoint of `checkpoint_before_apply` is ahead of the rows by.
const BETWEEN: std::ops::Range<Duration> = Duration::from_millis(5)..Duration::from_millis(30);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// `double_count`: nothing is compared with the checkpoint.
    CountsTwice,
    /// `checkpoint_before_apply`.
    CheckpointFirst,
}

/// Rows and a checkpoint, not kept in step.
#[derive(Clone)]
pub struct BareModel {
    database: Arc<Database>,
    wrong: Wrong,
    position: Arc<watch::Sender<u64>>,
}

impl BareModel {
    /// `double_count`.
    pub fn counting_twice(database: Database) -> Result<Self, LogError> {
        Self::open(database, Wrong::CountsTwice)
    }

    /// `checkpoint_before_apply`.
    pub fn checkpoint_first(database: Database) -> Result<Self, LogError> {
        Self::open(database, Wrong::CheckpointFirst)
    }

    fn open(database: Database, wrong: Wrong) -> Result<Self, LogError> {
        let write = database.begin_write()?;
        let saved = write.open_table(CHECKPOINT)?.get("")?.map(|position| position.value());
        write.open_table(ROWS)?;
        write.commit()?;
        let position = saved.unwrap_or(0);
        tracing::info!(
            target: "cqrs",
            projection = Balances::NAME, generation = 1, position, fresh = saved.is_none(),
            "opened"
        );
        Ok(BareModel {
            database: Arc::new(database),
            wrong,
            position: Arc::new(watch::Sender::new(position)),
        })
    }

    fn checkpoint(&self) -> Result<u64, LogError> {
        Ok(self.database.begin_read()?.open_table(CHECKPOINT)?.get("")?.map_or(0, |p| p.value()))
    }

    fn save_checkpoint(&self, position: u64) -> Result<(), LogError> {
        let write = self.database.begin_write()?;
        write.open_table(CHECKPOINT)?.insert("", position)?;
        Ok(write.commit()?)
    }

    /// Applies the events, and saves the checkpoint if it is given.
    fn apply(&self, events: &Events, checkpoint: Option<u64>) -> Result<(), LogError> {
        let write = self.database.begin_write()?;
        let mut rows = write.open_table(ROWS)?;
        for event in events {
            let mut row = row(rows.get(event.stream.as_str())?.map(|row| row.value()));
            Balances::apply(&mut row, event);
            rows.insert(event.stream.as_str(), (row.balance, row.version))?;
        }
        drop(rows);
        if let Some(position) = checkpoint {
            write.open_table(CHECKPOINT)?.insert("", position)?;
        }
        write.commit()?;
        tracing::info!(
            target: "effect",
            projection = Balances::NAME, generation = 1, first = events[0].position,
            last = events[events.len() - 1].position, count = events.len(),
            "projected"
        );
        Ok(())
    }
}

fn row(stored: Option<(i64, u64)>) -> Balance {
    stored.map_or_else(Balance::default, |(balance, version)| Balance { balance, version })
}

impl ReadModel<AccountEvent> for BareModel {
    type Row = Balance;

    async fn deliver(&self, after: u64, mut events: Events) -> Result<u64, LogError> {
        let checkpoint = self.checkpoint()?;
        if self.wrong == Wrong::CheckpointFirst {
            events.retain(|e| e.position > checkpoint);
        }
        let Some(last) = events.last().map(|e| e.position) else { return Ok(checkpoint) };
        if after > checkpoint {
            return Ok(checkpoint);
        }
        match self.wrong {
            Wrong::CountsTwice => self.apply(&events, Some(last.max(checkpoint)))?,
            Wrong::CheckpointFirst => {
                self.save_checkpoint(last)?;
                sleep(rng::duration(BETWEEN)).await;
                self.apply(&events, None)?;
            }
        }
        let position = last.max(checkpoint);
        self.position.send_replace(position);
        Ok(position)
    }

    fn view(&self, key: &str) -> Result<View<Balance>, LogError> {
        let read = self.database.begin_read()?;
        let row = row(read.open_table(ROWS)?.get(key)?.map(|row| row.value()));
        Ok(View { row, position: self.checkpoint()?, stale: false })
    }

    fn position(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }
}
