//! What is known of a system, as plain data: for commands that tell of systems without calling their code.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AnySystem, EventKind};

/// A system as specs see it, with its default parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The default parameters, complete.
    pub params: Value,
    /// The JSON Schema of the parameters.
    pub schema: Value,
    /// The groups of nodes with their sizes.
    pub groups: Vec<(String, u32)>,
    pub operations: Vec<OperationFacts>,
    pub events: Vec<EventFacts>,
    pub invariants: Vec<LawFacts>,
    pub conditions: Vec<LawFacts>,
    pub methods: Vec<String>,
    pub roles: Vec<String>,
    pub flaws: Vec<FlawFacts>,
}

/// See [`Operations`](super::Operations).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperationFacts {
    pub name: String,
    pub weight: u32,
    /// None where it does not say.
    pub fields: Vec<String>,
}

/// An invariant or a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LawFacts {
    pub name: String,
    /// The events that it reads, under its own names for them; none if it does not say.
    pub reads: Vec<String>,
}

impl LawFacts {
    fn of((name, vocabulary): (String, &[EventKind])) -> Self {
        LawFacts { name, reads: vocabulary.iter().map(|event| event.name.to_owned()).collect() }
    }
}

/// See [`EventKind`](super::EventKind).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventFacts {
    pub name: String,
    pub fields: Vec<String>,
    pub about: String,
}

/// See [`Flaw`](super::Flaw).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlawFacts {
    pub name: String,
    pub about: String,
    pub violates: String,
}

impl Facts {
    /// Asks the system for all of it.
    pub(crate) fn of(system: &dyn AnySystem) -> Facts {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let params = system.complete_params(&Value::Null).expect("default parameters can be written as JSON");
        Facts {
            schema: system.params_schema().to_value(),
            groups: system.groups(&params).iter().map(|group| (group.name.to_owned(), group.size)).collect(),
            operations: system
                .operations(&params)
                .into_iter()
                .zip(system.operation_fields(&params))
                .map(|((name, weight), (_, fields))| OperationFacts {
                    name: name.to_owned(),
                    weight,
                    fields: texts(fields),
                })
                .collect(),
            events: system
                .events()
                .iter()
                .map(|event| EventFacts {
                    name: event.name.to_owned(),
                    fields: texts(event.fields),
                    about: event.about.to_owned(),
                })
                .collect(),
            invariants: system.vocabulary(&params).into_iter().map(LawFacts::of).collect(),
            conditions: system.condition_vocabulary(&params).into_iter().map(LawFacts::of).collect(),
            methods: texts(system.methods()),
            roles: texts(system.roles()),
            flaws: system
                .flaws()
                .iter()
                .map(|flaw| FlawFacts {
                    name: flaw.name.to_owned(),
                    about: flaw.about.to_owned(),
                    violates: flaw.violates.to_owned(),
                })
                .collect(),
            params,
        }
    }
}
