//! `permits_balanced`: whatever becomes of a call (it ends, is cancelled, its future is dropped), its permit comes back once.
//!
//! Judged at each call's end, which the caller reports and not the breaker: a permit that has not come back by then never
//! will. Classes: `permit_leaked`, `permit_returned_twice`.

use std::{collections::BTreeMap, time::Duration};

use squall::{
    EventKind, Invariant, Record,
    check::{Breach, End},
};

use super::{
    EVENTS,
    observed::{Breaker, Observed, Said},
};

/// See the [module](self).
pub struct PermitsBalanced {
    /// No call takes longer.
    longest_call: Duration,
    /// Permits that are out: when and in which record they were given.
    out: BTreeMap<Breaker, BTreeMap<i64, (Duration, u64)>>,
    judged: u64,
}

impl PermitsBalanced {
    /// No call takes longer than this.
    pub fn new(longest_call: Duration) -> Self {
        PermitsBalanced { longest_call, out: BTreeMap::new(), judged: 0 }
    }
}

impl Invariant for PermitsBalanced {
    fn name(&self) -> &str {
        "permits_balanced"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(Observed { breaker, at, seq, said }) = Observed::read(record)? else { return Ok(()) };
        match said {
            Said::Created => {
                // What a dead process held died with it.
                self.out.retain(|b, _| b.node != breaker.node || b.name != breaker.name);
            }
            Said::Admitted { permit, .. } => {
                self.out.entry(breaker).or_default().insert(permit, (at, seq));
            }
            Said::Result { permit, .. } | Said::Returned { permit, .. } => {
                let out = self.out.get_mut(&breaker).and_then(|permits| permits.remove(&permit));
                if out.is_none() {
                    let Breaker { node, name, .. } = breaker;
                    return Err(Breach::of(
                        "permit_returned_twice",
                        format!("{node}'s permit {permit} towards {name} comes back once"),
                        "it came back without being out",
                    ));
                }
            }
            Said::CallEnded { permit } => {
                self.judged += 1;
                if let Some(&(_, given)) = self.out.get(&breaker).and_then(|permits| permits.get(&permit)) {
                    let seen = format!("its call has ended at {at:?}, and it has not");
                    return Err(leaked(&breaker, permit, seen).with_evidence([given]));
                }
            }
            Said::Transition { .. } | Said::Rejected { .. } | Said::Received { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        for (breaker, permits) in &self.out {
            for (&permit, &(at, seq)) in permits {
                if at.max(end.healed_at) + self.longest_call < end.ended_at {
                    let seen = format!(
                        "given at {at:?}, it has not by the end at {:?}: {:?} after the heal, and no call takes more than {:?}",
                        end.ended_at,
                        end.ended_at - end.healed_at,
                        self.longest_call
                    );
                    return Err(leaked(breaker, permit, seen).with_evidence([seq]));
                }
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

fn leaked(breaker: &Breaker, permit: i64, seen: String) -> Breach {
    let Breaker { node, name, .. } = breaker;
    Breach::of(
        "permit_leaked",
        format!("{node}'s permit {permit} towards {name} comes back by the end of its call"),
        seen,
    )
}
