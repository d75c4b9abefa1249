//! The language as JSON Schema, made from the types, for editors and for people.

use serde_json::{Map, Value, json};

use super::model::Spec;
use crate::{Registry, system::AnySystem};

/// The JSON Schema of a spec (draft 2020-12). With a registry it also knows its systems: their names, variants, node groups,
/// operations and parameters.
pub fn schema(registry: Option<&Registry>) -> Value {
    let mut schema = schemars::schema_for!(Spec).to_value();
    refuse_null(&mut schema);
    schema["title"] = "squall spec, version 1".into();
    schema["properties"]["params"] = json!({
        "type": "object",
        "description": "The system's parameters; `squall describe SYSTEM` lists them.",
    });
    schema["properties"]["spec"] = json!({ "const": 1, "description": "The version of the language." });
    let Some(registry) = registry else { return schema };
    let systems: Vec<_> = registry
        .iter()
        .map(|system| json!({ "const": system.name(), "description": system.about() }))
        .collect();
    schema["properties"]["system"] = json!({ "description": "The system to run.", "anyOf": systems });
    let mut definitions = Map::new();
    schema["allOf"] =
        registry.iter().map(|system| system_schema(system.as_ref(), &mut definitions)).collect();
    schema["$defs"].as_object_mut().expect("the language has more than one type").append(&mut definitions);
    schema
}

/// An entry of a spec may be left out, but not be null, as `Option` would have it.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    object["type"] = only.clone();
                }
            }
            if let Some(Value::Array(either)) = object.get_mut("anyOf") {
                either.retain(|one| one["type"] != "null");
                if let [Value::Object(only)] = either.as_mut_slice() {
                    let mut only = std::mem::take(only);
                    object.remove("anyOf");
                    object.append(&mut only);
                }
            }
            object.values_mut().for_each(refuse_null);
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}

/// What the choice of a system says about the rest. The types of its parameters go to `definitions`.
fn system_schema(system: &dyn AnySystem, definitions: &mut Map<String, Value>) -> Value {
    let mut variants = vec![json!({ "const": "hardened", "description": "The good implementation." })];
    variants
        .extend(system.flaws().iter().map(|flaw| json!({ "const": flaw.name, "description": flaw.about })));
    let groups: Vec<_> = system.groups(&Value::Null).iter().map(|group| group.name).collect();
    let operations: Vec<_> = system.operations(&Value::Null).iter().map(|(name, _)| *name).collect();
    let mut params = system.params_schema().to_value();
    let prefix = format!("{}.", system.name());
    rename_references(&mut params, &prefix);
    if let Some(object) = params.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            definitions.extend(own.into_iter().map(|(name, schema)| (format!("{prefix}{name}"), schema)));
        }
    }
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

/// Points references at definitions whose names have the prefix: two systems may each have a type `Style`.
fn rename_references(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/$defs/{prefix}{name}");
                        }
                    }
                    _ => rename_references(value, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, prefix)),
        _ => {}
    }
}
