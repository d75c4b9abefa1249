//! Liveness: once the upstream is well again, and the network and every process with it, the breakers close.
//!
//! `breaker_recovers` is given the time that takes: calls under way at the heal may still fail, a half-open period begun before it must
//! end, one wait in open must pass, and then calls are the probes, of which there must be enough.
//! Class: `not_recovered`. Condition `breakers_closed`: at this moment all breakers are closed.

use std::{collections::BTreeMap, time::Duration};

use squall::{
    Condition, EventKind, Invariant, Record,
    check::{Breach, End},
    history::{Kind, Lifecycle},
};

use super::{
    EVENTS,
    observed::{Breaker, Observed, Said, State},
};
use crate::event::int;

/// The state of every breaker, by what it says itself.
#[derive(Default)]
struct States(BTreeMap<Breaker, (State, Duration, u64)>);

impl States {
    /// Returns whether a breaker opened.
    fn observe(&mut self, record: &Record) -> Result<bool, Breach> {
        let Some(Observed { breaker, at, seq, said }) = Observed::read(record)? else { return Ok(false) };
        match said {
            Said::Created => {
                self.0.retain(|b, _| b.node != breaker.node || b.name != breaker.name);
                self.0.insert(breaker, (State::Closed, at, seq));
            }
            Said::Transition { to: Some(to), .. } => {
                self.0.insert(breaker, (to, at, seq));
                return Ok(to == State::Open);
            }
            _ => {}
        }
        Ok(false)
    }
}

/// See the [module](self).
pub struct Recovers {
    within: Duration,
    states: States,
    /// Until when which upstream is degraded.
    degraded: BTreeMap<String, Duration>,
    /// When the last process started.
    started: Duration,
    opened: bool,
    judged: u64,
}

impl Recovers {
    /// Each breaker must be closed so long after all is well.
    pub fn new(within: Duration) -> Self {
        Recovers {
            within,
            states: States::default(),
            degraded: BTreeMap::new(),
            started: Duration::ZERO,
            opened: false,
            judged: 0,
        }
    }
}

impl Invariant for Recovers {
    fn name(&self) -> &str {
        "breaker_recovers"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Node { change: Lifecycle::Started | Lifecycle::Resumed, .. } => self.started = record.at,
            Kind::Event { node, name, fields, .. } if name == "upstream.degraded" => {
                let lasting = int(fields, "lasting")?;
                // A clock of whole milliseconds tells when it is over.
                let until = record.at + Duration::from_millis(lasting.unsigned_abs() + 1);
                self.degraded.insert(node.to_string(), until);
            }
            Kind::Event { node, name, .. } if name == "upstream.restored" => {
                self.degraded.insert(node.to_string(), record.at);
            }
            _ => {}
        }
        self.opened |= self.states.observe(record)?;
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        let mut well = end.healed_at.max(self.started);
        for &until in self.degraded.values() {
            well = well.max(until);
        }
        let by = well + self.within;
        if end.ended_at < by {
            return Ok(());
        }
        self.judged = u64::from(self.opened);
        for (Breaker { node, name, .. }, &(state, since, seq)) in &self.states.0 {
            if state != State::Closed || since > by {
                return Err(Breach::of(
                    "not_recovered",
                    format!(
                        "{node}'s breaker towards {name} is closed by {by:?}: all is well since {well:?}, and it takes {:?} at the \
                         most",
                        self.within
                    ),
                    format!("it is {state:?} since {since:?}, at the end at {:?}", end.ended_at),
                )
                .with_evidence([seq]));
            }
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}

/// `breakers_closed`: every breaker of every caller is closed.
#[derive(Default)]
pub struct AllClosed(States);

impl Condition for AllClosed {
    fn name(&self) -> &str {
        "breakers_closed"
    }

    fn observe(&mut self, record: &Record) {
        // An event that cannot be read is a breach of the invariants, which read the same events.
        let _ = self.0.observe(record);
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }

    fn holds(&self) -> bool {
        self.0.0.values().all(|(state, ..)| *state == State::Closed)
    }

    fn because(&self) -> String {
        let open = self.0.0.iter().filter(|(_, (state, ..))| *state != State::Closed);
        let told = open.map(|(Breaker { node, name, .. }, (state, since, _))| {
            format!("{node}'s breaker towards {name} is {state:?} since {since:?}")
        });
        told.collect::<Vec<_>>().join(", ")
    }
}
