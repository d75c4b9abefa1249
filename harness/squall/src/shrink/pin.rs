//! From a spec and the plan of a seed to a spec that says the same of that seed alone.

use crate::{
    plan::{Plan, PlannedFault, RunId, Start},
    spec::{
        Spec, draws,
        model::{Check, CountRange, DurationRange, Fault, PlanSection, Trigger},
    },
};

/// The spec with its plan written out: every fault with its numbers, every operation, no chance left but the keyed streams.
pub(super) fn pinned(spec: &Spec, plan: &Plan, run: &RunId) -> Spec {
    let mut pinned = spec.clone();
    pinned.params.value = draws::resolve(&spec.params.value, plan.seed).0;
    pinned.faults = plan.faults.iter().map(fault).collect();
    // What operations there are is in the plan.
    pinned.workload.rate = None;
    pinned.workload.mix.clear();
    pinned.explore.seeds = 1.into();
    // What is sometimes seen over many seeds need not be in one run.
    pinned.check.retain(|check| !matches!(check.value, Check::Sometimes(_)));
    let section = PlanSection {
        seed: plan.seed.into(),
        schedule: spec.plan.as_ref().and_then(|plan| plan.schedule),
        of: Some(spec.plan.as_ref().and_then(|plan| plan.of.clone()).unwrap_or_else(|| run.clone())),
        build: spec.plan.as_ref().and_then(|plan| plan.build.clone()),
        digest: None,
        operations: plan.operations.clone(),
    };
    pinned.plan = Some(section.into());
    pinned
}

/// One strike as a fault of its own.
fn fault(planned: &PlannedFault) -> Fault {
    let mut fault = Fault::of(planned.name(), planned.action.clone());
    match &planned.start {
        Start::At(at) => fault.at = Some(DurationRange::exactly(at.0).into()),
        Start::When(trigger) => {
            let trigger = Trigger {
                event: trigger.event.clone().into(),
                fields: trigger
                    .fields
                    .iter()
                    .map(|(name, value)| (name.clone().into(), value.clone()))
                    .collect(),
                nth: Some(CountRange::exactly(trigger.nth)),
                after: Some(DurationRange::exactly(trigger.after.0)),
            };
            fault.when = Some(trigger.into());
        }
    }
    if planned.action.own_end().is_none() {
        fault.lasts = planned.lasts.map(|lasts| DurationRange::exactly(lasts.0).into());
    }
    fault
}
