//! What an entry of a spec is checked against: the names and numbers of the system and of the run that it is for.
//!
//! Each check reports what is wrong and goes on. Entries that were wrong in themselves are no longer in the spec; what depends on one of
//! them is passed over here, so that one mistake is one error.

// Uses: history, language, system, trace.

use std::{collections::HashMap, time::Duration};

use indexmap::IndexMap;

use crate::{
    history::EventKind,
    language::{
        Code, Diagnostic, Place,
        diagnostic::{listed, name_help},
        model::{EventPattern, Probability, Scalar, Spanned},
    },
    system::{Problem, Transport},
    trace,
};

mod netsim;
mod target;

pub(crate) use self::target::Use;

/// What is known of the system and of the run.
pub(crate) struct Context<'a> {
    pub errors: &'a mut Vec<Diagnostic>,
    pub system: Option<Known>,
    /// The names of the zones.
    pub zones: Vec<String>,
    /// When faults heal, and when the run ends, since its start; if the phases are in order.
    pub times: Option<Times>,
}

/// What a system has.
pub(crate) struct Known {
    pub name: &'static str,
    /// What is wrong with its declarations under the parameters of this spec.
    pub problems: Vec<Problem>,
    /// Node groups and their sizes in this spec, the clients last. A size that is wrong in the spec is `None`.
    pub groups: Vec<(String, Option<u32>)>,
    pub operations: Vec<(&'static str, u32)>,
    /// None where an operation does not say.
    pub operation_fields: Vec<(&'static str, &'static [&'static str])>,
    pub events: &'static [EventKind],
    /// Its own, and those of the harness.
    pub invariants: Vec<String>,
    /// The events that its invariants read, of those that say.
    pub vocabulary: HashMap<String, &'static [EventKind]>,
    pub conditions: Vec<String>,
    /// As that of the invariants.
    pub condition_vocabulary: HashMap<String, &'static [EventKind]>,
    pub transport: Transport,
    pub methods: &'static [&'static str],
    pub roles: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub warmup: Duration,
    pub heal: Duration,
    pub settle: Duration,
    pub end: Duration,
}

impl Context<'_> {
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
    pub(crate) fn event(&mut self, name: &str, at: &Place<'_>) -> Option<&'static EventKind> {
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

    /// Checks that an event has a field.
    pub(crate) fn field(&mut self, event: &EventKind, field: &str, at: &Place<'_>) {
        if event.fields.contains(&field) {
            return;
        }
        let message = format!("`{}` has no field `{field}`", event.name);
        let help = name_help(field, "its fields", event.fields);
        self.report(at.key_error(Code::UnknownField, message, help));
    }

    /// Checks an event and the fields it must have. `at` is the mapping with `event` and `where`.
    pub(crate) fn event_where(
        &mut self,
        event: &Spanned<String>,
        fields: &IndexMap<Spanned<String>, Scalar>,
        at: &Place<'_>,
    ) -> Option<&'static EventKind> {
        let known = self.event(event, &at.key("event"))?;
        for name in fields.keys() {
            self.field(known, name, &at.key("where").key(name));
        }
        Some(known)
    }

    /// Checks an event pattern, short or long.
    pub(crate) fn pattern(&mut self, pattern: &EventPattern, at: &Place<'_>) -> Option<&'static EventKind> {
        if at.is_map() {
            self.event_where(&pattern.event, &pattern.fields, at)
        } else {
            self.event(&pattern.event, at)
        }
    }

    /// Checks that exactly one of the entries is there. Entries that were wrong count: they are there.
    pub(crate) fn exactly_one(
        &mut self,
        names: &[&str],
        at: &Place<'_>,
        none: (String, &str),
        several: &str,
        help: &str,
    ) {
        let written: Vec<_> = names.iter().filter(|name| at.key(name).is_written()).collect();
        match written.as_slice() {
            // A key that means nothing was meant to be one of them.
            [] if at.is_damaged() => {}
            [] => self.report(at.error(Code::NotExactlyOne, none.0, none.1)),
            [_] => {}
            [first, others @ ..] => {
                for other in others {
                    let error =
                        at.key(other).key_error(Code::NotExactlyOne, several.replace("{}", other), help);
                    self.report(error.related(at.key(first).key_span(), "beside this"));
                }
            }
        }
    }

    /// Keys for a sentence.
    pub(crate) fn keys(&self, names: &[&str]) -> String {
        listed(names.iter().copied())
    }

    /// Reports numbers that make a fault do nothing.
    pub(crate) fn does_nothing(&mut self, at: &Place<'_>, message: &str, help: &str) {
        self.report(at.error(Code::OutOfRange, message, help));
    }

    /// Checks that a share is more than nothing.
    pub(crate) fn share(&mut self, share: Probability, at: &Place<'_>, message: &str, help: &str) {
        if share.0 == 0.0 {
            self.does_nothing(at, message, help);
        }
    }
}
