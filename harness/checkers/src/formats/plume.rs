//! The texts of Plume and AWDIT: reads and writes of numbers under numbers, by session and transaction.
//!
//! The value 0 is what each key has from the beginning, unless a transaction of the file writes it. In Plume's text a transaction -1 is one that did not commit.

use std::{collections::HashMap, io::BufRead};

use super::{Access, Committed, Ended, FormatError, Place, source::Source};

fn access(wrote: bool, key: i64, value: i64) -> Access {
    Access { wrote, key, value: Some(value) }
}

/// Lines `r(key,value,session,transaction)`.
pub(super) fn calls<R: BufRead>(mut source: Source<R>) -> Result<Vec<Vec<Committed>>, FormatError> {
    let mut sessions: Vec<Vec<Committed>> = Vec::new();
    let mut known = HashMap::new();
    // Where each transaction stands.
    let mut begun: HashMap<i64, (usize, usize)> = HashMap::new();
    let mut line = Vec::new();
    while let Some(place) = source.line(&mut line)? {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let (wrote, numbers) = call(text, place)?;
        let [key, value, session, transaction] = numbers;
        let session = *known.entry(session).or_insert_with(|| {
            sessions.push(Vec::new());
            sessions.len() - 1
        });
        let access = access(wrote, key, value);
        // Each access that did not commit is one of its own: nothing says which belong together.
        let aborted = transaction == -1;
        match begun.get(&transaction).filter(|_| !aborted) {
            Some((other, _)) if *other != session => {
                return Err(FormatError::at(
                    place,
                    format!("transaction {transaction} is one of another session already"),
                    "a transaction's number is used in one session",
                ));
            }
            Some((session, at)) => sessions[*session][*at].accesses.push(access),
            None => {
                let ended = if aborted { Ended::Fail } else { Ended::Ok };
                begun.insert(transaction, (session, sessions[session].len()));
                sessions[session].push(Committed { accesses: vec![access], ended, place });
            }
        }
    }
    Ok(sessions)
}

/// `r(1,2,3,4)`.
fn call(text: &[u8], place: Place) -> Result<(bool, [i64; 4]), FormatError> {
    let wrong = || {
        let text = String::from_utf8_lossy(&text[..text.len().min(40)]);
        FormatError::at(
            place,
            format!("`{text}` is no access"),
            "a line is `r(KEY,VALUE,SESSION,TRANSACTION)` or `w(..)`, all whole numbers",
        )
    };
    let wrote = match text.first() {
        Some(b'r') => false,
        Some(b'w') => true,
        _ => return Err(wrong()),
    };
    let inside = text[1..].strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")).ok_or_else(wrong)?;
    let inside = std::str::from_utf8(inside).map_err(|_| wrong())?;
    let mut parts = inside.split(',').map(|part| part.trim().parse::<i64>());
    let mut numbers = [0; 4];
    for number in &mut numbers {
        *number = parts.next().and_then(Result::ok).ok_or_else(wrong)?;
    }
    if parts.next().is_some() {
        return Err(wrong());
    }
    Ok((wrote, numbers))
}

/// Lines `r key value`, in transactions and sessions parted by lines of `-` and `=`.
pub(super) fn sections<R: BufRead>(mut source: Source<R>) -> Result<Vec<Vec<Committed>>, FormatError> {
    let mut sessions = Vec::new();
    let mut session = Vec::new();
    let mut transaction: Option<Committed> = None;
    let mut line = Vec::new();
    while let Some(place) = source.line(&mut line)? {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if text.iter().all(|byte| *byte == b'-') || text.iter().all(|byte| *byte == b'=') {
            session.extend(transaction.take());
            if text[0] == b'=' {
                sessions.push(std::mem::take(&mut session));
            }
            continue;
        }
        let wrong = || {
            let text = String::from_utf8_lossy(&text[..text.len().min(40)]);
            FormatError::at(
                place,
                format!("`{text}` is no access"),
                "a line is `r KEY VALUE` or `w KEY VALUE`, both whole numbers",
            )
        };
        let words = std::str::from_utf8(text).map_err(|_| wrong())?;
        let words: Vec<&str> = words.split_whitespace().collect();
        let [kind, key, value] = words[..] else { return Err(wrong()) };
        let wrote = match kind {
            "r" => false,
            "w" => true,
            _ => return Err(wrong()),
        };
        let (Ok(key), Ok(value)) = (key.parse(), value.parse()) else { return Err(wrong()) };
        transaction
            .get_or_insert_with(|| Committed { accesses: Vec::new(), ended: Ended::Ok, place })
            .accesses
            .push(access(wrote, key, value));
    }
    session.extend(transaction);
    sessions.push(session);
    sessions.retain(|session: &Vec<Committed>| !session.is_empty());
    Ok(sessions)
}
