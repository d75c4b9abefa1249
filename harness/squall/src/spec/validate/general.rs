//! What general checkers are told: whether operations, events, fields and verbs are what there is.

use indexmap::IndexMap;
use squall_checkers::judge::{Consistency, Model};

use crate::{
    context::Context,
    language::{
        Code, Place,
        diagnostic::{listed, name_help},
        model::{Consistent, FieldNames, Meaning, OPTIONS, Spanned, Specific},
        promises::{self, promise},
    },
};

/// What may be named as an operation, and what it has.
struct Source {
    name: String,
    /// None: it does not say.
    fields: Option<Vec<&'static str>>,
}

impl Context<'_> {
    pub(super) fn consistent(&mut self, consistent: &Consistent, at: &Place<'_>) {
        let of = &consistent.of;
        if let Some(budget) = &of.budget
            && budget.0.is_zero()
        {
            let help = "leave it out for 5s";
            self.report(at.key("budget").error(
                Code::OutOfRange,
                "a budget of nothing decides nothing",
                help,
            ));
        }
        let Some(name) = &of.model else {
            for (field, given) in
                [("key", of.key.is_some()), ("value", of.value.is_some()), ("ops", !of.ops.is_empty())]
            {
                if given {
                    let message =
                        format!("`{field}` says how operations are calls on a model, and none is named");
                    let help = "add `model: register` (or kv, set, queue, ..), or leave it out: versioned keys are judged by what \
                                operations return as `read`, `wrote` and `version`";
                    self.report(at.key(field).error(Code::Conflict, message, help));
                }
            }
            return;
        };
        let Some(model) = Model::of(name).filter(|model| model.is_of_objects()) else {
            let known: Vec<&str> =
                Model::ALL.iter().filter(|(_, model)| model.is_of_objects()).map(|(name, _)| *name).collect();
            let message = format!("there is no model `{}`", name.value);
            self.report(at.key("model").error(
                Code::OutOfRange,
                message,
                name_help(name, "the models", &known),
            ));
            return;
        };
        if !matches!(promise(&consistent.promise), Some(Consistency::Linearizable | Consistency::Sequential))
        {
            let message = format!(
                "`{}` is a promise about transactions, and a {} is an object",
                consistent.promise,
                model.name()
            );
            let help = "ask for `linearizable` or `sequential`, or leave `model` out to judge versioned keys";
            self.report(at.key("model").error(Code::Conflict, message, help));
        }
        let verbs = model.verbs();
        let sources = self.sources(false);
        self.meanings(&of.ops, model.name(), verbs, &sources, at);
        let used = used(&of.ops, &sources);
        self.value(&of.ops, of.value.as_ref(), &used, at);
        self.in_each(of.key.as_ref(), &used, &at.key("key"));
        if of.ops.is_empty()
            && let Some(system) = &self.system
            && let Some((stranger, _)) =
                system.operations.iter().find(|(operation, _)| !verbs.contains(&&**operation))
        {
            let message = format!("a {} does not know the operation `{stranger}`", model.name());
            let help = format!(
                "say what the operations are to it, as `ops: {{ {stranger}: {} }}`: {}",
                verbs[0],
                listed(verbs.iter().copied())
            );
            self.report(at.error(Code::MissingKey, message, help));
        }
    }

    pub(super) fn specific(&mut self, specific: &Specific, at: &Place<'_>) {
        let Specific { property, of } = specific;
        let verbs: Vec<&str> = property.verbs().collect();
        if of.ops.is_empty() && !at.key("ops").is_damaged() {
            let message = format!("nothing is said of what operations are to `{}`", at.name());
            let help = format!("add `ops: {{ OPERATION: {} }}`: {}", verbs[0], listed(verbs.iter().copied()));
            self.report(at.error(Code::MissingKey, message, help));
        }
        for option in of.options() {
            let (_, whose) = OPTIONS.iter().find(|(name, _)| *name == option).expect("it is one of them");
            if !whose.contains(property) {
                let names: Vec<String> = whose.iter().map(|property| promises::name_of(*property)).collect();
                let message = format!("`{option}` says nothing to `{}`", at.name());
                let help = format!("it is for {}", listed(names.iter().map(String::as_str)));
                self.report(at.key(option).key_error(Code::Conflict, message, help));
            }
        }
        let sources = self.sources(true);
        self.meanings(&of.ops, property.name(), &verbs, &sources, at);
        let used = used(&of.ops, &sources);
        self.value(&of.ops, of.value.as_ref(), &used, at);
        self.in_each(of.key.as_ref(), &used, &at.key("key"));
        self.in_each(of.by.as_ref(), &used, &at.key("by"));
    }

    /// The system's operations, and its events if they are wanted.
    fn sources(&self, events: bool) -> Vec<Source> {
        let Some(system) = &self.system else { return Vec::new() };
        let operations = system.operation_fields.iter().map(|(name, fields)| Source {
            name: (*name).to_owned(),
            fields: (!fields.is_empty()).then(|| fields.iter().copied().chain(["client"]).collect()),
        });
        let events = system.events.iter().filter(|_| events).map(|event| Source {
            name: event.name.to_owned(),
            fields: Some(event.fields.iter().copied().chain(["node"]).collect()),
        });
        operations.chain(events).collect()
    }

    /// Checks what operations and events are said to be.
    fn meanings(
        &mut self,
        ops: &IndexMap<Spanned<String>, Meaning>,
        whose: &str,
        verbs: &[&str],
        sources: &[Source],
        at: &Place<'_>,
    ) {
        for (name, meaning) in ops {
            let entry = at.key("ops").key(name);
            let source = sources.iter().find(|source| source.name == name.value);
            if source.is_none()
                && let Some(system) = &self.system
            {
                let is_event = name.contains('.');
                let takes_events = sources.iter().any(|source| source.name.contains('.'));
                let known: Vec<&str> =
                    sources.iter().map(|s| &*s.name).filter(|s| s.contains('.') == is_event).collect();
                let (code, message, help) = if is_event && !takes_events {
                    let message =
                        format!("`{name}` is no operation, and this is judged by what clients are told");
                    (Code::UnknownOperation, message, "name an operation".to_owned())
                } else if is_event {
                    let message = format!("no node of `{}` emits `{name}`", system.name);
                    (Code::UnknownEvent, message, name_help(name, "its events", &known))
                } else {
                    let message = format!("`{}` has no operation `{name}`", system.name);
                    (Code::UnknownOperation, message, name_help(name, "its operations", &known))
                };
                self.report(entry.key_error(code, message, help));
            }
            if !verbs.contains(&meaning.verb.as_str()) {
                let place = if entry.is_map() { entry.key("verb") } else { entry.clone() };
                let message = format!("a {whose} has no `{}`", meaning.verb);
                let help = name_help(&meaning.verb, "what can be asked of it", verbs);
                self.report(place.error(Code::OutOfRange, message, help));
            }
            let Some(source) = source else { continue };
            for field in meaning.fields.keys() {
                self.field_of(source, field, &entry.key("where").key(field), true);
            }
            for field in meaning.value.iter().flat_map(|names| &names.0) {
                self.field_of(source, field, &entry.key("value"), false);
            }
        }
    }

    /// Checks that something has a field.
    fn field_of(&mut self, source: &Source, field: &str, at: &Place<'_>, is_key: bool) {
        let Some(fields) = &source.fields else { return };
        if fields.contains(&field) {
            return;
        }
        let message = format!("`{}` has no field `{field}`", source.name);
        let help = name_help(field, "its fields", fields);
        self.report(match is_key {
            true => at.key_error(Code::UnknownField, message, help),
            false => at.error(Code::UnknownField, message, help),
        });
    }

    /// Checks that the fields are in each of them.
    fn in_each(&mut self, fields: Option<&FieldNames>, used: &[&Source], at: &Place<'_>) {
        for field in fields.iter().flat_map(|names| &names.0) {
            let lacking = used.iter().find(|source| {
                source.fields.as_ref().is_some_and(|fields| !fields.contains(&field.value.as_str()))
            });
            if let Some(source) = lacking {
                self.field_of(source, field, at, false);
            }
        }
    }

    /// Checks that the common value is in one of those that have none of their own.
    fn value(
        &mut self,
        ops: &IndexMap<Spanned<String>, Meaning>,
        value: Option<&FieldNames>,
        used: &[&Source],
        at: &Place<'_>,
    ) {
        let own = |source: &&&Source| ops.get(source.name.as_str()).is_some_and(|one| one.value.is_some());
        let common: Vec<&&Source> = used.iter().filter(|source| !own(source)).collect();
        for field in value.iter().flat_map(|names| &names.0) {
            let has = |source: &&&Source| {
                source.fields.as_ref().is_none_or(|fields| fields.contains(&field.value.as_str()))
            };
            if let Some(first) = common.first()
                && !common.iter().any(has)
            {
                self.field_of(first, field, &at.key("value"), false);
            }
        }
    }
}

/// Those that are said to be something.
fn used<'a>(ops: &IndexMap<Spanned<String>, Meaning>, sources: &'a [Source]) -> Vec<&'a Source> {
    sources.iter().filter(|source| ops.contains_key(source.name.as_str())).collect()
}
