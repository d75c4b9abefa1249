//! `event_log_integrity`: the log is what it promises to be, and what clients were told about it is true.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Operation},
};

use super::ledger::{Change, Entry, Ledger};

/// What a stream has come to.
#[derive(Clone, Copy, Default)]
struct Stream {
    version: i64,
    position: i64,
    balance: i64,
    /// The record of its last event.
    seq: u64,
}

/// See the [module](self).
#[derive(Default)]
pub struct LogIntegrity {
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
        match self.ledger.observe(record) {
            Change::None => {}
            Change::Committed(positions) => self.take(&positions)?,
            Change::Opened { recovered, dropped, lost } => {
                if let Some(first) = lost.first() {
                    return Err(Breach::new(
                        "committed_lost",
                        format!(
                            "the log was opened without {} event(s) that had been committed, the first of them at \
                             position {} ({} {} of {})",
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
                let half = dropped.iter().find(|entry| self.effective.contains_key(&entry.cause));
                if let Some(entry) = half {
                    return Err(Breach::new(
                        "torn_batch",
                        format!("of the batch of command {}, only a part became durable", entry.cause),
                    )
                    .with_evidence([entry.seq, self.effective[&entry.cause]]));
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
}

impl LogIntegrity {
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
            let index = brought.entry(entry.cause.clone()).or_default();
            self.judge(&entry, stream, *index)?;
            *index += 1;
            self.effective.entry(entry.cause.clone()).or_insert(entry.seq);
            let balance = stream.balance + entry.quantity;
            self.streams.insert(
                entry.stream.clone(),
                Stream { version: entry.version, position: *position, balance, seq: entry.seq },
            );
            if balance < 0 {
                return Err(Breach::new(
                    "overdrawn",
                    format!("the balance of {} is {balance}", entry.stream),
                )
                .with_evidence([stream.seq, entry.seq]));
            }
        }
        Ok(())
    }

    /// Judges an event by what its stream was before it, and by how many of its batch were.
    fn judge(&self, entry: &Entry, stream: Stream, index: i64) -> Result<(), Breach> {
        let first = index == 0;
        let breach =
            |class, message: String| Err(Breach::new(class, message).with_evidence([stream.seq, entry.seq]));
        let Entry { cause, version, position, .. } = entry;
        let name = &entry.stream;
        if let Some(seq) = self.failed.get(cause) {
            return Err(Breach::new(
                "failed_yet_effective",
                format!("command {cause} had failed for good, and has now an event at position {position}"),
            )
            .with_evidence([*seq, entry.seq]));
        }
        if first && let Some(seq) = self.effective.get(cause) {
            return Err(Breach::new(
                "double_effect",
                format!("command {cause} has events already, and now another at position {position}"),
            )
            .with_evidence([*seq, entry.seq]));
        }
        if entry.index != index {
            return breach(
                "batch_order",
                format!("event {} of command {cause} came where event {index} was due", entry.index),
            );
        }
        if *position <= stream.position {
            return breach(
                "order_differs",
                format!(
                    "{name} {version} is at position {position}, below its predecessor at {}",
                    stream.position
                ),
            );
        }
        if *version != stream.version + 1 {
            return breach(
                "version_gap",
                format!("{name} was at version {}, and its next event is version {version}", stream.version),
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
                format!("an append expected {name} at {}, which was at {}", entry.expected, stream.version),
            );
        }
        match self.decided.get(cause) {
            Some(versions) if !versions.contains(&stream.version) => breach(
                "lost_update",
                format!(
                    "command {cause} was decided on {name} at {versions:?}, but its event follows on {}: the decision \
                     has not seen what came in between",
                    stream.version
                ),
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
            entry.cause == command
                && fields.text("wrote") == Some(&entry.stream)
                && fields.int("version") == Some(entry.version)
        });
        if holds {
            return Ok(());
        }
        Err(Breach::new(
            "acknowledged_not_committed",
            format!(
                "client {} was told that command {command} is at position {position}, where the log has {}",
                operation.client,
                found.map_or("nothing".to_owned(), |entry| format!("{} {}", entry.stream, entry.version)),
            ),
        )
        .with_evidence(found.map(|entry| entry.seq)))
    }

    /// A command was said to have no effect, for good.
    fn never(&mut self, cause: &str, seq: u64) -> Result<(), Breach> {
        if let Some(effect) = self.effective.get(cause) {
            return Err(Breach::new(
                "failed_yet_effective",
                format!("command {cause} was said to have failed, but it has taken effect"),
            )
            .with_evidence([*effect]));
        }
        self.failed.entry(cause.to_owned()).or_insert(seq);
        Ok(())
    }
}
