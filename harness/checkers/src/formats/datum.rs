//! A value as a history file writes it.

use std::{cmp::Ordering, fmt};

/// A value of a history: what JSON and EDN have in common.
///
/// Keywords of EDN are texts without their colon, so that `:read` and `"read"` are the same. Sets are lists and mappings are entries in their own
/// order, each once, as nothing hangs on the order in which they stand in a file. Numbers are compared by their bits: a NaN is itself, and 0.0 is not -0.0.
#[derive(Clone)]
pub enum Datum {
    /// `nil` or `null`.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text, a keyword or a symbol.
    Text(Box<str>),
    /// A list or vector; a set, whose items are sorted.
    List(Vec<Datum>),
    /// A mapping, sorted by its keys.
    Map(Vec<(Datum, Datum)>),
}

impl Datum {
    /// A set of these items, whatever their order; the item that is there twice, if one is.
    pub(super) fn set(mut items: Vec<Datum>) -> Result<Datum, Datum> {
        items.sort();
        match items.windows(2).position(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(items.swap_remove(twice)),
            None => Ok(Datum::List(items)),
        }
    }

    /// A mapping of these entries, whatever their order; the key that is there twice, if one is.
    pub(super) fn map(mut entries: Vec<(Datum, Datum)>) -> Result<Datum, Datum> {
        entries.sort();
        match entries.windows(2).position(|pair| pair[0].0 == pair[1].0) {
            Some(twice) => Err(entries.swap_remove(twice).0),
            None => Ok(Datum::Map(entries)),
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Datum::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The items of a list, if it is one.
    pub fn list(&self) -> Option<&[Datum]> {
        match self {
            Datum::List(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is nothing.
    pub fn is_nil(&self) -> bool {
        *self == Datum::Nil
    }

    /// What a mapping has under this text. None for whatever is no mapping.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        match self {
            Datum::Map(entries) => {
                entries.iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// What it is, for a message: `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Datum::Nil => "nothing",
            Datum::Bool(_) => "true or false",
            Datum::Int(_) => "a whole number",
            Datum::Float(_) => "a number",
            Datum::Text(_) => "a text",
            Datum::List(_) => "a list",
            Datum::Map(_) => "a mapping",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Datum::Nil => 0,
            Datum::Bool(_) => 1,
            Datum::Int(_) => 2,
            Datum::Float(_) => 3,
            Datum::Text(_) => 4,
            Datum::List(_) => 5,
            Datum::Map(_) => 6,
        }
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Datum {}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Datum {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
            (Datum::Int(a), Datum::Int(b)) => a.cmp(b),
            (Datum::Float(a), Datum::Float(b)) => a.total_cmp(b),
            (Datum::Text(a), Datum::Text(b)) => a.cmp(b),
            (Datum::List(a), Datum::List(b)) => a.cmp(b),
            (Datum::Map(a), Datum::Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl std::hash::Hash for Datum {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u8(self.rank());
        match self {
            Datum::Nil => {}
            Datum::Bool(b) => b.hash(state),
            Datum::Int(i) => i.hash(state),
            Datum::Float(x) => x.to_bits().hash(state),
            Datum::Text(text) => text.hash(state),
            Datum::List(items) => items.hash(state),
            Datum::Map(entries) => entries.hash(state),
        }
    }
}

/// As it is shown, so that explanations say `[1 2]` and not how that is stored.
impl fmt::Debug for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As EDN writes it, but for keywords, which are bare texts.
impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Nil => f.write_str("nil"),
            Datum::Bool(b) => b.fmt(f),
            Datum::Int(i) => i.fmt(f),
            Datum::Float(x) => x.fmt(f),
            Datum::Text(text)
                if text.chars().all(|c| c.is_alphanumeric() || "-_.:/".contains(c)) && !text.is_empty() =>
            {
                f.write_str(text)
            }
            Datum::Text(text) => write!(f, "{text:?}"),
            Datum::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
            Datum::Map(entries) => {
                f.write_str("{")?;
                for (i, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key} {value}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}
