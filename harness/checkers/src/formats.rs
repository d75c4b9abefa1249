//! Histories in files: who wrote them does not matter, what they say does.
//!
//! | [`Format`] | a file is | written by |
//! |---|---|---|
//! | [`JsonLines`](Format::JsonLines) | one JSON object a line: `process`, `type` (invoke, ok, fail, info), `f`, and if need be `key`, `value`, `time` (ns) | this crate's users, Elle's command line |
//! | [`Edn`](Format::Edn) | the same as EDN maps, one after the other or in one vector | Jepsen, Elle, Knossos, Porcupine's key-value histories |
//! | [`JepsenLog`](Format::JepsenLog) | lines `INFO  jepsen.util - 0 :invoke :read nil` among others | Jepsen's console, Porcupine's etcd histories |
//! | [`Plume`](Format::Plume) | lines `r(key,value,session,transaction)` | Plume, AWDIT |
//! | [`Awdit`](Format::Awdit) | lines `r key value`; `---` between transactions, `===` between sessions | AWDIT's tests |
//! | [`Dbcop`](Format::Dbcop) | one JSON document of sessions of transactions of events | dbcop, old and new |
//!
//! [`read`] reads any of them as a stream, holding one operation or transaction at a time beside what it returns. What is wrong with a file is an
//! error with its [`Place`].

use std::{collections::HashSet, fmt, io::BufRead};

mod datum;
mod dbcop;
mod edn;
mod json;
mod log;
mod pair;
mod plume;
mod source;

pub use self::{datum::Datum, pair::Call};
use self::{pair::Pairing, source::Source};

/// The longest line, word or text, in bytes.
const LONGEST: usize = 64 << 20;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// EDN maps.
    Edn,
    /// Lines of Jepsen's log.
    JepsenLog,
    /// `r(key,value,session,transaction)` a line.
    Plume,
    /// `r key value` a line.
    Awdit,
    /// A JSON document of sessions.
    Dbcop,
}

impl Format {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Format); 6] = [
        ("json-lines", Format::JsonLines),
        ("edn", Format::Edn),
        ("jepsen-log", Format::JepsenLog),
        ("plume", Format::Plume),
        ("awdit", Format::Awdit),
        ("dbcop", Format::Dbcop),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Format::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// Tells it from how a file begins. None if it could be anything.
    pub fn detect(beginning: &[u8]) -> Option<Format> {
        let text = beginning.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(beginning);
        let mut text = text.trim_ascii_start();
        while text.first() == Some(&b';') {
            let end = text.iter().position(|byte| *byte == b'\n')?;
            text = text[end..].trim_ascii_start();
        }
        let inside = |opening: &[u8]| text.strip_prefix(opening).map(<[u8]>::trim_ascii_start);
        let bare: Vec<u8> =
            text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(64).collect();
        match text.first()? {
            b'{' => match inside(b"{")?.first()? {
                // dbcop's first form is one object with the sessions in it; a line of a history is one with a type.
                b'"' if bare.starts_with(b"{\"params\"")
                    || bare.starts_with(b"{\"data\"")
                    || bare.starts_with(b"{\"info\"") =>
                {
                    Some(Format::Dbcop)
                }
                b'"' => Some(Format::JsonLines),
                _ => Some(Format::Edn),
            },
            b'[' if bare.starts_with(b"[[") || bare == b"[]" => Some(Format::Dbcop),
            b'[' if bare.starts_with(b"[{\"") => Some(Format::JsonLines),
            b'[' | b'(' | b'#' => Some(Format::Edn),
            b'r' | b'w' if inside(&text[..1])?.first() == Some(&b'(') => Some(Format::Plume),
            b'r' | b'w' if text.get(1).is_some_and(u8::is_ascii_whitespace) => Some(Format::Awdit),
            b'=' | b'-' => Some(Format::Awdit),
            _ if text.windows(7).any(|part| part == b":invoke") => Some(Format::JepsenLog),
            _ => None,
        }
    }
}

/// A place in a file, both from 1. Columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FormatError {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
    /// What to do about it; empty where there is nothing to say.
    pub help: String,
}

impl FormatError {
    pub(crate) fn at(place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        FormatError { place, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.message)?;
        if !self.help.is_empty() {
            write!(f, " ({})", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for FormatError {}

/// What became of a call or a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Ended {
    /// It took effect.
    Ok,
    /// It did not and never will.
    Fail,
    /// It may have, or may still.
    Info,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// Calls of processes, in the order in which they were invoked.
    Calls(Vec<Call>),
    /// Transactions of sessions, of which no more is known than the order in each session.
    Sessions(Vec<Vec<Committed>>),
}

/// A transaction of a [session](Recorded::Sessions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// What it read and wrote, in order.
    pub accesses: Vec<Access>,
    /// Whether it took effect.
    pub ended: Ended,
    /// Where it begins in the file.
    pub place: Place,
}

/// A read or a write of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether it wrote.
    pub wrote: bool,
    /// Which key.
    pub key: i64,
    /// What was read or written. None: what was there from the beginning.
    pub value: Option<i64>,
}

/// What keys hold from the beginning where nobody wrote it, in formats whose values are numbers.
const INITIAL: i64 = 0;

/// Says of reads of [`INITIAL`] that they saw what was there from the beginning, but for keys to which somebody wrote it: files of these
/// formats may begin with a transaction that does.
fn from_the_beginning(mut sessions: Vec<Vec<Committed>>) -> Recorded {
    let accesses = sessions.iter().flatten().flat_map(|transaction| &transaction.accesses);
    let written: HashSet<i64> = accesses
        .filter(|access| access.wrote && access.value == Some(INITIAL))
        .map(|access| access.key)
        .collect();
    for access in sessions.iter_mut().flatten().flat_map(|transaction| &mut transaction.accesses) {
        if !access.wrote && access.value == Some(INITIAL) && !written.contains(&access.key) {
            access.value = None;
        }
    }
    Recorded::Sessions(sessions)
}

/// Reads a history.
///
/// # Errors
/// What is wrong with it first, with its place.
pub fn read(file: impl BufRead, format: Format) -> Result<Recorded, FormatError> {
    let mut source = Source::new(file);
    source.skip_byte_order_mark()?;
    let calls = |pairing: Pairing| Ok(Recorded::Calls(pairing.finish()));
    match format {
        Format::JsonLines => {
            let mut pairing = Pairing::default();
            json::lines(source, |place, datum| pairing.event(place, datum))?;
            calls(pairing)
        }
        Format::Edn => {
            let mut pairing = Pairing::default();
            let mut forms = edn::Forms::new(source);
            while let Some((place, datum)) = forms.next()? {
                pairing.event(place, datum)?;
            }
            calls(pairing)
        }
        Format::JepsenLog => {
            let mut pairing = Pairing::default();
            log::lines(source, |place, datum| pairing.event(place, datum))?;
            calls(pairing)
        }
        Format::Plume => plume::calls(source).map(from_the_beginning),
        Format::Awdit => plume::sections(source).map(from_the_beginning),
        Format::Dbcop => dbcop::read(source).map(from_the_beginning),
    }
}
