//! Readings: nothing is made up, nothing is stored twice or out of order, nothing that was acknowledged is lost, and nothing old
//! is given for the latest.

use std::collections::BTreeMap;

use squall::{Fields, Invariant, Record, check::Breach, history::Kind};

/// A collector's name and a sensor's number.
type Pair = (String, i64);

/// The readings of an operation's outcome: number and value.
fn told(fields: &Fields) -> impl Iterator<Item = (i64, &str)> {
    let readings = fields.text("readings").unwrap_or_default().split_whitespace();
    readings.filter_map(|reading| {
        let (seq, value) = reading.split_once(':')?;
        Some((seq.parse().ok()?, value))
    })
}

fn reading(fields: &Fields) -> Option<(i64, i64)> {
    Some((fields.int("sensor")?, fields.int("seq").unwrap_or(i64::MAX)))
}

/// `readings_authentic`: what collectors store and clients read is what a sensor measured, bit by bit.
#[derive(Default)]
pub struct Authentic {
    /// Value and record, by sensor and number.
    measured: BTreeMap<(i64, i64), (String, u64)>,
    /// Those that may have been written and may not.
    uncertain: BTreeMap<(i64, i64), String>,
    exercised: u64,
}

impl Authentic {
    fn judge(&mut self, who: &str, sensor: i64, seq: i64, value: &str) -> Result<(), Breach> {
        self.exercised += 1;
        match self.measured.get(&(sensor, seq)) {
            Some((measured, _)) if measured == value => Ok(()),
            Some((measured, at)) => Err(Breach::of(
                "altered",
                format!("reading {seq} of sensor {sensor} is {measured}, as it was measured"),
                format!("{who} {value}"),
            )
            .with_evidence([*at])),
            None if self.uncertain.get(&(sensor, seq)).is_some_and(|uncertain| uncertain == value) => Ok(()),
            None => Err(Breach::of(
                "made_up",
                format!("a reading of sensor {sensor} that it took"),
                format!("{who} {value} for reading {seq}, which it did not take"),
            )),
        }
    }
}

impl Invariant for Authentic {
    fn name(&self) -> &str {
        "readings_authentic"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { node, name, fields, .. } => {
                let (Some(key), Some(value)) = (reading(fields), fields.text("value")) else { return Ok(()) };
                match &**name {
                    "effect.measured" => {
                        self.measured.insert(key, (value.to_owned(), record.seq));
                    }
                    "effect.uncertain" => {
                        self.uncertain.insert(key, value.to_owned());
                    }
                    "effect.stored" => return self.judge(&format!("{node} stored"), key.0, key.1, value),
                    _ => {}
                }
                Ok(())
            }
            Kind::Ok(operation, fields) => {
                let Some(sensor) = fields.int("of") else { return Ok(()) };
                let who = format!("client {} was given", operation.client);
                told(fields).try_for_each(|(seq, value)| self.judge(&who, sensor, seq, value))
            }
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}

/// `readings_once_in_order`: a collector stores each sensor's readings once, in order, without gaps.
#[derive(Default)]
pub struct OnceInOrder {
    /// The number that is due, and the record it follows on.
    due: BTreeMap<Pair, (i64, u64)>,
    exercised: u64,
}

impl Invariant for OnceInOrder {
    fn name(&self) -> &str {
        "readings_once_in_order"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Kind::Event { node, name, fields, .. } = &record.kind else { return Ok(()) };
        let Some((sensor, seq)) = reading(fields) else { return Ok(()) };
        let key = (node.to_string(), sensor);
        match &**name {
            "collector.opened" => {
                self.due.insert(key, (fields.int("next").unwrap_or(0), record.seq));
            }
            "effect.stored" => {
                self.exercised += 1;
                let (due, before) = self.due.get(&key).copied().unwrap_or((0, record.seq));
                if seq != due {
                    let class = if seq < due { "stored_twice" } else { "gap" };
                    return Err(Breach::of(
                        class,
                        format!("{node} stores each reading of sensor {sensor} once and in order, next reading {due}"),
                        format!("it stored reading {seq}"),
                    )
                    .with_evidence([before]));
                }
                self.due.insert(key, (due + 1, record.seq));
            }
            _ => {}
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}

/// `readings_durable`: what a collector has said to be on its disk is there at its next start. There is no excuse: a disk that
/// rots or lies, or a machine that is replaced, breaks it too, and it is the spec that says whether that was to be expected.
#[derive(Default)]
pub struct Durable {
    /// Below which number all was stored, and the record that says so.
    stored: BTreeMap<Pair, (i64, u64)>,
    exercised: u64,
}

impl Invariant for Durable {
    fn name(&self) -> &str {
        "readings_durable"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Kind::Event { node, name, fields, .. } = &record.kind else { return Ok(()) };
        let Some((sensor, seq)) = reading(fields) else { return Ok(()) };
        let key = (node.to_string(), sensor);
        match &**name {
            "effect.stored" => {
                let stored = self.stored.entry(key).or_insert((0, record.seq));
                *stored = (stored.0.max(seq.saturating_add(1)), record.seq);
            }
            "collector.opened" => {
                let Some((stored, said)) = self.stored.get(&key) else { return Ok(()) };
                self.exercised += 1;
                let next = fields.int("next").unwrap_or(0);
                if next < *stored {
                    return Err(Breach::of(
                        "acknowledged_lost",
                        format!("{node} starts with the {stored} readings of sensor {sensor} that it had acknowledged"),
                        format!("it starts with {next}"),
                    )
                    .with_evidence([*said]));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}

/// `latest_is_newest`: the latest reading that a collector gives is not older than what it had stored when it was asked.
#[derive(Default)]
pub struct LatestIsNewest {
    /// What each collector has, as a number below which it has all.
    stored: BTreeMap<Pair, i64>,
    /// The same when each open operation was invoked, or less, by the operation's position.
    open: BTreeMap<u32, BTreeMap<Pair, i64>>,
    exercised: u64,
}

impl Invariant for LatestIsNewest {
    fn name(&self) -> &str {
        "latest_is_newest"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Invoke(operation, _) if operation.name == "latest" => {
                self.open.insert(operation.id, self.stored.clone());
            }
            Kind::Fail(operation, _) | Kind::Info(operation, _) => {
                self.open.remove(&operation.id);
            }
            Kind::Ok(operation, fields) => {
                let Some(floor) = self.open.remove(&operation.id) else { return Ok(()) };
                let (Some(sensor), Some(collector)) = (fields.int("of"), fields.int("collector")) else {
                    return Ok(());
                };
                self.exercised += 1;
                let given = told(fields).map(|(seq, _)| seq + 1).max().unwrap_or(0);
                let had = floor.get(&(format!("collectors[{collector}]"), sensor)).copied().unwrap_or(0);
                if given < had {
                    return Err(Breach::of(
                        "old_for_latest",
                        format!(
                            "the latest of sensor {sensor} is reading {} or later, which collectors[{collector}] had when it \
                             was asked",
                            had - 1
                        ),
                        match given {
                            0 => "it gave none".to_owned(),
                            _ => format!("it gave reading {}", given - 1),
                        },
                    ));
                }
            }
            Kind::Event { node, name, fields, .. } => {
                let Some((sensor, seq)) = reading(fields) else { return Ok(()) };
                let key = (node.to_string(), sensor);
                match &**name {
                    "effect.stored" => {
                        let stored = self.stored.entry(key).or_default();
                        *stored = (*stored).max(seq.saturating_add(1));
                    }
                    "collector.opened" => {
                        let next = fields.int("next").unwrap_or(0);
                        for floor in self.open.values_mut() {
                            floor.entry(key.clone()).and_modify(|had| *had = next.min(*had));
                        }
                        self.stored.insert(key, next);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}
