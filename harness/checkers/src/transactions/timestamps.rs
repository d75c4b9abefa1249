//! Isolation by the database's own time stamps, in linear time.
//!
//! Where the start and commit time stamps of transactions are known, as a simulator and many databases tell them, there
//! is nothing to search: the history is replayed in their order and each read compared with what it should have seen.
//! This is Chronos (Li et al., *Online Timestamp-based Transactional Isolation Checking of Database Systems*, ICDE 2025)
//! with these differences: lists are compared whole, snapshots see what committed at a *smaller* time stamp than theirs
//! (Chronos' events at one time stamp cannot occur), and all violations are told instead of the first.
//!
//! A violation means that the time stamps do not explain the history. Other time stamps might: ask
//! [`check`](super::check) for that.
//!
//! ```
//! use squall_checkers::transactions::{History, timestamps::{self, Promise}};
//!
//! let mut history = History::builder();
//! let x = history.key("x");
//! history.begin(0).at(1).write(x, 1).commit(2);
//! history.begin(1).at(3).read(x, None).commit(4);
//! let verdict = timestamps::check(&history.build()?, Promise::SnapshotIsolation);
//! assert_eq!(verdict.explanation().unwrap()[0].about, "T1 read x = nil at 3, where it was 1, by T0's commit at 2");
//! # Ok::<(), squall_checkers::transactions::HistoryError>(())
//! ```

use super::history::{History, Key, Operation, Status, Txn, Value};
use crate::verdict::{Exhausted, Verdict};

/// What the time stamps are to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Promise {
    /// A transaction reads as of its start, and of two whose times overlap only one writes a key.
    SnapshotIsolation,
    /// A transaction reads and writes at its commit.
    Serializable,
}

/// What is wrong with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Fault {
    /// INT: it contradicts what it read or wrote itself.
    Internal,
    /// EXT: a read is not of the version of its time.
    External,
    /// NOCONFLICT: another transaction wrote the same key meanwhile.
    Conflict,
    /// SESSION: it began before its session's previous transaction committed.
    Session,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Violation {
    /// What is wrong.
    pub fault: Fault,
    /// With whom.
    pub transaction: Txn,
    /// Who else has to do with it: the writer of the version that was due, the one in conflict, the one before.
    pub other: Option<Txn>,
    /// The key, unless it is about sessions.
    pub key: Option<String>,
    /// That in a sentence, with what was seen and what was due.
    pub about: String,
}

/// What a key holds.
#[derive(Clone, Debug, Default)]
struct State {
    list: Vec<Value>,
    register: Option<Value>,
    writer: Option<(Txn, u64)>,
    /// Who writes it between start and commit.
    writing: Option<Txn>,
}

/// Compares a history with its time stamps: [`at`](super::TransactionBuilder::at) is the start and
/// [`commit`](super::TransactionBuilder::commit) the commit time stamp. Transactions that did not commit had no effect; one
/// whose outcome is unknown and of which a write was read makes the verdict unknown, as does a committed one without time
/// stamps.
///
/// O(n log n), for sorting, in operations and elements of lists.
pub fn check(history: &History, promise: Promise) -> Verdict<Vec<Violation>> {
    let committed = |txn: &Txn| history.status(*txn) == Status::Committed;
    let mut replay =
        Replay { history, promise, states: vec![State::default(); history.keys()], violations: Vec::new() };
    let mut events: Vec<(u64, bool, Txn)> = Vec::new();
    for txn in history.transactions().filter(committed) {
        let Some((start, Some(end))) = history.positions(txn) else {
            return Verdict::Unknown { reason: Exhausted::NoTimestamps };
        };
        // At one time stamp snapshots come before commits, as they do not see these.
        events.push((if promise == Promise::Serializable { end } else { start }, false, txn));
        events.push((end, true, txn));
        for operation in history.operations(txn) {
            let seen: &[Value] = match &operation {
                Operation::ReadList(_, list) => list.last().map(std::slice::from_ref).unwrap_or_default(),
                Operation::Read(_, Some(value)) => std::slice::from_ref(value),
                _ => continue,
            };
            let unknown = |value: &Value| {
                let writer = history.writers.get(&(operation.key(), *value));
                writer.is_some_and(|writer| history.status(*writer) == Status::Unknown)
            };
            if seen.iter().any(unknown) {
                return Verdict::Unknown { reason: Exhausted::NoTimestamps };
            }
        }
    }
    events.sort_unstable();
    if promise == Promise::Serializable {
        // A transaction is one event.
        for (time, commits, txn) in events {
            if !commits {
                replay.read(txn, time);
                replay.write(txn, time);
            }
        }
    } else {
        for (time, commits, txn) in events {
            if commits {
                replay.write(txn, time);
            } else {
                replay.read(txn, time);
            }
        }
    }
    replay.sessions();
    if replay.violations.is_empty() {
        Verdict::Legal { by: "time stamps" }
    } else {
        Verdict::Illegal(replay.violations)
    }
}

struct Replay<'h> {
    history: &'h History,
    promise: Promise,
    states: Vec<State>,
    violations: Vec<Violation>,
}

impl Replay<'_> {
    fn violation(
        &mut self,
        fault: Fault,
        transaction: Txn,
        other: Option<Txn>,
        key: Option<Key>,
        about: String,
    ) {
        let key = key.map(|key| self.history.key(key).to_owned());
        self.violations.push(Violation { fault, transaction, other, key, about });
    }

    /// All that a transaction read, as of now; and that it writes from now on.
    fn read(&mut self, txn: Txn, time: u64) {
        let history = self.history;
        // What the transaction made of a key: its own appends, or its own value.
        let mut own: Vec<(Key, Vec<Value>)> = Vec::new();
        for operation in history.operations(txn) {
            let key = operation.key();
            let mine = own.iter().position(|(k, _)| *k == key);
            match operation {
                Operation::Append(_, value) | Operation::Write(_, value) => {
                    let mine = mine.unwrap_or_else(|| {
                        own.push((key, Vec::new()));
                        own.len() - 1
                    });
                    own[mine].1.push(value);
                }
                Operation::ReadList(_, list) => {
                    let mine: &[Value] = mine.map_or(&[], |mine| &own[mine].1);
                    let outside = list.strip_suffix(mine);
                    let state = &self.states[key.0 as usize];
                    if outside != Some(&state.list) {
                        let mut due = state.list.clone();
                        due.extend_from_slice(mine);
                        let fault = if outside.is_some() { Fault::External } else { Fault::Internal };
                        self.misread(fault, txn, key, time, history.list(list), history.list(&due));
                    }
                }
                Operation::Read(_, value) => {
                    let words =
                        |value: Option<Value>| value.map_or("nil".into(), |value| history.value(value));
                    let mine = mine.and_then(|mine| own[mine].1.last().copied());
                    let due = mine.or(self.states[key.0 as usize].register);
                    if value != due {
                        let fault = if mine.is_some() { Fault::Internal } else { Fault::External };
                        self.misread(fault, txn, key, time, words(value), words(due));
                    }
                }
            }
        }
        for (key, _) in own {
            let state = &mut self.states[key.0 as usize];
            if self.promise == Promise::SnapshotIsolation {
                let other = state.writing.replace(txn);
                if let Some(other) = other {
                    let about = format!(
                        "{txn} and {other} both write {} between their start and commit",
                        history.key(key)
                    );
                    self.violation(Fault::Conflict, txn, Some(other), Some(key), about);
                }
            }
        }
    }

    fn misread(&mut self, fault: Fault, txn: Txn, key: Key, time: u64, seen: String, due: String) {
        let name = self.history.key(key);
        let writer = self.states[key.0 as usize].writer;
        let (other, by) = match (fault, writer) {
            (Fault::Internal, _) => (None, ", by its own doing".to_owned()),
            (_, None) => (None, ", as nobody had written it".to_owned()),
            (_, Some((writer, at))) => (Some(writer), format!(", by {writer}'s commit at {at}")),
        };
        let about = format!("{txn} read {name} = {seen} at {time}, where it was {due}{by}");
        self.violation(fault, txn, other, Some(key), about);
    }

    fn write(&mut self, txn: Txn, time: u64) {
        for operation in self.history.operations(txn) {
            let (key, value, appends) = match operation {
                Operation::Append(key, value) => (key, value, true),
                Operation::Write(key, value) => (key, value, false),
                _ => continue,
            };
            let state = &mut self.states[key.0 as usize];
            if appends {
                state.list.push(value);
            } else {
                state.register = Some(value);
            }
            state.writer = Some((txn, time));
            if state.writing == Some(txn) {
                state.writing = None;
            }
        }
    }

    fn sessions(&mut self) {
        let history = self.history;
        for session in &history.sessions {
            let mut before: Option<(Txn, u64)> = None;
            for &txn in session.iter().filter(|txn| history.status(**txn) == Status::Committed) {
                let Some((start, Some(end))) = history.positions(txn) else { continue };
                let begins = if self.promise == Promise::Serializable { end } else { start };
                if let Some((previous, committed)) = before
                    && begins < committed
                {
                    let about = format!(
                        "{txn} is of time {begins}, before {previous} of the same session committed at {committed}"
                    );
                    self.violation(Fault::Session, txn, Some(previous), None, about);
                }
                before = Some((txn, end));
            }
        }
    }
}
