//! What was measured arrives: `readings_delivered` at the end, `all_readings_stored` all along.

use std::{collections::BTreeMap, time::Duration};

use squall::{
    Condition, Invariant, Record,
    check::{Breach, End},
    history::{Kind, Lifecycle},
};

/// How long a reading may take to be everywhere without anything being wrong.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// What there is of one sensor: when each reading was taken, and whether it is up.
#[derive(Default)]
struct Source {
    up: bool,
    measured: Vec<Duration>,
}

/// What a collector has of each sensor, and whether it is up.
#[derive(Default)]
struct Sink {
    up: bool,
    stored: BTreeMap<i64, i64>,
}

/// Who is up, what was measured, and what is stored, by position in the groups.
#[derive(Default)]
struct Progress {
    sensors: BTreeMap<i64, Source>,
    collectors: BTreeMap<i64, Sink>,
}

/// The position of a node in a group, if it is of that group.
fn position(node: &str, group: &str) -> Option<i64> {
    node.strip_prefix(group)?.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

impl Progress {
    fn observe(&mut self, record: &Record) {
        match &record.kind {
            Kind::Node { node, change, .. } => {
                let up = match change {
                    Lifecycle::Started => true,
                    Lifecycle::Crashed | Lifecycle::Exited(_) => false,
                    _ => return,
                };
                if let Some(sensor) = position(node, "sensors") {
                    self.sensors.entry(sensor).or_default().up = up;
                } else if let Some(collector) = position(node, "collectors") {
                    // Until it says what it has it has nothing.
                    self.collectors.insert(collector, Sink { up, stored: BTreeMap::new() });
                }
            }
            Kind::Event { node, name, fields, .. } => {
                let Some(sensor) = fields.int("sensor") else { return };
                if name == "effect.measured" {
                    self.sensors.entry(sensor).or_default().measured.push(record.at);
                    return;
                }
                let Some(collector) = position(node, "collectors") else { return };
                let stored = self.collectors.entry(collector).or_default().stored.entry(sensor).or_default();
                match &**name {
                    "collector.opened" => *stored = fields.int("next").unwrap_or(0),
                    // A reading behind a gap is no use.
                    "effect.stored" => *stored += i64::from(fields.int("seq") == Some(*stored)),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Who lacks what of all that was measured until then, among those that are up: collector, sensor, has, should have.
    fn lacking(&self, until: Duration) -> impl Iterator<Item = (i64, i64, i64, i64)> {
        let sources = self.sensors.iter().filter(|(_, source)| source.up);
        sources.flat_map(move |(sensor, source)| {
            let due = source.measured.partition_point(|at| *at <= until) as i64;
            self.collectors.iter().filter(|(_, sink)| sink.up).filter_map(move |(collector, sink)| {
                let has = sink.stored.get(sensor).copied().unwrap_or(0);
                (has < due).then_some((*collector, *sensor, has, due))
            })
        })
    }

    fn any_collector(&self) -> bool {
        self.collectors.values().any(|sink| sink.up)
    }
}

/// `readings_delivered`: at the end every collector that is up has stored what each sensor that is up had measured before
/// the last heal. Needs a settle phase of some seconds to be fair.
#[derive(Default)]
pub struct Delivered {
    progress: Progress,
    exercised: u64,
}

impl Invariant for Delivered {
    fn name(&self) -> &str {
        "readings_delivered"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        self.progress.observe(record);
        self.exercised += u64::from(record.event().is_some_and(|(name, _)| name == "effect.stored"));
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        match self.progress.lacking(end.healed_at).next() {
            None => Ok(()),
            Some((collector, sensor, has, due)) => Err(Breach::of(
                "undelivered",
                format!(
                    "collectors[{collector}] has by the end the {due} readings that sensors[{sensor}] had taken by the heal \
                     at {:?}",
                    end.healed_at
                ),
                format!("it has {has} of them at {:?}", end.ended_at),
            )),
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}

/// `all_readings_stored`: every collector that is up has what every sensor that is up measured, but for the last second.
#[derive(Default)]
pub struct AllStored {
    progress: Progress,
    now: Duration,
}

impl Condition for AllStored {
    fn name(&self) -> &str {
        "all_readings_stored"
    }

    fn observe(&mut self, record: &Record) {
        self.now = record.at;
        self.progress.observe(record);
    }

    fn holds(&self) -> bool {
        let until = self.now.checked_sub(UNDER_WAY);
        self.progress.any_collector()
            && until.is_none_or(|until| self.progress.lacking(until).next().is_none())
    }

    fn because(&self) -> String {
        let until = self.now.saturating_sub(UNDER_WAY);
        let lacking = self.progress.lacking(until);
        let lacking: Vec<_> = lacking
            .map(|(collector, sensor, has, due)| {
                format!("collectors[{collector}] has {has} of {due} of sensors[{sensor}]")
            })
            .collect();
        if lacking.is_empty() { "no collector is up".to_owned() } else { lacking.join(", ") }
    }
}
