//! How the leaves of a spec are written: durations, ranges, rates, targets, links, events, checks.
//!
//! Most leaves are a line of text with a grammar of its own. Such a type says how it is read and shown ([`TextLeaf`]); serde,
//! the JSON Schema and [`FromStr`](std::str::FromStr) follow from that. A message of [`BadLeaf`] has two parts, what is wrong and
//! the remedy, which are shown apart in a diagnostic.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{self, Visitor},
};

mod check;
mod choice;
mod clock;
mod duration;
mod mapped;
mod network;
mod quantity;
mod specific;
mod strategy;
mod target;

/// Why a leaf cannot be read: what is wrong, and what to write instead. Displayed as two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLeaf {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl BadLeaf {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        BadLeaf { message: message.into(), help: help.into() }
    }
}

impl fmt::Display for BadLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.message, self.help)
    }
}

impl std::error::Error for BadLeaf {}

/// A bare number where a leaf was expected.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i128),
    Float(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Whole(n) => n.fmt(f),
            Number::Float(x) => x.fmt(f),
        }
    }
}

/// A leaf that is written as a line of text.
trait TextLeaf: Sized {
    /// What it is and an example, as "a duration, as `400ms`".
    const WHAT: &'static str;
    /// Reads it.
    fn read(text: &str) -> Result<Self, BadLeaf>;
    /// Reads it from a bare number, or names the remedy.
    fn read_number(number: Number) -> Result<Self, BadLeaf>;
    /// The bare number it is written as, if it is.
    fn as_number(&self) -> Option<u64> {
        None
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: TextLeaf> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(E::custom)
    }
    fn visit_i64<E: de::Error>(self, n: i64) -> Result<T, E> {
        T::read_number(Number::Whole(n.into())).map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, n: u64) -> Result<T, E> {
        T::read_number(Number::Whole(n.into())).map_err(E::custom)
    }
    fn visit_f64<E: de::Error>(self, x: f64) -> Result<T, E> {
        T::read_number(Number::Float(x)).map_err(E::custom)
    }
}

fn deserialize_text<'de, T: TextLeaf, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(TextVisitor(PhantomData))
}

/// Splits `a..b`. Both ends are the same text when there is no range.
fn split_range<'a>(what: &str, example: &str, text: &'a str) -> Result<(&'a str, &'a str), BadLeaf> {
    let Some((min, max)) = text.split_once("..") else { return Ok((text, text)) };
    let (min, max) = (min.trim(), max.trim());
    let bad = |help: String| BadLeaf::new(format!("bad {what} `{text}`"), help);
    if let Some(max) = max.strip_prefix('=') {
        return Err(bad(format!("both ends of a range are included: write `{min}..{max}`")));
    }
    if min.is_empty() || max.is_empty() {
        return Err(bad(format!("a range needs both ends, as in `{example}`")));
    }
    Ok((min, max))
}

/// Derives from [`TextLeaf`] and `Display`: `FromStr`, `Serialize`, `Deserialize`, and `JsonSchema` from the given members.
macro_rules! text_leaf {
    ($type:ident, schema: $schema:tt) => {
        impl std::str::FromStr for $type {
            type Err = $crate::language::leaf::BadLeaf;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <$type as $crate::language::leaf::TextLeaf>::read(text)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match $crate::language::leaf::TextLeaf::as_number(self) {
                    Some(number) => serializer.serialize_u64(number),
                    None => serializer.collect_str(self),
                }
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::language::leaf::deserialize_text(deserializer)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!("squall::spec::", stringify!($type)).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}
use text_leaf;
