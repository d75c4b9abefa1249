//! `projection_correctness`: at every position that a replica shows, it shows the fold of the events up to there, and each
//! event went into each generation of the rows exactly once.
//!
//! | class | breach |
//! |---|---|
//! | `wrong_row` | a row that is not the fold of its events |
//! | `applied_twice`, `skipped`, `applied_uncommitted` | an event that went in again, not at all, or before it was committed |
//! | `passed_over` | an event that is committed below where a read model is: it never looks there again |
//! | `checkpoint_ahead`, `checkpoint_lost` | opened with another checkpoint than its rows have |
//! | `position_backwards`, `ahead_of_log` | an answer at a lower position than the one before, or above the log's head |
//! | `rebuild_differs` | a rebuild came to other rows |
//! | `unreadable_event` | an event without what it must tell |

use std::collections::BTreeMap;

use squall::{EventKind, Fields, Invariant, Record, check::Breach, history::Kind};

use super::READ;
use crate::{
    event::{int, text},
    event_log::ledger::{Change, Ledger},
};

/// How far a generation of a replica's rows is.
#[derive(Clone, Copy, Default)]
struct Progress {
    position: i64,
    /// The record that says so.
    seq: u64,
}

/// See the [module](super).
#[derive(Default)]
pub struct ProjectionCorrectness {
    ledger: Ledger,
    /// Per node and generation.
    progress: BTreeMap<(String, i64), Progress>,
    /// Per node and incarnation: the last position that it exposed.
    exposed: BTreeMap<(String, u32), Progress>,
    exercised: u64,
}

impl Invariant for ProjectionCorrectness {
    fn name(&self) -> &str {
        "projection_correctness"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match self.ledger.observe(record)? {
            Change::Committed(positions) | Change::Opened { recovered: positions, .. } => {
                self.not_passed_over(&positions)?;
            }
            Change::None => {}
        }
        let Kind::Event { node, incarnation, name, fields } = &record.kind else { return Ok(()) };
        let key = || (node.to_string(), fields.int("generation").unwrap_or(0));
        match &**name {
            "cqrs.opened" => self.opened(key(), fields, record.seq),
            "cqrs.rebuild_started" => {
                self.progress.insert(key(), Progress { position: 0, seq: record.seq });
                Ok(())
            }
            "cqrs.rebuilt" if fields.bool("equal") == Some(false) => Err(Breach::of(
                "rebuild_differs",
                format!("{node} comes to the same rows when it folds the log again"),
                format!("it came to others: {fields}"),
            )),
            "effect.projected" => self.projected(key(), fields, record.seq),
            "cqrs.exposed" => self.exposed((node.to_string(), *incarnation), fields, record.seq),
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        READ
    }
}

impl ProjectionCorrectness {
    /// Nothing may be committed where a replica has been already: it will never look there again.
    fn not_passed_over(&self, positions: &[i64]) -> Result<(), Breach> {
        for position in positions {
            let passed = self.progress.iter().find(|(_, progress)| progress.position >= *position);
            if let Some(((node, _), progress)) = passed {
                return Err(Breach::of(
                    "passed_over",
                    format!(
                        "what is committed comes after position {}, where {node} is already",
                        progress.position
                    ),
                    format!("position {position} is committed now: {node} will never apply it"),
                )
                .with_evidence([progress.seq]));
            }
        }
        Ok(())
    }

    fn opened(&mut self, key: (String, i64), fields: &Fields, seq: u64) -> Result<(), Breach> {
        let position = int(fields, "position")?;
        if fields.bool("fresh") == Some(true) {
            // A new disk: whatever it knew is forgotten, and may be applied again.
            self.progress.retain(|(node, _), _| *node != key.0);
        }
        let known = self.progress.entry(key.clone()).or_insert(Progress { position: 0, seq });
        let class = match position - known.position {
            0 => return Ok(()),
            ahead if ahead > 0 => "checkpoint_ahead",
            _ => "checkpoint_lost",
        };
        Err(Breach::of(
            class,
            format!(
                "{} is opened with its checkpoint at {}, up to which its rows hold the events",
                key.0, known.position
            ),
            format!("its checkpoint is at {position}"),
        )
        .with_evidence([known.seq]))
    }

    fn projected(&mut self, key: (String, i64), fields: &Fields, seq: u64) -> Result<(), Breach> {
        let (first, last) = (int(fields, "first")?, int(fields, "last")?);
        self.exercised += 1;
        let node = key.0.clone();
        let known = self.progress.get(&key).copied().unwrap_or_default();
        let due = known.position + 1;
        let breach = |class, seen: String| {
            let expected = format!(
                "{node} applies each committed event once and in order, next the one from position {due} on"
            );
            Err(Breach::of(class, expected, seen).with_evidence([known.seq]))
        };
        if first <= known.position {
            return breach(
                "applied_twice",
                format!("it applied the event at {first} again; it had applied all up to {}", known.position),
            );
        }
        if self.ledger.at(last).is_none() {
            return breach(
                "applied_uncommitted",
                format!("it applied position {last}, and the log ends at {}", self.ledger.head()),
            );
        }
        if let Some(skipped) = self.ledger.range(known.position + 1..first).next() {
            return breach(
                "skipped",
                format!(
                    "it went on from {} to {first} and skipped the event at {}",
                    known.position, skipped.position
                ),
            );
        }
        let there = self.ledger.range(known.position + 1..=last).count() as i64;
        if let Some(count) = fields.int("count").filter(|count| *count != there) {
            return breach(
                "skipped",
                format!("it applied {count} event(s) of {first} to {last}, where the log has {there}"),
            );
        }
        self.progress.insert(key, Progress { position: last, seq });
        Ok(())
    }

    fn exposed(&mut self, by: (String, u32), fields: &Fields, seq: u64) -> Result<(), Breach> {
        let (key, position) = (text(fields, "key")?, int(fields, "position")?);
        self.exercised += 1;
        let node = by.0.clone();
        let last = self.exposed.insert(by, Progress { position, seq }).unwrap_or_default();
        if position < last.position {
            return Err(Breach::of(
                "position_backwards",
                format!(
                    "{node} answers at position {} or later, where it had answered before",
                    last.position
                ),
                format!("it answered at position {position}"),
            )
            .with_evidence([last.seq]));
        }
        if position > self.ledger.head() {
            return Err(Breach::of(
                "ahead_of_log",
                format!("{node} answers at position {} at the most, where the log ends", self.ledger.head()),
                format!("it answered at position {position}"),
            ));
        }
        let (mut version, mut balance, mut evidence) = (0, 0, Vec::new());
        for entry in self.ledger.range(..=position).filter(|entry| entry.stream == key) {
            version = entry.version;
            balance += entry.quantity;
            evidence.push(entry.seq);
        }
        let shown = (int(fields, "version")?, fields.int("quantity").unwrap_or(balance));
        if shown == (version, balance) {
            return Ok(());
        }
        Err(Breach::of(
            "wrong_row",
            format!("{key} at version {version} with {balance}, as its events up to position {position} say"),
            format!("{node} showed it at version {} with {}", shown.0, shown.1),
        )
        .with_evidence(evidence))
    }
}
