//! Other schedules: what a failure needs under one order of tasks it may not need under another.

use super::{Shrinker, size};
use crate::spec::Spec;

/// How many other schedules are tried for each thing that may be left out.
const SCHEDULES: u64 = 2;
/// The most things that are left for it to be worth it.
const MOST: usize = 12;

/// Leaves out each fault and each operation under other schedules; the one that fails the same way is written down.
pub(super) fn retry(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    let mut next = 0;
    loop {
        let (faults, operations) = size(spec);
        if faults + operations > MOST || next >= faults + operations || shrinker.exhausted {
            return;
        }
        let found = (1..=SCHEDULES).any(|schedule| shrinker.accept(spec, without(spec, next, schedule)));
        if found {
            shrinker.reduce(spec);
            next = 0;
        } else {
            next += 1;
        }
    }
}

/// Without the n-th of faults and operations, under another schedule.
fn without(spec: &Spec, nth: usize, schedule: u64) -> Spec {
    let mut candidate = spec.clone();
    let faults = candidate.faults.len();
    if let Some(plan) = &mut candidate.plan {
        if nth < faults {
            candidate.faults.remove(nth);
        } else {
            plan.value.operations.remove(nth - faults);
        }
        let now = plan.schedule.unwrap_or(0);
        plan.value.schedule = Some(now + schedule);
    }
    candidate
}
