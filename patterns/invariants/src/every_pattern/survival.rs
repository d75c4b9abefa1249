//! X2: what was stored survives any crash.

use std::collections::BTreeMap;

use squall::{EventKind, Fields, Invariant, Record, check::Breach, history::Kind};

use crate::event::int;

/// `writes_survive`: a resource that has stored a version of a key never has less of it, and what was acknowledged had been stored.
///
/// | class | breach |
/// |---|---|
/// | `write_lost` | it stores, or finds, a version that is no later than, or before, the one it had stored |
/// | `version_skipped` | where versions rise one by one: one that does not |
/// | `acknowledged_not_stored` | an acknowledged version that nobody had stored |
#[derive(Default)]
pub struct WritesSurvive {
    gapless: bool,
    /// By node and key: the version, and the record that says so.
    stored: BTreeMap<(String, String), (i64, u64)>,
    /// By key: the highest version that anybody stored.
    highest: BTreeMap<String, i64>,
    judged: u64,
}

impl WritesSurvive {
    /// `gapless`: versions of a key rise one by one.
    pub fn new(gapless: bool) -> Self {
        WritesSurvive { gapless, ..WritesSurvive::default() }
    }

    fn stored(&mut self, node: &str, key: &str, version: i64, seq: u64) -> Result<(), Breach> {
        let highest = self.highest.entry(key.to_owned()).or_default();
        *highest = version.max(*highest);
        let known = self.stored.insert((node.to_owned(), key.to_owned()), (version, seq));
        let (before, known) = known.map_or((0, None), |(version, seq)| (version, Some(seq)));
        let class = match version - before {
            ..=0 => "write_lost",
            2.. if self.gapless => "version_skipped",
            _ => return Ok(()),
        };
        let expected = match self.gapless {
            true => format!("{node} stores version {}{} next", before + 1, of(key)),
            false => format!("{node} stores a version{} above {before} next", of(key)),
        };
        Err(Breach::of(class, expected, format!("it stored version {version}")).with_evidence(known))
    }

    fn acknowledged(&mut self, key: &str, version: i64) -> Result<(), Breach> {
        // Where a resource tells no key it has but one.
        let highest = self.highest.get(key).or_else(|| self.highest.get("")).copied().unwrap_or(0);
        if version <= highest {
            return Ok(());
        }
        Err(Breach::of(
            "acknowledged_not_stored",
            format!("version {version}{} has been stored when it is acknowledged", of(key)),
            format!("the highest that was is {highest}"),
        ))
    }

    fn found(&self, node: &str, key: &str, version: i64) -> Result<(), Breach> {
        match self.stored.get(&(node.to_owned(), key.to_owned())) {
            Some((stored, seq)) if version < *stored => Err(Breach::of(
                "write_lost",
                format!("{node} has version {stored}{} or later, which it stored", of(key)),
                format!("it has version {version}"),
            )
            .with_evidence([*seq])),
            _ => Ok(()),
        }
    }
}

/// Which key, for people.
fn of(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" of {key}") }
}

impl Invariant for WritesSurvive {
    fn name(&self) -> &str {
        "writes_survive"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let key = |fields: &Fields| fields.get("key").map(ToString::to_string).unwrap_or_default();
        match &record.kind {
            Kind::Event { node, name, fields, .. } => {
                let judge = match &**name {
                    "write.stored" | "write.acknowledged" | "write.found" => int(fields, "version")?,
                    _ => return Ok(()),
                };
                self.judged += 1;
                match &**name {
                    "write.stored" => self.stored(node, &key(fields), judge, record.seq),
                    "write.acknowledged" => self.acknowledged(&key(fields), judge),
                    _ => self.found(node, &key(fields), judge),
                }
            }
            Kind::Ok(_, fields) => match (fields.get("wrote"), fields.int("version")) {
                (Some(key), Some(version)) => {
                    self.judged += 1;
                    self.acknowledged(&key.to_string(), version)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        const {
            &[
                EventKind::new("write.stored", &["key", "version"], "a resource has a version, durably"),
                EventKind::new("write.acknowledged", &["key", "version"], "somebody was told so"),
                EventKind::new("write.found", &["key", "version"], "what a resource has, as it starts"),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    fn version(script: Script, what: &'static str, version: i64) -> Script {
        script.event("db[0]", what, &[("key", "k".into()), ("version", version.into())])
    }

    fn good() -> Script {
        let two = version(version(Script::default(), "write.stored", 1), "write.stored", 2);
        let other = two.event("db[1]", "write.stored", &[("key", "k".into()), ("version", 1.into())]);
        version(version(other, "write.acknowledged", 2).crashed("db[0]"), "write.found", 2)
    }

    fn class(script: &Script, gapless: bool) -> Option<&'static str> {
        script.judge(&mut WritesSurvive::new(gapless))
    }

    #[test]
    fn what_is_stored_is_found() {
        let mut law = WritesSurvive::new(true);
        assert_eq!((good().judge(&mut law), law.exercised()), (None, 5));
        assert_eq!(class(&version(good(), "write.found", 1), true), Some("write_lost"));
        assert_eq!(class(&version(good(), "write.stored", 2), true), Some("write_lost"));
        assert_eq!(class(&version(good(), "write.acknowledged", 3), true), Some("acknowledged_not_stored"));
        let skipped = version(good(), "write.stored", 4);
        assert_eq!(class(&skipped, true), Some("version_skipped"));
        assert_eq!(class(&skipped, false), None);
        let told = good().ok_with(&[("wrote", "k".into()), ("version", 3.into())]);
        assert_eq!(class(&told, true), Some("acknowledged_not_stored"));
        let mute = good().event("db[0]", "write.stored", &[]);
        assert_eq!(class(&mute, true), Some("unreadable_event"));
        assert_eq!(WritesSurvive::default().exercised(), 0);
        let only = Script::default().event("db[0]", "write.stored", &[("version", 1.into())]);
        let told = only.ok_with(&[("wrote", "it".into()), ("version", 1.into())]);
        assert_eq!(class(&told, true), None, "a resource that tells no key has but one");
    }
}
