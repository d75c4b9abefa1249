//! What the types cannot say: whether the spec makes sense for its system.
//!
//! Entries that were wrong in themselves are no longer in the spec. What depends on one of them is passed over here, so that one
//! mistake is one error.

use std::{collections::HashMap, time::Duration};

use super::{
    Code, Diagnostic, Spec, Tree,
    diagnostic::name_help,
    draws,
    model::{Dur, EventPattern, Scalar, Spanned},
    path::Step,
};
use crate::{
    EventKind, Registry, Transport,
    check::consistency,
    system::{AnySystem, Problem, problems_with},
    trace,
};

mod check;
mod fault;
mod general;
mod netsim;
mod place;
mod plan;
mod setting;
mod target;
mod trigger;

pub(crate) use self::{place::Place, target::Use};

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
    let mut context = Context::new(spec, &top, system, errors);
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

/// What is known of the system and of the run.
pub(crate) struct Context<'a> {
    errors: &'a mut Vec<Diagnostic>,
    system: Option<Known>,
    /// The names of the zones.
    zones: Vec<String>,
    /// When faults heal, and when the run ends, since its start; if the phases are in order.
    times: Option<Times>,
}

/// What a system has.
struct Known {
    name: &'static str,
    /// What is wrong with its declarations under the parameters of this spec.
    problems: Vec<Problem>,
    /// Node groups and their sizes in this spec, the clients last. A size that is wrong in the spec is `None`.
    groups: Vec<(String, Option<u32>)>,
    operations: Vec<(&'static str, u32)>,
    /// None where an operation does not say.
    operation_fields: Vec<(&'static str, &'static [&'static str])>,
    events: &'static [EventKind],
    /// Its own, and those of the harness.
    invariants: Vec<String>,
    /// The events that its invariants read, of those that say.
    vocabulary: HashMap<String, &'static [EventKind]>,
    conditions: Vec<String>,
    transport: Transport,
    methods: &'static [&'static str],
    roles: &'static [&'static str],
}

#[derive(Clone, Copy)]
struct Times {
    warmup: Duration,
    heal: Duration,
    settle: Duration,
    end: Duration,
}

impl Known {
    fn new(spec: &Spec, top: &Place<'_>, system: &dyn AnySystem) -> Self {
        let flaw =
            spec.variant.as_ref().and_then(|v| system.flaws().iter().find(|flaw| flaw.name == v.value));
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
        let builtin = consistency::builtins().map(|(name, _)| name.to_owned());
        invariants.extend(builtin.filter(|name| !system.invariants(&params).contains(name)));
        groups.push(("clients".to_owned(), (!clients.is_damaged()).then_some(*spec.workload.clients)));
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
            transport: system.transport(&params),
            methods: system.methods(),
            roles: system.roles(),
        }
    }
}

impl<'a> Context<'a> {
    fn new(
        spec: &Spec,
        top: &Place<'_>,
        system: Option<&dyn AnySystem>,
        errors: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let (warmup, settle) = (spec.phases.warmup.0, spec.phases.settle.0);
        let heal = warmup + spec.phases.chaos.0;
        let times = Times { warmup, heal, settle, end: heal + settle };
        Context {
            errors,
            system: system.map(|system| Known::new(spec, top, system)),
            zones: spec.network.zones.keys().map(|name| name.value.clone()).collect(),
            times: (!top.key("phases").is_damaged()).then_some(times),
        }
    }

    /// The system's name and the methods its nodes serve, if it says.
    pub(crate) fn methods(&self) -> Option<(&'static str, &'static [&'static str])> {
        self.system
            .as_ref()
            .map(|system| (system.name, system.methods))
            .filter(|(_, methods)| !methods.is_empty())
    }

    pub(crate) fn report(&mut self, error: Diagnostic) {
        self.errors.push(error);
    }

    /// Checks that nodes emit the event, and gives it.
    fn event(&mut self, name: &str, at: &Place<'_>) -> Option<&'static EventKind> {
        let system = self.system.as_ref()?;
        let found = system.events.iter().find(|event| event.name == name);
        if found.is_none() {
            let known: Vec<_> = system.events.iter().map(|event| event.name).collect();
            let message = format!("no node of `{}` emits `{name}`", system.name);
            let help = match trace::world_event(name) {
                Some(_) => {
                    format!("`{name}` is an event of the world: faults can wait for it, no check sees it")
                }
                None => name_help(name, "its events", &known),
            };
            let error = at.error(Code::UnknownEvent, message, help);
            self.report(error);
        }
        found
    }

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

    /// Checks that an event has a field.
    fn field(&mut self, event: &EventKind, field: &str, at: &Place<'_>) {
        if event.fields.contains(&field) {
            return;
        }
        let message = format!("`{}` has no field `{field}`", event.name);
        let help = name_help(field, "its fields", event.fields);
        self.report(at.key_error(Code::UnknownField, message, help));
    }

    /// Checks an event and the fields it must have. `at` is the mapping with `event` and `where`.
    fn event_where(
        &mut self,
        event: &Spanned<String>,
        fields: &indexmap::IndexMap<Spanned<String>, Scalar>,
        at: &Place<'_>,
    ) -> Option<&'static EventKind> {
        let known = self.event(event, &at.key("event"))?;
        for name in fields.keys() {
            self.field(known, name, &at.key("where").key(name));
        }
        Some(known)
    }

    /// Checks an event pattern, short or long.
    fn pattern(&mut self, pattern: &EventPattern, at: &Place<'_>) -> Option<&'static EventKind> {
        if at.is_map() {
            self.event_where(&pattern.event, &pattern.fields, at)
        } else {
            self.event(&pattern.event, at)
        }
    }
}

/// A duration for a sentence.
fn shown(duration: Duration) -> Dur {
    Dur(duration)
}
