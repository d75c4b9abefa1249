//! The JSON Schema says what the parser does.

use serde_json::Value;
use squall::spec::schema;

use crate::shop::registry;

#[test]
fn the_schema_of_the_language() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema(None)).unwrap());
}

#[test]
fn with_systems_it_knows_their_names_and_parameters() {
    let schema = schema(Some(&registry()));
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema["allOf"]).unwrap());
}

/// Every `$ref` of the schema leads somewhere.
#[test]
fn references_lead_somewhere() {
    fn check(schema: &Value, top: &Value) -> usize {
        match schema {
            Value::Object(object) => object
                .iter()
                .map(|(key, value)| match value {
                    Value::String(target) if key == "$ref" => {
                        let path = target.strip_prefix('#').expect("a reference within the schema");
                        assert!(top.pointer(path).is_some(), "{target} leads nowhere");
                        1
                    }
                    _ => check(value, top),
                })
                .sum(),
            Value::Array(items) => items.iter().map(|item| check(item, top)).sum(),
            _ => 0,
        }
    }
    let schema = schema(Some(&registry()));
    assert!(check(&schema, &schema) > 30);
}
