//! Commands: each takes effect once, as it was asked, and not if its client was told that it would not.

use std::collections::BTreeMap;

use squall::{
    Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Operation},
};

#[derive(Clone, Copy)]
struct Effect {
    sensor: i64,
    by: i64,
    seq: u64,
}

/// `adjusted_once`. A command is known by the `intent` that its outcome names and its effect bears. Whether one that could not be written has
/// taken effect shows when it is repeated, and in the offset of the next.
#[derive(Default)]
pub struct AdjustedOnce {
    effects: BTreeMap<i64, Effect>,
    /// The records that say that an intent failed.
    failed: BTreeMap<i64, u64>,
    /// By sensor, the offset and the record that made it.
    offsets: BTreeMap<i64, (i64, u64)>,
    /// By sensor, its last command if that could not be written: its intent, and the offset after it.
    uncertain: BTreeMap<i64, (i64, i64, Effect)>,
    exercised: u64,
}

impl Invariant for AdjustedOnce {
    fn name(&self) -> &str {
        "adjusted_once"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { name, fields, .. } => match &**name {
                "effect.adjusted" => self.effect(fields, record.seq),
                "effect.adjustment_uncertain" => self.uncertain(fields, record.seq),
                "sensor.repeated" => self.repeated(fields),
                _ => Ok(()),
            },
            Kind::Ok(operation, fields) => self.acknowledged(operation, fields),
            Kind::Fail(operation, fields) => {
                let Some(intent) = fields.int("intent") else { return Ok(()) };
                self.failed.insert(intent, record.seq);
                match self.effects.get(&intent) {
                    None => Ok(()),
                    Some(effect) => Err(Breach::of(
                        "failed_yet_effective",
                        format!(
                            "command {intent} is not told to have failed: it adjusted sensor {}",
                            effect.sensor
                        ),
                        format!("client {} is told that it failed", operation.client),
                    )
                    .with_evidence([effect.seq])),
                }
            }
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}

impl AdjustedOnce {
    fn effect(&mut self, fields: &Fields, seq: u64) -> Result<(), Breach> {
        let (Some(sensor), Some(intent)) = (fields.int("sensor"), fields.int("intent")) else {
            return Ok(());
        };
        self.exercised += 1;
        let (by, offset) = (fields.int("by").unwrap_or(0), fields.int("offset").unwrap_or(0));
        self.settle(sensor, offset.wrapping_sub(by))?;
        self.takes_effect(intent, offset, Effect { sensor, by, seq })
    }

    /// It is known what became of a command that could not be written: the sensor goes on from this offset.
    fn settle(&mut self, sensor: i64, from: i64) -> Result<(), Breach> {
        match self.uncertain.remove(&sensor) {
            Some((intent, offset, effect)) if offset == from => self.takes_effect(intent, offset, effect),
            _ => Ok(()),
        }
    }

    fn uncertain(&mut self, fields: &Fields, seq: u64) -> Result<(), Breach> {
        let (Some(sensor), Some(intent)) = (fields.int("sensor"), fields.int("intent")) else {
            return Ok(());
        };
        let (by, offset) = (fields.int("by").unwrap_or(0), fields.int("offset").unwrap_or(0));
        self.settle(sensor, offset.wrapping_sub(by))?;
        self.uncertain.insert(sensor, (intent, offset, Effect { sensor, by, seq }));
        Ok(())
    }

    fn repeated(&mut self, fields: &Fields) -> Result<(), Breach> {
        let Some(intent) = fields.int("intent") else { return Ok(()) };
        let uncertain = self.uncertain.iter().find(|(_, (uncertain, ..))| *uncertain == intent);
        match uncertain.map(|(sensor, (_, offset, _))| (*sensor, *offset)) {
            Some((sensor, offset)) => self.settle(sensor, offset),
            None => Ok(()),
        }
    }

    fn takes_effect(&mut self, intent: i64, offset: i64, effect: Effect) -> Result<(), Breach> {
        let Effect { sensor, by, seq } = effect;
        if let Some(first) = self.effects.insert(intent, effect) {
            return Err(Breach::of(
                "adjusted_twice",
                format!(
                    "command {intent} takes effect once, as it did at sensor {} by {}",
                    first.sensor, first.by
                ),
                format!("it adjusts sensor {sensor} by {by}"),
            )
            .with_evidence([first.seq]));
        }
        if let Some(failed) = self.failed.get(&intent) {
            return Err(Breach::of(
                "failed_yet_effective",
                format!("command {intent} has no effect: its client was told that it failed"),
                format!("it adjusts sensor {sensor} by {by}"),
            )
            .with_evidence([*failed]));
        }
        let (before, at) = self.offsets.insert(sensor, (offset, seq)).unwrap_or((0, seq));
        if before.wrapping_add(by) != offset {
            return Err(Breach::of(
                "lost_adjustment",
                format!(
                    "the offset of sensor {sensor} goes from {before} by {by} to {}",
                    before.wrapping_add(by)
                ),
                format!("it is {offset}"),
            )
            .with_evidence([at]));
        }
        Ok(())
    }

    fn acknowledged(&self, operation: &Operation, fields: &Fields) -> Result<(), Breach> {
        let Some(intent) = fields.int("intent") else { return Ok(()) };
        let (sensor, by) = (fields.int("of").unwrap_or(-1), fields.int("by").unwrap_or(0));
        let told = format!(
            "command {intent} adjusted sensor {sensor} by {by}, as client {} is told",
            operation.client
        );
        match self.effects.get(&intent) {
            Some(effect) if (effect.sensor, effect.by) == (sensor, by) => Ok(()),
            Some(effect) => Err(Breach::of(
                "adjusted_otherwise",
                told,
                format!("it adjusted sensor {} by {}", effect.sensor, effect.by),
            )
            .with_evidence([effect.seq])),
            None => Err(Breach::of("never_adjusted", told, "it had no effect")),
        }
    }
}
