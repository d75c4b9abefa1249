//! The names that a system gives to what specs refer to, and what they say of the types of the language that refer to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    check::builtin::builtins,
    system::AnySystem,
    trace::{MessageKind, WORLD_EVENTS},
};

/// How deep a target's choices nest, as its text form has it.
const DEEPEST: usize = 4;

/// What the [shared](Names::shared) definitions are called.
const EVENTS: &str = "events";
const FIELDS: &str = "fields";

type Set = BTreeSet<String>;

/// The names of one system, or of several.
#[derive(Default)]
pub(super) struct Names {
    /// Groups of nodes, without the clients.
    groups: Set,
    operations: Set,
    /// The fields of operations; none if one does not say.
    operation_fields: Option<Set>,
    /// Events with their fields.
    events: BTreeMap<String, Set>,
    /// Its own, and those of the harness.
    invariants: Set,
    conditions: Set,
    /// None: any will do.
    methods: Option<Set>,
    /// None: any will do.
    roles: Option<Set>,
    begun: bool,
}

impl Names {
    pub(super) fn of(system: &dyn AnySystem) -> Names {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Set>();
        let given = |names: &[&str]| (!names.is_empty()).then(|| set(names));
        let none = Value::Null;
        // A variant may have more of them.
        let mut params = vec![none.clone()];
        params.extend(system.flaws().iter().map(|flaw| system.with_flaw(&none, flaw.name)));
        let mut names = Names {
            methods: given(system.methods()),
            roles: match given(system.roles()) {
                None if !system.events().iter().any(|event| event.name == "role.acquired") => {
                    Some(Set::new())
                }
                declared => declared,
            },
            begun: true,
            operation_fields: Some(Set::new()),
            ..Names::default()
        };
        for params in params {
            names.groups.extend(system.groups(&params).iter().map(|group| group.name.to_owned()));
            names.operations.extend(system.operations(&params).iter().map(|(name, _)| (*name).to_owned()));
            for (_, fields) in system.operation_fields(&params) {
                match &mut names.operation_fields {
                    Some(known) if !fields.is_empty() => known.extend(set(fields)),
                    unknown => *unknown = None,
                }
            }
            names.invariants.extend(system.invariants(&params));
            names.conditions.extend(system.conditions(&params));
        }
        names.invariants.extend(builtins().map(|(name, _)| name.to_owned()));
        names.events.extend(system.events().iter().map(|event| (event.name.to_owned(), set(event.fields))));
        names
    }

    /// Adds the names of another system.
    pub(super) fn add(&mut self, other: Names) {
        let either = |one: Option<Set>, other: Option<Set>, begun: bool| match (one, other) {
            (Some(one), Some(other)) => Some(&one | &other),
            (None, other) if !begun => other,
            _ => None,
        };
        self.methods = either(self.methods.take(), other.methods, self.begun);
        self.roles = either(self.roles.take(), other.roles, self.begun);
        self.operation_fields = either(self.operation_fields.take(), other.operation_fields, self.begun);
        self.begun = true;
        self.groups.extend(other.groups);
        self.operations.extend(other.operations);
        self.invariants.extend(other.invariants);
        self.conditions.extend(other.conditions);
        for (event, fields) in other.events {
            self.events.entry(event).or_default().extend(fields);
        }
    }

    pub(super) fn groups(&self) -> &Set {
        &self.groups
    }

    /// Definitions that what is said of several types refers to, by their names after `whose`.
    pub(super) fn shared(&self, whose: &str) -> [(String, Value); 2] {
        let events: Vec<_> = self.events.keys().collect();
        let known = json!({ "allOf": [
            {
                "if": { "type": "object", "required": ["event"] },
                "then": { "properties": { "event": { "enum": events } } },
            },
            { "$ref": reference(whose, FIELDS) },
        ] });
        [(format!("{whose}.{EVENTS}"), known), (format!("{whose}.{FIELDS}"), fields_of(&self.events))]
    }

    /// What these names say of a type of the language, beside what they say of the types that it is made of.
    pub(super) fn narrow(&self, name: &str, whose: &str) -> Option<Value> {
        let text = |known: &Set| json!({ "if": { "type": "string" }, "then": { "enum": known } });
        let events = json!({ "$ref": reference(whose, EVENTS) });
        Some(match name {
            "Target" => self.targets(),
            "Link" => json!({ "pattern": self.link() }),
            "Network" => {
                json!({ "properties": { "links": { "propertyNames": { "pattern": self.link() } } } })
            }
            "Check" => text(&self.invariants),
            "EventPattern" => json!({ "allOf": [text(&self.events.keys().cloned().collect()), events] }),
            "EventuallyThat" => json!({ "allOf": [text(&self.conditions), events, {
                "if": { "type": "object", "not": { "required": ["event"] } },
                "then": { "propertyNames": { "enum": self.conditions } },
            }] }),
            "Count" => events,
            "OwnEvent" => json!({ "allOf": [text(&self.events.keys().cloned().collect()), {
                "properties": { "event": { "enum": self.events.keys().collect::<Vec<_>>() } },
            }] }),
            "ConsistentOf" => {
                json!({ "properties": { "ops": { "propertyNames": { "enum": self.operations } } } })
            }
            "SpecificOf" => {
                let known: Vec<&String> = self.operations.iter().chain(self.events.keys()).collect();
                json!({ "properties": { "ops": { "propertyNames": { "enum": known } } } })
            }
            "FieldNames" => {
                let known: Set = self.operation_fields.as_ref()? | &self.fields();
                let known: Vec<&str> = known.iter().map(String::as_str).chain(["client", "node"]).collect();
                json!({
                    "if": { "type": "string" },
                    "then": { "enum": known },
                    "else": { "items": { "enum": known } },
                })
            }
            "Order" => json!({ "properties": { "per": { "enum": self.fields() } } }),
            "Trigger" => self.trigger(whose),
            "Rpc" => json!({ "properties": { "method": { "enum": self.methods.as_ref()? } } }),
            "Cancel" => json!({ "properties": { "client": {
                "pattern": "^\\s*(?:(?:all|one|some|minority|majority)\\s*\\(\\s*)*clients(?:\\[\\s*[0-9]+\\s*\\])?[\\s)]*$",
            } } }),
            "Join" => json!({ "properties": { "group": { "enum": self.groups } } }),
            "MaxDown" => {
                let groups: Vec<&str> = self.groups.iter().map(String::as_str).chain(["clients"]).collect();
                json!({ "if": { "type": "object" }, "then": { "propertyNames": { "enum": groups } } })
            }
            "Workload" => {
                json!({ "properties": { "mix": { "propertyNames": { "enum": self.operations } } } })
            }
            "PlannedOperation" => json!({ "properties": { "op": {
                "if": { "type": "string" },
                "then": { "enum": self.operations },
                "else": {
                    "type": "object",
                    "propertyNames": { "enum": self.operations },
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            } } }),
            _ => return None,
        })
    }

    /// What a fault may wait for: an event of the system or of the world.
    fn trigger(&self, whose: &str) -> Value {
        let known: Vec<&str> = self
            .events
            .keys()
            .map(String::as_str)
            .chain(WORLD_EVENTS.iter().map(|event| event.name))
            .collect();
        let world = WORLD_EVENTS.iter().map(|event| {
            let fields = event.fields.iter().map(|field| (*field).to_owned()).collect();
            (event.name.to_owned(), fields)
        });
        let mut forms = vec![
            json!({ "properties": { "event": { "enum": known } } }),
            json!({ "$ref": reference(whose, FIELDS) }),
            fields_of(&world.collect()),
            json!({
                "if": { "properties": { "event": { "const": "net.sent" } } },
                "then": { "properties": { "where": { "properties": {
                    "kind": { "enum": MessageKind::ALL.map(|kind| kind.packet().name()) },
                } } } },
            }),
        ];
        if let Some(methods) = &self.methods {
            let calls: Vec<_> = WORLD_EVENTS
                .iter()
                .filter(|event| event.fields.contains(&"method"))
                .map(|event| event.name)
                .collect();
            forms.push(json!({
                "if": { "properties": { "event": { "enum": calls } } },
                "then": { "properties": { "where": { "properties": { "method": { "enum": methods } } } } },
            }));
        }
        json!({ "allOf": forms })
    }

    /// All fields of all events.
    fn fields(&self) -> Set {
        self.events.values().flatten().cloned().collect()
    }

    /// Targets: those that an editor can offer, and the form of all.
    fn targets(&self) -> Value {
        let mut offered: Vec<String> = self.groups.iter().cloned().collect();
        offered.extend(["clients".to_owned(), "rest".to_owned(), "all".to_owned()]);
        offered.extend(self.groups.iter().map(|group| format!("one({group})")));
        offered.extend(self.roles.iter().flatten().map(|role| format!("role({role})")));
        json!({ "anyOf": [{ "enum": offered }, { "pattern": format!("^\\s*{}\\s*$", self.target()) }] })
    }

    /// The pattern of a link.
    fn link(&self) -> String {
        let target = self.target();
        format!("^\\s*{target}\\s*<?->\\s*{target}\\s*$")
    }

    /// The pattern of a target.
    fn target(&self) -> String {
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).chain(["clients"]).collect();
        let role = |names: &str| format!("role\\s*\\(\\s*(?:{names})\\s*\\)|");
        let roles = match &self.roles {
            Some(none) if none.is_empty() => String::new(),
            Some(roles) => role(&roles.iter().map(String::as_str).collect::<Vec<_>>().join("|")),
            None => role("[a-z][a-z0-9_-]*"),
        };
        let plain = format!(
            "(?:{})(?:\\[\\s*[0-9]+\\s*\\])?|{roles}zone\\s*\\(\\s*[a-z][a-z0-9_-]*\\s*\\)|rest|all",
            groups.join("|")
        );
        let mut target = format!("(?:{plain})");
        for _ in 0..DEEPEST {
            target = format!("(?:{plain}|(?:all|one|some|minority|majority)\\s*\\(\\s*{target}\\s*\\))");
        }
        target
    }
}

/// What is known of a mapping with `event`, `where` and `per`: which fields each event has.
fn fields_of(events: &BTreeMap<String, Set>) -> Value {
    let forms: Vec<_> = events
        .iter()
        .map(|(event, fields)| {
            json!({
                "if": { "type": "object", "properties": { "event": { "const": event } }, "required": ["event"] },
                "then": { "properties": {
                    "where": { "propertyNames": { "enum": fields } },
                    "per": { "enum": fields },
                } },
            })
        })
        .collect();
    // An empty list would not be a schema.
    if forms.is_empty() { json!({}) } else { json!({ "allOf": forms }) }
}

fn reference(whose: &str, name: &str) -> String {
    format!("#/$defs/{whose}.{name}")
}
