//! A walk down the tree beside the spec that was read from it, for the place and path of each entry.

use super::{
    diagnostic::{Code, Diagnostic},
    path::{Path, Step},
    spanned::Span,
    yaml::{Node, Tree},
};

/// An entry of a spec, there or not.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    tree: Option<&'a Tree>,
    /// Of the key, or the whole for a list item.
    key: Span,
    value: Span,
    path: Path,
}

impl<'a> Place<'a> {
    pub(crate) fn top(tree: &'a Tree) -> Self {
        Place { tree: Some(tree), key: tree.span, value: tree.span, path: Path::default() }
    }

    /// The entry of that name. One that is not there has the place of the mapping it would be in.
    pub(crate) fn key(&self, name: &str) -> Place<'a> {
        let path = self.path.key(name);
        let entry = match self.tree.map(|tree| &tree.node) {
            Some(Node::Map(entries)) => entries.iter().find(|entry| entry.name() == name),
            _ => None,
        };
        match entry {
            Some(entry) => {
                Place { tree: Some(&entry.value), key: entry.key.span, value: entry.value.span, path }
            }
            None => Place { tree: None, key: self.key, value: self.value, path },
        }
    }

    /// The entry whose key stands there.
    pub(crate) fn entry_at(&self, key: Span) -> Place<'a> {
        let name = match self.tree.map(|tree| &tree.node) {
            Some(Node::Map(entries)) => {
                entries.iter().find(|entry| entry.key.span == key).map(|entry| entry.name())
            }
            _ => None,
        };
        name.map_or_else(|| self.clone(), |name| self.key(name)).at_key()
    }

    /// The same entry, with errors about its key.
    fn at_key(mut self) -> Place<'a> {
        self.value = self.key;
        self
    }

    /// The items of a list, but for those that were removed: the same as were read.
    pub(crate) fn items(&self) -> Vec<Place<'a>> {
        let Some(Node::List(items)) = self.tree.map(|tree| &tree.node) else { return Vec::new() };
        let live = items.iter().enumerate().filter(|(_, item)| !item.is_removed());
        live.map(|(i, item)| Place {
            tree: Some(item),
            key: item.span,
            value: item.span,
            path: self.path.index(i),
        })
        .collect()
    }

    /// Its own name: the last step of its path.
    pub(crate) fn name(&self) -> String {
        match self.path.0.last() {
            Some(Step::Key(name)) => name.clone(),
            Some(Step::Index(i)) => i.to_string(),
            None => String::new(),
        }
    }

    /// Whether it is written, even if wrongly.
    pub(crate) fn is_written(&self) -> bool {
        self.tree.is_some()
    }

    /// Whether it is a mapping.
    pub(crate) fn is_map(&self) -> bool {
        matches!(self.tree, Some(Tree { node: Node::Map(_), .. }))
    }

    /// Whether anything in it was wrong and is not in the spec that was read. What depends on it cannot be judged.
    pub(crate) fn is_damaged(&self) -> bool {
        fn damaged(tree: &Tree) -> bool {
            match &tree.node {
                Node::Removed => true,
                Node::List(items) => items.iter().any(damaged),
                Node::Map(entries) => entries.iter().any(|entry| damaged(&entry.value)),
                _ => false,
            }
        }
        self.tree.is_some_and(damaged)
    }

    /// The place of the key.
    pub(crate) fn key_span(&self) -> Span {
        self.key
    }

    /// The place of the value.
    pub(crate) fn span(&self) -> Span {
        self.value
    }

    /// An error about the value.
    pub(crate) fn error(
        &self,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(code, self.path.to_string(), self.value, message, help)
    }

    /// An error about the entry as such, shown at its key.
    pub(crate) fn key_error(
        &self,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(code, self.path.to_string(), self.key, message, help)
    }
}
