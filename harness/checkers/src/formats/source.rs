//! The bytes of a file, with their place.

use std::io::{self, BufRead};

use super::{FormatError, Place};

/// Reads a byte at a time and knows where it is. Holds one block of the file.
pub(super) struct Source<R> {
    inner: R,
    block: Vec<u8>,
    at: usize,
    place: Place,
    ended: bool,
}

impl<R: BufRead> Source<R> {
    pub fn new(inner: R) -> Self {
        Source { inner, block: Vec::new(), at: 0, place: Place { line: 1, column: 1 }, ended: false }
    }

    /// What some editors put before the text.
    pub fn skip_byte_order_mark(&mut self) -> Result<(), FormatError> {
        self.peek()?;
        if self.block.starts_with(b"\xEF\xBB\xBF") {
            self.at = 3;
        }
        Ok(())
    }

    /// Where the next byte stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next byte, which stays the next.
    pub fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        if self.at == self.block.len() {
            self.refill()?;
        }
        Ok(self.block.get(self.at).copied())
    }

    /// The next byte.
    pub fn next(&mut self) -> Result<Option<u8>, FormatError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.at += 1;
            // Columns count characters, as editors do: a byte that goes on with one is not counted.
            if byte == b'\n' {
                self.place = Place { line: self.place.line + 1, column: 1 };
            } else if byte & 0xC0 != 0x80 {
                self.place.column += 1;
            }
        }
        Ok(byte)
    }

    /// What is left of the line, without its end. None at the end of the file.
    pub fn line(&mut self, into: &mut Vec<u8>) -> Result<Option<Place>, FormatError> {
        into.clear();
        let place = self.place;
        if self.peek()?.is_none() {
            return Ok(None);
        }
        loop {
            if self.peek()?.is_none() {
                break;
            }
            let rest = &self.block[self.at..];
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    into.extend_from_slice(&rest[..end]);
                    self.at += end + 1;
                    break;
                }
                None => {
                    into.extend_from_slice(rest);
                    self.at = self.block.len();
                }
            }
            if into.len() > super::LONGEST {
                return Err(FormatError::at(
                    place,
                    format!("a line of more than {} MiB", super::LONGEST >> 20),
                    "one operation is one line: is this a history?",
                ));
            }
        }
        self.place = Place { line: place.line + 1, column: 1 };
        if into.last() == Some(&b'\r') {
            into.pop();
        }
        Ok(Some(place))
    }

    fn refill(&mut self) -> Result<(), FormatError> {
        if self.ended {
            return Ok(());
        }
        self.block.clear();
        self.at = 0;
        loop {
            match self.inner.fill_buf() {
                Ok(bytes) => {
                    self.block.extend_from_slice(bytes);
                    let read = bytes.len();
                    self.inner.consume(read);
                    self.ended = read == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(FormatError::at(
                        self.place,
                        format!("it cannot be read further: {error}"),
                        "",
                    ));
                }
            }
        }
    }
}
