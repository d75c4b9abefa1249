//! What lists say: the longest one read of a key orders its appends.

use rustc_hash::FxHashMap;

use super::{Chain, Direct, INITIAL, NOBODY, Place, Read, Reading, Told};
use crate::transactions::{
    Txn, Value,
    graph::{RW, WR, WW},
    history::{Key, Stored},
};

impl Reading<'_> {
    /// The append of the same transaction to the same key that comes before one.
    fn append_before(&self, operation: u32, writer: u32) -> Option<usize> {
        let Stored::Append(key, _) = self.history.operations[operation as usize] else { return None };
        let before = self.operations(writer).start..operation as usize;
        before.rev().find(|&o| matches!(self.history.operations[o], Stored::Append(k, _) if k == key))
    }

    /// Goes along the longest list of each key.
    pub(super) fn walk_chains(&mut self) {
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

    pub(super) fn read_list(&mut self, txn: u32, key: u32, from: u32, to: u32, told: &mut Told) {
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

    pub(super) fn order_lists(&mut self) {
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
}
