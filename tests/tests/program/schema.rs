//! The schema that editors validate specs with says the same as `squall check`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use serde_json::Value;

use crate::subject::{run, squall, systems};

fn validator(printed: &str) -> Validator {
    let schema: Value = serde_json::from_str(printed).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn errors(validator: &Validator, path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a file");
    let spec: Value = serde_yaml::from_str(&text).expect("YAML");
    validator.iter_errors(&spec).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The specs below a directory, without the parts that they share.
fn specs(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("lib") {
            specs(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[track_caller]
fn all_valid(printed: &str, directory: &Path, at_least: usize) {
    let validator = validator(printed);
    let mut found = Vec::new();
    specs(directory, &mut found);
    assert!(found.len() >= at_least, "{found:?}");
    let wrong: Vec<_> = found
        .iter()
        .map(|path| (path, errors(&validator, path)))
        .filter(|(_, errors)| !errors.is_empty())
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), found.len());
}

/// Also those whose system is named in a file that they include.
pub fn every_spec_is_valid_in_an_editor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    all_valid(&run(systems(&["schema"])).with(0).out, &root.join("specs"), 100);
    all_valid(&run(squall(&["schema"])).with(0).out, &root.join("tests/fixtures"), 10);
}

/// The names of the systems, one of each kind, are known at the places where they belong.
pub fn an_editor_knows_the_names_of_each_system() {
    let validator = validator(&run(systems(&["schema"])).with(0).out);
    let valid = |text: &str| {
        let spec: Value = serde_yaml::from_str(&format!("spec: 1\n{text}")).expect("YAML");
        validator.is_valid(&spec)
    };
    let saga = |text: &str| valid(&format!("system: saga\n{text}"));
    for (right, wrong) in [
        ("variant: hardened", "variant: hardend"),
        ("topology: { payments: 2 }", "topology: { payment: 2 }"),
        ("workload: { mix: { place: 1 } }", "workload: { mix: { plaice: 1 } }"),
        ("check: [saga_atomicity]", "check: [saga_atomicty]"),
        ("check: [read_your_writes]", "check: [read_my_writes]"),
        ("check: [never: saga.completed]", "check: [never: saga.complete]"),
        (
            "check: [eventually: { within: 1s, that: no_open_sagas }]",
            "check: [eventually: { within: 1s, that: no_sagas }]",
        ),
        (
            "check: [eventually: { within: 1s, that: { no_open_sagas: { events: { saga.parked: saga.completed } } } }]",
            "check: [eventually: { within: 1s, that: { no_sagas: { events: { saga.parked: saga.completed } } } }]",
        ),
        (
            "check: [eventually: { within: 1s, that: { no_open_sagas: { events: { saga.parked: saga.completed } } } }]",
            "check: [eventually: { within: 1s, that: { no_open_sagas: { events: { saga.parked: saga.complete } } } }]",
        ),
        (
            "check: [count: { event: saga.completed, per: saga, at_most: 1 }]",
            "check: [count: { event: saga.completed, per: sega, at_most: 1 }]",
        ),
        (
            "faults: [{ id: a, pause: { node: one(role(coordinator)) }, at: 1s }]",
            "faults: [{ id: a, pause: { node: one(role(leader)) }, at: 1s }]",
        ),
        (
            "faults: [{ id: a, pause: { node: one(payments) }, when: { event: saga.completed, where: { saga: x } } }]",
            "faults: [{ id: a, pause: { node: one(payments) }, when: { event: saga.completed, where: { sega: x } } }]",
        ),
        (
            "faults: [{ id: a, delay: { link: 'orchestrator -> all(payments)', by: 1s }, at: 1s }]",
            "faults: [{ id: a, delay: { link: 'orchestrator -> all(payment)', by: 1s }, at: 1s }]",
        ),
        ("network: { links: { 'clients -> rest': {} } }", "network: { links: { 'client -> rest': {} } }"),
        ("limits: { max_down: { payments: 1 } }", "limits: { max_down: { payment: 1 } }"),
        ("params: { step_timeout: 100ms..300ms }", "params: { step_timeout: 100..300 }"),
        ("params: { step_timeout: { draw: [1s, 2s] } }", "params: { step_timeout: { drawn: [1s, 2s] } }"),
    ] {
        assert!(saga(right), "{right}");
        assert!(!saga(wrong), "{wrong}");
        // The system may be named elsewhere.
        let included = |text: &str| valid(&format!("include: [lib/x.yaml]\n{text}"));
        assert!(included(right), "{right}");
        assert!(!included(wrong) || wrong.contains("per: sega"), "{wrong}");
    }
    assert!(!valid("about: neither a system nor a file that may name one"));
    assert!(!valid("system: no-such-system"));
}
