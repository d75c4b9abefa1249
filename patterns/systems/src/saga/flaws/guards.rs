//! Services that let through what they should not.

use std::sync::Arc;

use redb::{Database, Durability, ReadableTable, TableDefinition, WriteTransaction};
use squall_patterns::{
    idempotency::{self, Claim, Voided},
    saga::{Executed, Participant, Token, Undone, Verdict},
};

use super::super::{
    protocol::Head,
    resource::{Effect, Guard, POOLS, Reversal},
};

/// Makes the effect each time it is asked to.
pub struct NoKeys(pub Arc<Database>);

impl Guard for NoKeys {
    fn execute(&self, _: &Head, _: &[u8], effect: Effect<'_>) -> Result<Executed, redb::Error> {
        let txn = self.0.begin_write()?;
        let executed = executed(effect(&txn)?);
        txn.commit()?;
        Ok(executed)
    }

    fn compensate(&self, _: &Head, undo: Reversal<'_>) -> Result<Undone, redb::Error> {
        let txn = self.0.begin_write()?;
        let undone = if undo(&txn)? { Undone::Undone } else { Undone::Nothing };
        txn.commit()?;
        Ok(undone)
    }
}

fn executed(verdict: Verdict) -> Executed {
    match verdict {
        Verdict::Effect(output) => Executed::Done { output, repeated: false },
        Verdict::Refuse(reason) => Executed::Refused { reason, repeated: false },
    }
}

/// Does not remember a compensation that found nothing to undo.
pub struct NoTombstones(pub Participant, pub Arc<Database>);

impl Guard for NoTombstones {
    fn execute(&self, head: &Head, request: &[u8], effect: Effect<'_>) -> Result<Executed, redb::Error> {
        Guard::execute(&self.0, head, request, effect)
    }

    fn compensate(&self, head: &Head, undo: Reversal<'_>) -> Result<Undone, redb::Error> {
        let seen = idempotency::claim(&self.1.begin_write()?, &head.key, b"")? != Claim::Fresh;
        if seen { Guard::compensate(&self.0, head, undo) } else { Ok(Undone::Nothing) }
    }
}

/// Takes every coordinator for the latest.
pub struct Unfenced(pub Participant);

fn latest(head: &Head) -> Head {
    let token = Token { coordinator: head.token.coordinator.clone(), epoch: u64::MAX };
    Head { token, ..head.clone() }
}

impl Guard for Unfenced {
    fn execute(&self, head: &Head, request: &[u8], effect: Effect<'_>) -> Result<Executed, redb::Error> {
        Guard::execute(&self.0, &latest(head), request, effect)
    }

    fn compensate(&self, head: &Head, undo: Reversal<'_>) -> Result<Undone, redb::Error> {
        Guard::compensate(&self.0, &latest(head), undo)
    }
}

/// Commits without waiting for the disk.
pub struct LazyCommit(pub Arc<Database>);

impl LazyCommit {
    fn begin(&self) -> Result<WriteTransaction, redb::Error> {
        let mut txn = self.0.begin_write()?;
        txn.set_durability(Durability::None)?;
        Ok(txn)
    }
}

impl Guard for LazyCommit {
    fn execute(&self, head: &Head, request: &[u8], effect: Effect<'_>) -> Result<Executed, redb::Error> {
        let txn = self.begin()?;
        let executed = match idempotency::claim(&txn, &head.key, request)? {
            Claim::Fresh => {
                let executed = executed(effect(&txn)?);
                if let Executed::Done { output, .. } = &executed {
                    idempotency::settle(&txn, &head.key, request, output)?;
                }
                executed
            }
            Claim::Repeat(output) => Executed::Done { output, repeated: true },
            Claim::Differs => Executed::Differs,
            Claim::Void => Executed::TooLate,
        };
        txn.commit()?;
        Ok(executed)
    }

    fn compensate(&self, head: &Head, undo: Reversal<'_>) -> Result<Undone, redb::Error> {
        let txn = self.begin()?;
        let undone = match idempotency::void(&txn, &head.key)? {
            Voided::Settled(_) => {
                undo(&txn)?;
                Undone::Undone
            }
            Voided::Unused => Undone::Nothing,
            Voided::Already => Undone::Already,
        };
        txn.commit()?;
        Ok(undone)
    }
}

/// What steps left in the pools that they took from, by their keys.
const LEFT: TableDefinition<&str, Vec<(&str, i64)>> = TableDefinition::new("left");

/// Gives back to what was left in the pool when the step was done, not to what is left now.
pub struct RemembersBalance(pub Participant);

impl Guard for RemembersBalance {
    fn execute(&self, head: &Head, request: &[u8], effect: Effect<'_>) -> Result<Executed, redb::Error> {
        Guard::execute(&self.0, head, request, &mut |txn| {
            let before = pools(txn)?;
            let verdict = effect(txn)?;
            let after = pools(txn)?;
            let taken_from = after.iter().zip(&before).filter(|(after, before)| after != before);
            let left: Vec<_> = taken_from.map(|((pool, left), _)| (pool.as_str(), *left)).collect();
            txn.open_table(LEFT)?.insert(head.key.as_str(), left)?;
            Ok(verdict)
        })
    }

    fn compensate(&self, head: &Head, undo: Reversal<'_>) -> Result<Undone, redb::Error> {
        Guard::compensate(&self.0, head, &mut |txn| {
            if let Some(left) = txn.open_table(LEFT)?.get(head.key.as_str())? {
                for (pool, left) in left.value() {
                    txn.open_table(POOLS)?.insert(pool, left)?;
                }
            }
            undo(txn)
        })
    }
}

fn pools(txn: &WriteTransaction) -> Result<Vec<(String, i64)>, redb::Error> {
    let mut pools = Vec::new();
    for row in txn.open_table(POOLS)?.iter()? {
        let (pool, left) = row?;
        pools.push((pool.value().to_owned(), left.value()));
    }
    Ok(pools)
}
