//! Other schedules and seeds: what a failure needs under one order of tasks, or with one set of latencies, it may not need under another.

use super::{Shrinker, own_run, size};
use crate::spec::Spec;

/// How many other schedules are tried for each thing that may be left out.
const SCHEDULES: u64 = 2;
/// How many other seeds, which key all that a run draws while its plan stays as it is.
const SEEDS: u64 = 4;
/// The most things that are left for it to be worth it.
const MOST: usize = 12;

/// Leaves out each fault and each operation under other schedules and seeds; the one that fails the same way is written down.
pub(super) fn retry(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    let mut next = 0;
    loop {
        let (faults, operations) = size(spec);
        if faults + operations > MOST || next >= faults + operations || shrinker.exhausted.is_some() {
            return;
        }
        let others = others(&without(spec, next));
        if others.into_iter().any(|candidate| shrinker.accept(spec, candidate)) {
            shrinker.reduce(spec);
            next = 0;
        } else {
            next += 1;
        }
    }
}

/// Without the n-th of faults and operations.
fn without(spec: &Spec, nth: usize) -> Spec {
    let mut candidate = spec.clone();
    let faults = candidate.faults.len();
    if nth < faults {
        candidate.faults.remove(nth);
    } else if let Some(plan) = &mut candidate.plan {
        plan.value.operations.remove(nth - faults);
    }
    candidate
}

/// The same plan under other schedules, and with other seeds.
pub(super) fn others(spec: &Spec) -> Vec<Spec> {
    let seed = own_run(spec).seed;
    let now = spec.plan.as_ref().and_then(|plan| plan.schedule).unwrap_or(0);
    let schedules = (1..=SCHEDULES).map(|more| (seed, Some(now + more)));
    let seeds = (0..).filter(|other| *other != seed).take(SEEDS as usize).map(|other| (other, None));
    let with = |(seed, schedule): (u64, Option<u64>)| {
        let mut other = spec.clone();
        if let Some(plan) = &mut other.plan {
            plan.value.seed.value = seed;
            plan.value.schedule = schedule;
        }
        other
    };
    schedules.chain(seeds).map(with).collect()
}
