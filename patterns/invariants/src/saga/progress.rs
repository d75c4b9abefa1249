//! Every saga ends, or parks visibly, in time.

use std::{collections::BTreeMap, time::Duration};

use squall::{
    Condition, EventKind, Invariant, Record,
    check::{Breach, End},
    history::{Kind, Lifecycle},
};

use super::{EVENTS, Event};

/// What the events say of a saga.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Open,
    Parked,
    Over,
}

/// How an event changes it.
fn stand(event: &Event<'_>) -> Option<Stand> {
    match event.name {
        "saga.started" | "saga.resumed" => Some(Stand::Open),
        "saga.parked" => Some(Stand::Parked),
        "saga.completed" | "saga.compensated" => Some(Stand::Over),
        _ => None,
    }
}

struct Saga {
    stand: Stand,
    /// When it came to be so, and the record that says it.
    since: Duration,
    seq: u64,
    /// When it was started or taken up last.
    opened: Duration,
    /// Whose it is.
    coordinator: String,
    /// Its coordinator's process has ended by itself since, as one does whose log fails: that the saga is over may be logged and not told.
    in_doubt: bool,
    /// By step: effects made and not undone; none where a commit failed and may be durable.
    effects: Vec<Option<i64>>,
}

impl Saga {
    fn is_open(&self) -> bool {
        self.stand == Stand::Open && !(self.in_doubt && (self.has_each_step(1) || self.has_each_step(0)))
    }

    fn has_each_step(&self, times: i64) -> bool {
        self.effects.iter().all(|effect| effect.is_none_or(|effect| effect == times))
    }
}

/// All sagas, with these steps.
struct Sagas {
    steps: &'static [&'static str],
    by_id: BTreeMap<String, Saga>,
}

impl Sagas {
    fn new(steps: &'static [&'static str]) -> Self {
        Sagas { steps, by_id: BTreeMap::new() }
    }

    /// Takes a record in, and says how it changes one of them.
    fn observe(&mut self, record: &Record) -> Option<Stand> {
        if let Kind::Node { node, change: Lifecycle::Exited(_), .. } = &record.kind {
            for saga in self.by_id.values_mut().filter(|saga| *saga.coordinator == **node) {
                saga.in_doubt = true;
            }
        }
        let event = Event::of(record)?;
        let stand = stand(&event);
        if let Some(stand) = stand {
            let saga = self.by_id.entry(event.saga().to_owned()).or_insert_with(|| Saga {
                stand,
                since: record.at,
                seq: event.seq,
                opened: record.at,
                coordinator: String::new(),
                in_doubt: false,
                effects: vec![Some(0); self.steps.len()],
            });
            if stand == Stand::Open {
                saga.opened = record.at;
            }
            (saga.stand, saga.since, saga.seq) = (stand, record.at, event.seq);
        }
        let saga = self.by_id.get_mut(event.saga())?;
        if event.name.starts_with("saga.") {
            saga.coordinator = event.node.to_owned();
            saga.in_doubt = false;
        }
        if let Some(step) = event.step(self.steps) {
            let effect = &mut saga.effects[step];
            match event.name {
                "effect.applied" => *effect = Some(effect.unwrap_or(0) + 1),
                "effect.undone" => *effect = Some(effect.unwrap_or(1) - 1),
                "effect.uncertain" => *effect = None,
                "participant.repeated" => *effect = Some(effect.unwrap_or(1)),
                "participant.voided" => *effect = Some(effect.unwrap_or(0)),
                _ => {}
            }
        }
        stand
    }
}

/// `saga_progress`: a saga ends or parks within a bound, counted from when it was started or taken up or from the last heal,
/// whichever is later. A coordinator whose process ended by itself may have logged the end of a saga and not told it: one that is not taken up
/// again is over if each of its steps has its effect, or none.
pub struct SagaProgress {
    bound: Duration,
    sagas: Sagas,
    exercised: u64,
}

impl SagaProgress {
    /// With these steps, and this bound.
    pub fn new(steps: &'static [&'static str], bound: Duration) -> Self {
        SagaProgress { bound, sagas: Sagas::new(steps), exercised: 0 }
    }
}

impl Invariant for SagaProgress {
    fn name(&self) -> &str {
        "saga_progress"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let stand = self.sagas.observe(record);
        self.exercised += u64::from(stand.is_some_and(|stand| stand != Stand::Open));
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        for (id, saga) in &self.sagas.by_id {
            let due = saga.opened.max(end.healed_at) + self.bound;
            let (class, seen) = match saga.stand {
                Stand::Open if saga.is_open() && end.ended_at >= due => {
                    ("stuck", format!("it is still open at the end, at {:?}", end.ended_at))
                }
                Stand::Parked | Stand::Over if saga.since > due => {
                    ("late", format!("it was at {:?}, {:?} too late", saga.since, saga.since - due))
                }
                _ => continue,
            };
            return Err(Breach::of(
                class,
                format!(
                    "saga {id} is over or parked by {due:?}: open since {:?}, healed at {:?}, within {:?}",
                    saga.opened, end.healed_at, self.bound
                ),
                seen,
            )
            .with_evidence([saga.seq]));
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}

/// `no_open_sagas`: every saga is over or parked.
pub struct NoOpenSagas {
    sagas: Sagas,
}

impl NoOpenSagas {
    /// With these steps.
    pub fn new(steps: &'static [&'static str]) -> Self {
        NoOpenSagas { sagas: Sagas::new(steps) }
    }
}

impl Condition for NoOpenSagas {
    fn name(&self) -> &str {
        "no_open_sagas"
    }

    fn observe(&mut self, record: &Record) {
        self.sagas.observe(record);
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }

    fn holds(&self) -> bool {
        !self.sagas.by_id.values().any(Saga::is_open)
    }

    fn because(&self) -> String {
        let open = self.sagas.by_id.iter().filter(|(_, saga)| saga.is_open());
        let open: Vec<&str> = open.map(|(id, _)| id.as_str()).collect();
        format!("open: {}", open.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::script::{STEPS, Script},
        *,
    };

    const BOUND: Duration = Duration::from_secs(5);

    fn finish(script: &Script, healed: u64, ended: u64) -> Option<&'static str> {
        let mut invariant = SagaProgress::new(&STEPS, BOUND);
        assert_eq!(script.judge(&mut invariant), None);
        let end = End { healed_at: Duration::from_secs(healed), ended_at: Duration::from_secs(ended) };
        invariant.finish(&end).err().map(|breach| breach.class)
    }

    #[test]
    fn a_saga_that_ends_or_parks_passes() {
        let started = Script::started("s");
        assert_eq!(finish(&started.clone().saga("completed", "s", None), 1, 20), None);
        assert_eq!(finish(&started.saga("parked", "s", Some("ship")), 1, 20), None);
    }

    #[test]
    fn a_saga_that_stays_open_is_stuck_once_it_is_due() {
        let started = Script::started("s");
        assert_eq!(finish(&started, 1, 20), Some("stuck"));
        assert_eq!(finish(&started, 18, 20), None, "there was not enough time to tell");
        let forgotten = started.saga("parked", "s", None).saga("resumed", "s", Some("ship"));
        assert_eq!(finish(&forgotten, 1, 20), Some("stuck"));
    }

    #[test]
    fn the_end_may_be_logged_and_not_told() {
        let step = |script: Script, step: &str| script.done("s", step);
        let all = || STEPS.iter().copied().fold(Script::started("s"), step);
        assert_eq!(finish(&all(), 1, 20), Some("stuck"));
        assert_eq!(finish(&all().crashed(), 1, 20), Some("stuck"), "it had no chance to log more");
        assert_eq!(finish(&all().ended(), 1, 20), None);
        let taken_up = all().ended().saga("resumed", "s", Some("confirm_order"));
        assert_eq!(finish(&taken_up, 1, 20), Some("stuck"));
        assert_eq!(finish(&step(Script::started("s"), "create_order").ended(), 1, 20), Some("stuck"));
        let refused = Script::started("s").saga("step_intended", "s", Some("create_order")).ended();
        assert_eq!(finish(&refused, 1, 20), None);
        let in_doubt = || refused.clone().effect("uncertain", "s", "create_order", 1);
        assert_eq!(finish(&in_doubt(), 1, 20), None);
        let made = in_doubt().event("participant.repeated", "s", Some("create_order"));
        assert_eq!(finish(&made, 1, 20), Some("stuck"));
        let voided = in_doubt().event("participant.voided", "s", Some("create_order"));
        assert_eq!(finish(&voided, 1, 20), None);
    }

    #[test]
    fn a_saga_that_ends_late_is_late() {
        let script = Script::started("s");
        let mut invariant = SagaProgress::new(&STEPS, Duration::ZERO);
        let script = script.saga("completed", "s", None);
        assert_eq!(script.judge(&mut invariant), None);
        let end = End { healed_at: Duration::ZERO, ended_at: script.now() };
        assert_eq!(invariant.finish(&end).unwrap_err().class, "late");
    }

    #[test]
    fn the_condition_names_what_is_open() {
        let mut condition = NoOpenSagas::new(&STEPS);
        let script = Script::started("s").saga("started", "t", None).saga("completed", "s", None);
        for record in script.records() {
            condition.observe(record);
        }
        assert!(!condition.holds());
        assert_eq!(condition.because(), "open: t");
    }
}
