//! What the READMEs show must work: their specs are read as they stand there, and their runs pass, or fail as they say.

use std::path::Path;

use squall::{
    Registry,
    explore::is_expected,
    run::{ExecuteOptions, execute},
    spec::{self, Loaded},
};

/// The YAML blocks of a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").expect("a block ends").0).collect()
}

fn run(registry: &Registry, loaded: &Loaded, seeds: std::ops::Range<u64>, yaml: &str) {
    for seed in seeds {
        let report = execute(registry, &loaded.spec, seed, ExecuteOptions::default());
        assert!(
            report.passed() || is_expected(&loaded.spec, &report),
            "seed {seed}, case {:?}: {:?}\n{yaml}",
            loaded.case,
            report.verdict
        );
    }
}

#[test]
fn the_spec_in_the_readme_is_valid_and_passes() {
    let registry = squall_systems::registry();
    let specs = blocks(include_str!("../../README.md"));
    assert!(!specs.is_empty(), "the README shows a spec");
    for yaml in specs {
        let loaded = spec::parse("README.md", yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
        run(&registry, &loaded, 0..10, yaml);
    }
}

/// A block that is not a whole spec is a part of one of `saga`.
#[test]
fn every_example_in_the_reference_for_specs_runs() {
    let registry = squall_systems::registry();
    // Where it lies decides where includes are found.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/README.md");
    let examples = blocks(include_str!("../../specs/README.md"));
    assert!(examples.len() > 15, "the reference has an example for each construct");
    for yaml in examples {
        let whole = if yaml.starts_with("spec:") {
            yaml.to_owned()
        } else {
            format!("spec: 1\nsystem: saga\n{yaml}")
        };
        let cases = spec::parse_cases(&page.to_string_lossy(), &whole, &registry);
        for loaded in cases.unwrap_or_else(|errors| panic!("{errors}")) {
            run(&registry, &loaded, 0..4, yaml);
        }
    }
}

/// Editors check specs against the schema that is checked in.
#[test]
fn the_schema_of_the_specs_is_that_of_this_build() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/schema.json");
    let now = format!("{:#}\n", spec::schema(Some(&squall_systems::registry())));
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == now,
        "specs/schema.json is not what `cargo run -- schema > specs/schema.json` writes: run it"
    );
}

/// The first line of each spec tells editors of the schema.
#[test]
fn every_spec_names_its_schema() {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    let mut files = spec::discover(std::slice::from_ref(&specs)).expect("the specs");
    files.extend(spec::discover(&[specs.join("lib")]).expect("the parts of specs"));
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a spec is text");
        let below = file.strip_prefix(&specs).expect("a spec below specs").components().count() - 1;
        let line = format!("# yaml-language-server: $schema={}schema.json", "../".repeat(below));
        assert!(text.lines().next() == Some(&line), "{}: begin it with `{line}`", file.display());
    }
}
