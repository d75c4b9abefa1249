//! What registers say: nil is before all writes, who reads a version and overwrites it orders the two, and what is assumed.

use rustc_hash::FxHashMap;

use super::{Direct, INITIAL, Place, Read, Reading, Told};
use crate::transactions::{
    Assume, Txn, Value,
    graph::{RW, WR, WW},
    history::Key,
};

impl Reading<'_> {
    pub(super) fn read_register(&mut self, txn: u32, key: u32, value: Option<Value>, told: &mut Told) {
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

    pub(super) fn order_registers(&mut self, assume: &Assume) {
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
}
