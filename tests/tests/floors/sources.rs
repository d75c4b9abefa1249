//! The sources of a crate as modules, and which modules each of them uses. Tests are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module by the way to it from the crate's root, which is the empty one.
pub type Module = Vec<String>;

/// The modules of a crate.
pub struct Sources {
    /// What stands in each, without comments and tests.
    code: BTreeMap<Module, String>,
    /// What each gives out under its own name: the name, and which module it has it from.
    exports: BTreeMap<Module, Vec<(String, Module)>>,
}

/// A path in a source, of the words between its `::`, with its groups taken apart.
struct Use {
    /// Whether it is an export.
    is_export: bool,
    path: Vec<String>,
}

impl Sources {
    /// Those below a folder, which holds the crate's `lib.rs`.
    pub fn read(root: &Path) -> Self {
        let mut code = BTreeMap::new();
        let mut open = vec![root.to_owned()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                let entries =
                    fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                open.extend(entries.map(|entry| entry.expect("an entry").path()));
                continue;
            }
            let inside = path.strip_prefix(root).expect("it is below").with_extension("");
            let module: Module = inside.iter().map(|name| name.to_str().expect("text").to_owned()).collect();
            if path.extension().is_none_or(|extension| extension != "rs")
                || module.iter().any(|name| name == "tests")
            {
                continue;
            }
            let module = if matches!(&*module.join("/"), "lib" | "main") { Module::new() } else { module };
            code.insert(module, without_tests(&fs::read_to_string(&path).expect("a source")));
        }
        assert!(code.contains_key(&Module::new()), "{} has no lib.rs", root.display());
        let mut sources = Sources { code, exports: BTreeMap::new() };
        for module in sources.code.keys() {
            let exports = uses(&sources.code[module]).into_iter().filter(|one| one.is_export);
            let own = exports.filter_map(|one| sources.found(module, &one.path));
            let own = own.filter_map(|(from, item)| Some((item?, from))).filter(|(_, from)| from != module);
            let own: Vec<_> = own.collect();
            if !own.is_empty() {
                sources.exports.insert(module.clone(), own);
            }
        }
        sources
    }

    /// All modules but the root.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.code.keys().filter(|module| !module.is_empty())
    }

    /// Which modules a module uses. What it has by way of an export counts as used from where it stands.
    pub fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let found = uses(&self.code[module]).into_iter().filter_map(|one| self.found(module, &one.path));
        let homes = found.map(|(from, item)| match item {
            Some(item) => self.home(from, &item, 0),
            None => from,
        });
        homes.filter(|home| home != module && !home.is_empty()).collect()
    }

    /// The innermost module that a path leads to, and what of it is meant. None if it leads out of the crate.
    fn found(&self, here: &Module, path: &[String]) -> Option<(Module, Option<String>)> {
        let mut module = here.clone();
        let mut rest = path;
        if rest[0] == "crate" {
            module.clear();
        }
        if matches!(&*rest[0], "crate" | "self") {
            rest = &rest[1..];
        }
        while rest.first().is_some_and(|word| word == "super") {
            module.pop()?;
            rest = &rest[1..];
        }
        while let Some(word) = rest.first() {
            module.push(word.clone());
            if !self.code.contains_key(&module) {
                module.pop();
                break;
            }
            rest = &rest[1..];
        }
        Some((module, rest.first().filter(|word| *word != "self").cloned()))
    }

    /// Where that stands which a module gives out under this name.
    fn home(&self, module: Module, item: &str, depth: usize) -> Module {
        let exports = self.exports.get(&module).map_or(&[][..], Vec::as_slice);
        let named = exports.iter().find(|(name, _)| name == item);
        let globbed = || {
            let has = |from: &Module| {
                let declared = ["struct", "enum", "trait", "fn", "const", "type", "static"]
                    .map(|what| format!("{what} {item}"));
                let follows = |code: &str, what: &String| {
                    code.split(&**what)
                        .skip(1)
                        .any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                };
                let gives_out = |(name, _): &(String, Module)| name == item;
                declared.iter().any(|what| follows(&self.code[from], what))
                    || self.exports.get(from).is_some_and(|exports| exports.iter().any(gives_out))
            };
            exports.iter().find(|(name, from)| name == "*" && has(from))
        };
        match named.or_else(globbed) {
            // A circle of exports is none of code that compiles.
            Some((_, from)) if depth < 9 => self.home(from.clone(), item, depth + 1),
            _ => module,
        }
    }
}

/// A source without its comments and its tests.
fn without_tests(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// All paths that begin with `crate`, `self` or `super`.
fn uses(code: &str) -> Vec<Use> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut uses = Vec::new();
    for start in ["crate::", "self::", "super::"].iter().flat_map(|word| code.match_indices(word)) {
        let (before, path) = code.split_at(start.0);
        if before.ends_with(is_word) {
            continue;
        }
        let statement = before.rsplit([';', '{', '}']).next().unwrap_or_default().trim_end();
        let before_use = statement.strip_suffix("use").map(str::trim_end);
        let is_public = |text: &str| text.ends_with("pub") || (text.ends_with(')') && text.contains("pub("));
        let is_export = before_use.is_some_and(is_public);
        let mut paths = Vec::new();
        take_apart(path, &[], &mut paths);
        uses.extend(paths.into_iter().map(|path| Use { is_export, path }));
    }
    uses
}

/// Takes a path with its groups apart, and gives what follows it.
fn take_apart<'c>(code: &'c str, before: &[String], paths: &mut Vec<Vec<String>>) -> &'c str {
    let mut path = before.to_vec();
    let mut rest = code.trim_start();
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if !word.is_empty() {
            path.push(word.to_owned());
        } else if let Some(group) = rest.strip_prefix('{') {
            rest = group.trim_start();
            while !rest.starts_with('}') && !rest.is_empty() {
                rest = take_apart(rest, &path, paths);
                let renamed = rest.trim_start().strip_prefix("as ");
                rest = renamed
                    .map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
                let next = rest.trim_start();
                rest = next.strip_prefix(',').unwrap_or(next).trim_start();
            }
            return rest.get(1..).unwrap_or_default();
        } else {
            rest = rest.strip_prefix('*').inspect(|_| path.push("*".to_owned())).unwrap_or(rest);
            break;
        }
        match rest.strip_prefix("::") {
            Some(more) => rest = more,
            None => break,
        }
    }
    // A group is left at its end, whatever stands there.
    if path.len() == before.len() {
        return rest.get(1..).unwrap_or_default();
    }
    paths.push(path);
    rest
}

/// Where the sources of a crate of this workspace are.
pub fn of_crate(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src")
}

#[test]
fn paths_are_taken_apart() {
    let source = "use crate::{\n    a::B,\n    c::{D as E, e::F, self},\n    g::*,\n};\n#[cfg(z)]\npub(crate) use self::h::{I, j::K};\n#[cfg(z)]\npub use crate::n::N;\nfn f(x: super::l::M) {} // crate::no\n#[cfg(test)]\nmod tests {\n    use crate::never;\n}\n";
    let found = uses(&without_tests(source));
    let mut shown: Vec<_> = found.iter().map(|one| (one.is_export, one.path.join("::"))).collect();
    shown.sort();
    let expected = [
        (false, "crate::a::B"),
        (false, "crate::c::D"),
        (false, "crate::c::e::F"),
        (false, "crate::c::self"),
        (false, "crate::g::*"),
        (false, "super::l::M"),
        (true, "crate::n::N"),
        (true, "self::h::I"),
        (true, "self::h::j::K"),
    ];
    assert_eq!(shown, expected.map(|(is_export, path)| (is_export, path.to_owned())));
}
