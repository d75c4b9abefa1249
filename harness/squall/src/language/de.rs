//! Reads any serde type from a [`Tree`], with all errors at once, each at its place.
//!
//! serde stops at the first error. [`read`] therefore records it, takes the offending entry out of the tree, and reads again, until
//! it succeeds or nothing is left. What fails only because something was taken out is not reported a second time.

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};

mod access;
mod error;

use self::{
    access::{Choice, Entries, Items, PlaceAndValue},
    error::{Error, Kind},
};
use super::{
    diagnostic::{Code, Diagnostic, listed},
    path::{Path, Step},
    spanned::{SPANNED, Span},
    yaml::{Entry, Node, Tree},
};

/// How many errors of one file are reported.
pub(crate) const MAX_ERRORS: usize = 50;
/// How often the tree is read again: each time, at least one entry less.
const MAX_READS: usize = 300;

/// What came out of a tree.
pub(crate) struct Read<T> {
    /// The value without the entries that are wrong, if it could do without them.
    pub(crate) value: Option<T>,
    /// What is wrong.
    pub(crate) errors: Vec<Diagnostic>,
    /// Whether these are all errors.
    pub(crate) exhaustive: bool,
}

/// Reads a value. Wrong entries of the tree are [removed](Node::Removed). `at` is the way from the top of the spec to the tree.
pub(crate) fn read<T: DeserializeOwned>(tree: &mut Tree, at: &Path) -> Read<T> {
    let mut errors = Vec::new();
    for _ in 0..MAX_READS {
        if errors.len() >= MAX_ERRORS {
            break;
        }
        let error = match T::deserialize(De::new(tree)) {
            Ok(value) => return Read { value: Some(value), errors, exhaustive: true },
            Err(error) => error,
        };
        let steps = error.steps();
        if let (Kind::Unknown(meant), Some((Step::Key(key), parent))) = (error.kind(), steps.split_last()) {
            let entries = tree.at_mut(parent).entries_mut();
            if let Some(meant) = meant.filter(|meant| !entries.iter().any(|entry| entry.name() == *meant)) {
                // What is in it is read as what was meant, so that its errors are found too.
                errors.push(error.into_diagnostic(at, Span::default()));
                let entry =
                    entries.iter_mut().find(|entry| entry.name() == key).expect("the key that was read");
                entry.key.node = Node::Text(meant.to_owned());
                continue;
            }
        }
        let consequence = is_consequence(&error, tree, &steps);
        let node = tree.at_mut(&steps);
        if !consequence {
            errors.push(error.into_diagnostic(at, node.span));
        }
        if steps.is_empty() {
            return Read { value: None, errors, exhaustive: true };
        }
        node.node = Node::Removed;
    }
    Read { value: None, errors, exhaustive: false }
}

/// Whether an error is there only because of another that has been reported.
fn is_consequence(error: &Error, tree: &mut Tree, steps: &[Step]) -> bool {
    match error.kind() {
        Kind::Missing(field) => {
            tree.at_mut(steps).child(&Step::Key(field.to_owned())).is_some_and(Tree::is_removed)
        }
        // What follows an entry that was left empty was meant to be in it.
        Kind::Unknown(_) => steps.split_last().is_some_and(|(_, parent)| {
            let mut siblings = tree.at_mut(parent).entries_mut().iter();
            siblings.any(|entry| entry.value.is_removed() && entry.value.span.start == entry.value.span.end)
        }),
        Kind::Other => match &tree.at_mut(steps).node {
            Node::List(items) => items.iter().any(Tree::is_removed),
            Node::Map(entries) => entries.iter().any(|entry| entry.value.is_removed()),
            _ => false,
        },
    }
}

/// A deserializer over one node.
#[derive(Clone, Copy)]
struct De<'de> {
    tree: &'de Tree,
    /// The node is a key: text that may stand for a number.
    key: bool,
    /// The entry it is the value of, and the fields its struct has: a value that nobody wants is an unknown key.
    field: Option<(&'de Entry, &'static [&'static str])>,
}

impl<'de> De<'de> {
    fn new(tree: &'de Tree) -> Self {
        De { tree, key: false, field: None }
    }

    /// Gives an error this node's place, unless it has one from further in.
    fn here<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| error.or_at(self.tree.span))
    }

    fn expected(self, what: &str, help: impl Into<String>) -> Error {
        let message = format!("expected {what}, found {}", self.tree.describe());
        Error::new(Code::WrongType, message, help).or_at(self.tree.span)
    }

    fn whole(self, min: i128, max: i128) -> Result<i128, Error> {
        let n = match &self.tree.node {
            Node::Int(n) => *n,
            Node::Text(text) if self.key => {
                text.parse().map_err(|_| self.expected("a whole number", "write a number, as `3`"))?
            }
            Node::Text(text) if text.parse::<i128>().is_ok() => {
                return Err(self.expected("a whole number", format!("leave out the quotes: `{text}`")));
            }
            _ => return Err(self.expected("a whole number", "write a number, as `3`")),
        };
        if (min..=max).contains(&n) {
            return Ok(n);
        }
        let message = format!("the number {n} is out of range");
        Err(Error::new(Code::BadValue, message, format!("write a number from {min} to {max}"))
            .or_at(self.tree.span))
    }

    fn items(self, what: &str, example: &str) -> Result<&'de [Tree], Error> {
        match &self.tree.node {
            Node::List(items) => Ok(items),
            Node::Map(_) => {
                Err(self.expected(what, format!("begin each item with `- `, or write {example}")))
            }
            Node::Text(text) if text.len() <= 40 && !text.contains([',', '[', '{', '\n']) => {
                Err(self.expected(what, format!("write `[{text}]`")))
            }
            _ => Err(self.expected(what, format!("write {example}"))),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident $type:ident $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let n = self.whole($type::MIN.into(), $type::MAX.into())?;
            self.here(visitor.$visit($type::try_from(n).expect("in range")))
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.tree.node {
            Node::Null | Node::Removed => visitor.visit_unit(),
            Node::Bool(b) => visitor.visit_bool(*b),
            Node::Int(n) => match (u64::try_from(*n), i64::try_from(*n)) {
                (Ok(n), _) => visitor.visit_u64(n),
                (_, Ok(n)) => visitor.visit_i64(n),
                _ => unreachable!("the tree holds integers of i64 and u64"),
            },
            Node::Float(x) => visitor.visit_f64(*x),
            Node::Text(text) => visitor.visit_borrowed_str(text),
            Node::List(items) => visitor.visit_seq(Items::new(items)),
            Node::Map(entries) => {
                // Of several forms, the mapping may not be what was meant.
                let forms = (&visitor as &dyn de::Expected).to_string();
                visitor.visit_map(Entries::new(entries, &[])).map_err(|error| error.in_one_of(&forms))
            }
        };
        self.here(result)
    }

    whole_numbers!(
        deserialize_i8 i8 visit_i8, deserialize_i16 i16 visit_i16, deserialize_i32 i32 visit_i32,
        deserialize_i64 i64 visit_i64, deserialize_u8 u8 visit_u8, deserialize_u16 u16 visit_u16,
        deserialize_u32 u32 visit_u32, deserialize_u64 u64 visit_u64
    );

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let n = self.whole(i128::MIN, i128::MAX)?;
        self.here(visitor.visit_i128(n))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let n = self.whole(0, i128::MAX)?;
        self.here(visitor.visit_u128(n.unsigned_abs()))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.node {
            Node::Int(_) | Node::Float(_) => self.deserialize_any(visitor),
            Node::Text(text) if text.parse::<f64>().is_ok() => {
                Err(self.expected("a number", format!("leave out the quotes: `{text}`")))
            }
            _ => Err(self.expected("a number", "write a number, as `0.5`")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.node {
            Node::Bool(b) => self.here(visitor.visit_bool(*b)),
            Node::Text(text) if self.key && matches!(text.as_str(), "true" | "false") => {
                self.here(visitor.visit_bool(text == "true"))
            }
            _ => Err(self.expected("`true` or `false`", "write `true` or `false`, without quotes")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.node {
            Node::Text(text) => self.here(visitor.visit_borrowed_str(text)),
            Node::Bool(b) => Err(self.expected("text", format!("quote it: \"{b}\""))),
            Node::Int(n) => Err(self.expected("text", format!("quote it: \"{n}\""))),
            Node::Float(x) => Err(self.expected("text", format!("quote it: \"{x}\""))),
            _ => Err(self.expected("text", "write a name or a line of text here")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.tree.node == Node::Null {
            self.here(visitor.visit_none())
        } else {
            self.here(visitor.visit_some(self))
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == SPANNED {
            self.here(visitor.visit_seq(PlaceAndValue { de: self, next: 0 }))
        } else {
            self.here(visitor.visit_newtype_struct(self))
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = self.items("a list", "`[a, b]`")?;
        self.here(visitor.visit_seq(Items::new(items)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let what = format!("a list of {len}");
        let items = self.items(&what, "`[a, b]`")?;
        let found = items.iter().filter(|item| !item.is_removed()).count();
        if found != len {
            let message = format!("expected {what}, found {found}");
            return Err(
                Error::new(Code::WrongType, message, format!("write {len} items")).or_at(self.tree.span)
            );
        }
        self.here(visitor.visit_seq(Items::new(items)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.node {
            Node::Map(entries) => self.here(visitor.visit_map(Entries::new(entries, &[]))),
            _ => Err(self.expected("a mapping", "write `key: value` lines, or `{ key: value }`")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.tree.node {
            Node::Map(entries) => self.here(visitor.visit_map(Entries::new(entries, fields))),
            _ => {
                let example = fields.first().map_or_else(|| "{}".into(), |f| format!("{{ {f}: .. }}"));
                let keys = listed(fields.iter().copied());
                Err(self.expected("a mapping", format!("write it as `{example}`; its keys: {keys}")))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let one_of = || format!("one of {}", listed(variants.iter().copied()));
        match &self.tree.node {
            Node::Text(_) => self.here(visitor.visit_enum(Choice { de: self, value: None })),
            Node::Map(entries) => {
                let mut live = entries.iter().filter(|entry| !entry.value.is_removed());
                match (live.next(), live.next()) {
                    (Some(entry), None) => {
                        let choice =
                            Choice { de: De { key: true, ..De::new(&entry.key) }, value: Some(&entry.value) };
                        self.here(visitor.visit_enum(choice))
                    }
                    _ => Err(self.expected(&one_of(), "write exactly one of them, as `{ name: .. }`")),
                }
            }
            _ => Err(self.expected(&one_of(), "write one of them")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.node {
            Node::Null => self.here(visitor.visit_unit()),
            _ => Err(self.expected("nothing", "write `null`, or leave it out")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.field {
            Some((entry, fields)) if !fields.is_empty() => {
                Err(<Error as de::Error>::unknown_field(entry.name(), fields).or_at(entry.key.span))
            }
            _ => visitor.visit_unit(),
        }
    }

    forward_to_deserialize_any! { bytes byte_buf }
}
