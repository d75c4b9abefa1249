//! Entries that exclude each other, as the JSON Schema has it.

use serde_json::{Value, json};

/// In the JSON Schema: exactly one of these entries.
pub(super) fn exactly_one(names: &[&str]) -> Value {
    let required: Vec<_> = names.iter().map(|name| json!({ "required": [name] })).collect();
    json!({ "oneOf": required })
}

/// In the JSON Schema: one of these entries, or none.
pub(super) fn at_most_one(names: &[&str]) -> Value {
    let mut either = exactly_one(names);
    let none: Vec<_> = names.iter().map(|name| json!({ "required": [name] })).collect();
    either["oneOf"].as_array_mut().expect("a list").push(json!({ "not": { "anyOf": none } }));
    either
}
