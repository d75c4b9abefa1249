//! An order of the transactions that explains every read, or the certainty that there is none.
//!
//! Where versions are not ordered by what clients saw, no cycle proves nothing, and the question is NP-complete
//! (Papadimitriou 1979). The search places transactions one after another, by when they ended; a version is replaced only
//! when all its readers have read it. That makes the *set* of what is placed the whole state (Biswas and Enea, OOPSLA
//! 2019, algorithm 1, there for serializability by sessions), so each set is tried once. For snapshot isolation a
//! transaction is placed twice, as its snapshot and as its commit, and while it is between them none of its keys may be
//! written by another. On a history of a system that works, the first order tried is nearly always right, in
//! O(n log n).
//!
//! Sets are written down by what is not the same for nearly all of them: transactions are numbered in the order in which
//! they are tried, and of a set only the part is kept that is neither full nor empty (see `placed`). Where real time is
//! to be kept, what it says of versions is added first (see `blocks`), which leaves few dead ends, and a contradiction
//! in it is found without any search.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::{
    blocks,
    facts::{Facts, INITIAL},
    graph::{BLOCK, Edges, Graph, Kinds, RT, WR, WW, Walk},
    history::{History, Status},
    placed::Placed,
};
use crate::{
    memory::Sequences,
    verdict::{Exhausted, Meter},
};

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    Serializable,
    Snapshot,
}

/// No version of the key has readers.
const UNREAD: u32 = u32::MAX;

/// A transaction's place: whole or its snapshot (even), its commit (odd).
type Event = u32;

struct Placing {
    graph: Graph,
    promise: Promise,
    hints: Vec<(u64, u64)>,
    /// By event: its number in the order in which events are tried.
    numbers: Vec<u32>,
    /// How many of those that must precede a node are missing.
    open: Vec<u32>,
    ready: BTreeSet<(u64, Event)>,
    placed: Placed,
    /// By version that is read: how many readers are missing.
    missing: Vec<u32>,
    /// The versions that a transaction reads and writes, as numbers of `missing`.
    reads: Vec<Vec<(u32, u32)>>,
    writes: Vec<Vec<(u32, u32)>>,
    /// By key: its version now, and who is between snapshot and commit and writes it.
    current: Vec<u32>,
    writing: Vec<bool>,
    replaced: Vec<u32>,
}

/// Looks for orders of a history that keep the edges of `kinds` and explain all reads. Lost versions (intermediate,
/// aborted) must not occur in it.
#[derive(Clone, Copy)]
pub(crate) struct Search<'s> {
    pub(crate) history: &'s History,
    pub(crate) facts: &'s Facts,
    pub(crate) graph: &'s Graph,
    pub(crate) kinds: Kinds,
    pub(crate) promise: Promise,
}

impl Search<'_> {
    /// Whether there is one.
    pub(crate) fn order_exists(&self, meter: &mut Meter) -> Result<bool, Exhausted> {
        self.order_exists_among(&self.facts.live, meter)
    }

    /// Few transactions that have no order even where what they read from others is left open: an order of all would be
    /// one of these. Without any one of them there is one, unless the budget ends before that is known.
    pub(crate) fn smallest_without_order(&self, meter: &mut Meter) -> Vec<u32> {
        let mut kept: Vec<u32> =
            (0..self.history.len() as u32).filter(|&txn| self.facts.live[txn as usize]).collect();
        let mut size = kept.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < kept.len() {
                let without: Vec<u32> = [&kept[..at], &kept[(at + size).min(kept.len())..]].concat();
                let mut among = vec![false; self.history.len()];
                without.iter().for_each(|&txn| among[txn as usize] = true);
                if meter.spend(self.graph.nodes() as u64).is_err() {
                    return kept;
                }
                match self.order_exists_among(&among, meter) {
                    Ok(false) => kept = without,
                    _ => at += size,
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        kept
    }

    fn order_exists_among(&self, live: &[bool], meter: &mut Meter) -> Result<bool, Exhausted> {
        let mut edges = Edges::among(self.graph, self.kinds | WW | WR, live);
        if self.kinds & RT != 0 {
            blocks::order(self.history, self.facts, live, self.promise == Promise::Serializable, &mut edges);
        }
        let graph = edges.build();
        meter.spend(graph.nodes() as u64 / 16)?;
        if (Walk { graph: &graph, kinds: self.kinds | WW | WR | BLOCK, nonadjacent: false }).has_cycle() {
            return Ok(false);
        }
        let placing = Placing::new(self, graph, live);
        let events =
            live.iter().filter(|&&live| live).count() * if self.promise == Promise::Snapshot { 2 } else { 1 };
        let mut failed = Sequences::default();
        let exists = place_all(placing, events, &mut failed, meter);
        meter.forget(failed.held());
        exists
    }
}

/// Tries orders; `failed` are the sets of events from which there is no way on.
fn place_all(
    mut placing: Placing,
    events: usize,
    failed: &mut Sequences,
    meter: &mut Meter,
) -> Result<bool, Exhausted> {
    let mut set = Vec::new();
    // The events placed, each with its hint: where the next try at its place goes on.
    let mut stack: Vec<(u64, Event)> = Vec::with_capacity(events);
    let mut after = None;
    loop {
        if stack.len() == events {
            return Ok(true);
        }
        let mut skipped = 1;
        let next = match after {
            None => placing
                .ready
                .iter()
                .copied()
                .inspect(|_| skipped += 1)
                .find(|&(_, event)| placing.allows(event)),
            Some(after) => placing
                .ready
                .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
                .copied()
                .inspect(|_| skipped += 1)
                .find(|&(_, event)| placing.allows(event)),
        };
        meter.spend(skipped)?;
        if let Some(next) = next {
            placing.place(next);
            if failed.held() > 0 {
                placing.placed.write_down(&mut set);
                if failed.contain(&set) {
                    placing.take_back(next);
                    after = Some(next);
                    continue;
                }
            }
            stack.push(next);
            after = None;
            continue;
        }
        placing.placed.write_down(&mut set);
        failed.add(&set, &[], meter)?;
        let Some(last) = stack.pop() else { return Ok(false) };
        placing.take_back(last);
        // What only reads takes nothing from others: without it there is nothing else to find.
        after = if placing.only_reads(last.1) { Some((u64::MAX, Event::MAX)) } else { Some(last) };
    }
}

impl Placing {
    fn new(search: &Search<'_>, graph: Graph, live: &[bool]) -> Self {
        let Search { history, facts, promise, .. } = *search;
        let n = history.len();
        let mut versions: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut missing = Vec::new();
        let mut reads = vec![Vec::new(); n];
        for txn in (0..n as u32).filter(|&txn| live[txn as usize]) {
            let list: &mut Vec<(u32, u32)> = &mut reads[txn as usize];
            for read in
                facts.reads(txn).iter().filter(|read| read.source == INITIAL || live[read.source as usize])
            {
                let version = *versions.entry((read.key, read.source)).or_insert_with(|| {
                    missing.push(0);
                    missing.len() as u32 - 1
                });
                if !list.contains(&(read.key, version)) {
                    list.push((read.key, version));
                    missing[version as usize] += 1;
                }
            }
        }
        let version = |key: u32, writer: u32| versions.get(&(key, writer)).copied().unwrap_or(UNREAD);
        let writes = (0..n as u32)
            .map(|txn| facts.writes(txn).iter().map(|&key| (key, version(key, txn))).collect())
            .collect();
        // Where no times are known, sessions are taken to have run side by side.
        let mut places = vec![0; n];
        for session in &history.sessions {
            for (place, txn) in session.iter().enumerate() {
                places[txn.index()] = place as u64;
            }
        }
        let hints: Vec<(u64, u64)> = history
            .transactions
            .iter()
            .zip(places)
            .map(|(transaction, place)| match transaction.at {
                Some((start, _)) if transaction.status == Status::Unknown => (start, start),
                Some((start, end)) => (start, end),
                None => (place, place),
            })
            .collect();
        let mut placing = Placing {
            open: vec![0; graph.nodes()],
            graph,
            promise,
            hints,
            numbers: vec![0; 2 * n],
            ready: BTreeSet::new(),
            placed: Placed::new(2 * n),
            missing,
            reads,
            writes,
            current: (0..history.keys() as u32).map(|key| version(key, INITIAL)).collect(),
            writing: vec![false; history.keys()],
            replaced: Vec::new(),
        };
        let mut order: Vec<(u64, Event)> = Vec::new();
        for txn in (0..n as u32).filter(|&txn| live[txn as usize]) {
            order.push(placing.first_event(txn));
            if promise == Promise::Snapshot {
                order.push(placing.commit_event(txn));
            }
        }
        order.sort_unstable();
        for (number, (_, event)) in order.into_iter().enumerate() {
            placing.numbers[event as usize] = number as u32;
        }
        let graph = &placing.graph;
        for node in 0..graph.nodes() as u32 {
            for arc in graph.arcs(node) {
                placing.open[arc.to as usize] += 1;
            }
        }
        // Connectors into which nothing leads any more open the way first.
        let unled: Vec<u32> =
            (n as u32..graph.nodes() as u32).filter(|&node| placing.open[node as usize] == 0).collect();
        let untouched: Vec<u32> =
            (0..n as u32).filter(|&txn| live[txn as usize] && placing.open[txn as usize] == 0).collect();
        unled.into_iter().for_each(|connector| placing.release(connector));
        for txn in untouched {
            placing.ready.insert(placing.first_event(txn));
        }
        placing
    }

    fn first_event(&self, txn: u32) -> (u64, Event) {
        let (start, end) = self.hints[txn as usize];
        (if self.promise == Promise::Snapshot { start } else { end }, txn * 2)
    }

    fn commit_event(&self, txn: u32) -> (u64, Event) {
        (self.hints[txn as usize].1, txn * 2 + 1)
    }

    fn only_reads(&self, event: Event) -> bool {
        self.writes[event as usize / 2].is_empty()
    }

    fn allows(&self, event: Event) -> bool {
        let txn = event as usize / 2;
        let commits = event % 2 == 1;
        let may_read = || self.reads[txn].iter().all(|&(key, version)| self.current[key as usize] == version);
        let may_write = || {
            self.writes[txn].iter().all(|&(key, _)| match self.current[key as usize] {
                UNREAD => true,
                version => {
                    let own = !commits && self.reads[txn].contains(&(key, version));
                    self.missing[version as usize] == own as u32
                }
            })
        };
        match (self.promise, commits) {
            (Promise::Serializable, _) => may_read() && may_write(),
            (Promise::Snapshot, false) => {
                may_read() && self.writes[txn].iter().all(|&(key, _)| !self.writing[key as usize])
            }
            (Promise::Snapshot, true) => may_write(),
        }
    }

    fn place(&mut self, (hint, event): (u64, Event)) {
        let txn = event as usize / 2;
        self.ready.remove(&(hint, event));
        self.placed.add(self.numbers[event as usize]);
        if event % 2 == 0 {
            for &(_, version) in &self.reads[txn] {
                self.missing[version as usize] -= 1;
            }
        }
        if self.promise == Promise::Snapshot && event % 2 == 0 {
            for &(key, _) in &self.writes[txn] {
                self.writing[key as usize] = true;
            }
            self.ready.insert(self.commit_event(txn as u32));
            return;
        }
        for &(key, version) in &self.writes[txn] {
            self.replaced.push(std::mem::replace(&mut self.current[key as usize], version));
            self.writing[key as usize] = false;
        }
        self.release(txn as u32);
    }

    /// What waited for a node waits no more.
    fn release(&mut self, node: u32) {
        let mut nodes = vec![node];
        while let Some(node) = nodes.pop() {
            for arc in self.graph.arcs(node) {
                self.open[arc.to as usize] -= 1;
                if self.open[arc.to as usize] == 0 {
                    if self.graph.is_connector(arc.to) {
                        nodes.push(arc.to);
                    } else {
                        self.ready.insert(self.first_event(arc.to));
                    }
                }
            }
        }
    }

    fn take_back(&mut self, (hint, event): (u64, Event)) {
        let txn = event as usize / 2;
        if self.promise == Promise::Snapshot && event % 2 == 0 {
            self.ready.remove(&self.commit_event(txn as u32));
            for &(key, _) in &self.writes[txn] {
                self.writing[key as usize] = false;
            }
        } else {
            let mut nodes = vec![txn as u32];
            while let Some(node) = nodes.pop() {
                for arc in self.graph.arcs(node) {
                    if self.open[arc.to as usize] == 0 {
                        if self.graph.is_connector(arc.to) {
                            nodes.push(arc.to);
                        } else {
                            self.ready.remove(&self.first_event(arc.to));
                        }
                    }
                    self.open[arc.to as usize] += 1;
                }
            }
            for &(key, _) in self.writes[txn].iter().rev() {
                self.current[key as usize] =
                    self.replaced.pop().expect("each write remembered what it replaced");
                self.writing[key as usize] = self.promise == Promise::Snapshot;
            }
        }
        if event % 2 == 0 {
            for &(_, version) in &self.reads[txn] {
                self.missing[version as usize] += 1;
            }
        }
        self.placed.remove(self.numbers[event as usize]);
        self.ready.insert((hint, event));
    }
}
