//! X1: at most one effect for each idempotency key, exactly one if it was acknowledged.

use std::collections::BTreeMap;

use squall::{EventKind, Invariant, Record, check::Breach};

use super::{EVENTS, Event};

/// `idempotent_effects`: no key takes effect twice, not even with a compensation in between; none is undone twice; and
/// a step counts as done only if its key took effect.
#[derive(Default)]
pub struct IdempotentEffects {
    keys: BTreeMap<String, Key>,
    exercised: u64,
}

#[derive(Default)]
struct Key {
    applied: Option<u64>,
    /// Its commit failed, and it has not shown yet whether it is durable.
    uncertain: Option<u64>,
    undone: Option<u64>,
}

impl Invariant for IdempotentEffects {
    fn name(&self) -> &str {
        "idempotent_effects"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(event) = Event::of(record) else { return Ok(()) };
        match event.name {
            "effect.applied" => {
                self.exercised += 1;
                let key = self.keys.entry(event.text("key").to_owned()).or_default();
                match key.applied.replace(event.seq) {
                    Some(seq) => Err(Breach::of(
                        "double_effect",
                        format!("key {} takes effect once, as it did", event.text("key")),
                        format!("it took effect again at {}", event.node),
                    )
                    .with_evidence([seq])),
                    None => Ok(()),
                }
            }
            "effect.undone" => {
                self.exercised += 1;
                let key = self.keys.entry(event.text("key").to_owned()).or_default();
                match key.undone.replace(event.seq) {
                    Some(seq) => Err(Breach::of(
                        "double_undo",
                        format!("key {} is undone once, as it was", event.text("key")),
                        format!("it was undone again at {}", event.node),
                    )
                    .with_evidence([seq])),
                    None => Ok(()),
                }
            }
            "effect.uncertain" if event.int("amount") >= 0 => {
                let key = self.keys.entry(event.text("key").to_owned()).or_default();
                key.uncertain = Some(event.seq);
                Ok(())
            }
            // It is answered as before, so it was.
            "participant.repeated" => {
                if let Some(key) = self.keys.get_mut(event.text("key")) {
                    key.applied = key.applied.or(key.uncertain.take());
                }
                Ok(())
            }
            "saga.step_done" => {
                let key = format!("{}/{}", event.saga(), event.text("step"));
                if self.keys.get(&key).is_some_and(|key| key.applied.is_some()) {
                    Ok(())
                } else {
                    Err(Breach::of(
                        "acknowledged_without_effect",
                        format!("key {key} has taken effect when its step counts as done"),
                        "it has not",
                    ))
                }
            }
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

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    #[test]
    fn one_effect_for_each_key_passes() {
        let mut invariant = IdempotentEffects::default();
        let script = Script::started("s").done("s", "create_order").undone("s", "create_order");
        assert_eq!(script.judge(&mut invariant), None);
        assert_eq!(invariant.exercised(), 2);
    }

    #[test]
    fn what_it_catches() {
        let done = Script::started("s").done("s", "charge");
        let class = |script: Script| script.judge(&mut IdempotentEffects::default());
        assert_eq!(class(done.clone().effect("applied", "s", "charge", 1)), Some("double_effect"));
        let undone = done.undone("s", "charge");
        assert_eq!(class(undone.clone().effect("undone", "s", "charge", 1)), Some("double_undo"));
        assert_eq!(class(undone.effect("applied", "s", "charge", 1)), Some("double_effect"));
        let in_doubt = Script::started("s").effect("uncertain", "s", "charge", 1);
        let repeated = in_doubt.clone().event("participant.repeated", "s", Some("charge"));
        assert_eq!(class(repeated.clone().saga("step_done", "s", Some("charge"))), None);
        assert_eq!(class(repeated.effect("applied", "s", "charge", 1)), Some("double_effect"));
        let not_seen = in_doubt.clone().saga("step_done", "s", Some("charge"));
        assert_eq!(class(not_seen), Some("acknowledged_without_effect"));
        assert_eq!(class(in_doubt.effect("applied", "s", "charge", 1)), None);
        let claimed = Script::started("s").saga("step_done", "s", Some("charge"));
        assert_eq!(class(claimed), Some("acknowledged_without_effect"));
    }
}
