//! YAML text as a tree in which every node knows its place.
//!
//! What is read is YAML 1.2 with the core schema, less what a spec has no use for: several documents, tags, merge keys, keys that
//! are not text. Aliases are expanded within a budget of nodes, bytes and depth. A duplicate key is an error that does not
//! hide the others; an error of syntax does.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};
use serde::{Deserialize, Serialize};

use super::{
    diagnostic::{Code, Diagnostic, excerpt},
    path::{Path, Step},
    spanned::Span,
};

mod flat;
mod places;
mod scalar;
mod syntax;

use self::{flat::Flat, places::Places};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The most nodes a tree may have, aliases expanded.
const MAX_NODES: usize = 50_000;
/// The most bytes of text the nodes may have together, aliases expanded.
const MAX_TEXT: usize = 4 * MAX_BYTES;
/// The deepest nesting.
const MAX_DEPTH: usize = 40;
/// How many duplicate keys are reported.
const MAX_DUPLICATES: usize = 50;

/// A node of a YAML document, with its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Flat", try_from = "Flat")]
pub struct Tree {
    pub(crate) span: Span,
    pub(crate) node: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// Any integer of `i64` or `u64`.
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Entry>),
    /// There was something that is wrong and has been reported. Readers pass over it.
    Removed,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Always a [`Node::Text`].
    pub(crate) key: Tree,
    pub(crate) value: Tree,
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        match &self.key.node {
            Node::Text(name) => name,
            _ => unreachable!("keys are text: checked when the tree was built"),
        }
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl Tree {
    /// What it is, for a sentence: "the number 5", "a list".
    pub(crate) fn describe(&self) -> String {
        match &self.node {
            Node::Null | Node::Removed => "nothing".into(),
            Node::Bool(b) => format!("`{b}`"),
            Node::Int(n) => format!("the number {n}"),
            Node::Float(x) => format!("the number {x}"),
            Node::Text(text) => format!("the text `{}`", excerpt(text)),
            Node::List(_) => "a list".into(),
            Node::Map(_) => "a mapping".into(),
        }
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.node == Node::Removed
    }

    /// The child at one step down, removed or not.
    pub(crate) fn child(&self, step: &Step) -> Option<&Tree> {
        match (&self.node, step) {
            (Node::Map(entries), Step::Key(key)) => {
                entries.iter().find(|e| e.name() == key).map(|e| &e.value)
            }
            (Node::List(items), Step::Index(i)) => items.get(*i),
            _ => None,
        }
    }

    pub(crate) fn child_mut(&mut self, step: &Step) -> Option<&mut Tree> {
        match (&mut self.node, step) {
            (Node::Map(entries), Step::Key(key)) => {
                entries.iter_mut().find(|e| e.name() == key).map(|e| &mut e.value)
            }
            (Node::List(items), Step::Index(i)) => items.get_mut(*i),
            _ => None,
        }
    }

    /// The node at the end of a path.
    ///
    /// # Panics
    /// When the path did not come from this tree.
    pub(crate) fn at_mut(&mut self, steps: &[Step]) -> &mut Tree {
        steps.iter().fold(self, |node, step| node.child_mut(step).expect("a path of this tree"))
    }

    /// Shows the place of every node and key to `f`.
    pub(crate) fn each_span(&mut self, f: &mut impl FnMut(&mut Span)) {
        f(&mut self.span);
        match &mut self.node {
            Node::List(items) => items.iter_mut().for_each(|item| item.each_span(f)),
            Node::Map(entries) => {
                for entry in entries {
                    entry.key.each_span(f);
                    entry.value.each_span(f);
                }
            }
            _ => {}
        }
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries_mut(&mut self) -> &mut [Entry] {
        match &mut self.node {
            Node::Map(entries) => entries,
            _ => &mut [],
        }
    }
}

/// The tree, if the text is YAML at all; and what is wrong.
pub(crate) fn parse(text: &str) -> (Option<Tree>, Vec<Diagnostic>) {
    // A byte order mark is allowed, and no part of the document.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(text, text.len() - body.len(), body);
    match builder.document() {
        Ok(tree) => (Some(tree), builder.duplicates),
        Err(fatal) => {
            builder.duplicates.push(*fatal);
            (None, builder.duplicates)
        }
    }
}

type Fatal = Box<Diagnostic>;

struct Builder<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    places: Places,
    /// Complete nodes that aliases may repeat, by the parser's number.
    anchors: HashMap<usize, (Tree, Size)>,
    size: Size,
    path: Path,
    duplicates: Vec<Diagnostic>,
}

/// How large a tree is; its depth is at least 1.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    nodes: usize,
    text: usize,
    depth: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, offset: usize, body: &'a str) -> Self {
        Builder {
            text,
            parser: Parser::new_from_str(body),
            places: Places::new(offset, body),
            anchors: HashMap::new(),
            size: Size::default(),
            path: Path::default(),
            duplicates: Vec::new(),
        }
    }

    fn document(&mut self) -> Result<Tree, Fatal> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Err(self.empty()),
                (Event::DocumentStart(_), _) => break,
                _ => {}
            }
        }
        let (event, span) = self.next()?;
        let (tree, _) = self.node(event, span, 1)?;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::DocumentStart(_), span) => {
                    return Err(self.unsupported(
                        span,
                        "a second document starts here",
                        "a file holds one spec: put the other into a file of its own",
                    ));
                }
                _ => {}
            }
        }
        if tree.node == Node::Null { Err(self.empty()) } else { Ok(tree) }
    }

    fn empty(&self) -> Fatal {
        let span = Span::default();
        let help = "a spec starts with `spec: 1` and `system: NAME`; `squall list` names the systems";
        Box::new(Diagnostic::new(Code::Empty, self.path.to_string(), span, "the spec is empty", help))
    }

    fn unsupported(&self, span: Span, message: &str, help: &str) -> Fatal {
        Box::new(Diagnostic::new(Code::Unsupported, self.path.to_string(), span, message, help))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fatal> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.places.span(&span))),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&self, error: &ScanError) -> Fatal {
        let at = self.places.byte(error.marker().index());
        let span = Span { file: 0, start: at, end: at + 1 };
        let line_start = self.text[..at as usize].rfind('\n').map_or(0, |i| i + 1);
        let line = self.text[line_start..].lines().next().unwrap_or("");
        let (message, help) = syntax::explain(error.info(), line);
        Box::new(Diagnostic::new(Code::Syntax, self.path.to_string(), span, message, help))
    }

    /// Adds to what the tree holds so far.
    fn spend(&mut self, size: Size, depth: usize, span: Span, alias: bool) -> Result<(), Fatal> {
        self.size.nodes += size.nodes;
        self.size.text += size.text;
        let message = if depth + size.depth - 1 > MAX_DEPTH {
            format!("nested more than {MAX_DEPTH} deep")
        } else if self.size.nodes > MAX_NODES {
            format!("more than {MAX_NODES} values{}", if alias { " once this alias is expanded" } else { "" })
        } else if self.size.text > MAX_TEXT {
            format!("more than {} MiB of text once this alias is expanded", MAX_TEXT >> 20)
        } else {
            return Ok(());
        };
        let help = if alias {
            "aliases repeat all that they stand for: use fewer"
        } else {
            "a spec is smaller than that"
        };
        Err(Box::new(Diagnostic::new(Code::Expansion, self.path.to_string(), span, message, help)))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Tree, Size), Fatal> {
        let (anchor, tree, size) = match event {
            Event::Alias(id) => {
                let Some((tree, size)) = self.anchors.get(&id).cloned() else {
                    return Err(Box::new(Diagnostic::new(
                        Code::Expansion,
                        self.path.to_string(),
                        span,
                        "this alias stands for something it is a part of",
                        "write out what is meant",
                    )));
                };
                self.spend(size, depth, span, true)?;
                return Ok((tree, size));
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    return Err(self.tag(span));
                }
                let size = Size { nodes: 1, text: text.len(), depth: 1 };
                self.spend(size, depth, span, false)?;
                let node = if style == ScalarStyle::Plain {
                    scalar::plain(&text)
                } else {
                    Node::Text(text.into_owned())
                };
                (anchor, Tree { span, node }, size)
            }
            Event::SequenceStart(anchor, tag) => {
                if tag.is_some() {
                    return Err(self.tag(span));
                }
                let (tree, size) = self.list(span, depth)?;
                (anchor, tree, size)
            }
            Event::MappingStart(anchor, tag) => {
                if tag.is_some() {
                    return Err(self.tag(span));
                }
                let (tree, size) = self.map(span, depth)?;
                (anchor, tree, size)
            }
            _ => unreachable!("the parser gives a node where a node is due"),
        };
        if anchor > 0 {
            // The copy counts, so that anchors within anchors stay within the budget too.
            self.spend(Size { depth: 1, ..size }, depth, span, false)?;
            self.anchors.insert(anchor, (tree.clone(), size));
        }
        Ok((tree, size))
    }

    fn tag(&self, span: Span) -> Fatal {
        self.unsupported(
            span,
            "YAML tags are not used in specs",
            "leave out the `!..`; to make a value text, quote it",
        )
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<(Tree, Size), Fatal> {
        let mut size = Size { nodes: 1, text: 0, depth: 1 };
        self.spend(size, depth, start, false)?;
        let mut items = Vec::new();
        let mut end = start.end;
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                end = end.max(self.closing(span));
                break;
            }
            self.path.push(Step::Index(items.len()));
            let (item, item_size) = self.node(event, span, depth + 1)?;
            self.path.pop();
            end = end.max(span.end).max(item.span.end);
            size.add(item_size);
            items.push(item);
        }
        Ok((Tree { span: Span { end, ..start }, node: Node::List(items) }, size))
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<(Tree, Size), Fatal> {
        let mut size = Size { nodes: 1, text: 0, depth: 1 };
        self.spend(size, depth, start, false)?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut end = start.end;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                end = end.max(self.closing(span));
                break;
            }
            let (key, key_size) = self.key(event, span, depth + 1)?;
            size.add(key_size);
            let Node::Text(name) = &key.node else { unreachable!("checked in key()") };
            self.path.push(Step::Key(name.clone()));
            if let Some(first) = seen.get(name) {
                if self.duplicates.len() < MAX_DUPLICATES {
                    let diagnostic = Diagnostic::new(
                        Code::DuplicateKey,
                        self.path.to_string(),
                        key.span,
                        format!("the key `{}` is here twice", excerpt(name)),
                        "keep one of them, or rename it",
                    );
                    self.duplicates.push(diagnostic.label("again").related(*first, "first here"));
                }
            } else {
                seen.insert(name.clone(), key.span);
            }
            let repeated = seen[name] != key.span;
            let (event, span) = self.next()?;
            let (value, value_size) = self.node(event, span, depth + 1)?;
            self.path.pop();
            end = end.max(key.span.end).max(span.end).max(value.span.end);
            size.add(value_size);
            if !repeated {
                entries.push(Entry { key, value });
            }
        }
        Ok((Tree { span: Span { end, ..start }, node: Node::Map(entries) }, size))
    }

    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Tree, Size), Fatal> {
        if matches!(event, Event::SequenceStart(..) | Event::MappingStart(..)) {
            return Err(self.unsupported(
                span,
                "this key is not text",
                "keys are names; a value that begins with `{`, `[` or `*` and is meant as text must be quoted",
            ));
        }
        let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
        let (key, size) = self.node(event, span, depth)?;
        let message = match &key.node {
            Node::Text(_) if merge => {
                return Err(self.unsupported(
                    span,
                    "merge keys (`<<`) are not YAML 1.2",
                    "write out the entries that are meant",
                ));
            }
            Node::Text(_) => return Ok((key, size)),
            Node::Null => "this key is empty".to_owned(),
            Node::List(_) | Node::Map(_) => "this key is not text".to_owned(),
            _ => format!("this key is {} and not text", key.describe()),
        };
        Err(self.unsupported(span, &message, "keys are names: quote it if it is one, as `\"1\"`"))
    }

    /// Where a collection ends: at its bracket, or for one without brackets nowhere in particular.
    fn closing(&self, end: Span) -> u32 {
        let bracket = self.text.as_bytes().get(end.start as usize).is_some_and(|b| matches!(b, b']' | b'}'));
        if bracket && end.end > end.start { end.end } else { 0 }
    }
}

impl Size {
    fn add(&mut self, child: Size) {
        self.nodes += child.nodes;
        self.text += child.text;
        self.depth = self.depth.max(child.depth + 1);
    }
}
