//! EDN, the notation of Clojure's data, as far as histories use it (<https://github.com/edn-format/edn>).
//!
//! Read form by form, so that a file of millions of operations is never held as text. A file is a row of forms, or one vector or list of
//! them. Tags (`#jepsen.history.Op{..}`) are passed over, what they stand before is read; `#_` leaves a form out. Ratios and symbols are texts; a
//! whole number beyond 64 bits is one too.

use std::io::BufRead;

use super::{Datum, FormatError, Place, source::Source};

/// How deeply values may be nested.
const DEEPEST: usize = 128;

/// The forms of a file.
pub(super) struct Forms<R> {
    source: Source<R>,
    /// The closing bracket of the vector or list that the forms stand in, if they do, and where it was opened.
    inside: Option<(u8, Place)>,
    begun: bool,
}

impl<R: BufRead> Forms<R> {
    pub fn new(source: Source<R>) -> Self {
        Forms { source, inside: None, begun: false }
    }

    /// The forms of a text that is a value, even if that is a list.
    pub fn value(source: Source<R>) -> Self {
        Forms { begun: true, ..Forms::new(source) }
    }

    /// The next form, and where it begins.
    pub fn next(&mut self) -> Result<Option<(Place, Datum)>, FormatError> {
        loop {
            skip(&mut self.source)?;
            let place = self.source.place();
            let Some(byte) = self.source.peek()? else {
                return match self.inside {
                    None => Ok(None),
                    Some((closing, opened)) => Err(FormatError::at(
                        opened,
                        format!("this is never closed: the file ends without a `{}`", closing as char),
                        "is the file cut off?",
                    )),
                };
            };
            if !self.begun {
                self.begun = true;
                if let b'[' | b'(' = byte {
                    self.source.next()?;
                    self.inside = Some((if byte == b'[' { b']' } else { b')' }, place));
                    continue;
                }
            }
            if let Some((closing, _)) = self.inside
                && byte == closing
            {
                self.source.next()?;
                skip(&mut self.source)?;
                let after = self.source.place();
                return match self.source.peek()? {
                    None => Ok(None),
                    Some(_) => Err(FormatError::at(
                        after,
                        "something stands after the end of the history",
                        "a file is one list of operations, or a row of them",
                    )),
                };
            }
            match form(&mut self.source, 0)? {
                Some(datum) => return Ok(Some((place, datum))),
                None => continue,
            }
        }
    }
}

fn is_white(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b','
}

/// Passes over white space, commas and comments.
fn skip<R: BufRead>(source: &mut Source<R>) -> Result<(), FormatError> {
    while let Some(byte) = source.peek()? {
        if byte == b';' {
            while source.next()?.is_some_and(|byte| byte != b'\n') {}
        } else if is_white(byte) {
            source.next()?;
        } else {
            break;
        }
    }
    Ok(())
}

/// One form; none for what `#_` leaves out.
fn form<R: BufRead>(source: &mut Source<R>, depth: usize) -> Result<Option<Datum>, FormatError> {
    let place = source.place();
    if depth > DEEPEST {
        return Err(FormatError::at(place, format!("more than {DEEPEST} brackets inside each other"), ""));
    }
    let Some(byte) = source.peek()? else {
        return Err(FormatError::at(
            place,
            "the file ends where a value is expected",
            "is the file cut off?",
        ));
    };
    Ok(Some(match byte {
        b'[' | b'(' => {
            source.next()?;
            Datum::List(items(source, if byte == b'[' { b']' } else { b')' }, place, depth)?)
        }
        b'{' => {
            source.next()?;
            let items = items(source, b'}', place, depth)?;
            if items.len() % 2 == 1 {
                return Err(FormatError::at(
                    place,
                    "a mapping with a key and no value",
                    "write `{:key value, ..}`",
                ));
            }
            let mut entries = Vec::with_capacity(items.len() / 2);
            let mut items = items.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                entries.push((key, value));
            }
            Datum::map(entries).map_err(|key| {
                FormatError::at(place, format!("the key {key} stands in this mapping twice"), "")
            })?
        }
        b'"' => {
            source.next()?;
            Datum::Text(quoted(source, place)?.into())
        }
        b'\\' => {
            source.next()?;
            let mut text = Vec::new();
            // A bracket may be the character itself.
            text.extend(source.next()?);
            word(source, &mut text)?;
            Datum::Text(character(&text, place)?.into())
        }
        b'#' => {
            source.next()?;
            match source.peek()? {
                Some(b'{') => {
                    source.next()?;
                    Datum::set(items(source, b'}', place, depth)?).map_err(|item| {
                        FormatError::at(place, format!("{item} stands in this set twice"), "")
                    })?
                }
                Some(b'_') => {
                    source.next()?;
                    // What is left out may itself begin with something that is left out.
                    loop {
                        skip(source)?;
                        if form(source, depth + 1)?.is_some() {
                            return Ok(None);
                        }
                    }
                }
                Some(b'#') => {
                    source.next()?;
                    let mut text = Vec::new();
                    word(source, &mut text)?;
                    match &*text {
                        b"Inf" => Datum::Float(f64::INFINITY),
                        b"-Inf" => Datum::Float(f64::NEG_INFINITY),
                        b"NaN" => Datum::Float(f64::NAN),
                        _ => return Err(FormatError::at(place, "`##` stands before Inf, -Inf or NaN", "")),
                    }
                }
                _ => {
                    let mut tag = Vec::new();
                    word(source, &mut tag)?;
                    if tag.is_empty() {
                        return Err(FormatError::at(place, "a `#` that stands before nothing", ""));
                    }
                    loop {
                        skip(source)?;
                        if let Some(datum) = form(source, depth + 1)? {
                            break datum;
                        }
                    }
                }
            }
        }
        b']' | b')' | b'}' => {
            return Err(FormatError::at(place, format!("a `{}` that closes nothing", byte as char), ""));
        }
        _ => {
            let mut text = Vec::new();
            word(source, &mut text)?;
            if text.is_empty() {
                let message = format!("the byte {byte:#04x} begins no value");
                return Err(FormatError::at(
                    place,
                    message,
                    "is this EDN? name another format with `--format`",
                ));
            }
            atom(text, place)?
        }
    }))
}

fn items<R: BufRead>(
    source: &mut Source<R>,
    closing: u8,
    opened: Place,
    depth: usize,
) -> Result<Vec<Datum>, FormatError> {
    let mut items = Vec::new();
    loop {
        skip(source)?;
        match source.peek()? {
            None => {
                return Err(FormatError::at(
                    opened,
                    format!("this is never closed: the file ends without a `{}`", closing as char),
                    "is the file cut off?",
                ));
            }
            Some(byte) if byte == closing => {
                source.next()?;
                return Ok(items);
            }
            Some(_) => items.extend(form(source, depth + 1)?),
        }
    }
}

/// What goes on up to the next white space, bracket or quote.
fn word<R: BufRead>(source: &mut Source<R>, text: &mut Vec<u8>) -> Result<(), FormatError> {
    while let Some(byte) = source.peek()? {
        if is_white(byte) || b"[](){}\";".contains(&byte) || byte < b' ' {
            break;
        }
        if text.len() == super::LONGEST {
            return Err(FormatError::at(source.place(), "a word without an end", ""));
        }
        text.push(byte);
        source.next()?;
    }
    Ok(())
}

fn utf8(bytes: Vec<u8>, place: Place) -> Result<String, FormatError> {
    String::from_utf8(bytes)
        .map_err(|_| FormatError::at(place, "this is not UTF-8", "histories are UTF-8 texts"))
}

fn quoted<R: BufRead>(source: &mut Source<R>, opened: Place) -> Result<String, FormatError> {
    let mut text = Vec::new();
    loop {
        let place = source.place();
        match source.next()? {
            None => {
                return Err(FormatError::at(opened, "a text that is never closed", "is the file cut off?"));
            }
            Some(b'"') => return utf8(text, opened),
            Some(b'\\') => match source.next()? {
                Some(b't') => text.push(b'\t'),
                Some(b'n') => text.push(b'\n'),
                Some(b'r') => text.push(b'\r'),
                Some(b'b') => text.push(8),
                Some(b'f') => text.push(12),
                Some(byte @ (b'"' | b'\\' | b'/')) => text.push(byte),
                Some(b'u') => {
                    let mut code = [0; 4];
                    for digit in &mut code {
                        *digit = source.next()?.unwrap_or(b' ');
                    }
                    let code =
                        std::str::from_utf8(&code).ok().and_then(|code| u32::from_str_radix(code, 16).ok());
                    let character = code.and_then(char::from_u32);
                    let Some(character) = character else {
                        return Err(FormatError::at(
                            place,
                            "`\\u` stands before four hexadecimal digits",
                            "",
                        ));
                    };
                    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(FormatError::at(place, "an escape that EDN does not have", "")),
            },
            Some(byte) => {
                if text.len() == super::LONGEST {
                    return Err(FormatError::at(opened, "a text without an end", ""));
                }
                text.push(byte);
            }
        }
    }
}

fn character(text: &[u8], place: Place) -> Result<String, FormatError> {
    Ok(match text {
        b"newline" => "\n".to_owned(),
        b"return" => "\r".to_owned(),
        b"space" => " ".to_owned(),
        b"tab" => "\t".to_owned(),
        _ => utf8(text.to_owned(), place)?,
    })
}

fn atom(text: Vec<u8>, place: Place) -> Result<Datum, FormatError> {
    let text = utf8(text, place)?;
    Ok(match &*text {
        "nil" => Datum::Nil,
        "true" => Datum::Bool(true),
        "false" => Datum::Bool(false),
        _ => {
            if let Some(keyword) = text.strip_prefix(':') {
                return Ok(Datum::Text(keyword.into()));
            }
            let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
            if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
                return Ok(Datum::Text(text.into()));
            }
            let number = text.strip_suffix(['N', 'M']).unwrap_or(&text);
            if let Ok(int) = number.parse() {
                Datum::Int(int)
            } else if number.contains(['.', 'e', 'E'])
                && let Ok(float) = number.parse()
            {
                Datum::Float(float)
            } else {
                Datum::Text(text.into())
            }
        }
    })
}
