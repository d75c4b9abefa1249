//! After nothing more can be left out: fewer clients and nodes, what faults wait for sooner all together, rounder times.

use std::{collections::BTreeSet, time::Duration};

use super::{Shrinker, operations, with_operations};
use crate::spec::{
    Spec,
    model::{CountRange, Dur, DurationRange, Fault},
};

/// To what times are rounded, coarsest first: to be read and compared by a person.
const GRAINS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(10), Duration::from_millis(1)];

/// Makes what is left smaller, as far as it goes on failing the same way.
pub(super) fn tidy(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    triggers(shrinker, spec);
    clients(shrinker, spec);
    groups(shrinker, spec);
    times(shrinker, spec);
}

/// Leaves out clients that do nothing; the others move up.
fn clients(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    let Some(plan) = &spec.plan else { return };
    let used: BTreeSet<u32> = plan.operations.iter().map(|operation| operation.client).collect();
    let most = used.last().map_or(0, |last| last + 1);
    let mut candidate = spec.clone();
    candidate.workload.clients = (used.len() as u32).into();
    if let Some(plan) = &mut candidate.plan {
        for operation in &mut plan.value.operations {
            let place = used.iter().position(|client| *client == operation.client);
            operation.client = place.expect("its client is among those used") as u32;
        }
    }
    if *candidate.workload.clients < *spec.workload.clients && shrinker.accept(spec, candidate) {
        return;
    }
    // Where their places matter, only those after the last one go.
    let mut candidate = spec.clone();
    candidate.workload.clients = most.into();
    if *candidate.workload.clients < *spec.workload.clients {
        shrinker.accept(spec, candidate);
    }
}

/// Has faults strike at earlier occurrences of what they wait for, all together: those that strike at the same event mostly have to.
fn triggers(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    let nths = spec.faults.iter().filter_map(|fault| fault.when.as_ref()?.nth.map(|nth| nth.min));
    let highest = nths.max().unwrap_or(1);
    for most in [1, 2, highest / 2, highest - 1].into_iter().filter(|most| (1..highest).contains(most)) {
        let mut candidate = spec.clone();
        candidate.faults.iter_mut().for_each(|fault| strike_by(fault, most));
        if shrinker.accept(spec, candidate) {
            break;
        }
    }
}

/// Has a triggered fault strike at that occurrence at the latest.
fn strike_by(fault: &mut Fault, most: u64) {
    if let Some(nth) = fault.when.as_mut().and_then(|when| when.value.nth.as_mut()) {
        *nth = CountRange::exactly(nth.min.min(most));
    }
}

/// Makes groups that the spec has enlarged smaller, one node at a time.
fn groups(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    for i in 0..spec.topology.len() {
        while spec.topology[i].value > 1 {
            let mut candidate = spec.clone();
            candidate.topology[i].value -= 1;
            if !shrinker.accept(spec, candidate) {
                break;
            }
        }
    }
}

/// Rounds the times of operations all together, and those of each fault, and writes operations down in the order of their times.
fn times(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    let mut sorted = operations(spec).to_vec();
    sorted.sort_by_key(|operation| operation.at);
    if sorted != operations(spec) {
        let candidate = with_operations(spec, sorted);
        shrinker.accept(spec, candidate);
    }
    for grain in GRAINS {
        let mut candidate = spec.clone();
        if let Some(plan) = &mut candidate.plan {
            plan.value
                .operations
                .iter_mut()
                .for_each(|operation| operation.at = Dur(round(operation.at.0, grain)));
        }
        if candidate.plan == spec.plan || shrinker.accept(spec, candidate) {
            break;
        }
    }
    for i in 0..spec.faults.len() {
        for grain in GRAINS {
            let mut candidate = spec.clone();
            let fault = &mut candidate.faults[i];
            let mut changed = false;
            for time in [&mut fault.at, &mut fault.lasts].into_iter().flatten() {
                let rounded = DurationRange::exactly(round(time.min, grain).max(Duration::from_millis(1)));
                changed |= rounded != time.value;
                time.value = rounded;
            }
            if !changed || shrinker.accept(spec, candidate) {
                break;
            }
        }
    }
}

fn round(time: Duration, grain: Duration) -> Duration {
    let grains = (time.as_nanos() + grain.as_nanos() / 2) / grain.as_nanos();
    grain * u32::try_from(grains).unwrap_or(u32::MAX)
}
