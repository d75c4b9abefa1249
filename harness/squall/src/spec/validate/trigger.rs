//! What a fault waits for: an event of the system, or a world event.

use crate::{
    context::{Context, Use},
    history::EventKind,
    language::{
        Code, Place,
        diagnostic::name_help,
        model::{Scalar, Target, Trigger},
    },
    trace::{self, MessageKind, WORLD_EVENTS},
};

impl Context<'_> {
    /// Checks that the event exists, and the fields it must have.
    pub(super) fn trigger(&mut self, trigger: &Trigger, at: &Place<'_>) {
        let Some(event) = trace::world_event(&trigger.event) else {
            let is_known = |events: &[EventKind]| events.iter().any(|event| event.name == *trigger.event);
            match &self.system {
                Some(system) if !is_known(system.events) => {
                    let known: Vec<_> =
                        system.events.iter().chain(WORLD_EVENTS).map(|event| event.name).collect();
                    let message = format!("no node of `{}` emits `{}`", system.name, trigger.event);
                    let help = name_help(&trigger.event, "its events, and those of the world", &known);
                    self.report(at.key("event").error(Code::UnknownEvent, message, help));
                }
                _ => {
                    self.event_where(&trigger.event, &trigger.fields, at);
                }
            }
            return;
        };
        if !event.name.starts_with("disk.") {
            self.not_on_netsim(&format!("`{}`", event.name), &at.key("event"));
        }
        for (name, value) in &trigger.fields {
            let at = at.key("where").key(name);
            if event.fields.contains(&name.as_str()) {
                self.world_field(name, value, &at);
            } else {
                self.field(event, name, &at);
            }
        }
    }

    /// Checks what a field of a world event must be.
    fn world_field(&mut self, name: &str, value: &Scalar, at: &Place<'_>) {
        let text = match value {
            Scalar::Text(text) => text.as_str(),
            _ => "",
        };
        match name {
            "kind" => {
                let known = MessageKind::ALL.map(|kind| kind.packet().name());
                if !known.contains(&text) {
                    let help = name_help(text, "kinds of packets", &known);
                    self.report(at.error(Code::BadValue, "there is no such kind of packet", help));
                }
            }
            "method" => {
                if let Some((system, methods)) = self.methods()
                    && !methods.contains(&text)
                {
                    let message = format!("no node of `{system}` serves the method `{text}`");
                    let help = name_help(text, "its methods", methods);
                    self.report(at.error(Code::UnknownMethod, message, help));
                }
            }
            _ => match text.parse::<Target>() {
                Ok(target @ Target::Member(..)) => {
                    self.target(&target, at, Use::Struck);
                }
                Ok(Target::Group(group)) => {
                    let help = format!("write one node, as `{group}[0]`");
                    self.report(at.error(Code::BadValue, "this is not the name of a node", help));
                }
                _ => {
                    let help = "write one node, as `orders[0]`";
                    self.report(at.error(Code::BadValue, "this is not the name of a node", help));
                }
            },
        }
    }
}
