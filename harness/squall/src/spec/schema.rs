//! The language as JSON Schema, made from the types, for editors and for people.

use serde_json::{Map, Value, json};

use self::names::Names;
use super::Spec;
use crate::{Registry, system::AnySystem};

mod names;

/// The JSON Schema of a spec (draft 2020-12). With a registry it also knows its systems: what each is called, its variants and
/// parameters, and its names of everything that a spec refers to (nodes, events with their fields, invariants, conditions,
/// operations, methods). Where `system` is in a file that the spec includes, those of all systems are accepted.
pub fn schema(registry: Option<&Registry>) -> Value {
    let mut schema = schemars::schema_for!(Spec).to_value();
    refuse_null(&mut schema);
    schema["title"] = "squall spec, version 1".into();
    schema["properties"]["params"] = json!({
        "type": "object",
        "description": "The system's parameters; `squall describe SYSTEM` lists them.",
    });
    schema["properties"]["spec"] = json!({ "const": 1, "description": "The version of the language." });
    // What a spec is made of may come from a file that it includes, but for the version.
    schema["required"] = json!(["spec"]);
    schema["anyOf"] = json!([{ "required": ["system"] }, { "required": ["include"] }]);
    let Some(registry) = registry else { return schema };
    let systems: Vec<_> = registry
        .iter()
        .map(|system| json!({ "const": system.name(), "description": system.about() }))
        .collect();
    schema["properties"]["system"] = json!({ "description": "The system to run.", "anyOf": systems });
    let mut definitions = Map::new();
    let mut branches = Vec::new();
    let mut all = Union::default();
    for system in registry.iter() {
        let names = Names::of(system.as_ref());
        let own = own_schema(system.as_ref(), &mut definitions);
        branches.push(json!({
            "if": { "properties": { "system": { "const": system.name() } }, "required": ["system"] },
            "then": narrowed(&schema, &own, &names, system.name(), &mut definitions),
        }));
        all.add(&own, names);
    }
    branches.push(json!({
        "if": { "not": { "required": ["system"] } },
        "then": narrowed(&schema, &all.own(), &all.names, "any", &mut definitions),
    }));
    schema["allOf"] = branches.into();
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

/// What a system says of `variant` and `params`. The types of its parameters go to `definitions`.
fn own_schema(system: &dyn AnySystem, definitions: &mut Map<String, Value>) -> Own {
    let mut variants = vec![json!({ "const": "hardened", "description": "The good implementation." })];
    variants
        .extend(system.flaws().iter().map(|flaw| json!({ "const": flaw.name, "description": flaw.about })));
    let mut params = system.params_schema().to_value();
    let prefix = format!("{}.", system.name());
    rename_references(&mut params, &prefix);
    let mut types = Map::new();
    if let Some(object) = params.as_object_mut() {
        object.remove("$schema");
        // The rest of them may be in a file that the spec includes.
        object.remove("required");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            types.extend(own.into_iter().map(|(name, schema)| (format!("{prefix}{name}"), schema)));
        }
    }
    let plain = types.clone();
    allow_draws(&mut params, &plain);
    types.values_mut().for_each(|schema| allow_draws(schema, &plain));
    definitions.append(&mut types);
    let name = format!("{prefix}params");
    definitions.insert(name.clone(), params);
    Own { variants, params: vec![json!({ "$ref": format!("#/$defs/{name}") })] }
}

/// What may stand at `variant` and at `params`.
struct Own {
    variants: Vec<Value>,
    params: Vec<Value>,
}

/// What several systems have.
#[derive(Default)]
struct Union {
    variants: Vec<Value>,
    params: Vec<Value>,
    names: Names,
}

impl Union {
    fn add(&mut self, own: &Own, names: Names) {
        for variant in &own.variants {
            if !self.variants.iter().any(|known| known["const"] == variant["const"]) {
                self.variants.push(variant.clone());
            }
        }
        self.params.extend(own.params.iter().cloned());
        self.names.add(names);
    }

    fn own(&self) -> Own {
        Own { variants: self.variants.clone(), params: self.params.clone() }
    }
}

/// Lets values inside of parameters be drawn: a range where a number or a duration is meant, and `{ draw: .. }` for anything.
fn allow_draws(schema: &mut Value, types: &Map<String, Value>) {
    for key in ["properties", "additionalProperties", "items", "anyOf", "oneOf", "allOf"] {
        match schema.get_mut(key) {
            Some(Value::Object(parts)) if key == "properties" => {
                parts.values_mut().for_each(|part| drawn(part, types));
            }
            Some(part @ Value::Object(_)) => drawn(part, types),
            Some(Value::Array(parts)) => parts.iter_mut().for_each(|part| allow_draws(part, types)),
            _ => {}
        }
    }
}

/// Lets a value be drawn.
fn drawn(schema: &mut Value, types: &Map<String, Value>) {
    let range = range_of(schema, types);
    allow_draws(schema, types);
    let description = schema.get("description").cloned();
    let mut from = vec![json!({ "type": "array", "minItems": 1, "items": schema.take() })];
    let mut forms = vec![from[0]["items"].clone()];
    if let Some(range) = range {
        forms.push(range.clone());
        from.push(range);
    }
    forms.push(json!({
        "type": "object",
        "properties": { "draw": { "anyOf": from } },
        "required": ["draw"],
        "additionalProperties": false,
    }));
    *schema = json!({ "anyOf": forms });
    if let Some(description) = description {
        schema["description"] = description;
    }
}

/// What ranges such a value is drawn from: counts for numbers, durations for durations.
fn range_of(schema: &Value, types: &Map<String, Value>) -> Option<Value> {
    if let Some(name) = schema["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
        let name = name.to_owned();
        return range_of(types.get(&name)?, types);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return either.iter().find_map(|one| range_of(one, types));
    }
    let is = |name: &str| match &schema["type"] {
        Value::String(only) => only == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    };
    if is("integer") || is("number") {
        Some(json!({ "$ref": "#/$defs/CountRange" }))
    } else if is("string") && schema.get("pattern").is_some() {
        Some(json!({ "$ref": "#/$defs/DurationRange" }))
    } else {
        None
    }
}

/// The schema of a spec, narrowed to these names. What it takes goes to `definitions`, under names that begin with `whose`.
fn narrowed(
    language: &Value,
    own: &Own,
    names: &Names,
    whose: &str,
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut narrowing = Narrowing { language, names, whose, definitions };
    let mut whole = narrowing.of(language).expect("a spec names nodes and events");
    definitions.retain(|_, definition| !definition.is_null());
    definitions.extend(names.shared(whose));
    let properties = &mut whole["properties"];
    properties["variant"] = json!({ "anyOf": own.variants });
    properties["params"] = match own.params.as_slice() {
        [only] => only.clone(),
        several => json!({ "anyOf": several }),
    };
    properties["topology"] = json!({ "propertyNames": { "enum": names.groups() } });
    whole
}

/// Walks through the schema of the language and keeps what names have to do with.
struct Narrowing<'a> {
    language: &'a Value,
    names: &'a Names,
    whose: &'a str,
    definitions: &'a mut Map<String, Value>,
}

impl Narrowing<'_> {
    /// What names say of what this schema describes; nothing if it has none in it.
    fn of(&mut self, schema: &Value) -> Option<Value> {
        let mut kept = Map::new();
        if let Some(name) = schema["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
            kept.extend(
                self.definition(name).map(|name| ("$ref".to_owned(), format!("#/$defs/{name}").into())),
            );
        }
        if let Some(properties) = schema["properties"].as_object() {
            let properties: Map<_, _> = properties
                .iter()
                .filter_map(|(name, schema)| Some((name.clone(), self.of(schema)?)))
                .collect();
            if !properties.is_empty() {
                kept.insert("properties".to_owned(), properties.into());
            }
        }
        for key in ["items", "additionalProperties", "propertyNames"] {
            let part = schema.get(key).and_then(|part| self.of(part));
            kept.extend(part.map(|part| (key.to_owned(), part)));
        }
        // Each form is told from the others by its type or its keys, so that what narrows one leaves the others alone.
        let forms: Vec<_> = ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| schema[key].as_array())
            .flatten()
            .filter_map(|form| self.of(form))
            .collect();
        if !forms.is_empty() {
            kept.insert("allOf".to_owned(), forms.into());
        }
        (!kept.is_empty()).then(|| kept.into())
    }

    /// The narrowed definition of this name; none if names have nothing to do with it.
    fn definition(&mut self, name: &str) -> Option<String> {
        let own = format!("{}.{name}", self.whose);
        if let Some(known) = self.definitions.get(&own) {
            return (!known.is_null()).then_some(own);
        }
        // Stands there meanwhile, for a type that is part of itself.
        self.definitions.insert(own.clone(), Value::Null);
        let language = self.language;
        let narrow = match (self.of(&language["$defs"][name]), self.names.narrow(name, self.whose)) {
            (Some(parts), Some(whole)) => Some(json!({ "allOf": [parts, whole] })),
            (parts, whole) => parts.or(whole),
        };
        match narrow {
            Some(narrow) => {
                self.definitions.insert(own.clone(), narrow);
                Some(own)
            }
            None => None,
        }
    }
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
