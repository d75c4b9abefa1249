//! One element of a set that is added and removed at most once each, in O(n).
//!
//! The problem is that of sets with distinct values in LiMo (PLDI 2025); the solution here is our own. The element is
//! absent, then there from the moment of its addition on, then absent again from the moment of its removal on. Who saw it
//! there bounds the addition from above and the removal from below, as do the addition and the removal themselves. Who saw
//! it absent is right if the addition can be after their invocation or the removal before their return: so the latest
//! addition and the earliest removal are the best there are. Where these two can meet they may be at one moment, at which
//! the element is both absent and there, and nobody is wrong.
//!
//! An addition of unknown outcome takes effect if somebody saw the element, and not if nobody did. A removal of unknown
//! outcome is at infinity if it must not be earlier. Of several unknown ones that could do, the first invoked is the best.

use crate::model::{Monitored, NEVER};

const BY: &str = "bounds of one addition and one removal (after LiMo, PLDI 2025)";

/// What a call does to the element, or saw of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Adds,
    Removes,
    SawIt,
    SawNothing,
}

/// A call as this algorithm sees it. Where it never returned, what it does is not certain.
#[derive(Clone, Copy)]
pub(crate) struct Sight {
    pub(crate) kind: Kind,
    pub(crate) invoked: u32,
    pub(crate) returned: u32,
}

/// A bound, and the call it is of.
type Bound = (u32, Option<usize>);

/// The additions, or the removals.
#[derive(Default)]
struct Changes {
    certain: Vec<usize>,
    /// How many of unknown outcome there are, and the first invoked of them.
    unknown: usize,
    first_unknown: Option<usize>,
}

impl Changes {
    fn count(&self) -> usize {
        self.certain.len() + self.unknown
    }

    /// The one that took effect, if any did: the certain one, or the best of the others.
    fn best(&self) -> Option<usize> {
        self.certain.first().copied().or(self.first_unknown)
    }
}

/// Judges calls; `None` where the element may have been added or removed again.
pub(crate) fn monitor(calls: &[Sight]) -> Option<Monitored> {
    let legal = Some(Monitored { by: BY, suspects: None });
    let illegal = |suspects: &[Option<usize>]| {
        let mut suspects: Vec<usize> = suspects.iter().copied().flatten().collect();
        suspects.sort_unstable();
        suspects.dedup();
        Some(Monitored { by: BY, suspects: Some(suspects) })
    };
    let (mut adds, mut removes) = (Changes::default(), Changes::default());
    // Who saw it: the first that returned and the last that was invoked.
    let (mut first_sight, mut last_sight): (Bound, Bound) = ((NEVER, None), (0, None));
    for (index, call) in calls.iter().enumerate() {
        let changes = match call.kind {
            Kind::Adds => &mut adds,
            Kind::Removes => &mut removes,
            Kind::SawIt => {
                first_sight = first_sight.min((call.returned, Some(index)));
                last_sight = last_sight.max((call.invoked, Some(index)));
                continue;
            }
            Kind::SawNothing => continue,
        };
        if call.returned != NEVER {
            changes.certain.push(index);
            continue;
        }
        changes.unknown += 1;
        if changes.first_unknown.is_none_or(|first| call.invoked < calls[first].invoked) {
            changes.first_unknown = Some(index);
        }
    }
    match (adds.count(), removes.count()) {
        (2.., 1..) => return None,
        (2.., 0) if adds.certain.len() > 1 => {
            return illegal(&[Some(adds.certain[0]), Some(adds.certain[1])]);
        }
        (0 | 1, 2..) if removes.certain.len() > 1 => {
            return illegal(&[Some(removes.certain[0]), Some(removes.certain[1]), adds.best()]);
        }
        _ => {}
    }
    let seen = first_sight.1.is_some() || !removes.certain.is_empty();
    let Some(add) = adds.best() else {
        let wrong = [first_sight.1, removes.certain.first().copied()];
        return if seen { illegal(&wrong) } else { legal };
    };
    if adds.certain.is_empty() && !seen {
        return legal;
    }
    let remove = removes.best();
    let at = |call: usize| (calls[call].invoked, calls[call].returned);
    // Before what the addition must be, and after what the removal; that never comes if there is none.
    let mut before = first_sight.min((at(add).1, Some(add)));
    let mut after: Bound = (NEVER, None);
    if let Some(remove) = remove {
        before = before.min((at(remove).1, Some(remove)));
        after = last_sight.max((at(add).0, Some(add))).max((at(remove).0, Some(remove)));
        if at(remove).1 < after.0 {
            return illegal(&[Some(remove), after.1, Some(add)]);
        }
    }
    if before.0 < at(add).0 {
        return illegal(&[Some(add), before.1, remove]);
    }
    if after.0 < before.0 {
        return legal;
    }
    let wrong = calls
        .iter()
        .position(|call| call.kind == Kind::SawNothing && before.0 < call.invoked && call.returned < after.0);
    match wrong {
        Some(wrong) => illegal(&[Some(wrong), before.1, after.1, Some(add), remove]),
        None => legal,
    }
}
