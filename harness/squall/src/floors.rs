//! The house has floors: a folder uses what is below it, and nothing else. Read from the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// From the bottom to the top. Those in one floor stand side by side and do not use each other.
const FLOORS: &[&[&str]] = &[
    &["confine", "history", "limits", "log", "open", "screen"],
    &["language", "trace"],
    &["check", "run_id"],
    &["record", "system"],
    &["cluster", "context"],
    &["fault"],
    &["spec"],
    &["plan"],
    &["reproduce", "run"],
    &["worker"],
    &["inquiry", "pool"],
    &["shrink"],
    &["blame"],
    &["diff", "explore"],
    &["bugs", "report"],
    &["cli"],
    &["testing"],
];

/// Where what the crate exports at its root is from.
const ROOT: &[(&str, &str)] = &[
    ("Condition", "check"),
    ("Invariant", "check"),
    ("Violation", "check"),
    ("EventKind", "history"),
    ("Fields", "history"),
    ("Record", "history"),
    ("Value", "history"),
    ("BoxError", "system"),
    ("Flaw", "system"),
    ("Group", "system"),
    ("Node", "system"),
    ("Operations", "system"),
    ("Outcome", "system"),
    ("Registry", "system"),
    ("System", "system"),
    ("Transport", "system"),
];

#[test]
fn folders_use_what_is_below_them() {
    let floor = |folder: &str| {
        let found = FLOORS.iter().position(|floor| floor.contains(&folder));
        found.unwrap_or_else(|| panic!("{folder} has no floor: give it one in {}", file!()))
    };
    let mut wrong = Vec::new();
    for (folder, used) in uses() {
        let here = floor(&folder);
        for (other, file) in used {
            if floor(&other) >= here {
                wrong.push(format!("{folder} uses {other}, which is not below it ({file})"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// By folder: which others it uses, and where, tests apart.
fn uses() -> BTreeMap<String, BTreeMap<String, String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut open = vec![root.clone()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let inside = path.strip_prefix(&root).expect("it is below").to_str().expect("text").to_owned();
        let folder = inside.split('/').next().expect("a name").trim_end_matches(".rs").to_owned();
        if folder == "lib" || folder == "floors" || inside.ends_with("tests.rs") || inside.contains("/tests/")
        {
            continue;
        }
        let used = uses.entry(folder.clone()).or_default();
        for name in named(&code(&fs::read_to_string(&path).expect("a source"))) {
            let other =
                ROOT.iter().find(|(export, _)| *export == name).map_or(name, |(_, from)| (*from).to_owned());
            if other != folder {
                used.entry(other).or_insert_with(|| inside.clone());
            }
        }
    }
    uses
}

/// A source without comments and without its tests.
fn code(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The first names of all paths that begin at the crate's root: `crate::a::b`, and `crate::{a, b::{c, d}}`.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            names.insert(first_word(after));
            continue;
        };
        let (mut depth, mut item) = (1, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                names.insert(first_word(item.trim_start()));
                item.clear();
            } else {
                item.push(c);
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn paths_are_read() {
    let source = "use crate::{\n    a::B,\n    c::{D, e::F},\n    g,\n};\nfn f(x: crate::h::I) {} // crate::no\n#[cfg(test)]\nmod tests {\n    use crate::never;\n}\n";
    let expected = ["a", "c", "g", "h"].map(str::to_owned);
    assert_eq!(named(&code(source)), expected.into());
}
