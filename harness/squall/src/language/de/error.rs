//! An error of reading, on its way from the innermost node to the top.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::language::{
    diagnostic::{Code, Diagnostic, excerpt, name_help, typo_of},
    path::{Path, Step},
    spanned::Span,
};

/// Why a node could not be read. It collects its path as it goes up.
#[derive(Debug)]
pub(super) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    help: String,
    kind: Kind,
    span: Option<Span>,
    /// Innermost first.
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This field is not there.
    Missing(&'static str),
    /// The key means nothing here; it may be a misspelling of this one.
    Unknown(Option<&'static str>),
    Other,
}

impl Error {
    pub(super) fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        let (message, help) = (message.into(), help.into());
        Error(Box::new(Inner { code, message, help, kind: Kind::Other, span: None, steps: Vec::new() }))
    }

    /// Sets the place, unless it is set.
    pub(super) fn or_at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Goes up one step.
    pub(super) fn within(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    /// A key is missing in a mapping that is only one of the forms a value may have: tells all of them, if they are told by examples.
    pub(super) fn in_one_of(mut self, forms: &str) -> Self {
        if matches!(self.0.kind, Kind::Missing(_)) && self.0.steps.is_empty() && forms.contains('`') {
            self.0.help = format!("write {forms}");
        }
        self
    }

    pub(super) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// From the top.
    pub(super) fn steps(&self) -> Vec<Step> {
        self.0.steps.iter().rev().cloned().collect()
    }

    /// `at` is the way to the tree that was read, `node` the place of the node where the path ends.
    pub(super) fn into_diagnostic(self, at: &Path, node: Span) -> Diagnostic {
        let mut path = at.clone();
        path.0.extend(self.steps());
        let Inner { code, message, help, kind, span, .. } = *self.0;
        let message = match (kind, path.end()) {
            (Kind::Missing(field), Some(owner)) => format!("`{owner}` needs `{field}`"),
            _ => message,
        };
        Diagnostic::new(code, path.to_string(), span.unwrap_or(node), message, help)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.help)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    /// A message's second line, if it has one, is the remedy.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (message, help) =
            text.split_once('\n').unwrap_or((&text, "`squall schema` describes what may be written here"));
        Error::new(Code::BadValue, message, help)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Error::new(
            Code::WrongType,
            format!("expected {}, found {}", short(expected), describe(found)),
            format!("write {}", in_words(expected)),
        )
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Error::new(
            Code::BadValue,
            format!("expected {}, found {}", short(expected), describe(found)),
            format!("write {}", in_words(expected)),
        )
    }

    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Error::new(
            Code::WrongType,
            format!("expected {}, found {found}", short(expected)),
            format!("write {}", in_words(expected)),
        )
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Error::new(
            Code::BadValue,
            format!("unknown value `{}`", excerpt(found)),
            name_help(found, "values here", expected),
        )
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("unknown key `{}`", excerpt(found));
        let mut error = Error::new(Code::UnknownKey, message, name_help(found, "keys here", expected));
        error.0.kind = Kind::Unknown(typo_of(found, expected.iter().copied()));
        error
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error =
            Error::new(Code::MissingKey, format!("`{field}` is missing"), format!("add `{field}: ..`"));
        error.0.kind = Kind::Missing(field);
        error
    }

    fn duplicate_field(field: &'static str) -> Self {
        Error::new(Code::DuplicateKey, format!("`{field}` is given twice"), "keep one of them")
    }
}

/// serde's words for what it expects, in those of a spec.
fn in_words(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "a string" => "text".into(),
        "a boolean" => "`true` or `false`".into(),
        "a sequence" => "a list, as `[a, b]`".into(),
        "a map" => "a mapping, as `{ key: value }`".into(),
        "unit" => "nothing".into(),
        "f32" | "f64" => "a number, as `0.5`".into(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            "a whole number, as `3`".into()
        }
        other if other.starts_with("struct ") => "a mapping, as `{ key: value }`".into(),
        _ => expected,
    }
}

/// The same without examples.
fn short(expected: &dyn Expected) -> String {
    let words = in_words(expected);
    words.split(", as `").next().unwrap_or(&words).to_owned()
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(b) => format!("`{b}`"),
        Unexpected::Unsigned(n) => format!("the number {n}"),
        Unexpected::Signed(n) => format!("the number {n}"),
        Unexpected::Float(x) => format!("the number {x}"),
        Unexpected::Str(text) => format!("the text `{}`", excerpt(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a mapping".into(),
        other => other.to_string(),
    }
}
