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

/// Where a spec is not valid by the schema, as an editor would see it; none for one that is no YAML.
fn told_by_an_editor(validator: &jsonschema::Validator, path: &std::path::Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let value: Value = serde_yaml::from_str(&text).ok()?;
    Some(validator.iter_errors(&value).map(|error| error.instance_path().to_string()).collect())
}

/// Broken specs that are valid by the schema, and why it cannot know.
const BEYOND_AN_EDITOR: &[(&str, &str)] = &[
    ("after_the_end", "times are compared"),
    (
        "clients_without_work",
        "a number is 0 beside others that are not; a rate that does nothing is written in many ways",
    ),
    ("duplicate_key", "a key that is there twice is the parser's to see, and an editor's is strict about it"),
    ("expectation", "what is expected to be violated is compared with `check`"),
    ("expectation_unknown", "what is expected to be violated is compared with `check`"),
    ("include_itself", "other files"),
    ("include_missing", "other files"),
    ("include_with_errors", "other files"),
    ("matrix_too_large", "numbers of values are multiplied"),
    ("matrix_values", "values are put where keys lead"),
    ("no_time_for_faults", "phases are compared with faults"),
    ("restarts", "durations are compared"),
    ("tagged", "a tag is the parser's to see"),
    ("zones_needed", "targets are compared with `network.zones`"),
];

#[test]
fn an_editor_knows_what_is_wrong_with_broken_specs() {
    let validator = jsonschema::validator_for(&schema(Some(&registry()))).expect("a schema");
    let mut specs: Vec<_> = std::fs::read_dir("tests/broken")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    specs.sort();
    let unseen: Vec<_> = specs
        .iter()
        .filter(|path| told_by_an_editor(&validator, path).is_some_and(|errors| errors.is_empty()))
        .map(|path| path.file_stem().unwrap().to_str().unwrap())
        .collect();
    let known: Vec<_> = BEYOND_AN_EDITOR.iter().map(|(name, _)| *name).collect();
    assert_eq!(unseen, known);
    for valid in ["full.yaml", "kinds.yaml"] {
        let path = std::path::Path::new("tests/spec_language").join(valid);
        assert_eq!(told_by_an_editor(&validator, &path), Some(Vec::new()), "{valid}");
    }
}
