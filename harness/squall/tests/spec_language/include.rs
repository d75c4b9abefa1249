//! `include:` over real files: where parts are found, what laying one over another means, where errors point.

use std::{fs, path::Path};

use squall::spec::{Loaded, load};
use tempfile::TempDir;

use crate::shop::registry;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn read(directory: &TempDir, file: &str) -> Loaded {
    load(&directory.path().join(file), &registry()).unwrap_or_else(|errors| panic!("{errors}"))
}

const LEAST: &str = "spec: 1\nsystem: shop\n";

#[test]
fn parts_are_found_beside_the_file_and_above_it_and_the_nearest_wins() {
    let spec = format!("{LEAST}include: [lib/part.yaml]\n");
    let directory = directory(&[
        ("specs/saga/deep/x.yaml", &spec),
        ("specs/saga/y.yaml", &spec),
        ("specs/saga/lib/part.yaml", "about: near\n"),
        ("specs/lib/part.yaml", "about: far\n"),
        ("specs/z.yaml", &spec),
    ]);
    for (file, about) in
        [("specs/saga/deep/x.yaml", "near"), ("specs/saga/y.yaml", "near"), ("specs/z.yaml", "far")]
    {
        let loaded = read(&directory, file);
        assert_eq!(loaded.spec.about.as_deref(), Some(about), "{file}");
        assert!(loaded.spec.include.is_empty(), "what was read is one spec");
    }
}

#[test]
fn a_file_lies_over_what_it_includes_and_the_later_part_over_the_earlier() {
    let directory = directory(&[
        (
            "x.yaml",
            "spec: 1\nsystem: shop\ninclude: [a.yaml, b.yaml]\nphases: { settle: 5s }\n\
             faults: [{ id: own, pause: { node: orders }, at: 3s }]\ncheck: [charged_once]\n",
        ),
        (
            "a.yaml",
            "phases: { chaos: 8s, settle: 9s }\nworkload: { clients: 7 }\ncheck: [saga_atomicity]\n\
             faults: [{ id: a, pause: { node: orders }, at: 1s }]\n",
        ),
        (
            "b.yaml",
            "include: [c.yaml]\nworkload: { clients: 5 }\nfaults: [{ id: b, pause: { node: orders }, at: 2s }]\n",
        ),
        ("c.yaml", "topology: { orders: 4 }\n"),
    ]);
    let spec = read(&directory, "x.yaml").spec;
    assert_eq!(spec.faults.iter().map(|fault| fault.id.as_str()).collect::<Vec<_>>(), ["a", "b", "own"]);
    assert_eq!((spec.phases.chaos.0.as_secs(), spec.phases.settle.0.as_secs()), (8, 5));
    assert_eq!((*spec.workload.clients, *spec.topology["orders"], spec.check.len()), (5, 4, 2));
}

#[test]
fn a_part_may_be_included_twice_but_not_in_itself() {
    let directory = directory(&[
        ("x.yaml", "spec: 1\nsystem: shop\ninclude: [a.yaml, b.yaml]\n"),
        ("a.yaml", "include: [c.yaml]\n"),
        ("b.yaml", "include: [c.yaml]\n"),
        ("c.yaml", "about: both\n"),
        ("self.yaml", "spec: 1\nsystem: shop\ninclude: [self.yaml]\n"),
    ]);
    assert_eq!(read(&directory, "x.yaml").spec.about.as_deref(), Some("both"));
    let errors = load(&directory.path().join("self.yaml"), &registry()).unwrap_err();
    assert!(errors.to_string().contains("it includes itself"), "{errors}");
}

#[test]
fn as_json_too_an_error_names_the_file_it_is_in() {
    let errors = load(Path::new("tests/broken/include_with_errors.yaml"), &registry()).unwrap_err();
    let files: Vec<_> = errors
        .to_json()
        .iter()
        .map(|error| (error["code"].to_string(), error["file"].as_str().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(files.len(), 4);
    for (code, file) in files {
        let own = code.contains("S032");
        assert!(
            file.ends_with(if own { "include_with_errors.yaml" } else { "lib/faulty.yaml" }),
            "{code} {file}"
        );
    }
}
