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

use rustc_hash::FxHashMap;

use super::{
    Assume, Txn, Value,
    graph::{Edges, NO_KEY, RT, RW, SO, WR, WW},
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

    /// The append of the same transaction to the same key that comes before one.
    fn append_before(&self, operation: u32, writer: u32) -> Option<usize> {
        let Stored::Append(key, _) = self.history.operations[operation as usize] else { return None };
        let before = self.operations(writer).start..operation as usize;
        before.rev().find(|&o| matches!(self.history.operations[o], Stored::Append(k, _) if k == key))
    }

    fn slot(&self, txn: u32, key: u32) -> usize {
        let range = self.first_write[txn as usize] as usize..self.first_write[txn as usize + 1] as usize;
        range.start + self.writes[range].binary_search(&key).expect("the writer of a value writes its key")
    }

    /// Goes along the longest list of each key.
    fn walk_chains(&mut self) {
        let mut seen = vec![false; self.history.operations.len()];
        for key in 0..self.history.keys() as u32 {
            self.first_link.push(self.links.len() as u32);
            let Chain { reader, from, to } = self.chains[key as usize];
            let list = self.list(from, to);
            let mut sound = list.len() as u32;
            // Appends that their transaction went on from and that something follows, and what.
            let mut followed: Vec<(u32, u32, Value)> = Vec::new();
            let mut twice = rustc_hash::FxHashSet::default();
            for (at, &value) in list.iter().enumerate() {
                let at = at as u32;
                let Some(&Txn(writer)) = self.history.writers.get(&(Key(key), value)) else {
                    sound = sound.min(at);
                    self.links.push(NOBODY);
                    continue;
                };
                if !self.live[writer as usize] {
                    sound = sound.min(at);
                    self.links.push(NOBODY);
                    continue;
                }
                let slot = self.slot(writer, key);
                let operation = self.operation_of(Key(key), value, writer);
                if seen[operation as usize] {
                    if twice.insert(value) {
                        self.direct.push(Direct::Duplicate { reader, key, value });
                    }
                    self.links.push(NOBODY);
                    continue;
                }
                seen[operation as usize] = true;
                if self.place[operation as usize] == Place::Intermediate && at as usize + 1 < list.len() {
                    followed.push((operation, writer, list[at as usize + 1]));
                }
                if let Some(skipped) = self.append_before(operation, writer).filter(|&before| !seen[before]) {
                    let Stored::Append(_, skipped) = self.history.operations[skipped] else {
                        unreachable!("it appends")
                    };
                    self.direct.push(Direct::Skipped { reader, writer, key, skipped, value });
                }
                self.placed[slot] = (self.placed[slot].0.min(at), self.placed[slot].1.max(at));
                self.links.push(writer);
            }
            self.sound[key as usize] = sound;
            for (operation, writer, value) in followed {
                let mut after = operation as usize + 1..self.operations(writer).end;
                let next = after.find_map(|o| match self.history.operations[o] {
                    Stored::Append(k, skipped) if k.0 == key => Some((o, skipped)),
                    _ => None,
                });
                if let Some((_, skipped)) = next.filter(|&(o, _)| !seen[o]) {
                    self.direct.push(Direct::Skipped { reader, writer, key, skipped, value });
                }
            }
            for at in sound..list.len() as u32 {
                let value = list[at as usize];
                match self.history.writers.get(&(Key(key), value)) {
                    None => {}
                    Some(&Txn(writer)) if !self.live[writer as usize] => {
                        let first = *self.first_link.last().expect("one was pushed above") as usize;
                        if let Some(&later) = self.links[first + at as usize..].iter().find(|&&w| w != NOBODY)
                        {
                            self.direct.push(Direct::DirtyUpdate { writer, later, key, value });
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        self.first_link.push(self.links.len() as u32);
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

    fn read_list(&mut self, txn: u32, key: u32, from: u32, to: u32, told: &mut Told) {
        let list = self.list(from, to);
        let chain = self.chains[key as usize].clone();
        let longest = self.list(chain.from, chain.to);
        let length = list.len() as u32;
        let fits = longest.starts_with(list);
        if !fits {
            if told.incompatible.insert(key) {
                self.direct.push(Direct::Incompatible { reader: txn, other: chain.reader, key });
            }
            let mut seen = rustc_hash::FxHashSet::default();
            for &value in list {
                if !seen.insert(value) && !longest.contains(&value) {
                    self.direct.push(Direct::Duplicate { reader: txn, key, value });
                }
                self.judge_element(txn, key, value, told);
            }
        } else {
            for &value in list.iter().skip(self.sound[key as usize] as usize) {
                self.judge_element(txn, key, value, told);
            }
        }
        let Some(&last) = list.last() else {
            self.reads.push(Read { key, source: INITIAL, length });
            return;
        };
        if self.writes_key(txn, key) {
            let (first, _) = self.placed[self.slot(txn, key)];
            let own = if fits && first < length {
                Some(longest[first as usize])
            } else if fits {
                None
            } else {
                list.iter()
                    .copied()
                    .find(|&value| self.history.writers.get(&(Key(key), value)) == Some(&Txn(txn)))
            };
            if let Some(value) = own {
                self.direct.push(Direct::Future { reader: txn, key, value });
                return;
            }
        }
        let Some(&Txn(source)) = self.history.writers.get(&(Key(key), last)) else { return };
        if !self.live[source as usize] {
            return;
        }
        let operation = self.operation_of(Key(key), last, source);
        if self.place[operation as usize] == Place::Intermediate && told.intermediate.insert((key, last)) {
            self.direct.push(Direct::Intermediate { reader: txn, writer: source, key, value: last });
        }
        self.edges.add(source, txn, WR, key);
        // A list that is not part of the version order says whom it read from, and nothing of what follows.
        let length = if fits { length } else { u32::MAX };
        self.reads.push(Read { key, source, length });
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

    fn read_register(&mut self, txn: u32, key: u32, value: Option<Value>, told: &mut Told) {
        let Some(value) = value else {
            self.reads.push(Read { key, source: INITIAL, length: 0 });
            return;
        };
        self.judge_element(txn, key, value, told);
        let Some(&Txn(source)) = self.history.writers.get(&(Key(key), value)) else { return };
        if source == txn {
            self.direct.push(Direct::Future { reader: txn, key, value });
            return;
        }
        if !self.live[source as usize] {
            return;
        }
        let operation = self.operation_of(Key(key), value, source);
        let intermediate = self.place[operation as usize] == Place::Intermediate;
        if intermediate && told.intermediate.insert((key, value)) {
            self.direct.push(Direct::Intermediate { reader: txn, writer: source, key, value });
        }
        self.edges.add(source, txn, WR, key);
        // What a transaction overwrites itself is no version: nothing follows from it but whom it was read from.
        self.reads.push(Read { key, source, length: if intermediate { u32::MAX } else { 0 } });
    }

    fn writes_key(&self, txn: u32, key: u32) -> bool {
        let range = self.first_write[txn as usize] as usize..self.first_write[txn as usize + 1] as usize;
        self.writes[range].binary_search(&key).is_ok()
    }

    fn order_lists(&mut self) {
        let keys = self.history.keys();
        // Who appended to a list and is not in its chain.
        let mut unread: Vec<Vec<u32>> = vec![Vec::new(); keys];
        for txn in 0..self.history.len() as u32 {
            if !self.live[txn as usize] {
                continue;
            }
            for slot in self.first_write[txn as usize]..self.first_write[txn as usize + 1] {
                let key = self.writes[slot as usize];
                if self.history.lists[key as usize] && self.placed[slot as usize].0 == u32::MAX {
                    unread[key as usize].push(txn);
                }
            }
        }
        let mut ends: Vec<Vec<u32>> = vec![Vec::new(); keys];
        let mut replaced = FxHashMap::default();
        // The next live writer at or after each place of the chains.
        let mut next = self.links.clone();
        for key in 0..keys {
            let (first, end) = (self.first_link[key] as usize, self.first_link[key + 1] as usize);
            for at in (first..end).rev() {
                if next[at] == NOBODY && at + 1 < end {
                    next[at] = next[at + 1];
                }
            }
        }
        for txn in 0..self.history.len() as u32 {
            for at in self.first_read[txn as usize] as usize..self.first_read[txn as usize + 1] as usize {
                let Read { key, length, .. } = self.reads[at];
                if !self.history.lists[key as usize] || length == u32::MAX {
                    continue;
                }
                let link = self.first_link[key as usize] + length;
                match (link < self.first_link[key as usize + 1]).then(|| next[link as usize]) {
                    Some(writer) if writer != NOBODY => self.edges.add(txn, writer, RW, key),
                    _ => ends[key as usize].push(txn),
                }
                if self.writes_key(txn, key) {
                    match *replaced.entry((key, length)).or_insert(txn) {
                        first if first == txn => {}
                        NOBODY => {}
                        first => {
                            self.direct.push(Direct::LostUpdate { first, second: txn, key });
                            replaced.insert((key, length), NOBODY);
                        }
                    }
                }
            }
        }
        for key in 0..keys as u32 {
            let mut last = NOBODY;
            for at in self.first_link[key as usize]..self.first_link[key as usize + 1] {
                let writer = self.links[at as usize];
                if writer != NOBODY {
                    if last != NOBODY {
                        self.edges.add(last, writer, WW, key);
                    }
                    last = writer;
                }
            }
            let unread = &unread[key as usize];
            if unread.len() > 1 {
                self.unordered.push((key, unread.len() as u32));
            }
            if last != NOBODY {
                for &writer in unread {
                    self.edges.add(last, writer, WW, key);
                }
            }
            let ends = &ends[key as usize];
            let inside: Vec<u32> =
                ends.iter().copied().filter(|reader| unread.binary_search(reader).is_ok()).collect();
            self.edges.fan(ends, unread, &inside, RW, key);
        }
    }

    fn order_registers(&mut self, assume: &Assume) {
        // Who read which version, and who is known to have written later ones.
        let mut readers: Vec<(u32, u32, u32)> = Vec::new();
        let mut later: Vec<(u32, u32, u32)> = Vec::new();
        let mut writers: Vec<u32> = vec![0; self.history.keys()];
        for txn in 0..self.history.len() as u32 {
            if !self.live[txn as usize] {
                continue;
            }
            for slot in self.first_write[txn as usize]..self.first_write[txn as usize + 1] {
                let key = self.writes[slot as usize];
                if !self.history.lists[key as usize] {
                    writers[key as usize] += 1;
                    later.push((key, INITIAL, txn));
                }
            }
            for at in self.first_read[txn as usize] as usize..self.first_read[txn as usize + 1] as usize {
                let Read { key, source, length } = self.reads[at];
                if self.history.lists[key as usize] || length == u32::MAX {
                    continue;
                }
                readers.push((key, source, txn));
                if source != INITIAL && self.writes_key(txn, key) {
                    self.edges.add(source, txn, WW, key);
                    later.push((key, source, txn));
                }
            }
        }
        self.order_single_keys(assume, &mut later);
        let mut known = vec![false; self.history.keys()];
        self.order_known_versions(assume, &mut later, &writers, &mut known);
        readers.sort_unstable();
        readers.dedup();
        later.sort_unstable();
        later.dedup();
        let mut followers = later.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).peekable();
        // Of each key, how many writers replaced a version that they read, and whether one of these was nil.
        let mut replacing: Vec<(u32, bool)> = vec![(0, false); self.history.keys()];
        for group in readers.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (key, source, _) = group[0];
            while followers.next_if(|f| (f[0].0, f[0].1) < (key, source)).is_some() {}
            let Some(follower) = followers.next_if(|f| (f[0].0, f[0].1) == (key, source)) else { continue };
            let from: Vec<u32> = group.iter().map(|&(.., txn)| txn).collect();
            let to: Vec<u32> = follower.iter().map(|&(.., txn)| txn).collect();
            let inside: Vec<u32> = from.iter().copied().filter(|&txn| self.writes_key(txn, key)).collect();
            let both: Vec<u32> = from.iter().copied().filter(|txn| to.binary_search(txn).is_ok()).collect();
            self.edges.fan(&from, &to, &both, RW, key);
            if let [first, second, ..] = *inside {
                self.direct.push(Direct::LostUpdate { first, second, key });
            }
            replacing[key as usize].0 += inside.len() as u32;
            replacing[key as usize].1 |= source == INITIAL && !inside.is_empty();
        }
        for key in 0..self.history.keys() {
            // Each write that replaces no version that its writer read, and nil, begins an order of its own.
            let (replacing, nil) = replacing[key];
            let orders = writers[key] - replacing + nil as u32;
            if orders > 1 && !known[key] {
                self.unordered.push((key as u32, orders));
            }
        }
    }

    /// What [`Assume`] says of the versions of single registers.
    fn order_single_keys(&mut self, assume: &Assume, later: &mut Vec<(u32, u32, u32)>) {
        if !assume.sequential_keys && !assume.linearizable_keys {
            return;
        }
        /// One transaction's use of one register.
        #[derive(Clone, Copy)]
        struct Use {
            txn: u32,
            read: Option<u32>,
            writes: bool,
        }
        let mut uses: FxHashMap<(u32, u32), Use> = FxHashMap::default();
        for txn in (0..self.history.len() as u32).filter(|&txn| self.live[txn as usize]) {
            for at in self.first_read[txn as usize] as usize..self.first_read[txn as usize + 1] as usize {
                let Read { key, source, length } = self.reads[at];
                if !self.history.lists[key as usize] && length != u32::MAX {
                    uses.entry((key, txn)).or_insert(Use { txn, read: None, writes: false }).read =
                        Some(source);
                }
            }
            for slot in self.first_write[txn as usize]..self.first_write[txn as usize + 1] {
                let key = self.writes[slot as usize];
                if !self.history.lists[key as usize] {
                    uses.entry((key, txn)).or_insert(Use { txn, read: None, writes: false }).writes = true;
                }
            }
        }
        let mut uses: Vec<((u32, u32), Use)> = uses.into_iter().collect();
        uses.sort_unstable_by_key(|(at, _)| *at);
        let mut follow = |before: Use, after: Use, key: u32| {
            let Some(old) = (if before.writes { Some(before.txn) } else { before.read }) else { return };
            let new = match after.read {
                Some(read) => read,
                None => after.txn,
            };
            if old == new || old == INITIAL {
                return;
            }
            if new == INITIAL {
                self.direct.push(Direct::Reset { writer: old, reader: after.txn, key });
                return;
            }
            self.edges.add(old, new, WW, key);
            later.push((key, old, new));
        };
        for group in uses.chunk_by(|a, b| a.0.0 == b.0.0) {
            let key = group[0].0.0;
            if assume.sequential_keys {
                let mut last: FxHashMap<u32, Use> = FxHashMap::default();
                for &(_, current) in group {
                    let session = self.history.transactions[current.txn as usize].session;
                    if let Some(before) = last.insert(session, current) {
                        follow(before, current, key);
                    }
                }
            }
            if assume.linearizable_keys {
                let mut timed: Vec<(u64, u64, Use)> = group
                    .iter()
                    .filter_map(|&(_, u)| {
                        self.history.transactions[u.txn as usize].at.map(|(start, end)| (start, end, u))
                    })
                    .collect();
                timed.sort_unstable_by_key(|&(start, _, u)| (start, u.txn));
                // Elle's reduction: of what ended, only what no other use lies wholly behind.
                let mut frontier: Vec<(u64, u64, Use)> = Vec::new();
                for current in timed {
                    for before in frontier.iter().filter(|before| before.1 < current.0) {
                        follow(before.2, current.2, key);
                    }
                    let latest = frontier.iter().filter(|f| f.1 < current.0).map(|f| f.0).max();
                    if let Some(latest) = latest {
                        frontier.retain(|f| f.1 >= latest);
                    }
                    frontier.push(current);
                }
            }
        }
    }

    /// The order of versions that whoever made the history knows. Writers that it names need no further order.
    fn order_known_versions(
        &mut self,
        assume: &Assume,
        later: &mut Vec<(u32, u32, u32)>,
        writers: &[u32],
        known: &mut [bool],
    ) {
        for (&Key(key), versions) in &assume.versions {
            let is_writer = |txn: &&Txn| self.live[txn.index()] && self.writes_key(txn.0, key);
            let versions: Vec<u32> = versions.iter().filter(is_writer).map(|txn| txn.0).collect();
            for pair in versions.windows(2) {
                self.edges.add(pair[0], pair[1], WW, key);
                later.push((key, pair[0], pair[1]));
            }
            known[key as usize] = versions.len() == writers[key as usize] as usize;
        }
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
