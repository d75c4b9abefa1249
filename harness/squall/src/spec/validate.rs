//! What the types cannot say: whether the spec makes sense for its system.
//!
//! Entries that were wrong in themselves are no longer in the spec. What depends on one of them is passed over here, so that one
//! mistake is one error.

use std::time::Duration;

use super::{Spec, draws};
use crate::{
    check::builtin::builtins,
    context::{Context, Known, Times},
    language::{Code, Diagnostic, Place, Tree, model::Dur, path::Step},
    system::{AnySystem, CLIENTS, Registry, problems_with},
    trace,
};

mod check;
mod fault;
mod general;
mod netsim;
mod plan;
mod setting;
mod trigger;

/// The version of the language.
const VERSION: u32 = 1;

/// Completes the parameters, and adds what is wrong to `errors`.
pub(super) fn validate(spec: &mut Spec, tree: &mut Tree, registry: &Registry, errors: &mut Vec<Diagnostic>) {
    let system = registry.get(&spec.system).map(AsRef::as_ref);
    if let Some(system) = system {
        spec.params.value = match tree.child_mut(&Step::Key("params".into())).filter(|p| !p.is_removed()) {
            Some(params) => {
                let (value, wrong) = draws::read(system, params);
                errors.extend(wrong);
                value
            }
            None => system.complete_params(&serde_json::Value::Null).expect("defaults are in order"),
        };
    }
    let top = Place::top(tree);
    let mut context = context(spec, &top, system, errors);
    context.version(spec, &top);
    context.system(spec, &top, registry);
    context.events_are_its_own(&top);
    context.topology(spec, &top);
    context.network(spec, &top);
    context.workload(spec, &top);
    context.phases(spec, &top);
    context.faults(spec, &top);
    context.limits(spec, &top);
    context.plan(spec, &top, system);
    context.heal(spec, &top);
    context.checks(spec, &top);
    context.expect(spec, &top);
    context.explore(spec, &top);
}

/// What a system has, in this spec.
fn known(spec: &Spec, top: &Place<'_>, system: &dyn AnySystem) -> Known {
    let flaw = spec.variant.as_ref().and_then(|v| system.flaws().iter().find(|flaw| flaw.name == v.value));
    let params = draws::typical(&spec.params);
    let params = match flaw {
        Some(flaw) => system.with_flaw(&params, flaw.name),
        None => params,
    };
    let topology = top.key("topology");
    let mut groups: Vec<_> = system
        .groups(&params)
        .iter()
        .map(|group| {
            let own = spec.topology.get(group.name).map(|size| size.value);
            let wrong = own == Some(0) || topology.key(group.name).is_damaged();
            (group.name.to_owned(), (!wrong).then_some(own.unwrap_or(group.size)))
        })
        .collect();
    let clients = top.key("workload").key("clients");
    let mut invariants = system.invariants(&params);
    let builtin = builtins().map(|(name, _)| name.to_owned());
    invariants.extend(builtin.filter(|name| !system.invariants(&params).contains(name)));
    groups.push((CLIENTS.to_owned(), (!clients.is_damaged()).then_some(*spec.workload.clients)));
    Known {
        name: system.name(),
        problems: problems_with(system, &params),
        groups,
        operations: system.operations(&params),
        operation_fields: system.operation_fields(&params),
        events: system.events(),
        invariants,
        vocabulary: system.vocabulary(&params).into_iter().collect(),
        conditions: system.conditions(&params),
        condition_vocabulary: system.condition_vocabulary(&params).into_iter().collect(),
        transport: system.transport(&params),
        methods: system.methods(),
        roles: system.roles(),
    }
}

/// Nothing is reported yet.
fn context<'a>(
    spec: &Spec,
    top: &Place<'_>,
    system: Option<&dyn AnySystem>,
    errors: &'a mut Vec<Diagnostic>,
) -> Context<'a> {
    let (warmup, settle) = (spec.phases.warmup.0, spec.phases.settle.0);
    let heal = warmup + spec.phases.chaos.0;
    let times = Times { warmup, heal, settle, end: heal + settle };
    Context {
        errors,
        system: system.map(|system| known(spec, top, system)),
        zones: spec.network.zones.keys().map(|name| name.value.clone()).collect(),
        times: (!top.key("phases").is_damaged()).then_some(times),
    }
}

impl Context<'_> {
    /// Checks that the system declares no event under the name of one of the world's.
    fn events_are_its_own(&mut self, top: &Place<'_>) {
        let Some(system) = &self.system else { return };
        let taken = system.events.iter().filter(|event| trace::world_event(event.name).is_some());
        let errors: Vec<_> = taken
            .map(|event| {
                let message = format!(
                    "`{}` declares the event `{}`, which is one of the world's",
                    system.name, event.name
                );
                let help = "give it another name in the system's `events`, and where it is reported";
                top.key("system").error(Code::DuplicateName, message, help)
            })
            .collect();
        errors.into_iter().for_each(|error| self.report(error));
    }
}

/// A duration for a sentence.
fn shown(duration: Duration) -> Dur {
    Dur(duration)
}
