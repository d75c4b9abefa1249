//! Events into calls: an invocation and what came of it.

use std::{collections::HashMap, time::Duration};

use super::{Datum, Ended, FormatError, Place};

/// What a process asked for and what it was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Who asked.
    pub process: u64,
    /// What for: `read`, `write`, `txn`.
    pub f: Box<str>,
    /// Of which key, where events have one beside their value.
    pub key: Option<Datum>,
    /// The value it was asked with.
    pub input: Datum,
    /// The value it was answered with; the input's where nothing answered.
    pub output: Datum,
    /// How it ended.
    pub ended: Ended,
    /// The position of the invocation among all events.
    pub invoked: u64,
    /// The position of the answer. None if there was none, or it told that the outcome is unknown.
    pub returned: Option<u64>,
    /// When it was asked and answered, if events have times.
    pub times: (Option<Duration>, Option<Duration>),
    /// Where the invocation stands in the file.
    pub place: Place,
}

/// Pairs events as they come.
#[derive(Default)]
pub(super) struct Pairing {
    calls: Vec<Call>,
    /// By process: which call is open.
    open: HashMap<u64, usize>,
    /// How many events there were.
    position: u64,
}

impl Pairing {
    /// Takes the next event.
    pub fn event(&mut self, place: Place, event: Datum) -> Result<(), FormatError> {
        let Datum::Map(entries) = event else {
            let message = format!("an event is a mapping, and this is {}", event.kind());
            return Err(FormatError::at(place, message, "an event has `process`, `type`, `f` and `value`"));
        };
        let mut parts = Parts::default();
        for (key, value) in entries {
            match key.text() {
                Some("process") => parts.process = Some(value),
                Some("type") => parts.kind = Some(value),
                Some("f") => parts.f = Some(value),
                Some("key") => parts.key = Some(value),
                Some("value") => parts.value = Some(value),
                Some("time") => parts.time = Some(value),
                // What else an event may carry (`index`, `error`, `node`) judges nothing.
                _ => {}
            }
        }
        let Some(kind) = parts.kind.as_ref().and_then(Datum::text) else {
            return Err(FormatError::at(
                place,
                "an event without a `type`",
                "it is one of invoke, ok, fail, info",
            ));
        };
        let process = match &parts.process {
            Some(Datum::Int(process)) if *process >= 0 => *process as u64,
            // Jepsen's nemesis reports what it does as operations of its own, and is no client.
            Some(Datum::Text(name)) if &**name == "nemesis" => return Ok(()),
            Some(other) => {
                let message = format!("`process` is a whole number from 0, and this is {other}");
                return Err(FormatError::at(place, message, "number the clients from 0"));
            }
            None => {
                return Err(FormatError::at(
                    place,
                    "an event without a `process`",
                    "number the clients from 0",
                ));
            }
        };
        let time = match parts.time {
            Some(Datum::Int(ns)) => u64::try_from(ns).ok().map(Duration::from_nanos),
            _ => None,
        };
        let position = self.position;
        self.position += 1;
        match kind {
            "invoke" => {
                let Some(Datum::Text(f)) = parts.f else {
                    return Err(FormatError::at(
                        place,
                        "an invocation without an `f`",
                        "it says what is asked for: read, write, txn",
                    ));
                };
                if let Some(open) = self.open.insert(process, self.calls.len()) {
                    let since = self.calls[open].place.line;
                    return Err(FormatError::at(
                        place,
                        format!(
                            "process {process} asks for another thing while its call of line {since} is open"
                        ),
                        "a process does one thing at a time: number the clients anew, or end the call with an `info`",
                    ));
                }
                let input = parts.value.unwrap_or(Datum::Nil);
                self.calls.push(Call {
                    process,
                    f,
                    key: parts.key,
                    output: input.clone(),
                    input,
                    ended: Ended::Info,
                    invoked: position,
                    returned: None,
                    times: (time, None),
                    place,
                });
            }
            "ok" | "fail" | "info" => {
                let Some(open) = self.open.remove(&process) else {
                    // An `info` may stand for itself: a note of a process that asked for nothing.
                    if kind == "info" {
                        return Ok(());
                    }
                    return Err(FormatError::at(
                        place,
                        format!("process {process} is told `{kind}` and had asked for nothing"),
                        "an `invoke` of the same process comes first",
                    ));
                };
                let call = &mut self.calls[open];
                if let Some(Datum::Text(f)) = &parts.f
                    && *f != call.f
                {
                    let message = format!(
                        "process {process} asked for `{}` in line {} and is answered `{f}`",
                        call.f, call.place.line
                    );
                    return Err(FormatError::at(place, message, "an answer has the `f` of its invocation"));
                }
                call.times.1 = time;
                match kind {
                    "ok" => {
                        call.ended = Ended::Ok;
                        call.returned = Some(position);
                        call.output = parts.value.unwrap_or(Datum::Nil);
                        call.key = call.key.take().or(parts.key);
                    }
                    "fail" => {
                        call.ended = Ended::Fail;
                        call.returned = Some(position);
                    }
                    _ => {}
                }
            }
            other => {
                let message = format!("`{other}` is no type of an event");
                return Err(FormatError::at(place, message, "it is one of invoke, ok, fail, info"));
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Vec<Call> {
        self.calls
    }
}

#[derive(Default)]
struct Parts {
    process: Option<Datum>,
    kind: Option<Datum>,
    f: Option<Datum>,
    key: Option<Datum>,
    value: Option<Datum>,
    time: Option<Datum>,
}
