//! What weak levels and session guarantees say of the commit order.
//!
//! Biswas and Enea (*On the Complexity of Checking Transactional Consistency*, OOPSLA 2019) give each weak level by one
//! axiom: if a transaction `t3` read `x` from `t1`, and `t2`, which writes `x` too, was *visible* to `t3`, then `t2` is
//! before `t1` in commit order. The levels differ in what is visible. A history is of the level if the order that this
//! adds to session order and reads-from has no cycle.
//!
//! Møldrup and Pavlogiannis (*AWDIT: An Optimal Weak Database Isolation Tester*, PLDI 2025) find enough of these edges
//! for read committed and read atomic in O(n^1.5), by going through the smaller of two sets of keys, and for causal
//! consistency in O(nk) for k sessions, by vector clocks and one pointer for each pair of sessions. That is done here,
//! with these deviations: membership in a set of keys is a binary search, which costs a logarithm; edges that vector
//! clocks show to follow from others are left out, so that a legal history leaves few; versions of lists, whose order is
//! known, add their own edges. PRAM uses the machinery of causal consistency with clocks that do not pass anything on.

use rustc_hash::FxHashMap;

use super::{
    facts::{Facts, INITIAL, Read},
    graph::{CO, Edges, Graph, SO, WR, WW},
    history::{History, Txn},
};
use crate::{
    sessions::Guarantee,
    verdict::{Exhausted, Meter},
};

/// A read of the initial state that should have seen a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    pub(crate) writer: u32,
    pub(crate) reader: u32,
    pub(crate) key: u32,
}

/// What an axiom adds.
pub(crate) struct Inferred {
    pub(crate) graph: Graph,
    /// The first read of an initial state that the axiom forbids.
    pub(crate) unseen: Option<Unseen>,
}

/// Where a transaction is: its session's number and its position in it among live ones.
struct Places {
    sessions: Vec<Vec<u32>>,
    place: Vec<(u32, u32)>,
}

impl Places {
    fn of(history: &History, facts: &Facts) -> Self {
        let mut place = vec![(0, 0); history.len()];
        let live = |txn: &&Txn| facts.live[txn.index()];
        let sessions: Vec<Vec<u32>> = history
            .sessions
            .iter()
            .map(|session| session.iter().filter(live).map(|txn| txn.0).collect())
            .collect();
        for (number, session) in sessions.iter().enumerate() {
            for (at, &txn) in session.iter().enumerate() {
                place[txn as usize] = (number as u32, at as u32);
            }
        }
        Places { sessions, place }
    }
}

/// By transaction and session, how many of the session's first transactions are visible.
struct Clocks {
    sessions: usize,
    counts: Vec<u32>,
}

impl Clocks {
    fn new(history: &History, sessions: usize, meter: &mut Meter) -> Result<Self, Exhausted> {
        let words = history.len() * sessions;
        meter.remember(words * 4)?;
        Ok(Clocks { sessions, counts: vec![0; words] })
    }

    fn of(&self, txn: u32) -> &[u32] {
        &self.counts[txn as usize * self.sessions..][..self.sessions]
    }

    fn raise(&mut self, txn: u32, session: u32, to: u32) {
        let count = &mut self.counts[txn as usize * self.sessions + session as usize];
        *count = (*count).max(to);
    }

    fn join(&mut self, txn: u32, other: u32) {
        for session in 0..self.sessions {
            self.raise(txn, session as u32, self.counts[other as usize * self.sessions + session]);
        }
    }

    /// Whether a place is among what is visible to a transaction.
    fn sees(&self, txn: u32, place: (u32, u32)) -> bool {
        self.of(txn)[place.0 as usize] > place.1
    }
}

struct Inference<'f> {
    facts: &'f Facts,
    places: Places,
    edges: Edges,
    unseen: Option<Unseen>,
}

/// What a guarantee adds to session order, reads-from and the known order of versions.
pub(crate) fn infer(
    history: &History,
    facts: &Facts,
    base: &Graph,
    guarantee: Guarantee,
    meter: &mut Meter,
) -> Result<Inferred, Exhausted> {
    let mut edges = Edges::new(history.len());
    edges.copy(base, SO | WR | WW);
    let mut inference = Inference { facts, places: Places::of(history, facts), edges, unseen: None };
    match guarantee {
        Guarantee::ReadYourWrites => inference.own_writes(history.keys()),
        Guarantee::MonotonicReads => inference.monotonic_reads(meter)?,
        Guarantee::MonotonicWrites => inference.monotonic_writes(meter)?,
        Guarantee::WritesFollowReads => inference.writes_follow_reads(meter)?,
        Guarantee::Pram => {
            let clocks = inference.pram_clocks(history, meter)?;
            inference.by_clocks(&clocks, history.keys(), meter)?;
        }
        Guarantee::ReadCommitted => inference.read_committed(history.keys(), meter)?,
        Guarantee::ReadAtomic => {
            inference.own_writes(history.keys());
            inference.read_atomic(meter)?;
        }
        Guarantee::Causal => {
            if let Some(clocks) = inference.causal_clocks(history, base, meter)? {
                inference.by_clocks(&clocks, history.keys(), meter)?;
            }
        }
    }
    Ok(Inferred { graph: inference.edges.build(), unseen: inference.unseen })
}

impl Inference<'_> {
    /// `writer` was visible to `reader`, which read the key from `read.source`.
    fn before(&mut self, writer: u32, read: Read, reader: u32) {
        if writer == read.source || writer == reader {
        } else if read.source == INITIAL {
            self.unseen.get_or_insert(Unseen { writer, reader, key: read.key });
        } else {
            self.edges.add_because(writer, read.source, CO, read.key, reader);
        }
    }

    /// Visible: what the session wrote before. Of several writes of a key the last is enough. O(n).
    fn own_writes(&mut self, keys: usize) {
        let facts = self.facts;
        let mut last: Vec<(u32, u32)> = vec![(u32::MAX, 0); keys];
        for number in 0..self.places.sessions.len() {
            for at in 0..self.places.sessions[number].len() {
                let txn = self.places.sessions[number][at];
                for &read in facts.reads(txn) {
                    let (session, writer) = last[read.key as usize];
                    if session == number as u32 {
                        self.before(writer, read, txn);
                    }
                }
                for &key in facts.writes(txn) {
                    last[key as usize] = (number as u32, txn);
                }
            }
        }
    }

    /// Visible: whom earlier transactions of the session read from. What is before the version that was read last of a
    /// key needs no edge of its own any more. O(sum of the writes of sources over reads).
    fn monotonic_reads(&mut self, meter: &mut Meter) -> Result<(), Exhausted> {
        let facts = self.facts;
        for session in std::mem::take(&mut self.places.sessions) {
            let mut seen: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
            for txn in session {
                for &read in facts.reads(txn) {
                    for &writer in seen.get(&read.key).into_iter().flatten() {
                        self.before(writer, read, txn);
                    }
                }
                for read in facts.reads(txn) {
                    seen.remove(&read.key);
                }
                for read in facts.reads(txn).iter().filter(|read| read.source != INITIAL) {
                    meter.spend(facts.writes(read.source).len() as u64)?;
                    for &key in facts.writes(read.source) {
                        let seen = seen.entry(key).or_default();
                        if seen.last() != Some(&read.source) {
                            seen.push(read.source);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Visible: what came in its session before a transaction that was read from. O(n log n) for transactions of bounded
    /// size.
    fn monotonic_writes(&mut self, meter: &mut Meter) -> Result<(), Exhausted> {
        let facts = self.facts;
        let mut writes: Vec<(u32, u32, u32, u32)> = Vec::new();
        for (number, session) in self.places.sessions.iter().enumerate() {
            for (at, &txn) in session.iter().enumerate() {
                writes.extend(facts.writes(txn).iter().map(|&key| (number as u32, key, at as u32, txn)));
            }
        }
        writes.sort_unstable();
        for txn in (0..facts.live.len() as u32).filter(|&txn| facts.live[txn as usize]) {
            for source in sources(facts.reads(txn)) {
                let (session, at) = self.places.place[source as usize];
                for &read in facts.reads(txn) {
                    meter.step()?;
                    let end = writes.partition_point(|&(s, key, a, _)| (s, key, a) < (session, read.key, at));
                    if let Some(&(s, key, _, writer)) = end.checked_sub(1).and_then(|end| writes.get(end))
                        && (s, key) == (session, read.key)
                    {
                        self.before(writer, read, txn);
                    }
                }
            }
        }
        Ok(())
    }

    /// Visible: what the session of a transaction that was read from had read by then. The versions of one key that one
    /// session read form a chain of connectors, so that all of them precede another in one edge.
    fn writes_follow_reads(&mut self, meter: &mut Meter) -> Result<(), Exhausted> {
        let facts = self.facts;
        /// Of one session and one key: where it first read from which writer, and which number in this a writer has.
        #[derive(Default)]
        struct Seen {
            list: Vec<(u32, u32)>,
            first: FxHashMap<u32, usize>,
        }
        let mut seen: FxHashMap<(u32, u32), Seen> = FxHashMap::default();
        for (number, session) in self.places.sessions.iter().enumerate() {
            for (at, &txn) in session.iter().enumerate() {
                for read in facts.reads(txn).iter().filter(|read| read.source != INITIAL) {
                    meter.spend(facts.writes(read.source).len() as u64)?;
                    for &key in facts.writes(read.source) {
                        let Seen { list, first } = seen.entry((number as u32, key)).or_default();
                        first.entry(read.source).or_insert_with(|| {
                            list.push((at as u32, read.source));
                            list.len() - 1
                        });
                    }
                }
            }
        }
        let mut chains: FxHashMap<(u32, u32), Vec<u32>> = FxHashMap::default();
        for txn in (0..facts.live.len() as u32).filter(|&txn| facts.live[txn as usize]) {
            for source in sources(facts.reads(txn)) {
                let (session, at) = self.places.place[source as usize];
                for &read in facts.reads(txn) {
                    let Some(Seen { list, first }) = seen.get(&(session, read.key)) else { continue };
                    let end = list.partition_point(|seen| seen.0 <= at);
                    // The version that was read cannot be before itself, nor the reader before what it read.
                    let mut excluded: Vec<usize> = [read.source, txn]
                        .iter()
                        .filter_map(|t| first.get(t).copied())
                        .filter(|&i| i < end)
                        .collect();
                    excluded.sort_unstable();
                    let joined = excluded.first().copied().unwrap_or(end);
                    if read.source != INITIAL && joined > 0 {
                        let chain = chains.entry((session, read.key)).or_default();
                        while chain.len() < joined {
                            let connector = self.edges.connector();
                            if let Some(&before) = chain.last() {
                                self.edges.add(before, connector, CO, read.key);
                            }
                            self.edges.add(list[chain.len()].1, connector, CO, read.key);
                            chain.push(connector);
                        }
                        self.edges.add_because(chain[joined - 1], read.source, CO, read.key, txn);
                    } else if let Some(&(_, writer)) = list[..joined].first() {
                        self.before(writer, read, txn);
                    }
                    for &(_, writer) in &list[joined..end] {
                        meter.step()?;
                        self.before(writer, read, txn);
                    }
                }
            }
        }
        Ok(())
    }

    /// Visible to a read: whom earlier reads of its transaction read from. Backwards through each transaction, with the
    /// next read of each key: what is before that is before all later ones, as those are ordered by edges of their own.
    fn read_committed(&mut self, keys: usize, meter: &mut Meter) -> Result<(), Exhausted> {
        let facts = self.facts;
        let mut next: Vec<(u32, Read)> = vec![(u32::MAX, Read { key: 0, source: 0, length: 0 }); keys];
        for txn in (0..facts.live.len() as u32).filter(|&txn| facts.live[txn as usize]) {
            let reads = facts.reads(txn);
            let mut first: FxHashMap<u32, usize> = FxHashMap::default();
            for (at, read) in reads.iter().enumerate() {
                first.entry(read.source).or_insert(at);
            }
            let mut later: Vec<u32> = Vec::new();
            for (at, &read) in reads.iter().enumerate().rev() {
                if read.source != INITIAL && first[&read.source] == at {
                    let writes = facts.writes(read.source);
                    meter.spend(writes.len().min(later.len()) as u64)?;
                    if writes.len() < later.len() {
                        for &key in writes {
                            let (reader, later) = next[key as usize];
                            if reader == txn {
                                self.before(read.source, later, txn);
                            }
                        }
                    } else {
                        for &key in later.iter().filter(|&&key| facts.writes_key(read.source, key)) {
                            self.before(read.source, next[key as usize].1, txn);
                        }
                    }
                }
                let (reader, after) = next[read.key as usize];
                if reader == txn {
                    if read.source != INITIAL {
                        self.before(read.source, after, txn);
                    }
                } else {
                    later.push(read.key);
                }
                next[read.key as usize] = (txn, read);
            }
        }
        Ok(())
    }

    /// Visible: whom the transaction itself read from (and its session's writes, see `own_writes`).
    fn read_atomic(&mut self, meter: &mut Meter) -> Result<(), Exhausted> {
        let facts = self.facts;
        for txn in (0..facts.live.len() as u32).filter(|&txn| facts.live[txn as usize]) {
            let reads = facts.reads(txn);
            let mut by_key: FxHashMap<u32, Vec<Read>> = FxHashMap::default();
            for &read in reads {
                by_key.entry(read.key).or_default().push(read);
            }
            for source in sources(reads) {
                let writes = facts.writes(source);
                meter.spend(writes.len().min(reads.len()) as u64)?;
                if writes.len() < reads.len() {
                    for read in writes.iter().filter_map(|key| by_key.get(key)).flatten() {
                        self.before(source, *read, txn);
                    }
                } else {
                    for &read in reads.iter().filter(|read| facts.writes_key(source, read.key)) {
                        self.before(source, read, txn);
                    }
                }
            }
        }
        Ok(())
    }

    /// Visible: the session's past, and that of whoever it read from in theirs. O(nk).
    fn pram_clocks(&self, history: &History, meter: &mut Meter) -> Result<Clocks, Exhausted> {
        let mut clocks = Clocks::new(history, self.places.sessions.len(), meter)?;
        for session in &self.places.sessions {
            let mut before = None;
            for &txn in session {
                if let Some(before) = before.replace(txn) {
                    clocks.join(txn, before);
                }
                for source in sources(self.facts.reads(txn)) {
                    let (session, at) = self.places.place[source as usize];
                    clocks.raise(txn, session, at + 1);
                }
                // Its own past ends before it, whatever anybody of its own session reads.
                let (session, at) = self.places.place[txn as usize];
                clocks.counts[txn as usize * clocks.sessions + session as usize] = at;
            }
        }
        Ok(clocks)
    }

    /// Visible: all that leads here by sessions and reads. O(nk); none if that has a cycle.
    fn causal_clocks(
        &self,
        history: &History,
        base: &Graph,
        meter: &mut Meter,
    ) -> Result<Option<Clocks>, Exhausted> {
        let mut clocks = Clocks::new(history, self.places.sessions.len(), meter)?;
        let mut open = vec![0u32; history.len()];
        let arcs = |txn: u32| base.arcs(txn).iter().filter(|arc| arc.kind & (SO | WR) != 0);
        for txn in 0..history.len() as u32 {
            arcs(txn).for_each(|arc| open[arc.to as usize] += 1);
        }
        let mut ready: Vec<u32> = (0..history.len() as u32).filter(|&txn| open[txn as usize] == 0).collect();
        let mut done = 0;
        while let Some(txn) = ready.pop() {
            done += 1;
            let (session, at) = self.places.place[txn as usize];
            for arc in arcs(txn) {
                clocks.join(arc.to, txn);
                clocks.raise(arc.to, session, at + 1);
                open[arc.to as usize] -= 1;
                if open[arc.to as usize] == 0 {
                    ready.push(arc.to);
                }
            }
        }
        Ok((done == history.len()).then_some(clocks))
    }

    /// Edges for what clocks make visible: of each session the last write of the key. For each pair of sessions, one
    /// pointer goes along the visible one. O(nk).
    fn by_clocks(&mut self, clocks: &Clocks, keys: usize, meter: &mut Meter) -> Result<(), Exhausted> {
        let facts = self.facts;
        let sessions = std::mem::take(&mut self.places.sessions);
        let mut last: Vec<(u32, u32)> = vec![(u32::MAX, 0); keys];
        let mut pass = 0;
        for reading in &sessions {
            for (number, seen) in sessions.iter().enumerate() {
                meter.spend((reading.len() + seen.len()) as u64 / 16 + 1)?;
                let mut at = 0;
                for &txn in reading {
                    let visible = clocks.of(txn)[number] as usize;
                    while at < visible {
                        for &key in facts.writes(seen[at]) {
                            last[key as usize] = (pass, seen[at]);
                        }
                        at += 1;
                    }
                    for &read in facts.reads(txn) {
                        let (written, writer) = last[read.key as usize];
                        if written != pass || writer == read.source {
                            continue;
                        }
                        let known = read.source != INITIAL
                            && clocks.sees(read.source, self.places.place[writer as usize]);
                        if !known {
                            self.before(writer, read, txn);
                        }
                    }
                }
                pass += 1;
            }
        }
        Ok(())
    }
}

/// Whom a transaction read from, each once.
fn sources(reads: &[Read]) -> Vec<u32> {
    let mut sources: Vec<u32> =
        reads.iter().map(|read| read.source).filter(|&source| source != INITIAL).collect();
    sources.sort_unstable();
    sources.dedup();
    sources
}
