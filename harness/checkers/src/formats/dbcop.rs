//! dbcop's JSON. Today's is an array of sessions, each an array of transactions `{ "events": [{ "Write": { "variable": 0, "version": 1 } }],
//! "committed": true }`. The one before is an object with those in `data`, of events `{ "write": true, "variable": 0, "value": 1, "success": true }`
//! and transactions with `success`.

use std::io::BufRead;

use serde::Deserialize;

use super::{Access, Committed, Ended, FormatError, Place, json, source::Source};

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Sessions(Vec<Vec<Transaction>>),
    Before { data: Vec<Vec<Transaction>> },
}

#[derive(Deserialize)]
struct Transaction {
    events: Vec<Event>,
    #[serde(alias = "success")]
    committed: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    Write {
        #[serde(rename = "Write")]
        write: Of,
    },
    Read {
        #[serde(rename = "Read")]
        read: Of,
    },
    Before {
        write: bool,
        variable: i64,
        value: i64,
        success: bool,
    },
}

#[derive(Deserialize)]
struct Of {
    variable: i64,
    version: Option<i64>,
}

/// The version that each variable has from the beginning.
const INITIAL: i64 = 0;

pub(super) fn read<R: BufRead>(mut source: Source<R>) -> Result<Vec<Vec<Committed>>, FormatError> {
    // One document: its end is what closes it.
    let (mut text, mut line) = (Vec::new(), Vec::new());
    while source.line(&mut line)?.is_some() {
        if !text.is_empty() {
            text.push(b'\n');
        }
        text.extend_from_slice(&line);
    }
    let start = Place { line: 1, column: 1 };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&text) {
        return Err(json::wrong(&error, Place { line: error.line() as u64, column: error.column() as u64 }));
    }
    let document = serde_json::from_slice(&text).map_err(|_| {
        FormatError::at(
            start,
            "this JSON is not dbcop's",
            "a history is an array of sessions, each an array of transactions `{\"events\": [{\"Read\": {\"variable\": 0, \"version\": 1}}], \"committed\": true}`",
        )
    })?;
    let (Document::Sessions(sessions) | Document::Before { data: sessions }) = document;
    Ok(sessions.into_iter().map(|session| session.into_iter().flat_map(transaction).collect()).collect())
}

/// One transaction, and what of it did not take effect as another.
fn transaction(transaction: Transaction) -> Vec<Committed> {
    let ended = if transaction.committed { Ended::Ok } else { Ended::Fail };
    let place = Place { line: 1, column: 1 };
    let (mut done, mut not_done) = (Vec::new(), Vec::new());
    for event in transaction.events {
        let (wrote, key, value, success) = match event {
            Event::Write { write } => (true, write.variable, write.version, true),
            Event::Read { read } => (false, read.variable, read.version, true),
            Event::Before { write, variable, value, success } => (write, variable, Some(value), success),
        };
        let value = value.filter(|value| wrote || *value != INITIAL);
        if success {
            done.push(Access { wrote, key, value });
        } else if wrote {
            not_done.push(Access { wrote, key, value });
        }
    }
    let of =
        |accesses: Vec<Access>, ended| (!accesses.is_empty()).then_some(Committed { accesses, ended, place });
    of(done, ended).into_iter().chain(of(not_done, Ended::Fail)).collect()
}
