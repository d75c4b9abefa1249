//! Transactional histories: who ran which transaction when, what it wrote, and what it read.
//!
//! Operations are stored flat, 24 bytes each, with interned keys: a history of millions of operations fits in memory.

use std::{fmt, ops::Range};

use rustc_hash::FxHashMap;

/// What is written and read. Whoever has other values numbers them.
pub type Value = i64;

/// A key, as its [`History`] numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Key(pub(crate) u32);

/// A transaction: its position among those of its [`History`], from 0. Shown as `T0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Txn(pub u32);

impl Txn {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.0)
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Status {
    /// It took effect.
    Committed,
    /// It had no effect and will have none.
    Aborted,
    /// Nobody knows. Where anybody saw one of its writes it counts as committed, else as if it had not been.
    Unknown,
}

/// One operation of a transaction. Keys hold a list, to which is appended, or a register, which is overwritten; never
/// both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'h> {
    /// Put a value at the end of a list.
    Append(Key, Value),
    /// Saw a list, the oldest element first. Lists begin empty.
    ReadList(Key, &'h [Value]),
    /// Overwrote a register.
    Write(Key, Value),
    /// Saw the value of a register; `None` before the first write.
    Read(Key, Option<Value>),
}

impl Operation<'_> {
    /// The key it is about.
    pub fn key(&self) -> Key {
        match *self {
            Operation::Append(key, _)
            | Operation::ReadList(key, _)
            | Operation::Write(key, _)
            | Operation::Read(key, _) => key,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored {
    Append(Key, Value),
    /// A range of `History::elements`.
    ReadList(Key, u32, u32),
    Write(Key, Value),
    Read(Key, Option<Value>),
}

/// One transaction, without its operations.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) session: u32,
    pub(crate) status: Status,
    /// When it began and when its end was known; the end of one that is unknown is `u64::MAX`.
    pub(crate) at: Option<(u64, u64)>,
    pub(crate) operations: Range<u32>,
}

/// Transactions of sessions on keys. Made by [`History::builder`].
///
/// Transactions of one session follow each other in the order in which they were given.
#[derive(Clone, Debug)]
pub struct History {
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) operations: Vec<Stored>,
    pub(crate) elements: Vec<Value>,
    pub(crate) keys: Vec<Box<str>>,
    pub(crate) lists: Vec<bool>,
    names: FxHashMap<Value, Box<str>>,
    pub(crate) sessions: Vec<Vec<Txn>>,
    /// Who writes a value to a key.
    pub(crate) writers: FxHashMap<(Key, Value), Txn>,
}

impl History {
    /// An empty history to fill.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// All transactions in the order in which they were given.
    pub fn transactions(&self) -> impl DoubleEndedIterator<Item = Txn> + use<> {
        (0..self.transactions.len() as u32).map(Txn)
    }

    /// How a transaction ended.
    pub fn status(&self, txn: Txn) -> Status {
        self.transactions[txn.index()].status
    }

    /// The session of a transaction, as it was named.
    pub fn session(&self, txn: Txn) -> u32 {
        self.transactions[txn.index()].session
    }

    /// Between which positions a transaction ran, if that is known; `None` as the second: it never ended.
    pub fn positions(&self, txn: Txn) -> Option<(u64, Option<u64>)> {
        self.transactions[txn.index()].at.map(|(start, end)| (start, (end != u64::MAX).then_some(end)))
    }

    /// What a transaction did, in its order.
    pub fn operations(&self, txn: Txn) -> impl DoubleEndedIterator<Item = Operation<'_>> + ExactSizeIterator {
        let range = self.transactions[txn.index()].operations.clone();
        self.operations[range.start as usize..range.end as usize].iter().map(|stored| match *stored {
            Stored::Append(key, value) => Operation::Append(key, value),
            Stored::ReadList(key, from, to) => {
                Operation::ReadList(key, &self.elements[from as usize..to as usize])
            }
            Stored::Write(key, value) => Operation::Write(key, value),
            Stored::Read(key, value) => Operation::Read(key, value),
        })
    }

    /// The name of a key.
    pub fn key(&self, key: Key) -> &str {
        &self.keys[key.0 as usize]
    }

    /// The key of a name, if there is one. O(keys).
    pub fn find_key(&self, name: &str) -> Option<Key> {
        self.keys.iter().position(|key| **key == *name).map(|key| Key(key as u32))
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// An operation in words: `append(x, 3)`, `read(x) = [1 2 3]`, `write(x, 3)`, `read(x) = nil`.
    pub fn describe(&self, operation: Operation<'_>) -> String {
        let key = self.key(operation.key());
        match operation {
            Operation::Append(_, value) => format!("append({key}, {})", self.value(value)),
            Operation::ReadList(_, list) => format!("read({key}) = {}", self.list(list)),
            Operation::Write(_, value) => format!("write({key}, {})", self.value(value)),
            Operation::Read(_, Some(value)) => format!("read({key}) = {}", self.value(value)),
            Operation::Read(_, None) => format!("read({key}) = nil"),
        }
    }

    /// A value, for people: its name, if it stands for something with one.
    pub(crate) fn value(&self, value: Value) -> String {
        self.names.get(&value).map_or_else(|| value.to_string(), |name| name.to_string())
    }

    /// `[1 2 3]`; of a long list the end, which is what matters: `[.. 7 8 9]`.
    pub(crate) fn list(&self, list: &[Value]) -> String {
        const SHOWN: usize = 12;
        let shown = &list[list.len().saturating_sub(SHOWN)..];
        let mut words: Vec<String> = shown.iter().map(|value| self.value(*value)).collect();
        if shown.len() < list.len() {
            words.insert(0, "..".into());
        }
        format!("[{}]", words.join(" "))
    }
}

/// Why transactions are no history that could be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "error", rename_all = "snake_case"))]
pub enum HistoryError {
    /// A transaction ends before it begins.
    EndsBeforeItBegins {
        /// Which.
        transaction: Txn,
    },
    /// A key is used as a list and as a register.
    ListAndRegister {
        /// The name of the key.
        key: String,
        /// Where it was used otherwise than before.
        transaction: Txn,
    },
    /// One value is written to one key twice, so that nobody can tell which of the writes a read saw.
    WrittenTwice {
        /// The name of the key.
        key: String,
        /// The value.
        value: Value,
        /// Who wrote it first.
        first: Txn,
        /// Who wrote it again.
        again: Txn,
    },
    /// There are more transactions, operations or elements of lists than 32 bits count.
    TooLarge,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HistoryError::EndsBeforeItBegins { transaction } => {
                write!(f, "{transaction} ends before it begins")
            }
            HistoryError::ListAndRegister { key, transaction } => write!(
                f,
                "{transaction} uses {key} as a list where it was a register, or the other way round: append and read-list go \
                 together, as do write and read"
            ),
            HistoryError::WrittenTwice { key, value, first, again } => write!(
                f,
                "{first} and {again} both write {value} to {key}: which of them a read saw cannot be told. Write each value to a \
                 key once"
            ),
            HistoryError::TooLarge => {
                write!(f, "the history has more than 2^32 operations or elements of lists")
            }
        }
    }
}

impl std::error::Error for HistoryError {}

/// Fills a [`History`].
///
/// ```
/// use squall_checkers::transactions::{History, Status};
///
/// let mut history = History::builder();
/// let (x, y) = (history.key("x"), history.key("y"));
/// history.begin(0).at(0).append(x, 1).write(y, 7).commit(2);
/// history.begin(1).at(1).read_list(x, &[]).read(y, None).commit(4);
/// history.begin(0).at(3).append(x, 2).unknown();
/// let history = history.build()?;
///
/// let last = history.transactions().last().unwrap();
/// assert_eq!(history.status(last), Status::Unknown);
/// assert_eq!(history.operations(last).map(|o| history.describe(o)).collect::<Vec<_>>(), ["append(x, 2)"]);
/// # Ok::<(), squall_checkers::transactions::HistoryError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    transactions: Vec<Transaction>,
    operations: Vec<Stored>,
    elements: Vec<Value>,
    keys: Vec<Box<str>>,
    key_of: FxHashMap<Box<str>, Key>,
    lists: Vec<Option<bool>>,
    names: FxHashMap<Value, Box<str>>,
    error: Option<HistoryError>,
}

impl Builder {
    /// What a value stands for, where it is not itself a number: so it is called in explanations.
    pub fn name(&mut self, value: Value, name: &str) {
        self.names.insert(value, name.into());
    }

    /// The number of a key, a new one where the name is new.
    pub fn key(&mut self, name: &str) -> Key {
        if let Some(&key) = self.key_of.get(name) {
            return key;
        }
        let key = Key(self.keys.len() as u32);
        self.keys.push(name.into());
        self.key_of.insert(name.into(), key);
        self.lists.push(None);
        key
    }

    /// Begins the next transaction of a session. It becomes part of the history when it commits, aborts, or is said to
    /// be unknown.
    pub fn begin(&mut self, session: u32) -> TransactionBuilder<'_> {
        let first = self.operations.len();
        TransactionBuilder { builder: self, session, start: None, first }
    }

    /// The history.
    pub fn build(self) -> Result<History, HistoryError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if [self.transactions.len(), self.operations.len(), self.elements.len()]
            .iter()
            .any(|&n| n >= u32::MAX as usize / 4)
        {
            return Err(HistoryError::TooLarge);
        }
        let mut writers = FxHashMap::default();
        let mut numbers = FxHashMap::default();
        let mut sessions: Vec<Vec<Txn>> = Vec::new();
        for (index, transaction) in self.transactions.iter().enumerate() {
            let txn = Txn(index as u32);
            let session = *numbers.entry(transaction.session).or_insert_with(|| {
                sessions.push(Vec::new());
                sessions.len() - 1
            });
            sessions[session].push(txn);
            for stored in
                &self.operations[transaction.operations.start as usize..transaction.operations.end as usize]
            {
                if let Stored::Append(key, value) | Stored::Write(key, value) = *stored
                    && let Some(first) = writers.insert((key, value), txn)
                {
                    let key = self.keys[key.0 as usize].to_string();
                    return Err(HistoryError::WrittenTwice { key, value, first, again: txn });
                }
            }
        }
        Ok(History {
            transactions: self.transactions,
            operations: self.operations,
            elements: self.elements,
            keys: self.keys,
            names: self.names,
            lists: self.lists.into_iter().map(|list| list == Some(true)).collect(),
            sessions,
            writers,
        })
    }

    fn push(&mut self, stored: Stored) {
        let (key, list) = match stored {
            Stored::Append(key, _) | Stored::ReadList(key, ..) => (key, true),
            Stored::Write(key, _) | Stored::Read(key, _) => (key, false),
        };
        if *self.lists[key.0 as usize].get_or_insert(list) != list {
            let (key, transaction) =
                (self.keys[key.0 as usize].to_string(), Txn(self.transactions.len() as u32));
            self.error.get_or_insert(HistoryError::ListAndRegister { key, transaction });
        }
        self.operations.push(stored);
    }
}

/// A transaction that is being told to a [`Builder`].
#[derive(Debug)]
#[must_use = "a transaction counts when it commits, aborts or is said to be unknown"]
pub struct TransactionBuilder<'b> {
    builder: &'b mut Builder,
    session: u32,
    start: Option<u64>,
    first: usize,
}

impl TransactionBuilder<'_> {
    /// It began here: an index in the order of all beginnings and ends, or a time of one clock. A transaction precedes
    /// another in real time if its end is less than the other's beginning; equal positions are not ordered.
    pub fn at(mut self, position: u64) -> Self {
        self.start = Some(position);
        self
    }

    /// It put a value at the end of a list.
    pub fn append(self, key: Key, value: Value) -> Self {
        self.builder.push(Stored::Append(key, value));
        self
    }

    /// It saw a list. Leave out reads whose answer is not known.
    pub fn read_list(self, key: Key, list: &[Value]) -> Self {
        let from = self.builder.elements.len() as u32;
        self.builder.elements.extend_from_slice(list);
        self.builder.push(Stored::ReadList(key, from, from.saturating_add(list.len() as u32)));
        self
    }

    /// It overwrote a register.
    pub fn write(self, key: Key, value: Value) -> Self {
        self.builder.push(Stored::Write(key, value));
        self
    }

    /// It saw a register; `None` before the first write. Leave out reads whose answer is not known.
    pub fn read(self, key: Key, value: Option<Value>) -> Self {
        self.builder.push(Stored::Read(key, value));
        self
    }

    /// It took effect, and that was known at this position, which counts only where it has a beginning too.
    pub fn commit(self, end: impl Into<Option<u64>>) -> Txn {
        self.end(Status::Committed, end.into())
    }

    /// It had no effect and will have none.
    pub fn abort(self, end: impl Into<Option<u64>>) -> Txn {
        self.end(Status::Aborted, end.into())
    }

    /// Nobody knows how it ended.
    pub fn unknown(self) -> Txn {
        self.end(Status::Unknown, Some(u64::MAX))
    }

    fn end(self, status: Status, end: Option<u64>) -> Txn {
        let at = self.start.zip(end);
        let txn = Txn(self.builder.transactions.len() as u32);
        if at.is_some_and(|(start, end)| end < start) {
            self.builder.error.get_or_insert(HistoryError::EndsBeforeItBegins { transaction: txn });
        }
        let operations = self.first as u32..self.builder.operations.len() as u32;
        self.builder.transactions.push(Transaction { session: self.session, status, at, operations });
        txn
    }
}
