//! The house has floors: in `harness/squall` a folder uses what is below it, and says so in its first lines; in every crate, modules that
//! stand in one folder do not use each other in a circle. Read from the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use sources::{Module, Sources, of_crate};

mod circles;
mod sources;

/// The folders of `harness/squall/src` from the bottom to the top. Those in one floor stand side by side and do not use each other.
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

/// By folder: which others it uses, each with a module that does.
fn used_folders(sources: &Sources) -> BTreeMap<String, BTreeMap<String, Module>> {
    let mut folders: BTreeMap<String, BTreeMap<String, Module>> = BTreeMap::new();
    for module in sources.modules() {
        let used = folders.entry(module[0].clone()).or_default();
        for other in sources.used_by(module).into_iter().filter(|other| other[0] != module[0]) {
            used.entry(other[0].clone()).or_insert_with(|| module.clone());
        }
    }
    folders
}

#[test]
fn folders_use_what_is_below_them() {
    let floor = |folder: &str| {
        let found = FLOORS.iter().position(|floor| floor.contains(&folder));
        found.unwrap_or_else(|| panic!("{folder} has no floor: give it one in {}", file!()))
    };
    let mut wrong = Vec::new();
    for (folder, used) in used_folders(&Sources::read(&of_crate("harness/squall"))) {
        for (other, by) in used {
            if floor(&other) >= floor(&folder) {
                wrong.push(format!("{folder} uses {other}, which is not below it ({}.rs)", by.join("/")));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What a folder's own file says after the documentation at its top: `// Uses: check, history.`
fn said_to_use(source: &str) -> Option<BTreeSet<String>> {
    let top = source.lines().take_while(|line| line.is_empty() || line.starts_with("//"));
    let said: Vec<&str> = top.skip_while(|line| !line.starts_with("// Uses: ")).collect();
    let said = said.join(" ").replace("// ", "");
    let (names, _) = said.strip_prefix("Uses: ")?.split_once('.')?;
    let names = names.split(',').map(|name| name.trim().to_owned()).filter(|name| name != "nothing");
    Some(names.collect())
}

#[test]
fn first_lines_say_what_a_folder_uses() {
    let root = of_crate("harness/squall");
    let mut wrong = Vec::new();
    for (folder, used) in used_folders(&Sources::read(&root)) {
        if !root.join(&folder).is_dir() {
            continue;
        }
        let used: BTreeSet<String> = used.into_keys().collect();
        let source = fs::read_to_string(root.join(format!("{folder}.rs"))).expect("a folder has its file");
        if said_to_use(&source) != Some(used.clone()) {
            let names = if used.is_empty() { "nothing".to_owned() } else { Vec::from_iter(used).join(", ") };
            wrong.push(format!("the first lines of {folder}.rs are to say: // Uses: {names}."));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
