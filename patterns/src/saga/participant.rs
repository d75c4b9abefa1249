//! The other end of a step: a service that makes effects in its own database.

use std::{sync::Arc, time::Duration};

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use super::Token;
use crate::idempotency::{self, Claim, Voided};

const FENCES: TableDefinition<&str, u64> = TableDefinition::new("saga_fences");

/// Guards a service's database, so that each step takes effect at most once, never after its compensation, and
/// never in the name of a coordinator that was replaced.
///
/// The effect, the idempotency key and the highest epoch seen are written in one transaction.
#[derive(Clone)]
pub struct Participant {
    db: Arc<Database>,
}

/// What a service decides on a step that it sees for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The effect was made in the transaction; the output goes back to the saga.
    Effect(Vec<u8>),
    /// A business refusal, which is remembered under the key. The transaction must have been left as it was.
    Refuse(String),
}

/// How a step was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// It takes effect once. `repeated` is false when this very call made the effect.
    Done {
        /// What the effect returned when it was made.
        output: Vec<u8>,
        /// Whether it was made by an earlier call.
        repeated: bool,
    },
    /// It has no effect and never will.
    Refused {
        /// Why.
        reason: String,
        /// Whether it was refused by an earlier call.
        repeated: bool,
    },
    /// It was compensated before it arrived: it has no effect and never will.
    TooLate,
    /// Its key belongs to another request: no effect.
    Differs,
    /// Its coordinator was replaced: no effect.
    Fenced {
        /// The highest epoch seen.
        by: u64,
    },
}

/// How a compensation was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// This very call undid the effect.
    Undone,
    /// There was no effect; there will be none.
    Nothing,
    /// It was compensated before.
    Already,
    /// Its coordinator was replaced: nothing was changed.
    Fenced {
        /// The highest epoch seen.
        by: u64,
    },
}

/// What is stored under a key: a tag, then the output or the reason.
const EFFECT: u8 = 0;
const REFUSAL: u8 = 1;

impl Participant {
    /// Guards `db`, which holds the service's own tables too.
    ///
    /// # Errors
    /// Those of the database.
    pub fn new(db: Arc<Database>) -> Result<Self, redb::Error> {
        let txn = db.begin_write()?;
        idempotency::prepare(&txn)?;
        txn.open_table(FENCES)?;
        txn.commit()?;
        Ok(Participant { db })
    }

    /// Executes a step once. `request` is what the step asks for, encoded: the same key with another request is
    /// refused. `effect` is called only for a key that was never seen. It must leave the transaction as it was
    /// when it refuses.
    ///
    /// # Errors
    /// Those of the database, or of `effect`: then nothing was changed, unless the commit itself failed, which leaves it
    /// unknown whether it was.
    pub fn execute(
        &self,
        token: &Token,
        key: &str,
        request: &[u8],
        effect: impl FnOnce(&WriteTransaction) -> Result<Verdict, redb::Error>,
    ) -> Result<Executed, redb::Error> {
        let txn = self.db.begin_write()?;
        let executed = match fence(&txn, token)? {
            Err(by) => return Ok(Executed::Fenced { by }),
            Ok(()) => match idempotency::claim(&txn, key, request)? {
                Claim::Fresh => {
                    let verdict = effect(&txn)?;
                    let (tag, rest) = match &verdict {
                        Verdict::Effect(output) => (EFFECT, output.as_slice()),
                        Verdict::Refuse(reason) => (REFUSAL, reason.as_bytes()),
                    };
                    idempotency::settle(&txn, key, request, &[&[tag], rest].concat())?;
                    match verdict {
                        Verdict::Effect(output) => Executed::Done { output, repeated: false },
                        Verdict::Refuse(reason) => Executed::Refused { reason, repeated: false },
                    }
                }
                Claim::Repeat(reply) => match reply.split_first() {
                    Some((&EFFECT, output)) => Executed::Done { output: output.to_vec(), repeated: true },
                    Some((&REFUSAL, reason)) => Executed::Refused {
                        reason: String::from_utf8_lossy(reason).into_owned(),
                        repeated: true,
                    },
                    _ => return Err(redb::Error::Corrupted(format!("reply stored under key {key}"))),
                },
                Claim::Differs => Executed::Differs,
                Claim::Void => Executed::TooLate,
            },
        };
        // A repeat is committed too: it may have raised the fence.
        txn.commit()?;
        Ok(executed)
    }

    /// Undoes a step, whether it took effect or not. `undo` is called, with the output, only for an effect that was made
    /// and not undone. From now on the key is void.
    ///
    /// # Errors
    /// As [`Participant::execute`].
    pub fn compensate(
        &self,
        token: &Token,
        key: &str,
        undo: impl FnOnce(&WriteTransaction, &[u8]) -> Result<(), redb::Error>,
    ) -> Result<Undone, redb::Error> {
        let txn = self.db.begin_write()?;
        if let Err(by) = fence(&txn, token)? {
            return Ok(Undone::Fenced { by });
        }
        let undone = match idempotency::void(&txn, key)? {
            Voided::Settled(reply) if reply.first() == Some(&EFFECT) => {
                undo(&txn, &reply[1..])?;
                Undone::Undone
            }
            Voided::Settled(_) | Voided::Unused => Undone::Nothing,
            Voided::Already => Undone::Already,
        };
        txn.commit()?;
        Ok(undone)
    }

    /// Forgets keys older than `age`; see [`idempotency::prune`].
    ///
    /// # Errors
    /// Those of the database.
    pub fn prune(&self, age: Duration) -> Result<u64, redb::Error> {
        let txn = self.db.begin_write()?;
        let pruned = idempotency::prune(&txn, age)?;
        txn.commit()?;
        Ok(pruned)
    }
}

/// Raises the coordinator's fence to this token. The inner error is the higher epoch that forbids it.
fn fence(txn: &WriteTransaction, token: &Token) -> Result<Result<(), u64>, redb::Error> {
    let mut fences = txn.open_table(FENCES)?;
    let seen = fences.get(token.coordinator.as_str())?.map_or(0, |e| e.value());
    if seen > token.epoch {
        return Ok(Err(seen));
    }
    if seen < token.epoch {
        fences.insert(token.coordinator.as_str(), token.epoch)?;
    }
    Ok(Ok(()))
}
