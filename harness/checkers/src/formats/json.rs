//! JSON, by serde_json, as [`Datum`]s.

use std::{fmt, io::BufRead};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Datum, FormatError, Place, source::Source};

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_bool<E>(self, b: bool) -> Result<Datum, E> {
        Ok(Datum::Bool(b))
    }
    fn visit_i64<E>(self, int: i64) -> Result<Datum, E> {
        Ok(Datum::Int(int))
    }
    fn visit_u64<E>(self, int: u64) -> Result<Datum, E> {
        Ok(i64::try_from(int).map_or_else(|_| Datum::Text(int.to_string().into()), Datum::Int))
    }
    fn visit_f64<E>(self, float: f64) -> Result<Datum, E> {
        Ok(Datum::Float(float))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Datum, E> {
        // Jepsen's JSON keeps the colon of keywords.
        Ok(Datum::Text(text.strip_prefix(':').filter(|rest| !rest.is_empty()).unwrap_or(text).into()))
    }
    fn visit_unit<E>(self) -> Result<Datum, E> {
        Ok(Datum::Nil)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Datum::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Datum, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Datum::Map(entries))
    }
}

/// Hands over each object of a file: one a line, or all in one array.
pub(super) fn lines<R: BufRead>(
    mut source: Source<R>,
    mut each: impl FnMut(Place, Datum) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut line = Vec::new();
    let mut begun = false;
    while let Some(place) = source.line(&mut line)? {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if !std::mem::replace(&mut begun, true) && text.starts_with(b"[") {
            // An array may be one line of all its objects, or a line each with brackets and commas around.
            return whole(source, place, line, each);
        }
        let datum = serde_json::from_slice(text).map_err(|error| {
            let indent = line.len() - line.trim_ascii_start().len();
            wrong(&error, Place { line: place.line, column: (indent + error.column()) as u64 })
        })?;
        each(place, datum)?;
    }
    Ok(())
}

/// An array is read whole: nothing says where in it an object ends.
fn whole<R: BufRead>(
    mut source: Source<R>,
    begins: Place,
    mut text: Vec<u8>,
    mut each: impl FnMut(Place, Datum) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut line = Vec::new();
    while source.line(&mut line)?.is_some() {
        text.push(b'\n');
        text.extend_from_slice(&line);
    }
    let items: Vec<Datum> = serde_json::from_slice(&text).map_err(|error| {
        wrong(&error, Place { line: begins.line - 1 + error.line() as u64, column: error.column() as u64 })
    })?;
    // Where in the array an object stands is known by its number alone.
    for (number, item) in items.into_iter().enumerate() {
        each(begins, item).map_err(|error| {
            FormatError::at(
                error.place,
                format!("operation {number} of the array: {}", error.message),
                error.help,
            )
        })?;
    }
    Ok(())
}

pub(super) fn wrong(error: &serde_json::Error, place: Place) -> FormatError {
    let said = error.to_string();
    // The place is said once, and it is the file's.
    let message = said.split(" at line ").next().unwrap_or(&said);
    let help = if error.is_eof() { "is the file cut off?" } else { "" };
    FormatError::at(place, format!("this is not JSON: {message}"), help)
}
