//! Every saga ends, or parks visibly, in time.

use std::{collections::BTreeMap, time::Duration};

use squall::{
    Condition, EventKind, Invariant, Record,
    check::{Breach, End},
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
}

/// `saga_progress`: a saga ends or parks within a bound, counted from when it was started or taken up or from the last heal,
/// whichever is later.
pub struct SagaProgress {
    bound: Duration,
    sagas: BTreeMap<String, Saga>,
    exercised: u64,
}

impl SagaProgress {
    /// With this bound.
    pub fn new(bound: Duration) -> Self {
        SagaProgress { bound, sagas: BTreeMap::new(), exercised: 0 }
    }
}

impl Invariant for SagaProgress {
    fn name(&self) -> &str {
        "saga_progress"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(event) = Event::of(record) else { return Ok(()) };
        let Some(stand) = stand(&event) else { return Ok(()) };
        self.exercised += u64::from(stand != Stand::Open);
        let saga = self.sagas.entry(event.saga().to_owned()).or_insert(Saga {
            stand,
            since: record.at,
            seq: event.seq,
            opened: record.at,
        });
        if stand == Stand::Open {
            saga.opened = record.at;
        }
        (saga.stand, saga.since, saga.seq) = (stand, record.at, event.seq);
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        for (id, saga) in &self.sagas {
            let due = saga.opened.max(end.healed_at) + self.bound;
            let (class, seen) = match saga.stand {
                Stand::Open if end.ended_at >= due => {
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
#[derive(Default)]
pub struct NoOpenSagas {
    sagas: BTreeMap<String, Stand>,
}

impl Condition for NoOpenSagas {
    fn name(&self) -> &str {
        "no_open_sagas"
    }

    fn observe(&mut self, record: &Record) {
        if let Some(event) = Event::of(record)
            && let Some(stand) = stand(&event)
        {
            self.sagas.insert(event.saga().to_owned(), stand);
        }
    }

    fn holds(&self) -> bool {
        self.sagas.values().all(|stand| *stand != Stand::Open)
    }

    fn because(&self) -> String {
        let open = self.sagas.iter().filter(|(_, stand)| **stand == Stand::Open);
        let open: Vec<&str> = open.map(|(saga, _)| saga.as_str()).collect();
        format!("open: {}", open.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    const BOUND: Duration = Duration::from_secs(5);

    fn finish(script: &Script, healed: u64, ended: u64) -> Option<&'static str> {
        let mut invariant = SagaProgress::new(BOUND);
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
    fn a_saga_that_ends_late_is_late() {
        let script = Script::started("s");
        let mut invariant = SagaProgress::new(Duration::ZERO);
        let script = script.saga("completed", "s", None);
        assert_eq!(script.judge(&mut invariant), None);
        let end = End { healed_at: Duration::ZERO, ended_at: script.now() };
        assert_eq!(invariant.finish(&end).unwrap_err().class, "late");
    }

    #[test]
    fn the_condition_names_what_is_open() {
        let mut condition = NoOpenSagas::default();
        let script = Script::started("s").saga("started", "t", None).saga("completed", "s", None);
        for record in script.records() {
            condition.observe(record);
        }
        assert!(!condition.holds());
        assert_eq!(condition.because(), "open: t");
    }
}
