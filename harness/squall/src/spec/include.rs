//! `include:`: parts that several specs share.
//!
//! An included file is a spec with entries left out. Files are looked for beside the including one, then in the directories above
//! it. What they say is laid down first, in order, and the including file over it: mappings are merged key by key, `faults` and
//! `check` are appended, anything else is replaced.

use std::path::{Path as FilePath, PathBuf};

use super::files;
use crate::{
    language::{
        Code, Diagnostic, Sources, Span, Tree,
        yaml::{self, Entry, Node},
    },
    open,
};

/// How many files one spec may be made of.
const MOST_FILES: usize = 50;

/// A spec with everything it includes.
pub(super) struct Whole {
    /// None if it is no YAML at all.
    pub tree: Option<Tree>,
    pub sources: Sources,
    pub errors: Vec<Diagnostic>,
}

/// Reads a spec's text and all that it includes.
pub(super) fn read(name: &str, text: &str) -> Whole {
    let mut reader = Reader { sources: Sources::default(), errors: Vec::new(), open: Vec::new() };
    let tree = reader.file(PathBuf::from(name), name.to_owned(), text.to_owned());
    Whole { tree, sources: reader.sources, errors: reader.errors }
}

struct Reader {
    sources: Sources,
    errors: Vec<Diagnostic>,
    /// The files that are being read, each included by the one before.
    open: Vec<PathBuf>,
}

impl Reader {
    fn file(&mut self, path: PathBuf, name: String, text: String) -> Option<Tree> {
        let number = self.sources.add(name, text);
        let (tree, errors) = yaml::parse(self.sources.text(number));
        let place = |span: &mut Span| span.file = number;
        self.errors.extend(errors.into_iter().map(|mut error| {
            place(&mut error.span);
            error.related.iter_mut().for_each(|(span, _)| place(span));
            error
        }));
        let mut tree = tree?;
        tree.each_span(&mut |span| span.file = number);
        self.open.push(path);
        let base = self.included(&mut tree);
        self.open.pop();
        Some(match base {
            Some(base) => merge(base, tree, true),
            None => tree,
        })
    }

    /// Takes `include:` out of a tree, and gives what it includes.
    fn included(&mut self, tree: &mut Tree) -> Option<Tree> {
        let Node::Map(entries) = &mut tree.node else { return None };
        let at = entries.iter().position(|entry| entry.name() == "include")?;
        let Entry { key, value } = entries.remove(at);
        let Node::List(items) = value.node else {
            let help = "write a list of files, as `include: [lib/lan.yaml]`";
            self.error(
                Code::WrongType,
                value.span,
                format!("expected a list, found {}", value.describe()),
                help,
            );
            return None;
        };
        let mut base: Option<Tree> = None;
        for item in items {
            let Node::Text(wanted) = &item.node else {
                let help = "name a file, as `lib/lan.yaml`";
                self.error(
                    Code::WrongType,
                    item.span,
                    format!("expected a file, found {}", item.describe()),
                    help,
                );
                continue;
            };
            let Some(part) = self.part(wanted, item.span, key.span) else { continue };
            base = Some(match base {
                Some(base) => merge(base, part, true),
                None => part,
            });
        }
        base
    }

    fn part(&mut self, wanted: &str, at: Span, key: Span) -> Option<Tree> {
        let from = self.open.last().expect("a file is open while its includes are read").clone();
        let root = open::root_of(&self.open[0]);
        let path = match find(&from, wanted, &root) {
            Ok(path) => path,
            Err((code, message, help)) => {
                self.error(code, at, message, help);
                return None;
            }
        };
        if let Some(first) = self.open.iter().position(|open| same(open, &path)) {
            let round: Vec<_> =
                self.open[first..].iter().chain([&path]).map(|path| files::shown(path)).collect();
            let help = "a file cannot be part of itself: leave one of these out";
            self.error(Code::Include, at, format!("it includes itself: {}", round.join(" -> ")), help);
            return None;
        }
        if self.sources.len() >= MOST_FILES {
            let help = "a spec is a page or two: does every part have to be a file of its own?";
            self.error(Code::Include, key, format!("more than {MOST_FILES} files"), help);
            return None;
        }
        let text = match files::read(&path, &self.open[0]) {
            Ok(text) => text,
            Err(errors) => {
                for error in errors.iter() {
                    let code = if error.code == Code::Outside { Code::Outside } else { Code::Include };
                    self.error(code, at, error.message.clone(), error.help.clone());
                }
                return None;
            }
        };
        let name = files::shown(&path);
        let tree = self.file(path, name, text)?;
        if !matches!(tree.node, Node::Map(_)) {
            let message = format!("a part of a spec is a mapping, and this is {}", tree.describe());
            self.error(Code::WrongType, tree.span, message, "write `key: value` lines");
            return None;
        }
        Some(tree)
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.errors.push(Diagnostic::new(code, "include", span, message, help));
    }
}

/// Looks beside the including file, then in each directory above it up to the root.
fn find(from: &FilePath, wanted: &str, root: &FilePath) -> Result<PathBuf, (Code, String, String)> {
    let inside = |path: &FilePath| open::absolute(path).starts_with(root);
    let root_shown = files::shown(&open::from_here(root));
    if FilePath::new(wanted).is_absolute() {
        let help = format!(
            "name a file inside `{root_shown}`, by the way from here, as `lib/lan.yaml`: on another machine it may lie elsewhere"
        );
        return Err((Code::Outside, format!("`{wanted}` is an absolute path"), help));
    }
    // The directories above a relative path end at the working directory.
    let beside = from.parent().unwrap_or(FilePath::new(""));
    let above = beside.ancestors().filter(|directory| inside(directory));
    let mut candidates: Vec<_> = above.map(|directory| directory.join(wanted)).collect();
    candidates.retain(|path| inside(path));
    if candidates.is_empty() {
        let help =
            "copy the file there, parts of specs belong into `lib`: nothing outside of that folder is read"
                .to_owned();
        return Err((Code::Outside, format!("`{wanted}` leads out of `{root_shown}`"), help));
    }
    // A link that leads nowhere is found, too, and then told.
    let found = candidates.into_iter().find(|path| path.symlink_metadata().is_ok_and(|_| !path.is_dir()));
    found.ok_or_else(|| {
        let help = format!(
            "it is looked for beside `{}` and in the directories above it; parts of specs belong into `specs/lib`",
            files::shown(from)
        );
        (Code::Include, format!("there is no `{wanted}` to include"), help)
    })
}

fn same(a: &FilePath, b: &FilePath) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Lays `over` over `base`. At the top of a spec, lists of faults and checks are appended.
fn merge(base: Tree, over: Tree, top: bool) -> Tree {
    match (base.node, over.node) {
        (Node::Map(mut entries), Node::Map(overs)) => {
            for over in overs {
                let appended = top && matches!(over.name(), "faults" | "check");
                let Some(entry) = entries.iter_mut().find(|entry| entry.name() == over.name()) else {
                    entries.push(over);
                    continue;
                };
                let nothing = Tree { span: over.value.span, node: Node::Null };
                let base = std::mem::replace(&mut entry.value, nothing);
                entry.value = match (base, over.value) {
                    (Tree { node: Node::List(mut items), .. }, Tree { node: Node::List(more), span })
                        if appended =>
                    {
                        items.extend(more);
                        Tree { span, node: Node::List(items) }
                    }
                    (base, value) => merge(base, value, false),
                };
                entry.key = over.key;
            }
            Tree { span: over.span, node: Node::Map(entries) }
        }
        (_, node) => Tree { span: over.span, node },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: &str, over: &str) -> Tree {
        let read = |text| yaml::parse(text).0.expect("YAML");
        merge(read(base), read(over), true)
    }

    #[test]
    fn mappings_merge_key_by_key_faults_and_checks_are_appended_and_the_rest_is_replaced() {
        let base =
            "{ faults: [1], check: [a], phases: { chaos: 1s, settle: 2s }, topology: { a: 1 }, about: x }";
        let over = "{ faults: [2], check: [b], phases: { chaos: 3s }, topology: { b: 2 }, about: y }";
        let both = "{ faults: [1, 2], check: [a, b], phases: { chaos: 3s, settle: 2s }, topology: { a: 1, b: 2 }, about: y }";
        assert_eq!(merged(base, over), yaml::parse(both).0.expect("YAML"));
        // Only at the top: a list further down is a value like any other.
        assert_eq!(
            merged("{ a: { faults: [1] } }", "{ a: { faults: [2] } }"),
            merged("{}", "{ a: { faults: [2] } }")
        );
    }
}
