//! The digest of a run: records in a canonical form, hashed one after the other.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{Fields, Kind, Lifecycle, Operation, Record, Value};

/// A 64-bit digest over a run's canonical event stream; printed as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Makes a [`Digest`].
pub(crate) struct Digester(Xxh3);

impl Digester {
    /// Of nothing yet.
    pub fn new() -> Self {
        Digester(Xxh3::new())
    }

    /// Adds the next record.
    pub fn record(&mut self, record: &Record) {
        feed(&mut self.0, record);
    }

    /// Adds the digest of something else.
    pub fn mix(&mut self, other: u64) {
        self.0.update(&other.to_le_bytes());
    }

    /// Of all that was added.
    pub fn digest(&self) -> Digest {
        Digest(self.0.digest())
    }
}

/// Hashes a record in a canonical form: time, then the variant's number and its parts, texts with their lengths.
fn feed(hasher: &mut Xxh3, record: &Record) {
    hasher.update(&(record.at.as_nanos() as u64).to_le_bytes());
    match &record.kind {
        Kind::Invoke(operation, fields) => feed_operation(hasher, 1, operation, fields),
        Kind::Ok(operation, fields) => feed_operation(hasher, 2, operation, fields),
        Kind::Fail(operation, fields) => feed_operation(hasher, 3, operation, fields),
        Kind::Info(operation, fields) => feed_operation(hasher, 4, operation, fields),
        Kind::Event { node, incarnation, name, fields } => {
            hasher.update(&[5]);
            feed_text(hasher, node);
            hasher.update(&incarnation.to_le_bytes());
            feed_text(hasher, name);
            feed_fields(hasher, fields);
        }
        Kind::FaultStart { fault, what } => {
            hasher.update(&[6]);
            feed_text(hasher, fault);
            feed_text(hasher, what);
        }
        Kind::FaultHeal { fault, what } => {
            hasher.update(&[7]);
            feed_text(hasher, fault);
            feed_text(hasher, what);
        }
        Kind::Node { node, incarnation, change } => {
            hasher.update(&[8]);
            feed_text(hasher, node);
            hasher.update(&incarnation.to_le_bytes());
            match change {
                Lifecycle::Started => hasher.update(&[1]),
                Lifecycle::Crashed => hasher.update(&[2]),
                Lifecycle::Exited(reason) => {
                    hasher.update(&[3]);
                    feed_text(hasher, reason);
                }
                Lifecycle::Paused => hasher.update(&[4]),
                Lifecycle::Resumed => hasher.update(&[5]),
                Lifecycle::Stopping => hasher.update(&[6]),
                Lifecycle::DiskLied { bytes, names } => {
                    hasher.update(&[7]);
                    hasher.update(&bytes.to_le_bytes());
                    hasher.update(&names.to_le_bytes());
                }
            }
        }
        Kind::Phase(phase) => hasher.update(&[9, *phase as u8]),
    }
}

fn feed_operation(hasher: &mut Xxh3, tag: u8, operation: &Operation, fields: &Fields) {
    hasher.update(&[tag]);
    hasher.update(&operation.id.to_le_bytes());
    hasher.update(&operation.client.to_le_bytes());
    feed_text(hasher, &operation.name);
    feed_fields(hasher, fields);
}

fn feed_text(hasher: &mut Xxh3, text: &str) {
    hasher.update(&(text.len() as u32).to_le_bytes());
    hasher.update(text.as_bytes());
}

fn feed_fields(hasher: &mut Xxh3, fields: &Fields) {
    for (name, value) in fields.iter() {
        feed_text(hasher, name);
        match value {
            Value::Bool(b) => hasher.update(&[1, u8::from(*b)]),
            Value::Int(i) => {
                hasher.update(&[2]);
                hasher.update(&i.to_le_bytes());
            }
            Value::Float(x) => {
                hasher.update(&[3]);
                hasher.update(&x.to_bits().to_le_bytes());
            }
            Value::Text(text) => {
                hasher.update(&[4]);
                feed_text(hasher, text);
            }
        }
    }
    hasher.update(&[0]);
}
