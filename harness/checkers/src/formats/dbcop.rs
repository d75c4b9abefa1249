//! dbcop's JSON. Today's is an array of sessions, each an array of transactions `{ "events": [{ "Write": { "variable": 0, "version": 1 } }],
//! "committed": true }`. The one before is an object with those in `data`, of events `{ "write": true, "variable": 0, "value": 1, "success": true }`
//! and transactions with `success`.

use std::io::BufRead;

use serde::Deserialize;

use super::{Access, Committed, Ended, FormatError, Place, json::Values, source::Source};

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

const HELP: &str = "a history is an array of sessions, each an array of transactions `{\"events\": [{\"Read\": {\"variable\": 0, \"version\": 1}}], \"committed\": true}`";

pub(super) fn read<R: BufRead>(mut source: Source<R>) -> Result<Vec<Vec<Committed>>, FormatError> {
    let mut values = Values { source: &mut source, text: Vec::new() };
    let mut all = None;
    if values.peek()? == Some(b'[') {
        all = Some(sessions(&mut values)?);
    } else {
        values.expect(b"{")?;
        loop {
            let (_, key): (_, String) = values.parse(HELP)?;
            values.expect(b":")?;
            match &*key {
                "data" => all = Some(sessions(&mut values)?),
                _ => drop(values.value()?),
            }
            if values.expect(b",}")? == b'}' {
                break;
            }
        }
    }
    let end = values.source.place();
    values.end()?;
    all.ok_or_else(|| FormatError::at(end, "there is no `data` in this object", HELP))
}

fn sessions<R: BufRead>(values: &mut Values<'_, R>) -> Result<Vec<Vec<Committed>>, FormatError> {
    let mut sessions = Vec::new();
    values.array(|values| {
        let mut session = Vec::new();
        values.array(|values| {
            let (place, read) = values.parse(HELP)?;
            session.extend(transaction(read, place));
            Ok(())
        })?;
        sessions.push(session);
        Ok(())
    })?;
    Ok(sessions)
}

/// One transaction, and what of it did not take effect as another.
fn transaction(transaction: Transaction, place: Place) -> Vec<Committed> {
    let ended = if transaction.committed { Ended::Ok } else { Ended::Fail };
    let (mut done, mut not_done) = (Vec::new(), Vec::new());
    for event in transaction.events {
        let (wrote, key, value, success) = match event {
            Event::Write { write } => (true, write.variable, write.version, true),
            Event::Read { read } => (false, read.variable, read.version, true),
            Event::Before { write, variable, value, success } => (write, variable, Some(value), success),
        };
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
