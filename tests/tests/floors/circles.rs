//! Circles of modules that stand side by side in one folder.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Module, Sources, of_crate};

/// The crates whose sources are read.
const CRATES: &[&str] =
    &["harness/checkers", "harness/rt", "harness/squall", "patterns", "patterns/invariants"];

/// A circle that is one idea.
struct OneIdea {
    /// The folder, with its crate.
    folder: &'static str,
    modules: &'static [&'static str],
    because: &'static str,
}

const ALLOWED: &[OneIdea] = &[OneIdea {
    folder: "harness/rt/src/world/net",
    modules: &["fabric", "held", "host", "tcp", "udp"],
    because: "the fabric is the state of the whole network behind one lock: each of the others has a part of it, and what the fabric does to \
              that part",
}];

/// The modules beside each other in a folder, and which of the others each uses, whatever of theirs is inside of them.
fn siblings(sources: &Sources) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let mut folders: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for module in sources.modules() {
        for other in sources.used_by(module) {
            let common = module.iter().zip(&other).take_while(|(a, b)| a == b).count();
            if let (Some(this), Some(that)) = (module.get(common), other.get(common))
                && common > 0
            {
                let folder = folders.entry(module[..common].to_vec()).or_default();
                folder.entry(this.clone()).or_default().insert(that.clone());
            }
        }
    }
    folders
}

/// Those among them that use each other, directly or not, by circle.
fn circles(uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reached = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(module) = open.pop() {
            for other in uses.get(&module).into_iter().flatten() {
                if reached.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        uses.keys().map(|from| (from, reached(from))).collect();
    let both_ways =
        |a: &String, b: &String| reached[a].contains(b) && reached.get(b).is_some_and(|of| of.contains(a));
    let circle_of = |a: &String| uses.keys().filter(|b| both_ways(a, b)).cloned().collect::<BTreeSet<_>>();
    uses.keys().map(circle_of).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn modules_of_a_folder_are_in_no_circle() {
    let mut found = BTreeSet::new();
    for name in CRATES {
        for (folder, uses) in siblings(&Sources::read(&of_crate(name))) {
            let folder = format!("{name}/src/{}", folder.join("/"));
            found.extend(circles(&uses).into_iter().map(|circle| (folder.clone(), circle)));
        }
    }
    let names = |modules: &[&str]| modules.iter().map(|name| (*name).to_owned()).collect();
    let allowed: BTreeSet<(String, BTreeSet<String>)> =
        ALLOWED.iter().map(|one| (one.folder.to_owned(), names(one.modules))).collect();
    let told = |these: &BTreeSet<(String, BTreeSet<String>)>, but: &BTreeSet<(String, BTreeSet<String>)>| {
        these.difference(but).map(|(folder, circle)| format!("{folder}: {circle:?}")).collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    assert!(ALLOWED.iter().all(|one| !one.because.is_empty()), "each says why it is one idea");
    assert_eq!(told(&found, &allowed), none, "these use each other: cut them, or say why they are one idea");
    assert_eq!(told(&allowed, &found), none, "these are no circles any more: take them off the list");
}

#[test]
fn a_circle_is_seen_and_a_way_in_or_out_is_none() {
    let uses = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("e", "e")];
    let mut map: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in uses {
        map.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    let found: Vec<Vec<String>> = circles(&map).into_iter().map(Vec::from_iter).collect();
    assert_eq!(found, [vec!["b", "c"], vec!["e"]]);
}
