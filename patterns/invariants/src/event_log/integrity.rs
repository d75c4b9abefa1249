//! `event_log_integrity`: the log is what it promises to be, and what clients were told about it is true.
//!
//! | class | breach |
//! |---|---|
//! | `version_gap` | an event whose version is not the next of its stream |
//! | `order_differs` | a stream in another order than the log |
//! | `expectation_ignored` | an append to a stream that was not as it demanded |
//! | `lost_update` | an event on a version that it was not decided on |
//! | `double_effect` | a command with two batches |
//! | `batch_order`, `torn_batch` | a batch out of order, or of which a part is durable |
//! | `committed_lost` | committed events that are gone when the log is opened |
//! | `acknowledged_not_committed` | a client was told of an event that is not there |
//! | `failed_yet_effective` | a command that was said to have failed for good has an effect |
//! | `overdrawn` | a stream's sum below the floor |
//! | `unreadable_event` | an event without what it must tell |

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    EventKind, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Operation},
};

use super::{
    EVENTS, Rules,
    ledger::{Change, Entry, Ledger},
};

/// What a stream has come to.
#[derive(Clone, Copy, Default)]
struct Stream {
    version: i64,
    position: i64,
    balance: i64,
    /// The record of its last event.
    seq: u64,
}

/// See the [module](super).
#[derive(Default)]
pub struct LogIntegrity {
    rules: Rules,
    ledger: Ledger,
    streams: BTreeMap<String, Stream>,
    /// Cause to the versions that a decision about it was made on.
    decided: BTreeMap<String, BTreeSet<i64>>,
    /// Cause to the record of its first event in the log.
    effective: BTreeMap<String, u64>,
    /// Cause to the record that says it will never have an effect.
    failed: BTreeMap<String, u64>,
    exercised: u64,
}

impl Invariant for LogIntegrity {
    fn name(&self) -> &str {
        "event_log_integrity"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match self.ledger.observe(record)? {
            Change::None => {}
            Change::Committed(positions) => self.take(&positions)?,
            Change::Opened { recovered, dropped, lost } => {
                if let Some(first) = lost.first() {
                    return Err(Breach::of(
                        "committed_lost",
                        "the log is opened with all events that had been committed",
                        format!(
                            "{} event(s) are gone, the first of them at position {} ({} {} of {})",
                            lost.len(),
                            first.position,
                            first.stream,
                            first.version,
                            first.kind
                        ),
                    )
                    .with_evidence(lost.iter().map(|entry| entry.seq)));
                }
                self.take(&recovered)?;
                let half = dropped.iter().find_map(|entry| {
                    let cause = entry.cause.as_ref()?;
                    self.effective.get(cause).map(|seq| (entry, cause, *seq))
                });
                if let Some((entry, cause, effective)) = half {
                    return Err(Breach::of(
                        "torn_batch",
                        format!("the batch of command {cause} is durable as a whole or not at all"),
                        format!("its event {} is not, and one before it is", entry.index),
                    )
                    .with_evidence([entry.seq, effective]));
                }
            }
        }
        match &record.kind {
            Kind::Event { name, fields, .. } => self.note(name, fields, record.seq),
            Kind::Ok(operation, fields) => self.acknowledged(operation, fields),
            Kind::Fail(_, fields) => match fields.text("command") {
                Some(command) => self.never(command, record.seq),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}

impl LogIntegrity {
    /// Holds the log to these rules.
    pub fn new(rules: Rules) -> Self {
        LogIntegrity { rules, ..LogIntegrity::default() }
    }

    fn note(&mut self, name: &str, fields: &Fields, seq: u64) -> Result<(), Breach> {
        match (name, fields.text("cause")) {
            ("cqrs.decided", Some(cause)) => {
                self.decided.entry(cause.to_owned()).or_default().extend(fields.int("version"));
            }
            ("event_log.rejected", Some(cause)) => return self.never(cause, seq),
            _ => {}
        }
        Ok(())
    }

    /// Events are in the log, as of now.
    fn take(&mut self, positions: &[i64]) -> Result<(), Breach> {
        // How many events of a cause this commit has brought so far.
        let mut brought = BTreeMap::<String, i64>::new();
        for position in positions {
            let Some(entry) = self.ledger.at(*position).cloned() else { continue };
            self.exercised += 1;
            let stream = self.streams.get(&entry.stream).copied().unwrap_or_default();
            let mut index = 0;
            if let Some(cause) = &entry.cause {
                let next = brought.entry(cause.clone()).or_default();
                index = *next;
                *next += 1;
            }
            self.judge(&entry, stream, index)?;
            if let Some(cause) = &entry.cause {
                self.effective.entry(cause.clone()).or_insert(entry.seq);
            }
            let balance = stream.balance + entry.quantity;
            self.streams.insert(
                entry.stream.clone(),
                Stream { version: entry.version, position: *position, balance, seq: entry.seq },
            );
            if let Some(floor) = self.rules.floor.filter(|floor| balance < *floor) {
                return Err(Breach::of(
                    "overdrawn",
                    format!("the sum of {} is {floor} or more", entry.stream),
                    format!(
                        "it was {} and is {balance} after {} {} at position {position}",
                        stream.balance, entry.kind, entry.quantity
                    ),
                )
                .with_evidence([stream.seq, entry.seq]));
            }
        }
        Ok(())
    }

    /// Judges an event by what its stream was before it, and by how many of its batch were.
    fn judge(&self, entry: &Entry, stream: Stream, index: i64) -> Result<(), Breach> {
        let first = index == 0;
        let breach = |class, expected: String, seen: String| {
            Err(Breach::of(class, expected, seen).with_evidence([stream.seq, entry.seq]))
        };
        let Entry { version, position, .. } = entry;
        let (name, cause) = (&entry.stream, entry.cause.as_deref().unwrap_or("of no name"));
        if let Some(seq) = self.failed.get(cause) {
            return Err(Breach::of(
                "failed_yet_effective",
                format!("command {cause} has no effect: it was told to have failed for good"),
                format!("it has an event at position {position} now"),
            )
            .with_evidence([*seq, entry.seq]));
        }
        if first && let Some(seq) = self.effective.get(cause) {
            return Err(Breach::of(
                "double_effect",
                format!("command {cause} takes effect once, which it has"),
                format!("it has another event at position {position}"),
            )
            .with_evidence([*seq, entry.seq]));
        }
        if entry.cause.is_some() && entry.index != index {
            return breach(
                "batch_order",
                format!("event {index} of command {cause} is next"),
                format!("event {} of it came", entry.index),
            );
        }
        if *position <= stream.position {
            return breach(
                "order_differs",
                format!("{name} {version} is above position {}, where its predecessor is", stream.position),
                format!("it is at position {position}"),
            );
        }
        if *version != stream.version + 1 {
            return breach(
                "version_gap",
                format!("the next event of {name} is version {}", stream.version + 1),
                format!("it is version {version}"),
            );
        }
        if !first {
            return Ok(());
        }
        let expected = match entry.expected.as_str() {
            "any" => true,
            "none" => stream.version == 0,
            "exists" => stream.version > 0,
            number => number.parse() == Ok(stream.version),
        };
        if !expected {
            return breach(
                "expectation_ignored",
                format!("an append to {name} that expects `{}` is refused unless it is so", entry.expected),
                format!("{name} was at version {}, and it was made", stream.version),
            );
        }
        match self.decided.get(cause) {
            Some(versions) if !versions.contains(&stream.version) => breach(
                "lost_update",
                format!(
                    "the event of command {cause} follows on a version of {name} that it was decided on: {versions:?}"
                ),
                format!("it follows on {}: the decision has not seen what came in between", stream.version),
            ),
            _ => Ok(()),
        }
    }

    /// A client was told that its command took effect.
    fn acknowledged(&mut self, operation: &Operation, fields: &Fields) -> Result<(), Breach> {
        let (Some(command), Some(position)) = (fields.text("command"), fields.int("position")) else {
            return Ok(());
        };
        self.exercised += 1;
        let found = self.ledger.at(position);
        let holds = found.is_some_and(|entry| {
            entry.cause.as_ref().is_none_or(|cause| cause == command)
                && fields.text("wrote") == Some(&entry.stream)
                && fields.int("version") == Some(entry.version)
        });
        if holds {
            return Ok(());
        }
        Err(Breach::of(
            "acknowledged_not_committed",
            format!(
                "command {command} is at position {position}, as client {} was told: {fields}",
                operation.client
            ),
            format!(
                "the log has {} there",
                found.map_or("nothing".to_owned(), |entry| {
                    let cause = entry.cause.as_deref().unwrap_or("of no name");
                    format!("{} {} of command {cause}", entry.stream, entry.version)
                }),
            ),
        )
        .with_evidence(found.map(|entry| entry.seq)))
    }

    /// A command was said to have no effect, for good.
    fn never(&mut self, cause: &str, seq: u64) -> Result<(), Breach> {
        if let Some(effect) = self.effective.get(cause) {
            return Err(Breach::of(
                "failed_yet_effective",
                format!("command {cause} is not told to have failed: it has taken effect"),
                "it is told to have failed for good",
            )
            .with_evidence([*effect]));
        }
        self.failed.entry(cause.to_owned()).or_insert(seq);
        Ok(())
    }
}
