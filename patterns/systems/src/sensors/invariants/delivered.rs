//! What was measured arrives: `readings_delivered` at the end, `all_readings_stored` all along.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use squall::{
    Condition, Invariant, Record,
    check::{Breach, End},
    history::{Kind, Lifecycle},
};

/// How long a reading may take to be everywhere without anything being wrong.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Who is up, what was measured, and what is stored.
#[derive(Default)]
struct Progress {
    up: BTreeSet<String>,
    /// By sensor, when each reading was taken.
    measured: BTreeMap<String, Vec<Duration>>,
    /// By collector and sensor, how many readings it has.
    stored: BTreeMap<(String, String), i64>,
}

impl Progress {
    fn observe(&mut self, record: &Record) {
        match &record.kind {
            Kind::Node { node, change, .. } => match change {
                Lifecycle::Started if node.starts_with("sensors[") => {
                    self.up.insert(node.to_string());
                }
                Lifecycle::Started if node.starts_with("collectors[") => {
                    self.up.insert(node.to_string());
                    // Until it says what it has it has nothing.
                    self.stored.retain(|(collector, _), _| **collector != **node);
                }
                Lifecycle::Crashed | Lifecycle::Exited(_) => {
                    self.up.remove(&**node);
                }
                _ => {}
            },
            Kind::Event { node, name, fields, .. } => {
                let pair =
                    || Some((node.to_string(), format!("sensors[{}]", fields.int("sensor")?)));
                match &**name {
                    "effect.measured" => {
                        self.measured.entry(node.to_string()).or_default().push(record.at);
                    }
                    "collector.opened" => {
                        if let (Some(pair), Some(next)) = (pair(), fields.int("next")) {
                            self.stored.insert(pair, next);
                        }
                    }
                    "effect.stored" => {
                        if let (Some(pair), Some(seq)) = (pair(), fields.int("seq")) {
                            let stored = self.stored.entry(pair).or_default();
                            // A reading behind a gap is no use.
                            *stored += i64::from(seq == *stored);
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Who lacks what of all that was measured until then, among those that are up: collector, sensor, has, should have.
    fn lacking(&self, until: Duration) -> impl Iterator<Item = (&str, &str, i64, i64)> {
        let collectors = self.up.iter().filter(|node| node.starts_with("collectors["));
        collectors.flat_map(move |collector| {
            self.measured.iter().filter(|(sensor, _)| self.up.contains(*sensor)).filter_map(
                move |(sensor, at)| {
                    let due = at.partition_point(|at| *at <= until) as i64;
                    let has = self.stored.get(&(collector.clone(), sensor.clone())).copied().unwrap_or(0);
                    (has < due).then_some((&**collector, &**sensor, has, due))
                },
            )
        })
    }

    fn any_collector(&self) -> bool {
        self.up.iter().any(|node| node.starts_with("collectors["))
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
            Some((collector, sensor, has, due)) => Err(Breach::new(
                "undelivered",
                format!(
                    "{sensor} had taken {due} readings by the heal at {:?}, and at {:?} {collector} has {has} of them",
                    end.healed_at, end.ended_at
                ),
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
            .map(|(collector, sensor, has, due)| format!("{collector} has {has} of {due} of {sensor}"))
            .collect();
        if lacking.is_empty() { "no collector is up".to_owned() } else { lacking.join(", ") }
    }
}
