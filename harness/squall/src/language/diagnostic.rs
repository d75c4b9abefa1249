//! What is wrong with a spec, for a person and for a program.
//!
//! Every diagnostic has a code, a message, a place, the path of the entry in the spec, and a remedy. People see them with the
//! source line, in the style of rustc; programs get one JSON object each.

use std::fmt;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::spanned::Span;
use crate::screen;

/// The kinds of errors, shown as `S012`. A code keeps its meaning for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Code {
    /// There is no such file or directory.
    NoSuchPath = 1,
    /// The directory holds no spec.
    NoSpecs = 2,
    /// The file cannot be read, or is not text.
    Unreadable = 3,
    /// The file is larger than a spec may be.
    TooLarge = 4,
    /// The file holds nothing.
    Empty = 5,
    /// The text is not YAML.
    Syntax = 6,
    /// A mapping has the same key twice.
    DuplicateKey = 7,
    /// Aliases expand to too much, or to themselves; or the nesting is too deep.
    Expansion = 8,
    /// YAML that specs do not use: several documents, tags, merge keys, keys that are not text.
    Unsupported = 9,
    /// A key without a value.
    NoValue = 10,
    /// A key that means nothing here.
    UnknownKey = 11,
    /// A key that must be there is not.
    MissingKey = 12,
    /// A value of the wrong type.
    WrongType = 13,
    /// A value that cannot be read: a duration, a range, a target, a choice.
    BadValue = 14,
    /// A version of the language that this build does not know.
    Version = 15,
    /// No system of that name.
    UnknownSystem = 20,
    /// No variant of that name.
    UnknownVariant = 21,
    /// No invariant of that name.
    UnknownInvariant = 22,
    /// No condition of that name.
    UnknownCondition = 23,
    /// No operation of that name.
    UnknownOperation = 24,
    /// No node group of that name.
    UnknownGroup = 25,
    /// No node emits that event.
    UnknownEvent = 26,
    /// The event has no such field.
    UnknownField = 27,
    /// No method of that name.
    UnknownMethod = 29,
    /// A target or a link that no node can match.
    MatchesNothing = 28,
    /// Not exactly one kind, schedule or form.
    NotExactlyOne = 30,
    /// Entries that exclude each other.
    Conflict = 31,
    /// Two entries with one name.
    DuplicateName = 32,
    /// A time outside of the run, or of the part of it where it has a meaning.
    OutsideRun = 33,
    /// A number that makes the entry do nothing, or is beyond what a run can do.
    OutOfRange = 34,
    /// An expectation that cannot come true.
    Expectation = 35,
    /// A fault or a link that the system's network cannot do.
    Transport = 36,
    /// An included file that cannot be found, or includes itself.
    Include = 37,
    /// A matrix that cannot be laid out, or a case of it that does not exist.
    Matrix = 38,
    /// A file, or a link to one, outside of the spec's root.
    Outside = 39,
    /// The system's own declarations are wrong; see [`Registry::problems`](crate::Registry::problems).
    Registration = 40,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S{:03}", *self as u16)
    }
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What kind of error.
    pub code: Code,
    /// What is wrong, in a line.
    pub message: String,
    /// The entry, as `faults[2].crash.node`; empty for the spec as a whole.
    pub path: String,
    /// Where it is written.
    pub span: Span,
    /// A word or two for the caret; may be empty.
    pub label: String,
    /// Other places that have to do with it.
    pub related: Vec<(Span, String)>,
    /// What to do about it.
    pub help: String,
}

impl Diagnostic {
    /// A diagnostic without label and related places.
    pub fn new(
        code: Code,
        path: impl Into<String>,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Diagnostic {
            code,
            message: message.into(),
            path: path.into(),
            span,
            label: String::new(),
            related: Vec::new(),
            help: help.into(),
        }
    }

    /// Writes something beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Names another place.
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// All errors of a file (or of a search for files), in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    name: String,
    source: Source,
    list: Vec<Diagnostic>,
    truncated: bool,
}

/// What the errors are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Source {
    /// A path, and not what is in it.
    #[default]
    Path,
    /// A file at this line and column, of which no more is known.
    Line(usize, usize),
    /// These texts.
    Texts(Sources),
}

/// The files a spec is made of, with their texts: first the spec itself, then what it includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(Vec<(String, String)>);

impl Sources {
    /// Adds a file and gives its number.
    pub(crate) fn add(&mut self, name: String, text: String) -> u32 {
        self.0.push((name, text));
        u32::try_from(self.0.len() - 1).expect("a handful of files")
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn text(&self, file: u32) -> &str {
        &self.0[file as usize].1
    }

    /// Where a span begins: the file's name, and the line from 1.
    pub fn line(&self, span: Span) -> (&str, usize) {
        let (name, text) = &self.0[span.file as usize];
        (name, line_column(text, span.start).0)
    }
}

impl Diagnostics {
    /// If there is no such path, and something in it has another name now, says that.
    pub(crate) fn with_names_of_today(mut self, now_called: impl Fn(&str) -> Option<&'static str>) -> Self {
        if let [missing] = &mut self.list[..]
            && missing.code == Code::NoSuchPath
        {
            let parts: Vec<&str> = self.name.split('/').collect();
            let today: Vec<&str> = parts.iter().map(|part| now_called(part).unwrap_or(part)).collect();
            if parts != today {
                missing.help = format!("it is now called `{}`", today.join("/"));
            }
        }
        self
    }

    /// Errors of the file `name` with this text, sorted by place.
    pub(crate) fn in_text(name: &str, text: &str, list: Vec<Diagnostic>, truncated: bool) -> Self {
        Self::in_sources(Sources(vec![(name.to_owned(), text.to_owned())]), list, truncated)
    }

    /// Errors of a spec made of these files, sorted by place.
    pub(crate) fn in_sources(sources: Sources, mut list: Vec<Diagnostic>, truncated: bool) -> Self {
        list.sort_by_key(|d| (d.span, d.code));
        Diagnostics { name: sources.0[0].0.clone(), source: Source::Texts(sources), list, truncated }
    }

    /// An error of the file or directory `name`, whose text plays no part.
    pub(crate) fn at_path(name: &str, diagnostic: Diagnostic) -> Self {
        Diagnostics { name: name.to_owned(), source: Source::Path, list: vec![diagnostic], truncated: false }
    }

    /// An error at a place of the file `name`, whose text is not to be shown.
    pub(crate) fn at_line(name: &str, diagnostic: Diagnostic, line: usize, column: usize) -> Self {
        Diagnostics { source: Source::Line(line, column), ..Diagnostics::at_path(name, diagnostic) }
    }

    /// The file or directory, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The errors.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many there are: at least one.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none, which does not happen in an `Err`.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Shows the errors to a person, with ANSI colours if asked. Ends in a newline.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for diagnostic in &self.list {
            out.push_str(&renderer.render(&[self.report(diagnostic)]));
            out.push_str("\n\n");
        }
        if self.truncated {
            out.push_str("There may be more errors. These come first.\n\n");
        }
        out.pop();
        out
    }

    fn report<'a>(&'a self, diagnostic: &'a Diagnostic) -> annotate_snippets::Group<'a> {
        let mut elsewhere: Vec<Element<'_>> = Vec::new();
        let place: Element<'_> = match &self.source {
            Source::Texts(sources) => {
                let Span { file, .. } = diagnostic.span;
                let (name, text) = &sources.0[file as usize];
                for (span, label) in diagnostic.related.iter().filter(|(span, _)| span.file != file) {
                    let (name, text) = &sources.0[span.file as usize];
                    let there =
                        AnnotationKind::Context.span(caret(text, *span)).label(screen::in_a_line(label));
                    let snippet = Snippet::source(visible(text)).path(screen::in_a_line(name));
                    elsewhere.push(snippet.annotation(there).into());
                }
                if text.trim().is_empty() {
                    Origin::path(screen::in_a_line(name)).line(1).char_column(1).into()
                } else {
                    let mut primary = AnnotationKind::Primary.span(caret(text, diagnostic.span));
                    if !diagnostic.label.is_empty() {
                        primary = primary.label(screen::in_a_line(&diagnostic.label));
                    }
                    let here = diagnostic.related.iter().filter(|(span, _)| span.file == file);
                    let related = here.map(|(span, label)| {
                        AnnotationKind::Context.span(caret(text, *span)).label(screen::in_a_line(label))
                    });
                    let snippet = Snippet::source(visible(text)).path(screen::in_a_line(name));
                    snippet.annotation(primary).annotations(related).into()
                }
            }
            Source::Line(line, column) => {
                Origin::path(screen::in_a_line(&self.name)).line(*line).char_column(*column).into()
            }
            Source::Path => Origin::path(screen::in_a_line(&self.name)).into(),
        };
        let mut report = Level::ERROR
            .primary_title(screen::escaped(&diagnostic.message))
            .id(diagnostic.code.to_string())
            .element(place)
            .elements(elsewhere);
        if self.source != Source::Path {
            let path = if diagnostic.path.is_empty() { "(the whole spec)" } else { &diagnostic.path };
            report = report.element(Level::NOTE.with_name(Some("path")).message(screen::in_a_line(path)));
        }
        report.element(Level::HELP.message(screen::escaped(&diagnostic.help)))
    }

    /// One JSON object per error: `code`, `message`, `file`, `line`, `column` (from 1, in characters), `end_line`, `end_column`,
    /// `path`, `help`, and `related`, a list of `message`, `line` and `column`. An error that is about a path and not
    /// about a text has no lines and columns.
    pub fn to_json(&self) -> Vec<serde_json::Value> {
        let objects = self.list.iter().map(|d| {
            let mut object = json!({
                "code": d.code.to_string(),
                "message": d.message,
                "file": match &self.source {
                    Source::Texts(sources) => &sources.0[d.span.file as usize].0,
                    _ => &self.name,
                },
                "path": d.path,
                "help": d.help,
            });
            match &self.source {
                Source::Path => {}
                Source::Line(line, column) => {
                    object["line"] = (*line).into();
                    object["column"] = (*column).into();
                }
                Source::Texts(sources) => {
                    let text = sources.text(d.span.file);
                    let (line, column) = line_column(text, d.span.start);
                    let (end_line, end_column) = line_column(text, d.span.end);
                    let related = d.related.iter().map(|(span, message)| {
                        let (file, text) = &sources.0[span.file as usize];
                        let (line, column) = line_column(text, span.start);
                        json!({ "message": message, "file": file, "line": line, "column": column })
                    });
                    object["line"] = line.into();
                    object["column"] = column.into();
                    object["end_line"] = end_line.into();
                    object["end_column"] = end_column.into();
                    object["related"] = related.collect();
                }
            }
            object
        });
        objects.collect()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// The text with the same places in it and nothing that a terminal would act on. (Of control characters of one byte the renderer shows
/// pictures itself.)
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c.len_utf8() {
            2.. if !screen::is_hidden(c) => visible.push(c),
            3 => visible.push(char::REPLACEMENT_CHARACTER),
            n @ (2 | 4) => visible.extend(std::iter::repeat_n('?', n)),
            _ => visible.push(c),
        }
    }
    visible
}

/// What to underline: the first line of a span that goes over several.
fn caret(text: &str, span: Span) -> std::ops::Range<usize> {
    let floor = |at: u32| {
        let at = (at as usize).min(text.len());
        (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
    };
    let (start, end) = (floor(span.start), floor(span.end));
    let span = &text[start..end.max(start)];
    start..start + span.lines().next().unwrap_or("").trim_end().len()
}

/// Line and column from 1, the column in characters.
fn line_column(text: &str, at: u32) -> (usize, usize) {
    let before = &text[..caret(text, Span { file: 0, start: at, end: at }).start];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The candidate of which this is a misspelling, if any is near enough.
pub(crate) fn typo_of<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = plain(written);
    candidates
        .into_iter()
        .map(|candidate| (candidate, strsim::damerau_levenshtein(&written, &plain(candidate))))
        .filter(|(candidate, distance)| distance * 3 <= written.chars().count().max(candidate.len()))
        .min_by_key(|(_, distance)| *distance)
        .map(|(candidate, _)| candidate)
}

/// The candidate that was probably meant: a near spelling, or a longer or shorter form.
pub(crate) fn did_you_mean<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let within = |a: &str, b: &str| a.len() >= 4 && b.contains(a);
    let short = plain(written);
    typo_of(written, candidates.clone()).or_else(|| {
        candidates.into_iter().find(|candidate| {
            let other = plain(candidate);
            within(&short, &other) || within(&other, &short)
        })
    })
}

/// What people mix up: case, dashes, underscores, spaces.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

/// A list for a sentence: "`a`, `b`, `c`"; "none" for none.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Help for a name that is not known: the probable one, and all there are.
pub(crate) fn name_help(written: &str, what: &str, known: &[&str]) -> String {
    let all = format!("{what}: {}", listed(known.iter().copied()));
    match did_you_mean(written, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? {all}"),
        None => all,
    }
}

/// At most 40 characters of what was written, on a line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown
}
