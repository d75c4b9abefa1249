//! What the READMEs show must work: their specs are read as they stand there, and their runs pass, or fail as they say; and the catalogue
//! of patterns is that of the registry.

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

/// How much of the first page is read before somebody runs something.
/// A bare `cargo test` is to leave out what is said to be left out, and nothing that was forgotten.
#[test]
fn what_cargo_takes_without_a_name_is_all_but_the_peers() {
    let manifest = include_str!("../../Cargo.toml");
    let list = |key: &str| -> Vec<&str> {
        let (_, rest) = manifest.split_once(&format!("\n{key} = [")).expect("it is there");
        rest.split_once(']').expect("it ends").0.split('"').skip(1).step_by(2).collect()
    };
    let mut members = list("members");
    members.retain(|member| *member != "patterns/peers");
    assert_eq!(members, list("default-members"));
}

#[test]
fn the_readme_is_short() {
    let page = include_str!("../../README.md");
    let words: usize = page.split("```").step_by(2).map(|prose| prose.split_whitespace().count()).sum();
    assert!(words <= 900, "{words} words");
}

/// A row for each system: its pattern's module, what it is, its laws, flaws and specs.
#[test]
fn the_catalogue_is_that_of_the_registry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("patterns/README.md");
    let page = std::fs::read_to_string(&path).expect("the catalogue");
    let (begin, end) = ("<!-- catalogue -->\n", "<!-- end -->");
    let (before, rest) = page.split_once(begin).expect("where it begins");
    let (_, after) = rest.split_once(end).expect("where it ends");
    let now = format!("{before}{begin}{}{end}{after}", catalogue(&root));
    if std::env::var_os("SQUALL_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, &now).expect("the catalogue can be written");
    } else {
        let remedy = "run `SQUALL_BLESS=1 cargo test -p squall-tests --test readme`";
        assert!(page == now, "patterns/README.md is not what the registry says: {remedy}");
    }
}

fn catalogue(root: &Path) -> String {
    let mut table = String::from(
        "| system | pattern | what it is | invariants | flaws | specs |\n|---|---|---|---|---|---|\n",
    );
    for system in squall_systems::registry().iter() {
        let name = system.name();
        let params = system.complete_params(&serde_json::Value::Null).expect("the defaults");
        let module = format!("src/{}.rs", name.replace('-', "_"));
        let pattern = match root.join("patterns").join(&module).exists() {
            true => format!("[`{}`]({module})", name.replace('-', "_")),
            false => "shows the harness".to_owned(),
        };
        let code =
            |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let invariants = system.invariants(&params);
        let flaws = system.flaws().iter().map(|flaw| flaw.name).collect();
        let specs = spec::discover(&[root.join("specs").join(name)]).expect("each system has specs");
        table += &format!(
            "| [`{name}`](systems/src/{}.rs) | {pattern} | {} | {} | {} | [{}](../specs/{name}) |\n",
            name.replace('-', "_"),
            system.about(),
            code(invariants.iter().map(String::as_str).collect()),
            code(flaws),
            specs.len(),
        );
    }
    table
}
