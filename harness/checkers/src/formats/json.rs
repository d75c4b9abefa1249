//! JSON, by serde_json, as [`Datum`]s.

use std::{fmt, io::BufRead};

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{Datum, FormatError, LONGEST, Place, source::Source};

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
    fn visit_f64<E: de::Error>(self, float: f64) -> Result<Datum, E> {
        // From here on several whole numbers are read as one, and what differs in the file would be the same.
        if float.abs() >= 2_f64.powi(63) {
            return Err(de::Error::custom(
                "a number of more than 64 bits, which is not read exactly: write it as a text",
            ));
        }
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
        Datum::map(entries).map_err(|key| de::Error::custom(format!("the key {key} stands in it twice")))
    }
}

/// Hands over each object of a file: one a line, or all in one array.
pub(super) fn lines<R: BufRead>(
    mut source: Source<R>,
    mut each: impl FnMut(Place, Datum) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut values = Values { source: &mut source, text: Vec::new() };
    if values.peek()? == Some(b'[') {
        values.array(|values| {
            let (place, datum) = values.parse("an event is a mapping")?;
            each(place, datum)
        })?;
        return values.end();
    }
    let mut line = Vec::new();
    while let Some(place) = source.line(&mut line)? {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let datum = serde_json::from_slice(text).map_err(|error| {
            let indent = line.len() - line.trim_ascii_start().len();
            wrong(
                &error,
                Place { line: place.line, column: place.column + (indent + error.column()) as u64 - 1 },
            )
        })?;
        each(place, datum)?;
    }
    Ok(())
}

/// The values of a document, one after the other: it holds one of them at a time, whatever they are in.
pub(super) struct Values<'s, R> {
    pub(super) source: &'s mut Source<R>,
    /// The value that is being read.
    pub(super) text: Vec<u8>,
}

impl<R: BufRead> Values<'_, R> {
    /// The next byte that is no space, which stays the next.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        while let Some(byte) = self.source.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.source.next()?;
        }
        Ok(None)
    }

    /// Takes one of some bytes.
    pub(super) fn expect(&mut self, bytes: &[u8]) -> Result<u8, FormatError> {
        let next = self.peek()?;
        if let Some(byte) = next.filter(|byte| bytes.contains(byte)) {
            self.source.next()?;
            return Ok(byte);
        }
        let names: Vec<String> = bytes.iter().map(|byte| format!("`{}`", char::from(*byte))).collect();
        let message = format!("this is not JSON: expected {}", names.join(" or "));
        let help = if next.is_none() { "is the file cut off?" } else { "" };
        Err(FormatError::at(self.source.place(), message, help))
    }

    /// Goes through an array, one item after the other.
    pub(super) fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.expect(b"[")?;
        if self.peek()? == Some(b']') {
            self.source.next()?;
            return Ok(());
        }
        loop {
            item(self)?;
            if self.expect(b",]")? == b']' {
                return Ok(());
            }
        }
    }

    /// Sees that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), FormatError> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => {
                let message = "something follows the end of the history";
                Err(FormatError::at(self.source.place(), message, "one file is one history"))
            }
        }
    }

    /// Reads the text of a value, which is whole but need not be right.
    pub(super) fn value(&mut self) -> Result<Place, FormatError> {
        self.text.clear();
        self.peek()?;
        let place = self.source.place();
        let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
        while let Some(byte) = self.source.peek()? {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'[' | b'{' => depth += 1,
                b',' | b']' | b'}' | b':' if depth == 0 => break,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.text.push(byte);
            if self.text.len() > LONGEST {
                let message = format!("a value of more than {} MiB", LONGEST >> 20);
                return Err(FormatError::at(
                    place,
                    message,
                    "one operation is one value: is this a history?",
                ));
            }
            self.source.next()?;
        }
        Ok(place)
    }

    /// Reads a value; `help` says what it should be.
    pub(super) fn parse<T: DeserializeOwned>(&mut self, help: &str) -> Result<(Place, T), FormatError> {
        let place = self.value()?;
        let value = serde_json::from_slice(&self.text).map_err(|error| {
            let inside = match error.line() as u64 {
                0 | 1 => {
                    Place { line: place.line, column: place.column + (error.column() as u64).max(1) - 1 }
                }
                line => Place { line: place.line + line - 1, column: error.column() as u64 },
            };
            match error.classify() {
                Category::Data => {
                    FormatError::at(place, format!("this value is not expected here: {}", said(&error)), help)
                }
                _ => wrong(&error, inside),
            }
        })?;
        Ok((place, value))
    }
}

/// What serde says, without its place.
fn said(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.split(" at line ").next().unwrap_or(&said).to_owned()
}

pub(super) fn wrong(error: &serde_json::Error, place: Place) -> FormatError {
    // The place is said once, and it is the file's.
    let said = said(error);
    let help = match &*said {
        _ if error.is_eof() => "is the file cut off?",
        "trailing characters" => "one event is one line",
        _ => "",
    };
    let message = if error.is_data() { said } else { format!("this is not JSON: {said}") };
    FormatError::at(place, message, help)
}
