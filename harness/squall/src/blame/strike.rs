//! Which strikes of faults it takes: each is left out in turn, and of those that are not needed alone, several together.

use std::{collections::BTreeSet, time::Duration};

use super::{Asker, End, NotBlamed, moment};
use crate::{history::Kind, plan::Branch, shrink::ddmin};

/// Up to so many strikes every two are tried together.
const PAIRS: usize = 16;
/// How many sets are tried beyond that.
const SETS: u64 = 100;

/// A strike of a fault, and what it is to the failure.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    /// Its name in the history: the fault's id, with `#n` from the second on.
    pub name: String,
    /// When it struck.
    pub at: Duration,
    /// What it did.
    pub what: String,
    /// How the run ends without it.
    pub without: End,
    /// Of futures without it, drawn from when it would have struck: how many fail the same way. None where the run fails without it
    /// anyway.
    pub futures_failing: Option<u64>,
}

/// What a strike is to the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Without it the run passes.
    Needed,
    /// Without it the run fails the same way.
    NotNeeded,
    /// Without it the run fails in another way.
    FailsOtherwise,
}

impl Strike {
    /// What it is to the failure.
    pub fn effect(&self) -> Effect {
        match self.without {
            End::Passed => Effect::Needed,
            End::Same => Effect::NotNeeded,
            End::Otherwise(_) | End::Apart(_) => Effect::FailsOtherwise,
        }
    }
}

/// Every strike of the run. Of those that are not needed by themselves, also the smallest set found without which the run passes.
pub(super) fn strikes(asker: &mut Asker<'_>) -> Result<(Vec<Strike>, Option<BTreeSet<String>>), NotBlamed> {
    let mut strikes: Vec<Strike> = Vec::new();
    for record in asker.history {
        if let Kind::FaultStart { fault, what } = &record.kind {
            let (name, what) = (fault.to_string(), what.clone());
            strikes.push(Strike { name, at: record.at, what, without: End::Same, futures_failing: None });
        }
    }
    let alone: Vec<_> =
        strikes.iter().map(|strike| asker.without(&BTreeSet::from([strike.name.clone()]))).collect();
    let ends = asker.sure_ends(&alone)?;
    for (strike, end) in strikes.iter_mut().zip(ends) {
        strike.without = end;
    }
    for (strike, (without, until)) in strikes.iter_mut().zip(&alone) {
        if strike.effect() != Effect::Needed {
            continue;
        }
        let Some(from) = moment::after(asker.history, strike.at) else { continue };
        let futures: Vec<_> = (0..asker.limits.futures)
            .map(|future| (without.branched(Branch::Redrawn { from, future }), *until))
            .collect();
        let failing = asker.ends(&futures).into_iter().filter(|end| *end == End::Same).count();
        strike.futures_failing = Some(failing as u64);
    }
    let together = together(asker, &strikes)?;
    Ok((strikes, together))
}

/// The smallest set found without which the run passes, of strikes that it does not pass without one at a time: one or another of them it
/// takes.
fn together(asker: &mut Asker<'_>, strikes: &[Strike]) -> Result<Option<BTreeSet<String>>, NotBlamed> {
    let spared = strikes.iter().filter(|strike| strike.effect() != Effect::Needed);
    let names: Vec<String> = spared.map(|strike| strike.name.clone()).collect();
    let all: BTreeSet<String> = names.iter().cloned().collect();
    if names.is_empty() || asker.sure_ends(&[asker.without(&all)])? != [End::Passed] {
        return Ok(None);
    }
    if names.len() <= PAIRS {
        let pairs: Vec<BTreeSet<String>> = (0..names.len())
            .flat_map(|i| (i + 1..names.len()).map(move |j| (i, j)))
            .map(|(i, j)| BTreeSet::from([names[i].clone(), names[j].clone()]))
            .collect();
        let branches: Vec<_> = pairs.iter().map(|pair| asker.without(pair)).collect();
        let ends = asker.sure_ends(&branches)?;
        if let Some((pair, _)) = pairs.into_iter().zip(ends).find(|(_, end)| *end == End::Passed) {
            return Ok(Some(pair));
        }
    }
    let mut left = SETS;
    let mut wrong = None;
    let least = ddmin(names, &mut |set| {
        if left == 0 || wrong.is_some() || set.is_empty() {
            return false;
        }
        left -= 1;
        let branch = asker.without(&set.iter().cloned().collect());
        match asker.sure_ends(&[branch]) {
            Ok(ends) => ends == [End::Passed],
            Err(why) => {
                wrong = Some(why);
                false
            }
        }
    });
    wrong.map_or(Ok(Some(least.into_iter().collect())), Err)
}
