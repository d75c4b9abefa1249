//! Broken specs, and what a person is told about each. The specs are in `tests/broken`, one snapshot each.

use std::{fs, path::Path};

use squall::spec;

use crate::shop::registry;

const DIRECTORY: &str = "tests/broken";

/// The errors of a spec, as they are shown. The path is as a person would give it from the crate's directory.
fn errors(path: &Path) -> String {
    match spec::load(path, &registry()) {
        Ok(_) => panic!("{} is taken to be in order", path.display()),
        Err(errors) => errors.render(false),
    }
}

#[test]
fn every_broken_spec_is_explained() {
    let mut specs: Vec<_> = fs::read_dir(DIRECTORY).unwrap().map(|entry| entry.unwrap().path()).collect();
    specs.sort();
    assert!(specs.len() >= 80, "the broken specs are in {DIRECTORY}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../broken/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for path in specs.iter().filter(|path| path.is_file()) {
            insta::assert_snapshot!(path.file_stem().unwrap().to_str().unwrap(), errors(path));
        }
    });
}
