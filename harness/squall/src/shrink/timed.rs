//! Faults that wait for an event, timed for a while.
//!
//! Leaving out an operation changes which event is the fifth: a fault that waits for it strikes elsewhere or not at all, and the
//! operation looks as if it were needed. So such faults are made to strike at the moment at which they struck, operations are left out,
//! and what is left waits for an event again, an earlier one, if it fails so.

use std::{collections::BTreeMap, time::Duration};

use super::{Shrinker, operations, size};
use crate::{
    history::Kind,
    spec::{
        Spec,
        model::{CountRange, DurationRange},
    },
};

/// A moment after the event: what came of it at once has come.
const MOMENT: Duration = Duration::from_micros(1);
/// Which occurrences of the event are tried at the end.
const EARLIEST: u64 = 3;

/// Takes out operations that are needed only to be counted.
pub(super) fn reduce(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    if operations(spec).len() < 2 || spec.faults.iter().all(|fault| fault.when.is_none()) {
        return;
    }
    let Some(mut timed) = timed(shrinker, spec) else { return };
    if !shrinker.fails(&timed) {
        return;
    }
    shrinker.take_out(&mut timed);
    if size(&timed) >= size(spec) {
        return;
    }
    for i in 0..timed.faults.len() {
        let own = spec.faults.iter().find(|fault| fault.id.value == timed.faults[i].id.value);
        let Some(when) = own.and_then(|fault| fault.when.clone()) else { continue };
        let most = when.nth.map_or(1, |nth| nth.min).min(EARLIEST);
        for nth in 1..=most {
            let mut candidate = timed.clone();
            let mut when = when.clone();
            when.value.nth = Some(CountRange::exactly(nth));
            candidate.faults[i].when = Some(when);
            candidate.faults[i].at = None;
            if shrinker.accept(&mut timed, candidate) {
                break;
            }
        }
    }
    *spec = timed;
}

/// With faults that strike when they struck.
fn timed(shrinker: &mut Shrinker<'_>, spec: &Spec) -> Option<Spec> {
    if shrinker.runs >= shrinker.limits.runs {
        return None;
    }
    let report = shrinker.run(spec);
    let mut struck: BTreeMap<&str, Duration> = BTreeMap::new();
    for record in &report.history {
        if let Kind::FaultStart { fault, .. } = &record.kind {
            struck.entry(fault).or_insert(record.at);
        }
    }
    let mut timed = spec.clone();
    for fault in timed.faults.iter_mut().filter(|fault| fault.when.is_some()) {
        let at = *struck.get(fault.id.value.as_str())?;
        fault.when = None;
        fault.at = Some(DurationRange::exactly(at + MOMENT).into());
    }
    Some(timed)
}
