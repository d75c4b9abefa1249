//! What the event log holds, as its reports tell.
//!
//! `event_log.staged` describes an event that is about to be committed, `effect.committed` says that a range of positions
//! is durable. A process can die between the two. What of its staged events became durable shows when the log is
//! opened again: everything up to the head that `event_log.opened` names, and nothing else.

use std::collections::BTreeMap;

use squall::{Fields, Record, check::Breach};

use crate::event::{int, text};

/// An event that was staged.
#[derive(Clone, Debug)]
pub struct Entry {
    pub position: i64,
    pub stream: String,
    pub version: i64,
    /// As the writer had it: a version, or `any`, `none`, `exists`.
    pub expected: String,
    /// None where the writer does not say.
    pub cause: Option<String>,
    pub index: i64,
    pub kind: String,
    pub quantity: i64,
    /// The record that describes it.
    pub seq: u64,
}

/// What a record changed.
pub enum Change {
    /// Nothing.
    None,
    /// The events at these positions are in the log, as of now.
    Committed(Vec<i64>),
    /// The log was opened again.
    Opened {
        /// Events that turned out to be committed.
        recovered: Vec<i64>,
        /// Staged events that did not.
        dropped: Vec<Entry>,
        /// Committed events that are gone.
        lost: Vec<Entry>,
    },
}

/// The log as far as the history has told.
#[derive(Default)]
pub struct Ledger {
    staged: BTreeMap<i64, Entry>,
    committed: BTreeMap<i64, Entry>,
}

impl Ledger {
    /// Takes note of a record.
    ///
    /// # Errors
    /// When an event lacks what it must tell.
    pub fn observe(&mut self, record: &Record) -> Result<Change, Breach> {
        let Some((name, fields)) = record.event() else { return Ok(Change::None) };
        Ok(match name {
            "event_log.staged" => {
                let entry = read(fields, record.seq)?;
                self.staged.insert(entry.position, entry);
                Change::None
            }
            "effect.committed" => {
                let (first, last) = (int(fields, "first")?, int(fields, "last")?);
                let positions: Vec<_> =
                    self.staged.range(first..=last).map(|(position, _)| *position).collect();
                self.commit(&positions);
                Change::Committed(positions)
            }
            "event_log.opened" => {
                let head = int(fields, "position")?;
                let recovered: Vec<_> = self.staged.range(..=head).map(|(position, _)| *position).collect();
                self.commit(&recovered);
                let dropped = std::mem::take(&mut self.staged).into_values().collect();
                let lost = self.committed.split_off(&(head + 1)).into_values().collect();
                Change::Opened { recovered, dropped, lost }
            }
            _ => Change::None,
        })
    }

    fn commit(&mut self, positions: &[i64]) {
        for position in positions {
            if let Some(entry) = self.staged.remove(position) {
                self.committed.insert(*position, entry);
            }
        }
    }

    /// The committed event at this position.
    pub fn at(&self, position: i64) -> Option<&Entry> {
        self.committed.get(&position)
    }

    /// The committed events at these positions, in order.
    pub fn range(&self, positions: impl std::ops::RangeBounds<i64>) -> impl Iterator<Item = &Entry> {
        self.committed.range(positions).map(|(_, entry)| entry)
    }

    /// The position of the last committed event; 0 if there is none.
    pub fn head(&self) -> i64 {
        self.committed.last_key_value().map_or(0, |(position, _)| *position)
    }
}

fn read(fields: &Fields, seq: u64) -> Result<Entry, Breach> {
    Ok(Entry {
        position: int(fields, "position")?,
        stream: text(fields, "stream")?.to_owned(),
        version: int(fields, "version")?,
        expected: fields.get("expected").map_or_else(|| "any".to_owned(), ToString::to_string),
        cause: fields.text("cause").map(str::to_owned),
        index: fields.int("index").unwrap_or(0),
        kind: fields.text("kind").unwrap_or("event").to_owned(),
        quantity: fields.int("quantity").unwrap_or(0),
        seq,
    })
}
