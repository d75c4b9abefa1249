//! Specs as files: found, read, named; and what is said of files that are no specs.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use squall::spec::{Code, Diagnostics, MAX_BYTES, discover, load, parse};
use tempfile::TempDir;

use crate::shop::registry;

const LEAST: &str = "spec: 1\nsystem: shop\n";

fn directory(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, LEAST).unwrap();
    }
    directory
}

/// As it is shown, with the directory's path taken out.
fn shown(errors: &Diagnostics, directory: &TempDir) -> String {
    errors.render(false).replace(directory.path().to_str().unwrap(), "DIR")
}

#[test]
fn specs_are_found_below_directories_in_order() {
    let directory = directory(&[
        "specs/saga/b.yaml",
        "specs/saga/a.yml",
        "specs/lib/part.yaml",
        "specs/saga/lib/part.yaml",
        "specs/saga/notes.txt",
        "specs/.hidden/x.yaml",
        "specs/zoo.yaml",
        "specs/breaker/calm.yaml",
    ]);
    let at = |path: &str| directory.path().join(path);
    let found = discover(&[at("specs/zoo.yaml"), at("specs")]).unwrap();
    let relative: Vec<_> =
        found.iter().map(|p| p.strip_prefix(directory.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(
        relative,
        ["specs/zoo.yaml", "specs/breaker/calm.yaml", "specs/saga/a.yml", "specs/saga/b.yaml"]
    );
    assert_eq!(discover(&[at("specs/lib")]).unwrap().len(), 1, "asked for, lib is searched");
}

#[test]
fn names_come_from_the_path_below_specs() {
    let directory = directory(&["specs/saga/deep/crash_after_charge.yaml", "alone.yaml"]);
    let name = |path: &str| load(&directory.path().join(path), &registry()).unwrap().name;
    assert_eq!(name("specs/saga/deep/crash_after_charge.yaml"), "saga::deep::crash_after_charge");
    assert_eq!(name("alone.yaml"), "alone");
}

#[test]
fn a_directory_without_specs_is_an_error() {
    let directory = directory(&["specs/lib/part.yaml", "specs/readme.txt"]);
    let errors = discover(&[directory.path().join("specs")]).unwrap_err();
    insta::assert_snapshot!(shown(&errors, &directory));
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    let directory = directory(&["specs/saga/calm.yaml"]);
    let near = discover(&[directory.path().join("specs/saga/clam.yaml")]).unwrap_err();
    insta::assert_snapshot!(shown(&near, &directory));
    let far = load(&directory.path().join("nothing/like/it"), &registry()).unwrap_err();
    insta::assert_snapshot!(shown(&far, &directory));
}

#[test]
fn a_directory_is_no_spec() {
    let directory = directory(&["specs/saga/calm.yaml"]);
    let errors = load(&directory.path().join("specs"), &registry()).unwrap_err();
    insta::assert_snapshot!(shown(&errors, &directory));
}

#[test]
fn a_file_that_is_not_utf8_is_an_error_with_its_place() {
    let directory = directory(&[]);
    let path = directory.path().join("latin1.yaml");
    fs::write(&path, b"spec: 1\nsystem: shop\nabout: Gr\xf6\xdfe\n").unwrap();
    insta::assert_snapshot!(shown(&load(&path, &registry()).unwrap_err(), &directory));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = format!("\u{feff}{}", LEAST.replace('\n', "\r\n"));
    assert!(parse("x.yaml", &text, &registry()).is_ok());
}

/// Errors of this text, and that they came quickly.
fn quick_errors(text: &str) -> Diagnostics {
    let start = Instant::now();
    let errors = parse("bomb.yaml", text, &registry()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    errors
}

fn first_code(errors: &Diagnostics) -> Code {
    errors.iter().next().expect("an error").code
}

#[test]
fn ten_megabytes_of_aliases_are_refused_by_size() {
    let mut text = String::from("about: &a x\nfaults:\n");
    while text.len() < 10 << 20 {
        text.push_str("  - *a\n");
    }
    let errors = quick_errors(&text);
    insta::assert_snapshot!(errors.render(false));

    let directory = directory(&[]);
    let path = directory.path().join("bomb.yaml");
    fs::write(&path, text).unwrap();
    assert_eq!(first_code(&load(&path, &registry()).unwrap_err()), Code::TooLarge);
}

#[test]
fn aliases_that_grow_are_refused_at_the_alias() {
    // Each line stands for nine of the one before: the billion laughs.
    let mut text = format!("{LEAST}params:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let nine = vec![format!("*a{}", i - 1); 9].join(", ");
        text.push_str(&format!("  a{i}: &a{i} [{nine}]\n"));
    }
    insta::assert_snapshot!(quick_errors(&text).render(false));
}

#[test]
fn long_text_behind_aliases_is_refused_at_the_alias() {
    let text = format!("{LEAST}about: &a {}\nparams: [{}]\n", "x".repeat(500_000), vec!["*a"; 20].join(", "));
    let errors = quick_errors(&text);
    assert_eq!(first_code(&errors), Code::Expansion);
    assert_eq!(errors.iter().next().unwrap().path, "params[6]");
}

#[test]
fn a_megabyte_of_anything_ends_quickly() {
    let fill = |pattern: &str| {
        let mut text = format!("{LEAST}params: ");
        text.extend(std::iter::repeat_n(pattern, (MAX_BYTES - text.len()) / pattern.len()));
        text
    };
    for pattern in [
        "[", "{", "- ", "? ", "a: ", "[a,", "{a: ", "\"", "&a ", "x\n", "x: 1\n", " ", "\t", "|\n", "'a' ",
        "#", "*a ",
    ] {
        quick_errors(&fill(pattern));
    }
    // As many keys as the budget allows, each of them wrong.
    let many: String = (0..20_000).map(|i| format!("k{i}: 1\n")).collect();
    let errors = quick_errors(&format!("{LEAST}{many}"));
    assert_eq!(errors.len(), 50);
    assert!(errors.render(false).ends_with("There may be more errors. These come first.\n"));
}

#[test]
fn errors_as_json() {
    let text = "spec: 1\nsystem: shop\nworkload:\n  ops: 1\n  ops: 2\n  clients: ß\n";
    let errors = parse("specs/x.yaml", text, &registry()).unwrap_err();
    let lines: Vec<_> = errors.to_json().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let missing = discover(&[PathBuf::from("no/such/place")]).unwrap_err();
    insta::assert_snapshot!(missing.to_json()[0].to_string());
}

#[test]
fn colour_only_when_asked() {
    let errors = load(Path::new("tests/broken/version.yaml"), &registry()).unwrap_err();
    assert!(errors.render(true).contains("\u{1b}["));
    assert!(!errors.render(false).contains('\u{1b}'));
    assert_eq!(errors.to_string(), errors.render(false));
}
