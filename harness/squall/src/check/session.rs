//! Session guarantees (Terry et al., *Session Guarantees for Weakly Consistent Replicated Data*, 1994), for any system
//! whose clients read and write versioned keys. A session is a client; it has ended when its client's operations have.
//!
//! A system takes part by what its operations return, in the fields of [`Outcome::Ok`](crate::Outcome::Ok):
//!
//! | Operation | Fields |
//! |---|---|
//! | a write | `wrote`: the key; `version`: the version of the key that it made |
//! | a read | `read`: the key; `version`: the version that it saw, 0 for a key that is not there |
//! | a read whose answer is declared to be old | `stale = true` as well |
//!
//! Versions are whole numbers that rise with each write of the key. Only operations that completed as ok bind: a write
//! whose outcome is unknown obliges no one, and a read may always fail. A declared stale read is judged by nothing here; a
//! spec that does not want them says `never` or `count`.

use std::collections::BTreeMap;

use super::{Breach, Invariant};
use crate::history::{Fields, Kind, Operation, Record};

/// The guarantees, with what each says.
pub(super) const GUARANTEES: &[(&str, &str)] = &[
    (
        READ_YOUR_WRITES,
        "after a session's write of a key at version v, each read of it that the session starts returns v or later, \
         fails, or says that it is stale",
    ),
    (
        MONOTONIC_READS,
        "after a session's read of a key at version v, each read of it that the session starts returns v or later, \
         fails, or says that it is stale",
    ),
];

const READ_YOUR_WRITES: &str = "read_your_writes";
const MONOTONIC_READS: &str = "monotonic_reads";

/// The guarantee of that name, fresh for one run.
pub(super) fn guarantee(name: &str) -> Option<Box<dyn Invariant>> {
    let (name, bar) = match name {
        READ_YOUR_WRITES => (READ_YOUR_WRITES, Bar::Writes),
        MONOTONIC_READS => (MONOTONIC_READS, Bar::Reads),
        _ => return None,
    };
    Some(Box::new(SessionGuarantee {
        name,
        bar,
        invoked: BTreeMap::new(),
        seen: BTreeMap::new(),
        exercised: 0,
    }))
}

/// What raises the version that a session's reads must not fall below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bar {
    Writes,
    Reads,
}

/// A version that a session has come to know.
#[derive(Clone, Copy)]
struct Seen {
    /// The record that shows it.
    seq: u64,
    version: i64,
}

struct SessionGuarantee {
    name: &'static str,
    bar: Bar,
    /// Open operations to the record of their invocation.
    invoked: BTreeMap<u32, u64>,
    /// Per client and key: the versions that raised the bar, both rising.
    seen: BTreeMap<(u32, String), Vec<Seen>>,
    exercised: u64,
}

impl Invariant for SessionGuarantee {
    fn name(&self) -> &str {
        self.name
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Invoke(operation, _) => {
                self.invoked.insert(operation.id, record.seq);
            }
            Kind::Ok(operation, fields) => {
                let invoked = self.invoked.remove(&operation.id).unwrap_or(record.seq);
                // A read-modify-write returns both; it read first.
                if let Some((key, version)) = access(fields, "read")?
                    && fields.bool("stale") != Some(true)
                {
                    self.judge(operation, &key, version, invoked)?;
                    if self.bar == Bar::Reads {
                        self.raise(operation, key, version, record.seq);
                    }
                }
                if self.bar == Bar::Writes
                    && let Some((key, version)) = access(fields, "wrote")?
                {
                    self.raise(operation, key, version, record.seq);
                }
            }
            Kind::Fail(operation, _) | Kind::Info(operation, _) => {
                self.invoked.remove(&operation.id);
            }
            _ => {}
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}

impl SessionGuarantee {
    /// Judges a read by what the session knew when the read was invoked.
    fn judge(&mut self, operation: &Operation, key: &str, version: i64, invoked: u64) -> Result<(), Breach> {
        let Some(seen) = self.seen.get(&(operation.client, key.to_owned())) else { return Ok(()) };
        let known = seen.partition_point(|seen| seen.seq < invoked);
        let Some(bar) = known.checked_sub(1).map(|last| seen[last]) else { return Ok(()) };
        self.exercised += 1;
        if version >= bar.version {
            return Ok(());
        }
        let (class, did) = match self.bar {
            Bar::Writes => ("stale_read", "written"),
            Bar::Reads => ("backward_read", "read"),
        };
        let client = operation.client;
        Err(Breach::of(
            class,
            format!(
                "client {client} reads {key} at version {} or later, which it had {did} before",
                bar.version
            ),
            format!("its read {} returned version {version}", operation.id),
        )
        .with_evidence([bar.seq, invoked]))
    }

    fn raise(&mut self, operation: &Operation, key: String, version: i64, seq: u64) {
        let seen = self.seen.entry((operation.client, key)).or_default();
        if seen.last().is_none_or(|last| last.version < version) {
            seen.push(Seen { seq, version });
        }
    }
}

/// The key and the version of an access of this kind, if the operation was one.
pub(super) fn access(fields: &Fields, kind: &str) -> Result<Option<(String, i64)>, Breach> {
    let Some(key) = fields.get(kind) else { return Ok(None) };
    match fields.int("version") {
        Some(version) => Ok(Some((key.to_string(), version))),
        None => Err(Breach::of(
            "malformed_outcome",
            format!("an operation that returns `{kind}` returns a whole number in `version`"),
            format!("`{kind} = {key}` without one: {fields}"),
        )),
    }
}

#[cfg(test)]
mod tests;
