//! Checks of consistency and of single properties: what the operations and events of a system are to a general checker.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_checkers::judge::Property;

use super::{Dur, Scalar, Spanned};

/// A promise of consistency about what clients asked and were told, judged by a general checker.
#[derive(Clone, Debug)]
pub struct Consistent {
    /// What is promised, as `linearizable` or `snapshot_isolation`.
    pub promise: String,
    /// Of what.
    pub of: ConsistentOf,
}

/// What the operations of a system are to a consistency checker.
///
/// Without a model: reads and writes of versioned keys, by the fields `read`, `wrote` and `version` of results.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistentOf {
    /// The check's name in reports and in `expect`. Default: the promise and the model, as `linearizable register`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Spanned<String>>,
    /// Calls on an object: register, kv, set, queue, stack, priority-queue, counter, mutex or fenced-mutex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Spanned<String>>,
    /// The field that names the object, among many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<FieldNames>,
    /// The field that holds the value, in arguments and results. Default: `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<FieldNames>,
    /// What each operation is called by the model, as `{ look: read, set: write }`; others are left out. Default: by their own names.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ops: IndexMap<Spanned<String>, Meaning>,
    /// What a register holds at first. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<Scalar>,
    /// How much may be spent, as time on a machine that takes ten million steps a second. Default: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Spanned<Dur>>,
}

/// A single property, judged by a cheap checker as the run goes.
#[derive(Clone, Debug)]
pub struct Specific {
    /// Which.
    pub property: Property,
    /// Of what.
    pub of: SpecificOf,
}

/// What the operations and events of a system are to a cheap checker.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecificOf {
    /// The check's name in reports and in `expect`. Default: the property's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Spanned<String>>,
    /// What each operation or event is to the checker, as `{ take: give }`; others are left out.
    #[serde(default)]
    pub ops: IndexMap<Spanned<String>, Meaning>,
    /// The fields that hold the value, where an operation does not say. Default: `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<FieldNames>,
    /// The fields that name the object, among many. Default: there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<FieldNames>,
    /// The field that names the holder or the replica. Default: the client, or the node that reports the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<FieldNames>,
    /// Of a bank: what all balances come to. Default: what the first read shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Of a bank: whether an account may be below zero. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdraft: Option<bool>,
    /// Of a set or a counter: whether a read may show an older state. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_reads: Option<bool>,
    /// Of a queue: whether it is emptied in the end, so that what was put in before the heal and never came out is lost. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drained: Option<bool>,
}

/// The options that not all properties have, with those that have them.
pub(crate) const OPTIONS: [(&str, &[Property]); 5] = [
    ("total", &[Property::Bank]),
    ("overdraft", &[Property::Bank]),
    ("stale_reads", &[Property::GrowingSet, Property::CounterBounds]),
    ("drained", &[Property::TotalQueue]),
    ("by", &[Property::MutualExclusion, Property::Convergence]),
];

impl SpecificOf {
    /// Which of the [`OPTIONS`] are given.
    pub(crate) fn options(&self) -> Vec<&'static str> {
        let given = |name: &str| match name {
            "total" => self.total.is_some(),
            "overdraft" => self.overdraft.is_some(),
            "stale_reads" => self.stale_reads.is_some(),
            "drained" => self.drained.is_some(),
            _ => self.by.is_some(),
        };
        OPTIONS.iter().map(|(name, _)| *name).filter(|name| given(name)).collect()
    }
}

/// What an operation or an event is to a checker: a verb, or `{ verb, value, where }`.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// What it asks for.
    pub verb: Spanned<String>,
    /// Where its value is, if not where the others have it.
    pub value: Option<FieldNames>,
    /// Only if these fields have these values.
    pub fields: IndexMap<Spanned<String>, Scalar>,
}

/// A field, or several that are one value together. Those of an operation are its arguments and its results, and `client`; those of an
/// event are its own, and `node`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames(pub Vec<Spanned<String>>);

impl FieldNames {
    /// The names.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|name| name.value.clone()).collect()
    }
}
