//! Lines of Jepsen's log: `INFO  jepsen.util - 0 :invoke :write 4`, with tabs between the last four. What says nothing of an operation is
//! passed over.

use std::io::BufRead;

use super::{Datum, FormatError, Place, edn::Forms, source::Source};

const TYPES: [&str; 4] = [":invoke", ":ok", ":fail", ":info"];

/// Hands over each operation's event as a mapping, as EDN has it.
pub(super) fn lines<R: BufRead>(
    mut source: Source<R>,
    mut each: impl FnMut(Place, Datum) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut line = Vec::new();
    let mut seen = 0_u64;
    while let Some(place) = source.line(&mut line)? {
        let Ok(text) = std::str::from_utf8(&line) else {
            return Err(FormatError::at(place, "this is not UTF-8", "histories are UTF-8 texts"));
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| TYPES.contains(word)) else { continue };
        let Some(process) = at.checked_sub(1).map(|before| words[before]) else { continue };
        let Ok(process) = process.parse::<i64>() else {
            // The nemesis is a process with a name, and no client.
            continue;
        };
        let Some(f) = words.get(at + 1).and_then(|f| f.strip_prefix(':')) else {
            return Err(FormatError::at(
                place,
                "an operation without a function",
                "a line is `PROCESS :TYPE :F VALUE`",
            ));
        };
        let value = words[at + 2..].join(" ");
        let mut forms = Forms::value(Source::new(value.as_bytes()));
        let value = forms
            .next()
            .map_err(|error| FormatError { place, ..error })?
            .map_or(Datum::Nil, |(_, datum)| datum);
        let entry = |name: &str, value| (Datum::Text(name.into()), value);
        each(
            place,
            Datum::Map(vec![
                entry("process", Datum::Int(process)),
                entry("type", Datum::Text(words[at][1..].into())),
                entry("f", Datum::Text(f.into())),
                entry("value", value),
            ]),
        )?;
        seen += 1;
    }
    if seen == 0 {
        let place = Place { line: 1, column: 1 };
        return Err(FormatError::at(
            place,
            "no line tells of an operation",
            "a line is `INFO  jepsen.util - PROCESS :TYPE :F VALUE`, TYPE one of invoke, ok, fail, info",
        ));
    }
    Ok(())
}
