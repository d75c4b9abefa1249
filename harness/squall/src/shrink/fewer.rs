//! A few operations instead of many, where leaving out one at a time ends too early.
//!
//! Every single one may be needed for what it adds up to: fourteen numbers taken one by one where two operations that take ten each would do. So
//! when many are left, those of each kind that the run had to begin with are tried in their place, closer together.
//!
//! Or the failure is a coincidence, of commits that overtake each other, say, and whatever is left out shifts all that nodes draw
//! afterwards. The closer together operations come, the more often they meet, and the fewer it takes. So all that is left is tried closer together,
//! under a few schedules and seeds.

use std::time::Duration;

use super::{Shrinker, by_name, classes, operations, operations_mut, schedule, size, with_operations};
use crate::{
    plan::PlannedOperation,
    spec::{
        Spec,
        model::{Dur, DurationRange},
    },
};

/// The most operations that are taken for few.
const FEW: usize = 6;
/// How much closer together.
const CLOSER: [u32; 3] = [1, 2, 4];

/// Tries the operations that there were, those of one kind at a time. `all` are those of the run before anything was left out.
pub(super) fn larger(shrinker: &mut Shrinker<'_>, spec: &mut Spec, all: &[PlannedOperation]) {
    if operations(spec).len() <= FEW {
        return;
    }
    for kind in classes(all, by_name) {
        let of_kind = || all.iter().filter(|operation| operation.name() == kind);
        let failing = CLOSER.iter().find_map(|times| {
            let closer = of_kind()
                .cloned()
                .map(|operation| PlannedOperation { at: Dur(closer(operation.at.0, *times)), ..operation });
            let candidate = with_operations(spec, closer.collect());
            shrinker.fails(&candidate).then_some(candidate)
        });
        if let Some(mut candidate) = failing {
            shrinker.take_out(&mut candidate);
            if size(&candidate) < size(spec) {
                *spec = candidate;
            }
        }
    }
}

/// Tries all that is left closer together, as long as that makes it fewer.
pub(super) fn denser(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    while operations(spec).len() > FEW {
        let failing = CLOSER.iter().filter(|times| **times > 1).find_map(|times| {
            let candidate = all_closer(spec, *times);
            let others = schedule::others(&candidate);
            std::iter::once(candidate).chain(others).find(|candidate| shrinker.fails(candidate))
        });
        let Some(mut candidate) = failing else { return };
        shrinker.take_out(&mut candidate);
        if size(&candidate) >= size(spec) {
            return;
        }
        *spec = candidate;
    }
}

/// Operations and faults at a part of their times. Faults last as long as they did.
fn all_closer(spec: &Spec, times: u32) -> Spec {
    let mut denser = spec.clone();
    for operation in operations_mut(&mut denser) {
        operation.at = Dur(closer(operation.at.0, times));
    }
    for at in denser.faults.iter_mut().filter_map(|fault| fault.at.as_mut()) {
        at.value = DurationRange::exactly(closer(at.min, times));
    }
    denser
}

/// A part of a time, in whole milliseconds.
fn closer(at: Duration, times: u32) -> Duration {
    Duration::from_millis((at / times).as_millis() as u64)
}
