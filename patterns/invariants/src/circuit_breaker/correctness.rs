//! `breaker_correctness`: every decision of a breaker is the one that its configuration and the calls so far demand.
//!
//! The model shares no code with any breaker. It keeps all results with their times, measures slowness and waits
//! itself, and takes from the breaker's reports only what was decided, never why. Time-driven transitions may be made by
//! the next call that looks, as the pattern says; a half-open period that ended undecided counts as open from its end on.
//!
//! | class | breach |
//! |---|---|
//! | `not_in_diagram` | a transition that the diagram does not have |
//! | `generation_not_next` | a transition that does not raise the generation by one |
//! | `opened_too_soon` | open, though the calls so far do not demand it |
//! | `closed_too_soon` | closed, though too few probes have succeeded |
//! | `did_not_open`, `did_not_close` | the calls so far demand it, and the next decision was made without |
//! | `open_too_short` | probes before the wait is over |
//! | `open_too_long` | a rejection for being open, though the wait is over |
//! | `half_open_too_long` | still half-open after the longest time for it |
//! | `admitted_while_open` | a call let through in open |
//! | `rejected_while_closed` | a call turned away in closed |
//! | `too_many_probes` | more probes than permitted in flight or judged in one half-open generation |
//! | `probe_refused` | a call turned away in half-open with a place free |
//! | `late_result_counted`, `result_discarded` | a result counted in another generation than its own, or not in its own |
//! | `wrong_generation` | a decision that names another generation than the current one |
//! | `unknown_permit` | a permit given twice, or used without having been given |
//! | `unguarded_call` | a call that reached the upstream without a permit |
//! | `unreadable_event` | an event without what it must tell, or of a breaker that was never created |

use std::collections::{BTreeMap, BTreeSet};

use squall::{EventKind, Invariant, Record, check::Breach};

use super::{
    EVENTS, Rules,
    observed::{Breaker, Observed, Said},
};

mod model;

use self::model::Model;

/// See the [module](self).
pub struct Correctness {
    rules: Rules,
    models: BTreeMap<Breaker, Model>,
    /// The permits that were given, of all breakers that ever were.
    given: BTreeMap<Breaker, BTreeSet<i64>>,
    judged: u64,
}

impl Correctness {
    /// Holds every breaker to these rules.
    pub fn new(rules: Rules) -> Self {
        Correctness { rules, models: BTreeMap::new(), given: BTreeMap::new(), judged: 0 }
    }
}

impl Invariant for Correctness {
    fn name(&self) -> &str {
        "breaker_correctness"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(Observed { breaker, at, seq, said }) = Observed::read(record)? else { return Ok(()) };
        match said {
            Said::Created => {
                self.models.retain(|b, _| b.node != breaker.node || b.name != breaker.name);
                self.models.insert(breaker, Model::new(at, seq));
                return Ok(());
            }
            Said::CallEnded { .. } => return Ok(()),
            Said::Received { permit } => {
                self.judged += 1;
                // One that comes twice was doubled on the way, which is not up to the breaker.
                if self.given.get(&breaker).is_some_and(|given| given.contains(&permit)) {
                    return Ok(());
                }
                let Breaker { node, incarnation, name } = breaker;
                return Err(Breach::of(
                    "unguarded_call",
                    format!("{name} receives calls of {node} that have a permit of its breaker"),
                    format!(
                        "it received one of {node}'s life {incarnation} with permit {permit}, which was not given"
                    ),
                ));
            }
            Said::Admitted { permit, .. } => {
                self.given.entry(breaker.clone()).or_default().insert(permit);
            }
            _ => {}
        }
        self.judged += 1;
        let Some(model) = self.models.get_mut(&breaker) else {
            return Err(Breach::of(
                "unreadable_event",
                "a breaker is created before it decides",
                "it was not",
            ));
        };
        model.judge(&self.rules, at, seq, said).map_err(|mut breach| {
            let Breaker { node, name, .. } = &breaker;
            breach.expected.insert_str(0, &format!("{node}'s breaker towards {name} "));
            breach
        })
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}
