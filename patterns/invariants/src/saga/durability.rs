//! X2: what was acknowledged survives any crash.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    EventKind, Invariant, Record,
    check::Breach,
    history::{Fields, Kind},
};

use super::{EVENTS, Event, Promises};

/// `acked_durable`:
///
/// - A service finds after a restart what it had: the sum of the effects it reported. Of a commit that failed it may find
///   all or nothing.
/// - An order that a customer was told is on its way stays so, and reads say so. One that failed, or was cancelled,
///   never completes.
pub struct AckedDurable {
    terms: Promises,
    held: BTreeMap<String, i64>,
    /// By service, what commits that failed would have changed.
    uncertain: BTreeMap<String, Vec<i64>>,
    /// By service, the record of its last effect.
    last: BTreeMap<String, u64>,
    promises: BTreeMap<String, Promise>,
    /// Whether a saga completed, and the record that says how it ended.
    ended: BTreeMap<String, (bool, u64)>,
    /// When the open reads were invoked.
    reads: BTreeMap<u32, u64>,
    exercised: u64,
}

/// What a customer was told.
#[derive(Clone, Copy)]
struct Promise {
    completed: bool,
    seq: u64,
}

impl Invariant for AckedDurable {
    fn name(&self) -> &str {
        "acked_durable"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Invoke(operation, _) if operation.name == self.terms.read => {
                self.reads.insert(operation.id, record.seq);
                Ok(())
            }
            Kind::Ok(operation, fields) => match &*operation.name {
                name if name == self.terms.make => self.promised(fields, true, record.seq),
                name if name == self.terms.withdraw => self.promised(fields, false, record.seq),
                name if name == self.terms.read => self.read(operation.id, fields),
                _ => Ok(()),
            },
            Kind::Fail(operation, fields) if operation.name == self.terms.make => {
                self.promised(fields, false, record.seq)
            }
            _ => Event::of(record).map_or(Ok(()), |event| self.event(&event)),
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}

impl AckedDurable {
    /// With these promises.
    pub fn new(terms: Promises) -> Self {
        AckedDurable {
            terms,
            held: BTreeMap::new(),
            uncertain: BTreeMap::new(),
            last: BTreeMap::new(),
            promises: BTreeMap::new(),
            ended: BTreeMap::new(),
            reads: BTreeMap::new(),
            exercised: 0,
        }
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), Breach> {
        match event.name {
            "effect.applied" => self.changed(event, 1),
            "effect.undone" => self.changed(event, -1),
            "effect.uncertain" => {
                self.uncertain.entry(event.node.to_owned()).or_default().push(event.int("amount"));
            }
            "effect.restored" => {
                let held = event.int("held");
                let before = self.held.insert(event.node.to_owned(), held);
                let uncertain = self.uncertain.remove(event.node).unwrap_or_default();
                if let Some(before) = before {
                    self.exercised += 1;
                    if !sums(before, &uncertain).contains(&held) {
                        return Err(Breach::of(
                            "effect_lost",
                            format!(
                                "{} holds {before} after its restart, the sum of its effects",
                                event.node
                            ),
                            format!("it holds {held}"),
                        )
                        .with_evidence(self.last.get(event.node).copied()));
                    }
                }
            }
            "saga.completed" => return self.over(event, true),
            "saga.compensated" => return self.over(event, false),
            _ => {}
        }
        Ok(())
    }

    fn changed(&mut self, event: &Event<'_>, sign: i64) {
        *self.held.entry(event.node.to_owned()).or_default() += sign * event.int("amount");
        self.last.insert(event.node.to_owned(), event.seq);
    }

    fn promised(&mut self, fields: &Fields, completed: bool, seq: u64) -> Result<(), Breach> {
        let Some(saga) = fields.text("saga") else { return Ok(()) };
        self.exercised += 1;
        self.promises.insert(saga.to_owned(), Promise { completed, seq });
        match self.ended.get(saga) {
            Some(&(ended, by)) if ended != completed => Err(broken(saga, completed).with_evidence([by])),
            None if completed => Err(Breach::of(
                "promised_too_early",
                format!("{saga} has completed when a customer is told that it is on its way"),
                "it has not",
            )),
            _ => Ok(()),
        }
    }

    fn over(&mut self, event: &Event<'_>, completed: bool) -> Result<(), Breach> {
        self.ended.insert(event.saga().to_owned(), (completed, event.seq));
        match self.promises.get(event.saga()) {
            Some(promise) if promise.completed != completed => {
                Err(broken(event.saga(), promise.completed).with_evidence([promise.seq]))
            }
            _ => Ok(()),
        }
    }

    fn read(&mut self, operation: u32, fields: &Fields) -> Result<(), Breach> {
        let invoked = self.reads.remove(&operation).unwrap_or(u64::MAX);
        let (Some(saga), Some(state)) = (fields.text("saga"), fields.text("state")) else { return Ok(()) };
        let Some(promise) = self.promises.get(saga).filter(|promise| promise.seq < invoked) else {
            return Ok(());
        };
        self.exercised += 1;
        if promise.completed != (state == self.terms.completed) {
            let completed = self.terms.completed;
            let (told, expected) = match promise.completed {
                true => ("on its way", format!("`{completed}`")),
                false => ("off", format!("not `{completed}`")),
            };
            return Err(Breach::of(
                "promise_not_visible",
                format!("a customer who was told that {saga} is {told} reads {expected}"),
                format!("read {operation} says `{state}`"),
            )
            .with_evidence([promise.seq]));
        }
        Ok(())
    }
}

/// What `held` may be after any of these changes.
fn sums(held: i64, changes: &[i64]) -> BTreeSet<i64> {
    let mut sums = BTreeSet::from([held]);
    for change in changes {
        let with: Vec<_> = sums.iter().map(|sum| sum + change).collect();
        sums.extend(with);
    }
    sums
}

fn broken(saga: &str, completed: bool) -> Breach {
    let (told, is) = if completed { ("on its way", "off") } else { ("off", "on its way") };
    Breach::of("promise_broken", format!("{saga} is {told}, as its customer was told"), format!("it is {is}"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::script::{PROMISES, Script},
        *,
    };

    fn class(script: &Script) -> Option<&'static str> {
        script.judge(&mut AckedDurable::new(PROMISES))
    }

    fn saga() -> Fields {
        Fields::new().with("saga", "s")
    }

    #[test]
    fn promises_that_are_kept_pass() {
        let mut invariant = AckedDurable::new(PROMISES);
        let script = Script::default()
            .restored("payments", 0, 100)
            .charged("s", 30, 30, 70)
            .saga("completed", "s", None)
            .ok(0, "place", saga())
            .restored("payments", 30, 70)
            .invoke(1, "read")
            .ok(1, "read", saga().with("state", "confirmed"));
        assert_eq!(script.judge(&mut invariant), None);
        assert_eq!(invariant.exercised(), 3);
    }

    #[test]
    fn a_restart_that_forgets() {
        let script = Script::default().restored("payments", 0, 100).charged("s", 30, 30, 70);
        assert_eq!(class(&script.restored("payments", 0, 100)), Some("effect_lost"));
    }

    #[test]
    fn what_a_failed_commit_would_have_changed_may_be_there_or_not() {
        let script = Script::default().restored("payments", 0, 100).charged("s", 30, 30, 70);
        let charged = script.effect("uncertain", "t", "charge", 20);
        assert_eq!(class(&charged.clone().restored("payments", 30, 70)), None);
        let there = charged.clone().restored("payments", 50, 50);
        assert_eq!(class(&there), None);
        assert_eq!(class(&charged.restored("payments", 40, 60)), Some("effect_lost"));
        assert_eq!(class(&there.clone().restored("payments", 30, 70)), Some("effect_lost"), "it is settled");
        let undone = there.effect("uncertain", "t", "charge", -20);
        assert_eq!(class(&undone.clone().restored("payments", 30, 70)), None);
        assert_eq!(class(&undone.restored("payments", 70, 30)), Some("effect_lost"));
    }

    #[test]
    fn broken_promises() {
        let completed = Script::started("s").saga("completed", "s", None);
        assert_eq!(class(&completed.clone().fail(0, "place", saga())), Some("promise_broken"));
        assert_eq!(class(&completed.clone().ok(0, "cancel", saga())), Some("promise_broken"));
        let placed = completed.ok(0, "place", saga());
        assert_eq!(class(&placed.clone().saga("compensated", "s", None)), Some("promise_broken"));
        let read = placed.invoke(1, "read").ok(1, "read", saga().with("state", "pending"));
        assert_eq!(class(&read), Some("promise_not_visible"));
        let early = Script::started("s").ok(0, "place", saga());
        assert_eq!(class(&early), Some("promised_too_early"));
        let cancelled = Script::started("s").ok(0, "cancel", saga());
        assert_eq!(class(&cancelled.saga("completed", "s", None)), Some("promise_broken"));
    }

    #[test]
    fn a_read_before_the_promise_may_see_anything() {
        let script = Script::started("s")
            .invoke(1, "read")
            .saga("completed", "s", None)
            .ok(0, "place", saga())
            .ok(1, "read", saga().with("state", "none"));
        assert_eq!(class(&script), None);
    }
}
