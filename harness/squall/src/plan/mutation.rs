//! Small changes of a plan, for the guided strategy: each is keyed by a number, so that a run's name is the way to its plan.

use std::{collections::BTreeSet, time::Duration};

use squall_rt::world::Stream;

use super::{Plan, PlannedFault, Start};
use crate::spec::model::Dur;

/// How near two faults are brought to each other.
const NEAR: Duration = Duration::from_millis(300);

/// The plan after the change of this key. `draw` gives what the spec draws for a seed.
pub(super) fn mutated(mut plan: Plan, key: u64, draw: &dyn Fn(u64) -> Plan) -> Plan {
    let mut stream = Stream::new(key, "mutation", "");
    // One change most of the time; several together reach what no single one does.
    loop {
        change(&mut plan, &mut stream, draw);
        if stream.chance(0.6) {
            return plan;
        }
    }
}

fn change(plan: &mut Plan, stream: &mut Stream, draw: &dyn Fn(u64) -> Plan) {
    if plan.faults.is_empty() {
        return elsewhere(plan, stream, draw);
    }
    let i = stream.pick(plan.faults.len());
    match stream.range(0..10) {
        0 => shift(plan, i, stream),
        1 => meet(plan, i, stream),
        2 => stretch(&mut plan.faults[i], stream),
        3 => repeat(plan, i, stream),
        4 => drop(plan.faults.remove(i)),
        5 => trigger(&mut plan.faults[i], stream),
        6 => redraw(plan, i, stream, draw),
        7 => crowd(plan, i, stream),
        8 => thin(plan, stream),
        _ => elsewhere(plan, stream, draw),
    }
}

fn chaos(plan: &Plan, stream: &mut Stream) -> Dur {
    Dur(stream.duration(plan.phases.warmup.0, plan.phases.chaos.0))
}

/// Keeps a time within chaos.
fn within(plan: &Plan, at: Duration) -> Dur {
    Dur(at.clamp(plan.phases.warmup.0, plan.phases.chaos.0))
}

/// A fault strikes at another time.
fn shift(plan: &mut Plan, i: usize, stream: &mut Stream) {
    if let Start::At(_) = plan.faults[i].start {
        plan.faults[i].start = Start::At(chaos(plan, stream));
    }
}

/// A fault strikes when another one does, or almost.
fn meet(plan: &mut Plan, i: usize, stream: &mut Stream) {
    let other = &plan.faults[stream.pick(plan.faults.len())];
    let Start::At(at) = other.start else { return };
    let moved = (at.0 + stream.duration(Duration::ZERO, NEAR)).saturating_sub(NEAR / 2);
    if let Start::At(_) = plan.faults[i].start {
        plan.faults[i].start = Start::At(within(plan, moved));
    }
}

/// A fault lasts longer, or less long.
fn stretch(fault: &mut PlannedFault, stream: &mut Stream) {
    // What says in its own entry how long it lasts says so to the kind as well.
    if fault.action.own_end().is_none()
        && let Some(lasts) = &mut fault.lasts
    {
        lasts.0 = lasts.0.mul_f64(libm::exp2(stream.unit() * 4.0 - 2.0)).max(Duration::from_millis(1));
    }
}

/// A fault strikes once more, at another time.
fn repeat(plan: &mut Plan, i: usize, stream: &mut Stream) {
    if let Start::At(_) = plan.faults[i].start {
        let mut again = plan.faults[i].clone();
        again.start = Start::At(chaos(plan, stream));
        again.strike =
            plan.faults.iter().filter(|f| f.fault == again.fault).map(|f| f.strike).max().unwrap_or(0) + 1;
        plan.faults.push(again);
    }
}

/// A fault that waits for an event waits for another one of its kind, or strikes sooner or later after it.
fn trigger(fault: &mut PlannedFault, stream: &mut Stream) {
    if let Start::When(trigger) = &mut fault.start {
        match stream.range(0..3) {
            0 => trigger.nth += 1 + stream.range(0..3),
            1 => trigger.nth = (trigger.nth - 1).max(1),
            _ => trigger.after = Dur(stream.duration(Duration::ZERO, NEAR)),
        }
    }
}

/// A fault is drawn anew, with all of its strikes.
fn redraw(plan: &mut Plan, i: usize, stream: &mut Stream, draw: &dyn Fn(u64) -> Plan) {
    let fault = plan.faults[i].fault.clone();
    let other = draw(stream.next_u64());
    plan.faults.retain(|planned| planned.fault != fault);
    plan.faults.extend(other.faults.into_iter().filter(|planned| planned.fault == fault));
}

/// Operations come while a fault is there, or about to be.
fn crowd(plan: &mut Plan, i: usize, stream: &mut Stream) {
    let Start::At(at) = plan.faults[i].start else { return };
    let lasts = plan.faults[i].lasts.map_or(NEAR, |lasts| lasts.0);
    let from = at.0.saturating_sub(NEAR);
    for operation in &mut plan.operations {
        if stream.chance(0.3) {
            operation.at = Dur(stream.duration(from, at.0 + lasts));
        }
    }
    plan.operations.sort_by_key(|operation| operation.at);
}

/// Operations of one kind are left out, unless there is no other.
fn thin(plan: &mut Plan, stream: &mut Stream) {
    let kinds: BTreeSet<String> =
        plan.operations.iter().map(|operation| operation.name().to_owned()).collect();
    if kinds.len() > 1 {
        let out = kinds.iter().nth(stream.pick(kinds.len()));
        plan.operations.retain(|operation| Some(operation.name()) != out.map(String::as_str));
    }
}

/// The same faults strike another run.
fn elsewhere(plan: &mut Plan, stream: &mut Stream, draw: &dyn Fn(u64) -> Plan) {
    let mut other = draw(stream.next_u64());
    if !plan.faults.is_empty() {
        other.faults = std::mem::take(&mut plan.faults);
    }
    *plan = other;
}
