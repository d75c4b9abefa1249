//! What a history says: who read whose version, which versions follow each other, and what is wrong at first sight.
//!
//! [`of`] goes through the transactions in linear time and leaves a [`Facts`]: the direct anomalies, the reads from
//! outside with their sources, and the edges of Adya's direct serialization graph with those of session order and real
//! time. Nothing is guessed: each edge holds in every execution that could have made the history.
//!
//! - **Lists** show their versions. The longest list that anybody read of a key orders its appends (Kingsbury and Alvaro,
//!   *Elle*, VLDB 2020). What committed and was never read comes after what was: a list only grows. That goes further
//!   than Elle does, and finds appends that are lost for good.
//! - **Registers** show less. Nil is before all writes, and who reads a version and overwrites it has ordered the two.
//!   [`Assume`] adds what is known of single keys.

mod lists;
mod registers;

use rustc_hash::FxHashMap;

use super::{
    Assume, Txn, Value,
    graph::{Edges, NO_KEY, RT, SO},
    history::{History, Key, Status, Stored},
};

/// The source of a read that saw the initial state.
pub(crate) const INITIAL: u32 = u32::MAX;

/// A read of what is not the reader's own, or of what precedes its own appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) key: u32,
    /// Whose version it is, or [`INITIAL`].
    pub(crate) source: u32,
    /// Of a list: its length without the reader's own.
    pub(crate) length: u32,
}

/// What is wrong without any cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direct {
    /// A transaction read what contradicts what it did before, at its n-th operation: what it wrote (`own`) or read.
    Internal { reader: u32, operation: u32, own: bool },
    /// A transaction read what it wrote later.
    Future { reader: u32, key: u32, value: Value },
    /// A read saw what an aborted transaction wrote.
    Aborted { reader: u32, writer: u32, key: u32, value: Value },
    /// A read saw what its writer overwrote or went on to append to.
    Intermediate { reader: u32, writer: u32, key: u32, value: Value },
    /// A read saw what nobody wrote.
    Garbage { reader: u32, key: u32, value: Value },
    /// A list holds an element twice.
    Duplicate { reader: u32, key: u32, value: Value },
    /// A list goes on to a value without an append that its transaction made before that, or with others of which it is one.
    Skipped { reader: u32, writer: u32, key: u32, skipped: Value, value: Value },
    /// Neither of two lists is the beginning of the other.
    Incompatible { reader: u32, other: u32, key: u32 },
    /// A committed append stands on one that was aborted.
    DirtyUpdate { writer: u32, later: u32, key: u32, value: Value },
    /// Both read one version and replaced it.
    LostUpdate { first: u32, second: u32, key: u32 },
    /// A key known to be linearizable or sequential went back to nil.
    Reset { writer: u32, reader: u32, key: u32 },
}

/// The version order of a list, as the longest read shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    /// Who read it, and where among `History::elements` it is.
    pub(crate) reader: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Which transactions count as committed.
    pub(crate) live: Vec<bool>,
    reads: Vec<Read>,
    first_read: Vec<u32>,
    /// The keys each transaction writes, in order.
    writes: Vec<u32>,
    first_write: Vec<u32>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) edges: Edges,
    pub(crate) direct: Vec<Direct>,
    /// Keys, and into how many sequences their writes fall that nothing orders among each other.
    pub(crate) unordered: Vec<(u32, u32)>,
}

impl Facts {
    /// What a transaction read from outside, in its order.
    pub(crate) fn reads(&self, txn: u32) -> &[Read] {
        &self.reads[self.first_read[txn as usize] as usize..self.first_read[txn as usize + 1] as usize]
    }

    /// The keys that a transaction writes, each once, in the order of their numbers.
    pub(crate) fn writes(&self, txn: u32) -> &[u32] {
        &self.writes[self.first_write[txn as usize] as usize..self.first_write[txn as usize + 1] as usize]
    }

    pub(crate) fn writes_key(&self, txn: u32, key: u32) -> bool {
        self.writes(txn).binary_search(&key).is_ok()
    }
}

/// Reads the facts off a history. O(operations + elements of lists + sorting).
pub(crate) fn of(history: &History, assume: &Assume) -> Facts {
    let mut reading = Reading::new(history);
    reading.find_live();
    reading.find_writes();
    reading.walk_chains();
    reading.read_all();
    reading.order_lists();
    reading.order_registers(assume);
    reading.order_sessions();
    reading.order_time();
    let Reading { live, reads, first_read, writes, first_write, chains, edges, direct, unordered, .. } =
        reading;
    Facts { live, reads, first_read, writes, first_write, chains, edges, direct, unordered }
}

/// What is known of an operation that writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The transaction does not write the key again.
    Last,
    Intermediate,
}

struct Reading<'h> {
    history: &'h History,
    live: Vec<bool>,
    chains: Vec<Chain>,
    writes: Vec<u32>,
    first_write: Vec<u32>,
    /// Of each of `writes`, where the key is a list: the first and the last place in the chain that is the writer's.
    placed: Vec<(u32, u32)>,
    place: Vec<Place>,
    /// The operation that writes a value.
    operation_of: FxHashMap<(Key, Value), u32>,
    /// The writers of the chains' elements, [`NOBODY`] where one is not live; beginning at `first_link` by key.
    links: Vec<u32>,
    first_link: Vec<u32>,
    /// By key, how many elements of the chain come before the first that no committed transaction wrote.
    sound: Vec<u32>,
    reads: Vec<Read>,
    first_read: Vec<u32>,
    edges: Edges,
    direct: Vec<Direct>,
    unordered: Vec<(u32, u32)>,
}

/// No live transaction.
const NOBODY: u32 = u32::MAX;

impl<'h> Reading<'h> {
    fn new(history: &'h History) -> Self {
        let (n, keys) = (history.len(), history.keys());
        Reading {
            history,
            live: history.transactions.iter().map(|t| t.status == Status::Committed).collect(),
            chains: vec![Chain { reader: NOBODY, from: 0, to: 0 }; keys],
            writes: Vec::new(),
            first_write: Vec::with_capacity(n + 1),
            placed: Vec::new(),
            place: vec![Place::Last; history.operations.len()],
            operation_of: FxHashMap::default(),
            links: Vec::new(),
            first_link: Vec::with_capacity(keys + 1),
            sound: vec![0; keys],
            reads: Vec::new(),
            first_read: Vec::with_capacity(n + 1),
            edges: Edges::new(n),
            direct: Vec::new(),
            unordered: Vec::new(),
        }
    }

    fn list(&self, from: u32, to: u32) -> &'h [Value] {
        &self.history.elements[from as usize..to as usize]
    }

    fn operations(&self, txn: u32) -> std::ops::Range<usize> {
        let range = &self.history.transactions[txn as usize].operations;
        range.start as usize..range.end as usize
    }

    /// Which transactions of unknown outcome were seen, and the longest list of each key.
    fn find_live(&mut self) {
        let mut new: Vec<u32> =
            (0..self.history.len() as u32).rev().filter(|&t| self.live[t as usize]).collect();
        while let Some(txn) = new.pop() {
            for operation in self.operations(txn) {
                match self.history.operations[operation] {
                    Stored::ReadList(key, from, to) => {
                        let Some(list) = self.outside(operation, txn, key, self.list(from, to)) else {
                            continue;
                        };
                        let to = from + list.len() as u32;
                        let chain = &self.chains[key.0 as usize];
                        let known = self.list(chain.from, chain.to);
                        let seen_before = if list.starts_with(known) {
                            known.len()
                        } else if known.starts_with(list) {
                            continue;
                        } else {
                            0
                        };
                        for &value in &list[seen_before..] {
                            self.saw(key, value, &mut new);
                        }
                        if list.len() > known.len() {
                            self.chains[key.0 as usize] = Chain { reader: txn, from, to };
                        }
                    }
                    Stored::Read(key, Some(value)) => self.saw(key, value, &mut new),
                    _ => {}
                }
            }
        }
    }

    /// A list that was read, without the reader's own appends, which are at its end and no part of a version that others
    /// installed. `None` if they are not there.
    fn outside(&self, read: usize, txn: u32, key: Key, list: &'h [Value]) -> Option<&'h [Value]> {
        let before = &self.history.operations[self.operations(txn).start..read];
        let mut own = before.iter().rev().filter_map(|operation| match *operation {
            Stored::Append(k, value) if k == key => Some(value),
            _ => None,
        });
        own.try_fold(list, |list, own| list.strip_suffix(&[own]))
    }

    fn saw(&mut self, key: Key, value: Value, new: &mut Vec<u32>) {
        if let Some(&Txn(writer)) = self.history.writers.get(&(key, value))
            && self.history.transactions[writer as usize].status == Status::Unknown
            && !self.live[writer as usize]
        {
            self.live[writer as usize] = true;
            new.push(writer);
        }
    }

    fn find_writes(&mut self) {
        for txn in 0..self.history.len() as u32 {
            let first = self.writes.len();
            self.first_write.push(first as u32);
            for operation in self.operations(txn).rev() {
                if let Stored::Append(key, _) | Stored::Write(key, _) = self.history.operations[operation] {
                    self.writes.push(key.0);
                }
            }
            self.writes[first..].sort_unstable();
            let mut kept = first;
            for at in first..self.writes.len() {
                if at == first || self.writes[at] != self.writes[kept - 1] {
                    self.writes[kept] = self.writes[at];
                    kept += 1;
                }
            }
            let several = self.writes.len() - kept > 0;
            self.writes.truncate(kept);
            if several {
                let mut later = rustc_hash::FxHashSet::default();
                for operation in self.operations(txn).rev() {
                    if let Stored::Append(key, _) | Stored::Write(key, _) = self.history.operations[operation]
                        && !later.insert(key)
                    {
                        self.place[operation] = Place::Intermediate;
                    }
                }
            }
        }
        self.first_write.push(self.writes.len() as u32);
        self.placed = vec![(u32::MAX, 0); self.writes.len()];
    }

    /// Which operation of its writer wrote a value.
    fn operation_of(&mut self, key: Key, value: Value, writer: u32) -> u32 {
        let range = self.operations(writer);
        let writes = |operation: &usize| match self.history.operations[*operation] {
            Stored::Append(k, v) | Stored::Write(k, v) => (k, v) == (key, value),
            _ => false,
        };
        if range.len() <= 16 {
            return range.clone().find(writes).expect("the writer of a value writes it") as u32;
        }
        if let Some(&operation) = self.operation_of.get(&(key, value)) {
            return operation;
        }
        for operation in range {
            if let Stored::Append(k, v) | Stored::Write(k, v) = self.history.operations[operation] {
                self.operation_of.insert((k, v), operation as u32);
            }
        }
        self.operation_of[&(key, value)]
    }

    fn slot(&self, txn: u32, key: u32) -> usize {
        let range = self.first_write[txn as usize] as usize..self.first_write[txn as usize + 1] as usize;
        range.start + self.writes[range].binary_search(&key).expect("the writer of a value writes its key")
    }

    /// What each live transaction read, and the direct anomalies of these reads.
    fn read_all(&mut self) {
        /// What a transaction did so far with a key.
        #[derive(Default)]
        struct So {
            own: Option<Value>,
            list: Option<(u32, u32)>,
            register: Option<Option<Value>>,
        }
        let mut told = Told::default();
        for txn in 0..self.history.len() as u32 {
            self.first_read.push(self.reads.len() as u32);
            if !self.live[txn as usize] {
                continue;
            }
            let mut so: FxHashMap<Key, So> = FxHashMap::default();
            let range = self.operations(txn);
            let start = range.start;
            for at in range {
                let operation = (at - start) as u32;
                match self.history.operations[at] {
                    Stored::Append(..) => {}
                    Stored::Write(key, value) => so.entry(key).or_default().own = Some(value),
                    Stored::ReadList(key, from, to) => {
                        let so = so.entry(key).or_default();
                        let list = self.list(from, to);
                        let Some(outside) = self.outside(at, txn, key, list) else {
                            self.direct.push(Direct::Internal { reader: txn, operation, own: true });
                            continue;
                        };
                        let before = so.list.replace((from, from + outside.len() as u32));
                        if before.is_some_and(|(from, to)| self.list(from, to) == outside) {
                            continue;
                        }
                        if before.is_some() {
                            self.direct.push(Direct::Internal { reader: txn, operation, own: false });
                        }
                        self.read_list(txn, key.0, from, from + outside.len() as u32, &mut told);
                    }
                    Stored::Read(key, value) => {
                        let so = so.entry(key).or_default();
                        if let Some(own) = so.own {
                            if value != Some(own) {
                                self.direct.push(Direct::Internal { reader: txn, operation, own: true });
                            }
                            continue;
                        }
                        let before = so.register.replace(value);
                        if before == Some(value) {
                            continue;
                        }
                        if before.is_some() {
                            self.direct.push(Direct::Internal { reader: txn, operation, own: false });
                        }
                        self.read_register(txn, key.0, value, &mut told);
                    }
                }
            }
        }
        self.first_read.push(self.reads.len() as u32);
    }

    /// An element that no live transaction may have written. Each is told once.
    fn judge_element(&mut self, reader: u32, key: u32, value: Value, told: &mut Told) {
        match self.history.writers.get(&(Key(key), value)) {
            None => {
                if told.unsound.insert((key, value)) {
                    self.direct.push(Direct::Garbage { reader, key, value });
                }
            }
            Some(&Txn(writer)) if !self.live[writer as usize] => {
                if told.unsound.insert((key, value)) {
                    self.direct.push(Direct::Aborted { reader, writer, key, value });
                }
            }
            Some(_) => {}
        }
    }

    fn writes_key(&self, txn: u32, key: u32) -> bool {
        let range = self.first_write[txn as usize] as usize..self.first_write[txn as usize + 1] as usize;
        self.writes[range].binary_search(&key).is_ok()
    }

    fn order_sessions(&mut self) {
        for session in &self.history.sessions {
            let mut live = session.iter().filter(|txn| self.live[txn.index()]);
            let Some(mut before) = live.next() else { continue };
            for txn in live {
                self.edges.add(before.0, txn.0, SO, NO_KEY);
                before = txn;
            }
        }
    }

    /// Real time as a chain of connectors: into one go the transactions that ended since the one before, out of it those
    /// that began since. It has as many edges as there are transactions, however many run at once, where Elle's reduction has
    /// as many times that.
    fn order_time(&mut self) {
        let timed = || (0..self.history.len() as u32).filter(|&txn| self.live[txn as usize]);
        let at = |txn: u32| self.history.transactions[txn as usize].at;
        let mut starts: Vec<(u64, u32)> = timed().filter_map(|txn| Some((at(txn)?.0, txn))).collect();
        let mut ends: Vec<(u64, u32)> = timed().filter_map(|txn| Some((at(txn)?.1, txn))).collect();
        starts.sort_unstable();
        ends.sort_unstable();
        let mut ended = ends.into_iter().peekable();
        let mut last = None;
        for (start, txn) in starts {
            if ended.peek().is_some_and(|&(end, _)| end < start) {
                let connector = self.edges.connector();
                if let Some(last) = last.replace(connector) {
                    self.edges.add(last, connector, RT, NO_KEY);
                }
                while let Some((_, before)) = ended.next_if(|&(end, _)| end < start) {
                    self.edges.add(before, connector, RT, NO_KEY);
                }
            }
            if let Some(last) = last {
                self.edges.add(last, txn, RT, NO_KEY);
            }
        }
    }
}

/// What was told already: one report of each is enough.
#[derive(Default)]
struct Told {
    incompatible: rustc_hash::FxHashSet<u32>,
    unsound: rustc_hash::FxHashSet<(u32, Value)>,
    intermediate: rustc_hash::FxHashSet<(u32, Value)>,
}
