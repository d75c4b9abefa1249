//! The language as JSON Schema, made from the types, for editors and for people.

use serde_json::{Value, json};

use super::model::Spec;
use crate::Registry;

/// The JSON Schema of a spec (draft 2020-12). With a registry it also knows its systems: their names, variants, node groups,
/// operations and parameters.
pub fn schema(registry: Option<&Registry>) -> Value {
    let mut schema = schemars::schema_for!(Spec).to_value();
    schema["title"] = "squall spec, version 1".into();
    schema["properties"]["spec"] = json!({ "const": 1, "description": "The version of the language." });
    let Some(registry) = registry else { return schema };
    let systems: Vec<_> = registry
        .iter()
        .map(|system| json!({ "const": system.name(), "description": system.about() }))
        .collect();
    schema["properties"]["system"] = json!({ "description": "The system to run.", "anyOf": systems });
    schema["allOf"] = registry.iter().map(|system| system_schema(system.as_ref())).collect();
    schema
}

/// What the choice of a system says about the rest.
fn system_schema(system: &dyn crate::system::AnySystem) -> Value {
    let mut variants = vec![json!({ "const": "hardened", "description": "The good implementation." })];
    variants
        .extend(system.flaws().iter().map(|flaw| json!({ "const": flaw.name, "description": flaw.about })));
    let groups: Vec<_> = system.groups(&Value::Null).iter().map(|group| group.name).collect();
    let operations: Vec<_> = system.operations(&Value::Null).iter().map(|(name, _)| *name).collect();
    // A schema within a schema keeps its `$defs` to itself when it has an `$id`.
    let mut params = system.params_schema().to_value();
    params["$id"] = format!("squall:params/{}", system.name()).into();
    json!({
        "if": { "properties": { "system": { "const": system.name() } }, "required": ["system"] },
        "then": {
            "properties": {
                "variant": { "anyOf": variants },
                "params": params,
                "topology": { "propertyNames": { "enum": groups } },
                "workload": { "properties": { "mix": { "propertyNames": { "enum": operations } } } },
            },
        },
    })
}
