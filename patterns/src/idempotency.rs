//! Idempotency keys: at most one effect for each key, and the same answer every time.
//!
//! A caller that does not know whether a request took effect sends it again with the same key. The key is *claimed in the
//! transaction that makes the effect*, so that both are durable or neither is: checking in one transaction and
//! effecting in another lets two duplicates through between them. What was answered is stored with the key, refusals
//! included: a refusal that is not remembered may be followed by a late duplicate that succeeds.
//!
//! A key may also be *voided*, effected or not: a tombstone that keeps a request which arrives after its own cancellation
//! from taking effect.
//!
//! The semantics follow the IETF draft "The Idempotency-Key HTTP Header Field" (a repeat with another request is an
//! error) and Stripe's API. Because claim and effect share a transaction, there is no "in progress" state to
//! recover from.

use std::time::{Duration, UNIX_EPOCH};

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use squall_rt::clock;

const KEYS: TableDefinition<&str, &[u8]> = TableDefinition::new("idempotency_keys");

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    /// What was asked, byte for byte: `None` if the key was voided before any request came.
    request: Option<&'a [u8]>,
    /// What was answered.
    reply: &'a [u8],
    void: bool,
    /// When the row was last written, in milliseconds since the epoch on the node's wall clock. For pruning only.
    at: u64,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: make the effect, then [`settle`] the key in the same transaction.
    Fresh,
    /// It was settled with this reply: answer the same, change nothing.
    Repeat(Vec<u8>),
    /// It was settled for another request: the caller is wrong.
    Differs,
    /// It was voided: refuse.
    Void,
}

/// Creates the table, so that reads find it. Not needed before writes.
///
/// # Errors
/// Those of the database.
pub fn prepare(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(KEYS)?;
    Ok(())
}

/// What is known of `key`, for this `request`.
///
/// # Errors
/// Those of the database.
pub fn claim(txn: &WriteTransaction, key: &str, request: &[u8]) -> Result<Claim, redb::Error> {
    let table = txn.open_table(KEYS)?;
    let Some(row) = table.get(key)? else { return Ok(Claim::Fresh) };
    let row: Row = decode(row.value())?;
    Ok(match row {
        Row { void: true, .. } => Claim::Void,
        Row { request: Some(r), reply, .. } if r == request => Claim::Repeat(reply.to_vec()),
        _ => Claim::Differs,
    })
}

/// Stores the reply to a fresh key, in the transaction that makes the effect.
///
/// # Errors
/// Those of the database.
pub fn settle(txn: &WriteTransaction, key: &str, request: &[u8], reply: &[u8]) -> Result<(), redb::Error> {
    write(txn, key, &Row { request: Some(request), reply, void: false, at: now() })
}

/// What a key was when it was voided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voided {
    /// Unknown: nothing is to be undone, and nothing will be to do.
    Unused,
    /// Settled with this reply: undo the effect in the same transaction.
    Settled(Vec<u8>),
    /// Void already.
    Already,
}

/// Voids a key for good: [`claim`] says [`Claim::Void`] from now on.
///
/// # Errors
/// Those of the database.
pub fn void(txn: &WriteTransaction, key: &str) -> Result<Voided, redb::Error> {
    let before = {
        let table = txn.open_table(KEYS)?;
        match table.get(key)? {
            None => Voided::Unused,
            Some(row) => match decode::<Row>(row.value())? {
                Row { void: true, .. } => Voided::Already,
                Row { reply, .. } => Voided::Settled(reply.to_vec()),
            },
        }
    };
    if before != Voided::Already {
        write(txn, key, &Row { request: None, reply: &[], void: true, at: now() })?;
    }
    Ok(before)
}

/// Forgets keys that were last written more than `age` ago, and returns how many. `age` must exceed the longest time over
/// which a caller may repeat a request, tombstones included.
///
/// # Errors
/// Those of the database.
pub fn prune(txn: &WriteTransaction, age: Duration) -> Result<u64, redb::Error> {
    let oldest = now().saturating_sub(age.as_millis() as u64);
    let mut table = txn.open_table(KEYS)?;
    let mut pruned = 0;
    // A row that cannot be read is not ours to drop.
    table.retain(|_, row| {
        let keep = postcard::from_bytes::<Row>(row).map_or(true, |row| row.at >= oldest);
        pruned += u64::from(!keep);
        keep
    })?;
    Ok(pruned)
}

fn write(txn: &WriteTransaction, key: &str, row: &Row) -> Result<(), redb::Error> {
    let bytes = postcard::to_stdvec(row).expect("a row of byte strings can be encoded");
    txn.open_table(KEYS)?.insert(key, bytes.as_slice())?;
    Ok(())
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, redb::Error> {
    postcard::from_bytes(bytes).map_err(|e| redb::Error::Corrupted(format!("idempotency key: {e}")))
}

fn now() -> u64 {
    clock::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
