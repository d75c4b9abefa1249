//! Lists, mappings and enums as serde walks through them. Entries that were removed are passed over; positions are those of
//! the file.

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::{De, error::Error};
use crate::language::{
    diagnostic::Code,
    path::Step,
    spanned::Span,
    yaml::{Entry, Node, Tree},
};

/// The items of a list, but for those that were removed.
pub(super) struct Items<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Tree>>,
}

impl<'de> Items<'de> {
    pub(super) fn new(items: &'de [Tree]) -> Self {
        Items { items: items.iter().enumerate() }
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, item)) = self.items.find(|(_, item)| !item.is_removed()) else { return Ok(None) };
        seed.deserialize(De::new(item)).map(Some).map_err(|error| error.within(Step::Index(index)))
    }
}

/// The entries of a mapping, but for those that were removed.
pub(super) struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    /// The entry whose key was read last.
    current: Option<&'de Entry>,
    fields: &'static [&'static str],
}

impl<'de> Entries<'de> {
    pub(super) fn new(entries: &'de [Entry], fields: &'static [&'static str]) -> Self {
        Entries { entries: entries.iter(), current: None, fields }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.entries.find(|entry| !entry.value.is_removed()) else { return Ok(None) };
        self.current = Some(entry);
        let key = De { key: true, ..De::new(&entry.key) };
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.or_at(entry.key.span).within(Step::Key(entry.name().to_owned())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let entry = self.current.expect("a value is asked for after its key");
        let value = De { field: Some((entry, self.fields)), ..De::new(&entry.value) };
        seed.deserialize(value).map_err(|error| error.within(Step::Key(entry.name().to_owned())))
    }
}

/// A node as [`Spanned`](crate::language::Spanned) wants it: file, start, end, value.
pub(super) struct PlaceAndValue<'de> {
    pub(super) de: De<'de>,
    pub(super) next: usize,
}

impl<'de> SeqAccess<'de> for PlaceAndValue<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Span { file, start, end } = self.de.tree.span;
        self.next += 1;
        match [file, start, end].get(self.next - 1) {
            Some(part) => seed.deserialize(de::value::U32Deserializer::new(*part)).map(Some),
            None => seed.deserialize(self.de).map(Some),
        }
    }
}

/// A variant of an enum: its name alone, or its name and what it holds.
pub(super) struct Choice<'de> {
    pub(super) de: De<'de>,
    pub(super) value: Option<&'de Tree>,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), Error> {
        let Node::Text(name) = &self.de.tree.node else { unreachable!("made from text and from keys alone") };
        let within = |error: Error| {
            let error = error.or_at(self.de.tree.span);
            if self.value.is_some() { error.within(Step::Key(name.clone())) } else { error }
        };
        let variant = seed.deserialize(self.de).map_err(within)?;
        Ok((variant, Content { name, span: self.de.tree.span, value: self.value }))
    }
}

pub(super) struct Content<'de> {
    name: &'de str,
    span: Span,
    value: Option<&'de Tree>,
}

impl<'de> Content<'de> {
    fn read<T>(self, read: impl FnOnce(De<'de>) -> Result<T, Error>) -> Result<T, Error> {
        let Some(value) = self.value else {
            let message = format!("`{}` needs a value", self.name);
            return Err(Error::new(Code::WrongType, message, format!("write `{{ {}: .. }}`", self.name))
                .or_at(self.span));
        };
        read(De::new(value)).map_err(|error| error.or_at(value.span).within(Step::Key(self.name.to_owned())))
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(value) if value.node == Node::Null => Ok(()),
            Some(value) => {
                let message = format!("`{}` takes no value", self.name);
                Err(Error::new(Code::WrongType, message, format!("write `{}` alone", self.name))
                    .or_at(value.span)
                    .within(Step::Key(self.name.to_owned())))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.read(|de| seed.deserialize(de))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.read(|de| de.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.read(|de| de.deserialize_struct("", fields, visitor))
    }
}
