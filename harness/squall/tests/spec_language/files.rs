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
        "specs/circuit-breaker/calm.yaml",
    ]);
    let at = |path: &str| directory.path().join(path);
    let found = discover(&[at("specs/zoo.yaml"), at("specs")]).unwrap();
    let relative: Vec<_> =
        found.iter().map(|p| p.strip_prefix(directory.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(
        relative,
        ["specs/zoo.yaml", "specs/circuit-breaker/calm.yaml", "specs/saga/a.yml", "specs/saga/b.yaml"]
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

/// The codes of what `check` would say of a directory, and all of its text.
fn refused(directory: &TempDir, path: &str) -> (Vec<Code>, String) {
    let path = directory.path().join(path);
    let files = match discover(&[path]) {
        Ok(files) => files,
        Err(errors) => return (errors.iter().map(|e| e.code).collect(), shown(&errors, directory)),
    };
    let errors = files.iter().filter_map(|file| load(file, &registry()).err());
    let (mut codes, mut text) = (Vec::new(), String::new());
    for errors in errors {
        codes.extend(errors.iter().map(|e| e.code));
        text += &shown(&errors, directory);
    }
    (codes, text)
}

#[test]
fn nothing_outside_of_the_root_is_read() {
    for (include, code) in [
        ("/proc/self/environ", Code::Outside),
        ("/etc/passwd", Code::Outside),
        ("../../secret.yaml", Code::Outside),
        ("lib/../../../secret.yaml", Code::Outside),
        ("leak.yaml", Code::Outside),
        ("folder/secret.yaml", Code::Outside),
        ("environ", Code::Outside),
        ("zero", Code::Outside),
        ("dangling.yaml", Code::Include),
        ("pipe.yaml", Code::Include),
        ("secret.yaml", Code::Include),
    ] {
        let directory = directory(&[]);
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("specs/saga/lib")).unwrap();
        fs::write(at("secret.yaml"), "password: hunter2\n").unwrap();
        let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, at(from)).unwrap();
        link("../secret.yaml", "specs/leak.yaml");
        link("..", "specs/folder");
        link("/proc/self/environ", "specs/environ");
        link("/dev/zero", "specs/zero");
        link("nowhere.yaml", "specs/dangling.yaml");
        pipe(&at("specs/pipe.yaml"));
        let spec = format!("{LEAST}include: [{include}]\n");
        fs::write(at("specs/saga/x.yaml"), spec).unwrap();
        let started = Instant::now();
        let (codes, text) = refused(&directory, "specs/saga");
        assert!(started.elapsed() < Duration::from_secs(5), "{include}: {:?}", started.elapsed());
        assert_eq!(codes, [code], "{include}: {text}");
        assert!(!text.contains("hunter2") && !text.contains("PATH="), "{include}: {text}");
        assert!(text.contains("help:"), "{text}");
    }
    // Inside the root a way up, and a link, is fine.
    let directory = directory(&["specs/lib/part.yaml"]);
    let at = |path: &str| directory.path().join(path);
    fs::create_dir(at("specs/saga")).unwrap();
    fs::write(at("specs/saga/x.yaml"), format!("{LEAST}include: [../lib/part.yaml, same.yaml]\n")).unwrap();
    std::os::unix::fs::symlink("../lib/part.yaml", at("specs/saga/same.yaml")).unwrap();
    load(&at("specs/saga/x.yaml"), &registry()).unwrap_or_else(|errors| panic!("{errors}"));
}

fn pipe(at: &Path) {
    let made = std::process::Command::new("mkfifo").arg(at).status().unwrap();
    assert!(made.success());
}

#[test]
fn what_looks_like_a_spec_and_cannot_be_one_is_named() {
    let said = |make: &dyn Fn(&Path)| {
        let directory = directory(&["specs/good.yaml"]);
        make(&directory.path().join("specs"));
        let (codes, text) = refused(&directory, "specs");
        assert_eq!(codes.len(), 1, "{text}");
        assert!(text.contains("DIR/specs/bad"), "{text}");
        text
    };
    let link = std::os::unix::fs::symlink::<&str, PathBuf>;
    let text = said(&|specs| fs::write(specs.join("bad.YAML"), LEAST).unwrap());
    assert!(text.contains("name it `DIR/specs/bad.yaml`"), "{text}");
    said(&|specs| fs::write(specs.join("bad.Yml"), LEAST).unwrap());
    let text = said(&|specs| link("nowhere.yaml", specs.join("bad.yaml")).unwrap());
    assert!(text.contains("is a link to `nowhere.yaml`, which is not there"), "{text}");
    said(&|specs| link("/proc/self/environ", specs.join("bad.yaml")).unwrap());
    let text = said(&|specs| pipe(&specs.join("bad.yaml")));
    assert!(text.contains("is a pipe"), "{text}");
    let text = said(&|specs| {
        fs::create_dir(specs.join("../elsewhere")).unwrap();
        link("../elsewhere", specs.join("bad")).unwrap();
    });
    assert!(text.contains("would be passed over"), "{text}");
    // A round of links hides nothing.
    let round = directory(&["specs/deep/good.yaml"]);
    link("..", round.path().join("specs/deep/up")).unwrap();
    assert_eq!(discover(&[round.path().join("specs")]).unwrap().len(), 1);
}

#[test]
fn what_is_no_file_on_a_disk_is_not_read() {
    for path in ["/proc/self/environ", "/dev/zero", "/dev/stdin"] {
        let errors = load(Path::new(path), &registry()).unwrap_err().to_string();
        assert!(!errors.contains("PATH=") && errors.contains("help:"), "{errors}");
    }
}
