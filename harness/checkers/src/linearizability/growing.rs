//! A set that only grows and is read as a whole, in O(n log n + elements read).
//!
//! Each element is added once. What was read must then be a chain: of two reads one saw all that the other did. Between two
//! reads that saw different sets come the additions of what only the later one saw; additions that nobody saw come last, or
//! never if their outcome is unknown. So the order of all calls is known but for additions of what was first seen together
//! and reads that saw the same, which may come in any order: the history is legal if and only if no call had returned before
//! one that must come earlier was invoked.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use rustc_hash::FxBuildHasher;

use crate::model::Monitored;

const BY: &str = "growing sets, each read by what it has more than the one before";

/// A call as this algorithm sees it, and when it was invoked and returned.
pub(crate) struct Use<'a, V> {
    pub(crate) kind: Kind<'a, V>,
    pub(crate) invoked: u32,
    pub(crate) returned: u32,
}

pub(crate) enum Kind<'a, V> {
    Adds(&'a V),
    Saw(&'a BTreeSet<V>),
}

/// Judges calls; `None` where an element is added twice.
pub(crate) fn monitor<V: Ord + Hash>(calls: &[Use<'_, V>]) -> Option<Monitored> {
    let illegal = |suspects: Vec<usize>| Some(Monitored { by: BY, suspects: Some(suspects) });
    let mut added: HashMap<&V, usize, FxBuildHasher> = HashMap::default();
    let mut reads: Vec<(&BTreeSet<V>, usize)> = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        match call.kind {
            Kind::Adds(element) if added.insert(element, index).is_some() => return None,
            Kind::Adds(_) => {}
            Kind::Saw(all) => reads.push((all, index)),
        }
    }
    reads.sort_by_key(|(all, _)| all.len());
    // Calls in the order in which they must come; those of one number may come in any.
    let mut order: Vec<(u32, usize)> = Vec::with_capacity(calls.len());
    let mut placed = vec![false; calls.len()];
    let mut number = 0;
    let mut before: Option<(&BTreeSet<V>, usize)> = None;
    for &(all, read) in &reads {
        if let Some((less, other)) = before
            && !less.is_subset(all)
        {
            return illegal(vec![other, read]);
        }
        if before.is_none_or(|(less, _)| less.len() < all.len()) {
            number += 2;
            for element in all {
                let Some(&add) = added.get(element) else { return illegal(vec![read]) };
                if !std::mem::replace(&mut placed[add], true) {
                    order.push((number, add));
                }
            }
        }
        order.push((number + 1, read));
        before = Some((all, read));
    }
    let last = added.values().filter(|&&add| !placed[add] && calls[add].returned != crate::model::NEVER);
    order.extend(last.map(|&add| (number + 2, add)));
    // Of those that come earlier, the one that was invoked last.
    let mut latest: Option<usize> = None;
    for together in order.chunk_by(|one, other| one.0 == other.0) {
        for &(_, call) in together {
            if let Some(latest) = latest
                && calls[call].returned < calls[latest].invoked
            {
                return illegal(vec![latest, call]);
            }
        }
        let calls_here = together.iter().map(|&(_, call)| call);
        latest = latest.into_iter().chain(calls_here).max_by_key(|&call| calls[call].invoked);
    }
    Some(Monitored { by: BY, suspects: None })
}
