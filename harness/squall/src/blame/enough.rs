//! What is enough for the failure: strikes that bring it about with every other strike left out, of which none can be left out, too.
//!
//! The strikes before the failure are enough, for the run up to it is the same without those that come later. Of them faults are left out
//! as long as it fails the same way, and then single strikes of those that are left (delta debugging, see [`ddmin`]). That every set found is enough is
//! what its own run shows, which has a name to replay it by.
//!
//! Where the failure does without one of the faults of that set there is another set that is enough: it is looked for in the run without
//! that fault, and so on, as Reiter's tree of hitting sets does ("A Theory of Diagnosis from First Principles", 1987). Where it ends, the
//! run passes without faults of which none had to be left out alone: one or another of them it takes.

use std::collections::{BTreeSet, VecDeque};

use super::Asker;
use crate::{
    history::{Kind, Record},
    plan::{Branch, Part, RunId, fault_of},
    shrink::{Failure, ddmin},
};

/// How many sets are looked for.
const SETS: usize = 6;

/// Strikes that are enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enough {
    /// Their names, in the order in which they struck.
    pub strikes: Vec<String>,
    /// The run with them alone.
    pub run: RunId,
}

impl Enough {
    /// The faults whose strikes they are.
    pub fn faults(&self) -> BTreeSet<&str> {
        self.strikes.iter().map(|name| fault_of(name)).collect()
    }
}

/// Sets of strikes each of which is enough, and the smallest set found of two faults or more without which the run passes. The first set of strikes is
/// the least that was found of all that struck.
pub(super) fn enough(asker: &mut Asker<'_>) -> (Vec<Enough>, Option<BTreeSet<String>>) {
    let struck = strikes(asker.history);
    let Some(first) = least(asker, struck) else { return (Vec::new(), None) };
    let mut found = vec![first.clone()];
    // Faults that are left out, and a set that is enough without them.
    let mut open = VecDeque::from([(BTreeSet::<String>::new(), first)]);
    let mut tried: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    let mut passing: Vec<BTreeSet<String>> = Vec::new();
    while let Some((out, enough)) = open.pop_front() {
        for fault in enough.faults() {
            let mut out = out.clone();
            out.insert(fault.to_owned());
            if passing.iter().any(|less| less.is_subset(&out)) || !tried.insert(out.clone()) {
                continue;
            }
            let known = found.iter().find(|known| known.faults().iter().all(|id| !out.contains(*id)));
            if let Some(known) = known {
                open.push_back((out, known.clone()));
                continue;
            }
            if !asker.may_search() {
                continue;
            }
            let parts = out.iter().cloned().map(Part::Fault).collect();
            let other = asker.runner.one(&asker.run.branched(Branch::Without(parts)));
            if other.passed() {
                passing.push(out);
            } else if Failure::of(&other.verdict).as_ref() == Some(&asker.failure) {
                asker.cut_short |= found.len() == SETS;
                let another = (found.len() < SETS).then(|| least(asker, strikes(&other.history))).flatten();
                if let Some(another) = another {
                    found.push(another.clone());
                    open.push_back((out, another));
                }
            }
        }
    }
    // The tree is gone through by size.
    (found, passing.into_iter().find(|set| set.len() > 1))
}

fn strikes(history: &[Record]) -> Vec<String> {
    let name = |record: &Record| match &record.kind {
        Kind::FaultStart { fault, .. } => Some(fault.to_string()),
        _ => None,
    };
    history.iter().filter_map(name).collect()
}

/// The least of these that is enough; none if all of them are not, which they are but for what a scheduler makes of timers that are due at the
/// same nanosecond.
fn least(asker: &mut Asker<'_>, struck: Vec<String>) -> Option<Enough> {
    if !is_enough(asker, &struck) {
        return None;
    }
    let of = |faults: &[String], struck: &[String]| -> Vec<String> {
        struck.iter().filter(|name| faults.iter().any(|id| id == fault_of(name))).cloned().collect()
    };
    let mut faults: Vec<String> = Vec::new();
    for name in &struck {
        if !faults.iter().any(|id| id == fault_of(name)) {
            faults.push(fault_of(name).to_owned());
        }
    }
    let faults = ddmin(faults, &mut |faults| is_enough(asker, &of(faults, &struck)));
    let strikes = ddmin(of(&faults, &struck), &mut |strikes| is_enough(asker, strikes));
    let run = only(asker, &strikes);
    Some(Enough { strikes, run })
}

fn only(asker: &Asker<'_>, strikes: &[String]) -> RunId {
    asker.run.branched(Branch::Only(strikes.iter().cloned().map(Part::Strike).collect()))
}

/// Whether the run with these strikes alone fails the same way.
fn is_enough(asker: &mut Asker<'_>, strikes: &[String]) -> bool {
    let run = only(asker, strikes);
    if let Some(known) = asker.known.get(&run) {
        return *known;
    }
    if !asker.may_search() {
        return false;
    }
    let verdict = asker.runner.one(&run).verdict;
    (asker.watch)(asker.runner.runs);
    let fails = Failure::of(&verdict).as_ref() == Some(&asker.failure);
    asker.known.insert(run, fails);
    fails
}
