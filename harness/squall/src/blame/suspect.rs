//! Which faults it takes: each is left out in turn with all of its strikes, those included that would only come after the failure.

use std::{collections::BTreeSet, time::Duration};

use super::{Asker, End, NotBlamed, moment};
use crate::{
    history::Kind,
    plan::{Branch, Part, fault_of},
};

/// A fault that had struck before the run failed, and what it is to the failure.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    /// Its id.
    pub fault: String,
    /// Its strikes before the failure, in order.
    pub strikes: Vec<Strike>,
    /// How the run ends without the fault.
    pub without: End,
    /// Of futures without it, drawn from when it would have struck first: how many fail the same way. None where the run fails without it
    /// anyway.
    pub futures: Option<Share>,
}

/// A strike of a fault.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    /// Its name in the history: the fault's id, with `#n` from the second on.
    pub name: String,
    /// When it struck.
    pub at: Duration,
    /// What it did.
    pub what: String,
}

/// So many of so many futures fail the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub failing: u64,
    pub of: u64,
}

impl Share {
    /// Whether most do.
    fn is_most(self) -> bool {
        self.failing * 2 > self.of
    }
}

/// What a fault is to the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Without it the run passes, and so do most of the futures.
    Needed,
    /// Without it the run passes, but most of the futures fail all the same.
    NeededHere,
    /// Without it the run fails the same way.
    NotNeeded,
    /// Without it the run fails in another way.
    FailsOtherwise,
}

impl Suspect {
    /// Its first strike.
    pub fn first(&self) -> Option<&Strike> {
        self.strikes.first()
    }

    /// What it is to the failure.
    pub fn effect(&self) -> Effect {
        match self.without {
            End::Passed if self.futures.is_some_and(Share::is_most) => Effect::NeededHere,
            End::Passed => Effect::Needed,
            End::Same => Effect::NotNeeded,
            End::Otherwise(_) | End::Apart(_) => Effect::FailsOtherwise,
        }
    }
}

/// The faults that struck before the end of the run with that history, by their first strikes.
fn struck(asker: &Asker<'_>) -> Vec<Suspect> {
    let mut suspects: Vec<Suspect> = Vec::new();
    for record in asker.history {
        if let Kind::FaultStart { fault, what } = &record.kind {
            let strike = Strike { name: fault.to_string(), at: record.at, what: what.clone() };
            let id = fault_of(fault);
            match suspects.iter_mut().find(|suspect| suspect.fault == id) {
                Some(known) => known.strikes.push(strike),
                None => suspects.push(Suspect {
                    fault: id.to_owned(),
                    strikes: vec![strike],
                    without: End::Same,
                    futures: None,
                }),
            }
        }
    }
    suspects
}

/// Every fault that had struck, and what it is to the failure.
pub(super) fn suspects(asker: &mut Asker<'_>) -> Result<Vec<Suspect>, NotBlamed> {
    let mut suspects = struck(asker);
    let alone: Vec<_> = suspects
        .iter()
        .map(|suspect| asker.without(&BTreeSet::from([Part::Fault(suspect.fault.clone())])))
        .collect();
    let ends = asker.sure_ends(&alone)?;
    for ((suspect, end), (without, until)) in suspects.iter_mut().zip(ends).zip(&alone) {
        suspect.without = end;
        let first = suspect.strikes.first().map_or(Duration::ZERO, |strike| strike.at);
        let Some(from) = moment::after(asker.history, first) else { continue };
        if suspect.without != End::Passed {
            continue;
        }
        let futures: Vec<_> = (0..asker.limits.futures)
            .map(|future| (without.branched(Branch::Redrawn { from, future }), *until))
            .collect();
        let ends: Vec<End> =
            asker.ends(&futures).into_iter().filter(|end| !matches!(end, End::Apart(_))).collect();
        let failing = ends.iter().filter(|end| **end == End::Same).count() as u64;
        suspect.futures = Some(Share { failing, of: ends.len() as u64 });
    }
    Ok(suspects)
}
