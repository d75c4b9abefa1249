//! Checks and the expected verdict.

use std::collections::HashMap;

use super::{Spec, shown};
use crate::{
    check::label,
    context::Context,
    history::EventKind,
    language::{
        Code, Place, Span, Spanned,
        diagnostic::{did_you_mean, listed, name_help},
        model::{After, Check, Count, EventPattern, Eventually, EventuallyThat, Expect, Mapped, Order},
        promises,
    },
};

/// Whether every event of one pattern is one of the other, too, if both are of the same name.
fn implies(one: &EventPattern, other: &EventPattern) -> bool {
    other.fields.iter().all(|(field, value)| one.fields.get(field) == Some(value))
}

impl Context<'_> {
    pub(super) fn checks(&mut self, spec: &Spec, top: &Place<'_>) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut named: HashMap<String, Span> = HashMap::new();
        for (check, at) in spec.check.iter().zip(top.key("check").items()) {
            let written = serde_json::to_string(&check.value).expect("a check can be written");
            if let Some(first) = seen.insert(written, at.span()) {
                let message = format!("`{}` is checked twice", label(check));
                let error =
                    at.error(Code::DuplicateName, message, "keep one of them").related(first, "first here");
                self.report(error);
                continue;
            }
            if !matches!(check.value, Check::Sometimes(_))
                && let Some(first) = named.insert(label(check), at.span())
                && !matches!(
                    check.value,
                    Check::Never(_) | Check::Eventually(_) | Check::Count(_) | Check::Order(_)
                )
            {
                let message = format!("two checks are called `{}`", label(check));
                let help = match check.value {
                    Check::Consistent(_) | Check::Specific(_) => {
                        "tell them apart with `name`: verdicts go by it"
                    }
                    _ => "keep one of them",
                };
                self.report(at.error(Code::DuplicateName, message, help).related(first, "first here"));
            }
            match &check.value {
                Check::Named(name) => self.invariant(name, &at),
                Check::Mapped(mapped) => {
                    let at = at.key(&mapped.name);
                    self.invariant(&mapped.name, &at);
                    let known =
                        self.system.as_ref().filter(|system| system.invariants.contains(&mapped.name));
                    match known.map(|system| system.vocabulary.get(&mapped.name).copied()) {
                        Some(None) => {
                            let name = &mapped.name;
                            let message = format!("`{name}` is told by operations, and reads no events");
                            let help = format!(
                                "write `- {name}` alone: operations say what they are by their fields"
                            );
                            self.report(at.error(Code::Conflict, message, help));
                        }
                        known => self.mapped(mapped, known.flatten().unwrap_or_default(), "-", &at),
                    }
                }
                Check::Never(pattern) => {
                    self.pattern(pattern, &at.key("never"));
                }
                Check::Eventually(eventually) => self.eventually(eventually, &at.key("eventually")),
                Check::Sometimes(patterns) => {
                    let list = at.key("sometimes");
                    if patterns.is_empty() && !list.is_damaged() {
                        let help = "name an event at least, as `sometimes: [saga.compensated]`";
                        self.report(list.error(Code::OutOfRange, "`sometimes` of nothing", help));
                    }
                    for (pattern, item) in patterns.iter().zip(list.items()) {
                        self.pattern(pattern, &item);
                    }
                }
                Check::Count(count) => self.count(count, &at.key("count")),
                Check::Order(order) => self.order(order, &at.key("order")),
                Check::Consistent(consistent) => self.consistent(consistent, &at.key(&consistent.promise)),
                Check::Specific(one) => self.specific(one, &at.key(&promises::name_of(one.property))),
            }
        }
    }

    fn invariant(&mut self, name: &str, at: &Place<'_>) {
        let Some(system) = &self.system else { return };
        if system.invariants.iter().any(|known| known == name) {
            return;
        }
        let known: Vec<_> = system.invariants.iter().map(String::as_str).collect();
        let conditions = system.conditions.iter().map(String::as_str);
        let help = if conditions.clone().any(|condition| condition == name) {
            format!("it is a condition: write `- eventually: {{ within: 10s, that: {name} }}`")
        } else if let Some(property) = promises::property(name) {
            let verb = property.verbs().next().unwrap_or_default();
            format!(
                "say what operations or events are to it: write `- {name}: {{ ops: {{ OPERATION: {verb} }} }}`"
            )
        } else if system.events.iter().any(|event| event.name == name) {
            format!("it is an event: write `- never: {name}` or `- sometimes: [{name}]`")
        } else if did_you_mean(name, known.iter().copied()).is_none()
            && did_you_mean(name, conditions.clone()).is_some()
        {
            format!(
                "conditions are written `- eventually: {{ within: 10s, that: .. }}`: {}",
                listed(conditions)
            )
        } else {
            name_help(name, "invariants", &known)
        };
        let error =
            at.error(Code::UnknownInvariant, format!("`{}` has no invariant `{name}`", system.name), help);
        self.report(error);
    }

    /// What the events of an invariant or a condition are called, which knows these, or any if it does not say. `alone` is what its name
    /// stands after.
    fn mapped(&mut self, mapped: &Mapped, vocabulary: &[EventKind], alone: &str, at: &Place<'_>) {
        let events = at.key("events");
        if mapped.of.events.is_empty() && !events.is_damaged() {
            let help = format!("say what an event is called, or write `{alone} {}` alone", mapped.name);
            self.report(events.error(Code::OutOfRange, "nothing is called otherwise", help));
        }
        let mut taken: HashMap<&str, Span> = HashMap::new();
        for (law, own) in &mapped.of.events {
            let place = events.key(law);
            let term = vocabulary.iter().find(|event| event.name == **law);
            if term.is_none() && !vocabulary.is_empty() {
                let names: Vec<_> = vocabulary.iter().map(|event| event.name).collect();
                let message = format!("`{}` reads no event `{law}`", mapped.name);
                let help = name_help(law, "those that it reads", &names);
                self.report(place.key_error(Code::UnknownEvent, message, help));
            }
            let at_event = if place.is_map() { place.key("event") } else { place.clone() };
            if let Some(first) = taken.insert(&own.event, own.event.span) {
                let message = format!("`{}` is two events to `{}`", *own.event, mapped.name);
                let help =
                    "each event that nodes report is one of those that it reads: tell them apart by name";
                self.report(at_event.error(Code::DuplicateName, message, help).related(first, "first here"));
            }
            let Some(event) = self.event(&own.event, &at_event) else { continue };
            for (field, own) in &own.fields {
                let at_field = place.key("fields").key(field);
                if let Some(term) = term.filter(|term| !term.fields.contains(&field.as_str())) {
                    let message = format!("`{}` has no field `{field}` to `{}`", term.name, mapped.name);
                    let help = name_help(field, "those that it knows", term.fields);
                    self.report(at_field.key_error(Code::UnknownField, message, help));
                }
                self.field_named(event, own, &at_field);
            }
        }
    }

    fn eventually(&mut self, eventually: &Eventually, at: &Place<'_>) {
        let that = at.key("that");
        match &eventually.that {
            EventuallyThat::Event(pattern) => {
                self.pattern(pattern, &that);
            }
            EventuallyThat::Condition(name) => self.condition(name, &that),
            EventuallyThat::Mapped(mapped) => {
                let at = that.key(&mapped.name);
                self.condition(&mapped.name, &at);
                let known =
                    self.system.as_ref().and_then(|system| system.condition_vocabulary.get(&mapped.name));
                self.mapped(mapped, known.copied().unwrap_or_default(), "that:", &at);
            }
        }
        if eventually.within.0.is_zero() && !at.key("within").is_damaged() {
            let help = "give it time, as `within: 10s`: nothing that happens after takes no time at all";
            self.report(at.key("within").error(Code::OutOfRange, "it is due at once", help));
        }
        let Some(times) = self.times else { return };
        let (room, whose) = match eventually.after {
            After::Heal => (times.settle, "the settle phase"),
            After::Start => (times.end, "the run"),
        };
        if eventually.within.0 > room {
            let message =
                format!("{} is longer than {whose}, which is {}", eventually.within.value, shown(room));
            let help = "shorten it, or lengthen `phases.settle`: what is due after the end is never judged";
            self.report(at.key("within").error(Code::OutsideRun, message, help));
        }
    }

    fn condition(&mut self, name: &str, at: &Place<'_>) {
        let Some(system) = &self.system else { return };
        if system.conditions.iter().any(|known| known == name) {
            return;
        }
        let known: Vec<_> = system.conditions.iter().map(String::as_str).collect();
        let help = if system.events.iter().any(|event| event.name == name) {
            format!("it is an event: write `that: {{ event: {name} }}`")
        } else {
            name_help(name, "its conditions", &known)
        };
        let message = format!("`{}` has no condition `{name}`", system.name);
        self.report(at.error(Code::UnknownCondition, message, help));
    }

    fn count(&mut self, count: &Count, at: &Place<'_>) {
        if let Some(event) = self.event_where(&count.event, &count.fields, at)
            && let Some(per) = &count.per
        {
            self.field_named(event, per, &at.key("per"));
        }
        let (least, most) = (at.key("at_least"), at.key("at_most"));
        if least.is_damaged() || most.is_damaged() {
            return;
        }
        match (count.at_least, count.at_most) {
            (None | Some(0), None) => {
                let help = "add `at_least: 1`, `at_most: 1`, or both";
                self.report(at.error(
                    Code::NotExactlyOne,
                    "the count has no bounds, so it always holds",
                    help,
                ));
            }
            (Some(a), Some(b)) if a > b => {
                let message = format!("no count is at least {a} and at most {b}");
                let error = most.error(Code::Conflict, message, "swap the two");
                self.report(error.related(least.span(), "at least"));
            }
            _ => {}
        }
    }

    fn order(&mut self, order: &Order, at: &Place<'_>) {
        let ends = [self.pattern(&order.first, &at.key("first")), self.pattern(&order.then, &at.key("then"))];
        if order.first.event == order.then.event && implies(&order.first, &order.then) {
            let message = format!("the first `{}` would have to come before itself", *order.then.event);
            let help = "name two events, or tell them apart with `where`";
            self.report(at.error(Code::Conflict, message, help));
        }
        if let Some(per) = &order.per {
            for event in ends.into_iter().flatten() {
                self.field_named(event, per, &at.key("per"));
            }
        }
    }

    /// Like [`Context::field`], for an entry whose value is the field's name.
    fn field_named(&mut self, event: &EventKind, field: &str, at: &Place<'_>) {
        if !event.fields.contains(&field) {
            let message = format!("`{}` has no field `{field}`", event.name);
            self.report(at.error(Code::UnknownField, message, name_help(field, "its fields", event.fields)));
        }
    }

    pub(super) fn expect(&mut self, spec: &Spec, top: &Place<'_>) {
        let Expect::Violates(name) = &spec.expect else { return };
        if top.key("check").is_damaged() {
            return;
        }
        let violable = |check: &&Spanned<Check>| !matches!(check.value, Check::Sometimes(_));
        let labels: Vec<_> = spec.check.iter().filter(violable).map(|check| label(check)).collect();
        if labels.contains(name) {
            return;
        }
        let at = top.key("expect").key("violates");
        let known = self.system.as_ref().is_some_and(|system| system.invariants.contains(name));
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        if known {
            let message = format!("`{name}` is to be violated, but it is not checked");
            self.report(at.error(Code::Expectation, message, format!("add `- {name}` to `check`")));
        } else {
            let message = format!("nothing that is checked is named `{name}`");
            self.report(at.error(Code::Expectation, message, name_help(name, "what is checked", &labels)));
        }
    }
}
