//! Whatever a spec or code under test says, a terminal shows it and does nothing else with it.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::subject::{run, specs, squall};

/// Sets a window's title, clears the screen (with the one-character form of `ESC [`), turns text round, breaks lines, is not seen.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{2066}\u{2028}\u{85}\u{200b}\u{feff}\u{e0041}";
/// What of that may be in a file's name: paths with control characters are refused.
const NAME: &str = "\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}\u{e0041}";
/// The text in YAML, and a carriage return and a line break as well.
const IN_YAML: &str = r#""\e]0;title\a\x9b2J\u202e\u2066\u2028\x85\u200b\ufeff\U000e0041\r\nseed 0: passed""#;

/// Whether it is one of what stands in [`HOSTILE`], or acts on a terminal in another way.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || HOSTILE.chars().any(|hostile| hostile == c && !c.is_ascii_graphic())
}

/// A directory of specs whose name and texts are hostile; the node says the text with what it does.
fn directory(does: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("specs").join(format!("x{NAME}.yaml"));
    fs::create_dir(directory.path().join("specs")).expect("a directory");
    let spec = format!(
        "spec: 1\nabout: {IN_YAML}\nsystem: gremlin\nparams: {{ does: {does}, says: {IN_YAML} }}\ncheck: [no_gremlin]\n\
         faults: [{{ id: cut, partition: {{ isolate: 'nodes[1]' }}, at: 1s }}]\nexplore: {{ seeds: 3 }}\n"
    );
    fs::write(&file, spec).expect("a file");
    (directory, file)
}

/// Requires that nothing acts on a terminal but colours, which are there if they are asked for.
#[track_caller]
fn harmless(what: &str, text: &str) {
    let mut rest = text.to_owned();
    for style in ["1", "2", "31", "32", "33", "0", "39", "22"] {
        rest = rest.replace(&format!("\u{1b}[{style}m"), "");
    }
    // The renderer of diagnostics has more of them; all end before the text begins.
    while let Some(at) = rest.find("\u{1b}[") {
        let end = rest[at..].find('m').map_or(rest.len(), |end| at + end + 1);
        let style = &rest[at + 2..end];
        assert!(style.chars().all(|c| c.is_ascii_digit() || c == ';' || c == 'm'), "{what}: {style:?}");
        rest.replace_range(at..end, "");
    }
    if let Some(bad) = rest.chars().find(|c| acts(*c)) {
        let at = rest.find(bad).expect("it was found");
        let start = rest[..at].char_indices().rev().nth(60).map_or(0, |(i, _)| i);
        panic!("{what}: {bad:?} after {:?}", &rest[start..at]);
    }
}

pub fn nothing_that_is_printed_acts_on_a_terminal() {
    for does in ["hiss", "shriek"] {
        let (root, file) = directory(does);
        let file = file.to_str().expect("it is UTF-8");
        let folder = root.path().to_str().expect("it is UTF-8");
        for (args, code) in [
            (&["run", file][..], 1),
            (&["run", file, "--format", "json"], 1),
            (&["replay", file, "--seed", "0"], 1),
            (&["explain", file, "--seed", "0"], 0),
            (&["check", file], 0),
            (&["check", file, "--format", "json"], 0),
            (&["list", folder], 0),
            (&["shrink", file], 0),
            (&["blame", file, "--seed", "0"], 0),
            (&["diff", file, "0", "1"], 0),
            (&["run", file, "--filter", HOSTILE, "--seeds", "0"], 4),
        ] {
            let what = format!("{does}: squall {}", args[..1].join(" "));
            let ended = run(squall(&[args, &["--color", "always"]].concat())).with(code);
            // A document is written to the letter unless it goes to a terminal.
            if !matches!(args[0], "explain" | "shrink") {
                harmless(&what, &ended.out);
            }
            harmless(&what, &ended.err);
            if args.contains(&"json") {
                let objects = ended.json();
                assert!(objects.iter().any(|object| names(object, file)), "{what}: {}", ended.out);
            }
        }
        let ended = run(specs(root.path().join("specs"), &[])).with(101);
        harmless("cargo test", &ended.out);
        harmless("cargo test", &ended.err);
    }
}

/// Whether an object is about this file, with its name as it is.
fn names(object: &Value, file: &str) -> bool {
    object["spec"] == file
}

pub fn a_line_of_a_history_is_one_line() {
    let (_root, file) = directory("hiss");
    let file = file.to_str().expect("it is UTF-8");
    let ended = run(squall(&["replay", file, "--seed", "0"])).with(1);
    assert!(ended.out.contains("\\r\\nseed 0: passed"), "{}", ended.out);
    // What a message says further is set in.
    assert!(!ended.out.lines().any(|line| line == "seed 0: passed"), "{}", ended.out);
}

pub fn diagnostics_show_hostile_specs_and_no_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let bad = |text: &str| {
        let file = directory.path().join(format!("bad{NAME}.yaml"));
        fs::write(&file, text).expect("a file");
        let path = file.to_str().expect("it is UTF-8");
        for args in
            [&["check", path, "--color", "always"][..], &["run", path], &["check", path, "--format", "json"]]
        {
            let ended = run(squall(args)).with(2);
            harmless(text, &ended.out);
            harmless(text, &ended.err);
            assert!(!(ended.out.is_empty() && ended.err.is_empty()));
        }
    };
    bad(&format!("spec: 1\nsystem: \u{202e}gremlin\u{2028}\u{200b} # {IN_YAML}\n"));
    bad("spec: 1\nsystem: gremlin\n\u{2066}key\u{e0041}: 1\n");
    bad("spec: 1\nsystem: \"\\e[31m\\x9b2J\"\ncheck: [\"\\u202e\"]\n");
    bad("spec: 1\nsystem: gremlin\nabuot: \u{1b}[31m \u{9b}2J\n");
    bad(&format!("spec: 1\nsystem: gremlin\ninclude: [{IN_YAML}]\nvariant: {IN_YAML}\n"));
    bad(&format!("spec: 1\nsystem: gremlin\nparams: {{ {IN_YAML}: 1, does: {IN_YAML} }}\n"));
    bad(HOSTILE);
    let missing = format!("{}/no{HOSTILE}.yaml", directory.path().display());
    harmless("a path", &run(squall(&["run", &missing])).with(2).err);
    harmless("a name", &run(squall(&["describe", HOSTILE])).with(2).err);
}
