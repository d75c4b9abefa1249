//! Runs that are another run up to a moment: what would have happened if. Something that struck or was asked stays away, or all
//! that is drawn is drawn anew from then on.
//!
//! Up to the moment not only the plan is the same but the run, to the nanosecond. So nothing may be taken out of what a run sets
//! up at its start (a fault's timer is a task, and the scheduler draws among tasks): what is left out comes to its moment and does
//! nothing, and what is drawn anew is put up when that moment has come.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use squall_rt::world::Stream;

use super::{Plan, PlannedFault, PlannedOperation, Start};
use crate::{
    run_id::{Branch, Part},
    spec::{Spec, model::Dur},
};

/// How many strikes are named where one is looked for.
const SHOWN: usize = 12;
/// How often a fault is drawn again that would have struck already.
const TRIES: u64 = 64;
/// How many draws there are of a fault that waits for an event: one of them waits for one that is still to come.
const WAITING: u64 = 16;

/// What of a plan does not happen after all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Not these.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<Part>,
    /// Of the strikes of faults none but these, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<BTreeSet<Part>>,
}

/// What is planned anew from a moment on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Future {
    /// Since the start of the run.
    pub from: Dur,
    /// What the run's draws are keyed by from there.
    pub key: u64,
    /// The faults that strike after it, in place of those that had not struck. Of those that wait for an event there are several
    /// draws, each with all strikes of a fault: the first that waits for events that are still to come counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PlannedFault>,
}

impl LeftOut {
    /// Whether everything happens.
    pub(crate) fn is_empty(&self) -> bool {
        *self == LeftOut::default()
    }

    /// Whether the strike of this name does not happen.
    pub(crate) fn has_strike(&self, name: &str) -> bool {
        let among = |parts: &BTreeSet<Part>| parts.iter().any(|part| part.has_strike(name));
        among(&self.without) || self.only.as_ref().is_some_and(|only| !among(only))
    }

    /// The operations that do not happen, by their positions in the plan.
    pub(crate) fn operations(&self) -> BTreeSet<u32> {
        let position = |part: &Part| match part {
            Part::Operation(id) => Some(*id),
            Part::Fault(_) | Part::Strike(_) => None,
        };
        self.without.iter().filter_map(position).collect()
    }
}

impl Branch {
    /// The plan of the run that departs in this way from the run with that plan. `draw` gives what is drawn for it in the same way
    /// from other seeds.
    pub(super) fn taken(&self, mut plan: Plan, spec: &Spec, draw: &dyn Fn(&Spec, u64) -> Plan) -> Plan {
        match self {
            Branch::Without(parts) => plan.left_out.without.extend(parts.iter().cloned()),
            // One of the other: what both have.
            Branch::Only(parts) => match &mut plan.left_out.only {
                Some(only) => only.retain(|part| parts.contains(part)),
                only => *only = Some(parts.clone()),
            },
            Branch::Redrawn { from, future } => {
                let mut keys = Stream::new(plan.seed, "future", &format!("{}/{future}", Dur(*from)));
                let key = keys.next_u64();
                let mut redraw = Redraw { from: *from, keys, draw, spec, plans: Vec::new() };
                if spec.plan.is_none() {
                    plan.operations = redraw.operations(&plan.operations);
                }
                let faults = redraw.faults(&plan);
                plan.futures.push(Future { from: Dur(*from), key, faults });
            }
        }
        plan
    }
}

impl Plan {
    /// The faults that strike as far as can be told beforehand: without those that are left out, and with those that are drawn anew in the place
    /// of others.
    pub(crate) fn strikes(&self) -> Vec<&PlannedFault> {
        let mut strikes = self.moments();
        strikes.retain(|fault| !self.left_out.has_strike(&fault.name()));
        strikes
    }

    /// What is said to be left out, or to be kept alone, and is no part of the plan: in words, with what there is.
    pub(crate) fn stranger(&self, spec: &Spec) -> Option<String> {
        let planned = self.faults.iter().chain(self.futures.iter().flat_map(|future| &future.faults));
        let strikes: BTreeSet<String> = planned.map(PlannedFault::name).collect();
        let ids: BTreeSet<&str> = spec
            .faults
            .iter()
            .map(|fault| &*fault.id.value)
            .chain(self.faults.iter().map(|planned| &*planned.fault))
            .collect();
        let is_there = |part: &&Part| match part {
            Part::Fault(id) => ids.contains(&**id),
            Part::Strike(name) => strikes.contains(name),
            Part::Operation(id) => (*id as usize) < self.operations.len(),
        };
        let LeftOut { without, only } = &self.left_out;
        let stranger = without.iter().chain(only.iter().flatten()).find(|part| !is_there(part))?;
        let strikes: Vec<&str> = strikes.iter().map(String::as_str).collect();
        let strikes = match strikes.len() {
            0 => "no strike of a fault".to_owned(),
            1..=SHOWN => format!("the strikes {}", strikes.join(", ")),
            n => format!("the strikes {} and {} more", strikes[..SHOWN].join(", "), n - SHOWN),
        };
        let operations = match self.operations.len() {
            0 => "no operation".to_owned(),
            n => format!("operation:0 to operation:{}", n - 1),
        };
        Some(format!(
            "`{stranger}` can be neither left out nor kept, as it is no part of the run's plan: there is {strikes}, and {operations}"
        ))
    }

    /// The faults that come to their moment, which is when they strike unless they are left out.
    fn moments(&self) -> Vec<&PlannedFault> {
        let mut strikes: Vec<&PlannedFault> = self.faults.iter().collect();
        for future in &self.futures {
            strikes.retain(|fault| is_by(fault, future.from.0) || matches!(fault.start, Start::When(_)));
            strikes.extend(future.faults.iter().filter(|fault| matches!(fault.start, Start::At(_))));
        }
        strikes
    }
}

/// Whether the fault strikes at a given time, and that is not after `from`.
fn is_by(fault: &PlannedFault, from: Duration) -> bool {
    matches!(fault.start, Start::At(at) if at.0 <= from)
}

/// What comes after a moment, drawn from other seeds.
struct Redraw<'a> {
    from: Duration,
    keys: Stream,
    draw: &'a dyn Fn(&Spec, u64) -> Plan,
    spec: &'a Spec,
    /// Those that were drawn so far.
    plans: Vec<Plan>,
}

impl Redraw<'_> {
    /// The `nth` draw. Only the first has operations.
    fn plan(&mut self, nth: u64) -> &Plan {
        while self.plans.len() as u64 <= nth {
            let key = self.keys.next_u64();
            let plan = if self.plans.is_empty() {
                (self.draw)(self.spec, key)
            } else {
                let mut faults_alone = self.spec.clone();
                faults_alone.workload.ops = 0.into();
                (self.draw)(&faults_alone, key)
            };
            self.plans.push(plan);
        }
        &self.plans[nth as usize]
    }

    /// As many operations as there were, of which those that come later are others.
    fn operations(&mut self, own: &[PlannedOperation]) -> Vec<PlannedOperation> {
        let from = self.from;
        let mut operations: Vec<_> = own.iter().filter(|operation| operation.at.0 <= from).cloned().collect();
        let later = self.plan(0).operations.iter().skip(operations.len()).cloned();
        let later = later.take(own.len() - operations.len()).map(|mut operation| {
            operation.at.0 = operation.at.0.max(from + Duration::from_nanos(1));
            operation
        });
        operations.extend(later.collect::<Vec<_>>());
        operations
    }

    fn faults(&mut self, plan: &Plan) -> Vec<PlannedFault> {
        let mut own: BTreeMap<&str, Vec<&PlannedFault>> = BTreeMap::new();
        let mut order: Vec<String> = Vec::new();
        // One that is left out has had its moment, too: the next is not called what it was called, and left out in its place.
        for fault in plan.moments() {
            if !own.contains_key(&*fault.fault) {
                order.push(fault.fault.clone());
            }
            own.entry(&fault.fault).or_default().push(fault);
        }
        for fault in &self.plan(0).faults {
            if !own.contains_key(&*fault.fault) && !order.contains(&fault.fault) {
                order.push(fault.fault.clone());
            }
        }
        let mut anew = Vec::new();
        for id in order {
            let own = own.get(&*id).map_or(&[][..], Vec::as_slice);
            anew.extend(self.timed(&id, own));
            anew.extend(self.waiting(&id, own));
        }
        anew
    }

    /// The later strikes of a fault that strikes at given times. One that strikes once is drawn until it has not struck yet, if it has not.
    fn timed(&mut self, id: &str, own: &[&PlannedFault]) -> Vec<PlannedFault> {
        let from = self.from;
        let own: Vec<_> = own.iter().filter(|fault| matches!(fault.start, Start::At(_))).collect();
        let struck = own.iter().filter(|fault| is_by(fault, from)).count();
        let most = self.spec.faults.iter().find(|fault| fault.id.value == id);
        let most = most.and_then(|fault| fault.times.as_ref()).map_or(usize::MAX, |most| most.value as usize);
        let mut later: Vec<_> =
            own.iter().filter(|fault| !is_by(fault, from)).map(|fault| (**fault).clone()).collect();
        for nth in 0..TRIES {
            let drawn = self.plan(nth).faults.iter().filter(|fault| fault.fault == id);
            let drawn: Vec<_> = drawn.filter(|fault| matches!(fault.start, Start::At(_))).collect();
            let by_then = drawn.iter().filter(|fault| is_by(fault, from)).count();
            let repeats = drawn.len() > 1 || own.len() > 1;
            if by_then == struck || repeats {
                let rest = drawn.into_iter().filter(|fault| !is_by(fault, from));
                later = rest.take(most.saturating_sub(struck)).cloned().collect();
                break;
            }
        }
        let last = own.iter().filter(|fault| is_by(fault, from)).map(|fault| fault.strike).max();
        for (fault, strike) in later.iter_mut().zip(last.unwrap_or(0) + 1..) {
            fault.strike = strike;
        }
        later
    }

    /// Draws of a fault that waits for events, one after the other, each with all of its strikes.
    fn waiting(&mut self, id: &str, own: &[&PlannedFault]) -> Vec<PlannedFault> {
        let waits = |fault: &&PlannedFault| matches!(fault.start, Start::When(_));
        let strikes: Vec<u32> = own.iter().copied().filter(waits).map(|fault| fault.strike).collect();
        let mut draws: Vec<Vec<PlannedFault>> = Vec::new();
        for nth in 0..if strikes.is_empty() { 0 } else { WAITING } {
            let of_it = self.plan(nth).faults.iter().filter(|fault| fault.fault == id).filter(waits);
            let drawn: Vec<PlannedFault> =
                of_it.filter(|fault| strikes.contains(&fault.strike)).cloned().collect();
            // With a `probability`, a draw may lack some of them.
            if drawn.len() == strikes.len() && !draws.contains(&drawn) {
                draws.push(drawn);
            }
        }
        draws.concat()
    }
}

#[cfg(test)]
mod tests;
