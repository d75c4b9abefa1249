//! The durable log of sagas: intents before results, results before the next intent.

use std::{fmt, sync::Arc};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::Token;

/// One thing that is known of a saga. Steps are named by position in the [`Definition`](super::Definition).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// The saga exists: its definition's name and its input. The first entry of each saga.
    Started {
        /// [`Definition::new`](super::Definition::new)'s name.
        definition: String,
        /// The encoded input.
        input: Vec<u8>,
    },
    /// The step is about to be attempted: from here on it may have taken effect.
    Intended {
        /// Which step.
        step: u32,
    },
    /// The step took effect.
    Done {
        /// Which step.
        step: u32,
        /// What it returned.
        output: Vec<u8>,
    },
    /// The step did not take effect and never will.
    Refused {
        /// Which step.
        step: u32,
        /// Why.
        reason: String,
    },
    /// The saga turns back: what was done or is in doubt will be compensated.
    Turned {
        /// Why.
        cause: String,
    },
    /// The step's compensation took effect.
    Compensated {
        /// Which step.
        step: u32,
    },
    /// The saga stands still after too many attempts at a step or at its compensation.
    Parked {
        /// Which step.
        step: u32,
        /// What happened last.
        reason: String,
    },
    /// A parked saga goes on.
    Unparked,
    /// The saga is over. The last entry of each saga.
    Ended {
        /// Every step is done; otherwise nothing is left of it.
        completed: bool,
    },
}

/// Why the journal did not do as asked. Only [`JournalError::Taken`] says something about the saga; after any of
/// the others, its orchestrator must stop: what it holds in memory may be behind the journal.
#[derive(Debug)]
pub enum JournalError {
    /// There is an entry at this position already.
    Taken,
    /// A coordinator of the same name has claimed a higher epoch.
    Superseded {
        /// The highest epoch claimed.
        by: u64,
    },
    /// The store failed, or holds what cannot be read.
    Store(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Taken => f.write_str("the journal has another entry there"),
            JournalError::Superseded { by } => {
                write!(f, "another start of this coordinator has claimed epoch {by}")
            }
            JournalError::Store(e) => write!(f, "the saga journal failed: {e}"),
        }
    }
}

impl std::error::Error for JournalError {}

impl<E: Into<redb::Error>> From<E> for JournalError {
    fn from(e: E) -> Self {
        JournalError::Store(Box::new(e.into()))
    }
}

/// Where the sagas of one coordinator are logged. Calls block until what they wrote is durable.
pub trait Journal: Send + Sync + 'static {
    /// Claims a new epoch for a coordinator, higher than all before it. Every token of a lower epoch is refused from
    /// now on.
    ///
    /// # Errors
    /// Those of the store.
    fn claim_epoch(&self, coordinator: &str) -> Result<u64, JournalError>;

    /// Appends entries to a saga, all or none. `position` is the number of entries that it has.
    ///
    /// # Errors
    /// [`JournalError::Taken`] if it has more, [`JournalError::Superseded`] if the token is not the latest; those of the
    /// store.
    fn append(&self, token: &Token, saga: &str, position: u32, entries: &[Entry])
    -> Result<(), JournalError>;

    /// All entries of a saga, in order; none if there is no such saga.
    ///
    /// # Errors
    /// Those of the store.
    fn load(&self, saga: &str) -> Result<Vec<Entry>, JournalError>;

    /// The ids of the sagas that are not over.
    ///
    /// # Errors
    /// Those of the store.
    fn open(&self) -> Result<Vec<String>, JournalError>;
}

const ENTRIES: TableDefinition<(&str, u32), &[u8]> = TableDefinition::new("saga_entries");
const OPEN: TableDefinition<&str, ()> = TableDefinition::new("saga_open");
const EPOCHS: TableDefinition<&str, u64> = TableDefinition::new("saga_epochs");

/// A [`Journal`] in a redb database, which may hold other tables too.
pub struct RedbJournal {
    db: Arc<Database>,
}

impl RedbJournal {
    /// A journal in `db`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn new(db: Arc<Database>) -> Result<Self, JournalError> {
        let txn = db.begin_write()?;
        txn.open_table(ENTRIES)?;
        txn.open_table(OPEN)?;
        txn.open_table(EPOCHS)?;
        txn.commit()?;
        Ok(RedbJournal { db })
    }

    /// Removes a saga that is over, so that its id may be used again. Returns whether there was one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget(&self, saga: &str) -> Result<bool, JournalError> {
        let txn = self.db.begin_write()?;
        let mut found = false;
        {
            let open = txn.open_table(OPEN)?;
            let mut entries = txn.open_table(ENTRIES)?;
            if open.get(saga)?.is_none() {
                entries.retain_in((saga, 0)..=(saga, u32::MAX), |_, _| {
                    found = true;
                    false
                })?;
            }
        }
        txn.commit()?;
        Ok(found)
    }

    fn check(txn: &WriteTransaction, token: &Token) -> Result<(), JournalError> {
        let epochs = txn.open_table(EPOCHS)?;
        let latest = epochs.get(token.coordinator.as_str())?.map_or(0, |e| e.value());
        if latest == token.epoch { Ok(()) } else { Err(JournalError::Superseded { by: latest }) }
    }
}

impl Journal for RedbJournal {
    fn claim_epoch(&self, coordinator: &str) -> Result<u64, JournalError> {
        let txn = self.db.begin_write()?;
        let epoch = {
            let mut epochs = txn.open_table(EPOCHS)?;
            let epoch = epochs.get(coordinator)?.map_or(0, |e| e.value()) + 1;
            epochs.insert(coordinator, epoch)?;
            epoch
        };
        txn.commit()?;
        Ok(epoch)
    }

    fn append(
        &self,
        token: &Token,
        saga: &str,
        position: u32,
        entries: &[Entry],
    ) -> Result<(), JournalError> {
        let txn = self.db.begin_write()?;
        Self::check(&txn, token)?;
        {
            let mut table = txn.open_table(ENTRIES)?;
            for (entry, at) in entries.iter().zip(position..) {
                let bytes = postcard::to_stdvec(entry).map_err(|e| JournalError::Store(Box::new(e)))?;
                if table.insert((saga, at), bytes.as_slice())?.is_some() {
                    return Err(JournalError::Taken);
                }
                match entry {
                    Entry::Started { .. } => {
                        txn.open_table(OPEN)?.insert(saga, ())?;
                    }
                    Entry::Ended { .. } => {
                        txn.open_table(OPEN)?.remove(saga)?;
                    }
                    _ => {}
                }
            }
        }
        txn.commit()?;
        Ok(())
    }

    fn load(&self, saga: &str) -> Result<Vec<Entry>, JournalError> {
        let table = self.db.begin_read()?.open_table(ENTRIES)?;
        table
            .range((saga, 0)..=(saga, u32::MAX))?
            .map(|row| {
                let (_, bytes) = row?;
                postcard::from_bytes(bytes.value()).map_err(|e| JournalError::Store(Box::new(e)))
            })
            .collect()
    }

    fn open(&self) -> Result<Vec<String>, JournalError> {
        let table = self.db.begin_read()?.open_table(OPEN)?;
        table.iter()?.map(|row| Ok(row?.0.value().to_owned())).collect()
    }
}
