//! X1 and X6: what became of each idempotency key, at resources and in what was told.

use std::collections::BTreeMap;

use squall::{EventKind, Invariant, Record, check::Breach, history::Kind};

use crate::event::text;

const MADE: EventKind =
    EventKind::new("effect.made", &["key"], "a resource made the effect of a request, durably");

/// `effects_once`: at most one effect for each key, exactly one if it was acknowledged. Classes: `double_effect`,
/// `acknowledged_without_effect`.
#[derive(Default)]
pub struct EffectsOnce {
    /// By key: the record of its effect.
    made: BTreeMap<String, u64>,
    judged: u64,
}

impl EffectsOnce {
    fn acknowledged(&mut self, key: &str) -> Result<(), Breach> {
        self.judged += 1;
        if self.made.contains_key(key) {
            return Ok(());
        }
        Err(Breach::of(
            "acknowledged_without_effect",
            format!("key {key} has had its effect when that is acknowledged"),
            "it has not",
        ))
    }
}

impl Invariant for EffectsOnce {
    fn name(&self) -> &str {
        "effects_once"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { node, name, fields, .. } if name == MADE.name => {
                self.judged += 1;
                let key = text(fields, "key")?;
                match self.made.insert(key.to_owned(), record.seq) {
                    Some(seq) => Err(Breach::of(
                        "double_effect",
                        format!("key {key} takes effect once, as it did"),
                        format!("it took effect again at {node}"),
                    )
                    .with_evidence([seq])),
                    None => Ok(()),
                }
            }
            Kind::Event { name, fields, .. } if name == "request.acknowledged" => {
                self.acknowledged(text(fields, "key")?)
            }
            Kind::Ok(_, fields) => fields.text("key").map_or(Ok(()), |key| self.acknowledged(key)),
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        const {
            &[
                MADE,
                EventKind::new("request.acknowledged", &["key"], "somebody was told that it has its effect"),
            ]
        }
    }
}

/// `failures_final`: what was said to have failed has had no effect, and never has one. Class: `failed_yet_effective`.
#[derive(Default)]
pub struct FailuresFinal {
    /// By key: the record of its effect.
    made: BTreeMap<String, u64>,
    /// By key: the record that says that it failed.
    failed: BTreeMap<String, u64>,
}

impl FailuresFinal {
    fn failed(&mut self, key: &str, seq: u64) -> Result<(), Breach> {
        self.failed.entry(key.to_owned()).or_insert(seq);
        match self.made.get(key) {
            Some(made) => Err(Breach::of(
                "failed_yet_effective",
                format!("key {key} is not said to have failed: it has had its effect"),
                "it is said to have failed",
            )
            .with_evidence([*made])),
            None => Ok(()),
        }
    }
}

impl Invariant for FailuresFinal {
    fn name(&self) -> &str {
        "failures_final"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { node, name, fields, .. } if name == MADE.name => {
                let key = text(fields, "key")?;
                self.made.insert(key.to_owned(), record.seq);
                match self.failed.get(key) {
                    Some(failed) => Err(Breach::of(
                        "failed_yet_effective",
                        format!("key {key} has no effect: it was said to have failed"),
                        format!("it takes effect at {node}"),
                    )
                    .with_evidence([*failed])),
                    None => Ok(()),
                }
            }
            Kind::Event { name, fields, .. } if name == "request.failed" => {
                self.failed(text(fields, "key")?, record.seq)
            }
            Kind::Fail(_, fields) => fields.text("key").map_or(Ok(()), |key| self.failed(key, record.seq)),
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.failed.len() as u64
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        const {
            &[
                MADE,
                EventKind::new("request.failed", &["key"], "somebody was told that it never has an effect"),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    fn made(script: Script, key: &str) -> Script {
        script.event("db[0]", "effect.made", &[("key", key.into())])
    }

    fn told(script: Script, what: &'static str, key: &str) -> Script {
        script.event("api[0]", what, &[("key", key.into())])
    }

    #[test]
    fn one_effect_for_each_key() {
        let good =
            || told(made(made(Script::default(), "a"), "b"), "request.acknowledged", "a").ok("key", "b");
        let mut law = EffectsOnce::default();
        assert_eq!((good().judge(&mut law), law.exercised()), (None, 4));
        let class = |script: Script| script.judge(&mut EffectsOnce::default());
        assert_eq!(class(made(good(), "a")), Some("double_effect"));
        assert_eq!(class(told(good(), "request.acknowledged", "c")), Some("acknowledged_without_effect"));
        assert_eq!(class(good().ok("key", "c")), Some("acknowledged_without_effect"));
        assert_eq!(class(good().event("db[0]", "effect.made", &[])), Some("unreadable_event"));
        let mut idle = EffectsOnce::default();
        assert_eq!(
            (told(Script::default(), "request.failed", "a").judge(&mut idle), idle.exercised()),
            (None, 0)
        );
    }

    #[test]
    fn what_failed_never_takes_effect() {
        let good = || told(made(Script::default(), "a"), "request.failed", "b").fail("key", "c");
        let mut law = FailuresFinal::default();
        assert_eq!((good().judge(&mut law), law.exercised()), (None, 2));
        let class = |script: Script| script.judge(&mut FailuresFinal::default());
        assert_eq!(class(made(good(), "b")), Some("failed_yet_effective"));
        assert_eq!(class(made(good(), "c")), Some("failed_yet_effective"));
        assert_eq!(class(told(good(), "request.failed", "a")), Some("failed_yet_effective"));
        let mut idle = FailuresFinal::default();
        assert_eq!((made(Script::default(), "a").judge(&mut idle), idle.exercised()), (None, 0));
    }
}
