//! Transactions and sessions: against brute force on all small histories, and with each anomaly planted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use squall_checkers::{
    Budget, Verdict,
    sessions::{self, Guarantee},
    transactions::{
        self, AnomalyKind, Assume, Builder, History, Holds, Level, Status, Txn,
        timestamps::{self, Promise},
    },
};

/// A history as plain data, and the levels by their definitions, by trying everything.
mod brute {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Op {
        W(usize, i64),
        R(usize, Option<i64>),
        A(usize, i64),
        L(usize, Vec<i64>),
    }

    #[derive(Clone, Debug)]
    pub struct T {
        pub session: u32,
        pub span: Option<(u64, u64)>,
        pub ops: Vec<Op>,
    }

    pub fn history(ts: &[T]) -> History {
        let mut builder = History::builder();
        let keys = ["x", "y", "z"].map(|name| builder.key(name));
        for t in ts {
            let mut txn = builder.begin(t.session);
            if let Some((start, _)) = t.span {
                txn = txn.at(start);
            }
            for op in &t.ops {
                txn = match op {
                    Op::W(k, v) => txn.write(keys[*k], *v),
                    Op::R(k, v) => txn.read(keys[*k], *v),
                    Op::A(k, v) => txn.append(keys[*k], *v),
                    Op::L(k, l) => txn.read_list(keys[*k], l),
                };
            }
            txn.commit(t.span.map(|span| span.1));
        }
        builder.build().unwrap()
    }

    /// The state of all keys; registers hold one element at most.
    type State = BTreeMap<usize, Vec<i64>>;

    fn read(state: &State, op: &Op) -> bool {
        match op {
            Op::R(k, v) => state.get(k).and_then(|list| list.last().copied()) == *v,
            Op::L(k, l) => state.get(k).map_or(&[][..], |list| list) == l.as_slice(),
            _ => true,
        }
    }

    fn write(state: &mut State, op: &Op) {
        match op {
            Op::W(k, v) => {
                state.insert(*k, vec![*v]);
            }
            Op::A(k, v) => state.entry(*k).or_default().push(*v),
            _ => {}
        }
    }

    fn writes(t: &T) -> BTreeSet<usize> {
        let key = |op: &Op| match op {
            Op::W(k, _) | Op::A(k, _) => Some(*k),
            _ => None,
        };
        t.ops.iter().filter_map(key).collect()
    }

    /// What must come before what, besides data.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Keep {
        Nothing,
        Sessions,
        Time,
    }

    fn must_precede(ts: &[T], keep: Keep, a: usize, b: usize) -> bool {
        let session = ts[a].session == ts[b].session && a < b;
        let time = ts[a].span.zip(ts[b].span).is_some_and(|(a, b)| a.1 < b.0);
        match keep {
            Keep::Nothing => false,
            Keep::Sessions => session,
            Keep::Time => session || time,
        }
    }

    pub fn permutations(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![vec![]];
        }
        let shorter = permutations(n - 1);
        shorter.iter().flat_map(|p| (0..n).map(move |at| [&p[..at], &[n - 1], &p[at..]].concat())).collect()
    }

    fn orders(ts: &[T], keep: Keep) -> impl Iterator<Item = Vec<usize>> {
        permutations(ts.len()).into_iter().filter(move |p| {
            (0..p.len()).all(|i| (i + 1..p.len()).all(|j| !must_precede(ts, keep, p[j], p[i])))
        })
    }

    pub fn serializable(ts: &[T], keep: Keep) -> bool {
        orders(ts, keep).any(|order| {
            let mut state = State::new();
            order.iter().all(|&t| {
                ts[t].ops.iter().all(|op| {
                    let fits = read(&state, op);
                    write(&mut state, op);
                    fits
                })
            })
        })
    }

    /// All orders of snapshots and commits, by definition.
    pub fn snapshot(ts: &[T], keep: Keep) -> bool {
        fn go(ts: &[T], keep: Keep, began: u32, ended: u32, state: &State) -> bool {
            if ended == (1 << ts.len()) - 1 {
                return true;
            }
            (0..ts.len()).any(|t| {
                if began >> t & 1 == 0 {
                    let allowed = (0..ts.len()).all(|b| ended >> b & 1 == 1 || !must_precede(ts, keep, b, t));
                    let alone = (0..ts.len())
                        .filter(|&o| began >> o & 1 == 1 && ended >> o & 1 == 0)
                        .all(|o| writes(&ts[o]).is_disjoint(&writes(&ts[t])));
                    let mut own = state.clone();
                    let fits = allowed
                        && alone
                        && ts[t].ops.iter().all(|op| {
                            let fits = read(&own, op);
                            write(&mut own, op);
                            fits
                        });
                    fits && go(ts, keep, began | 1 << t, ended, state)
                } else if ended >> t & 1 == 0 {
                    let mut state = state.clone();
                    ts[t].ops.iter().for_each(|op| write(&mut state, op));
                    go(ts, keep, began, ended | 1 << t, &state)
                } else {
                    false
                }
            })
        }
        go(ts, keep, 0, 0, &State::new())
    }

    /// A read from outside: key, the number of the version of the key (in the order of `order`), whose it is.
    #[derive(Clone, Debug)]
    struct Outside {
        reader: usize,
        at: usize,
        key: usize,
        source: Option<usize>,
        list: Option<Vec<i64>>,
    }

    /// What all levels from read committed on need: reads of final versions of others, own writes seen. `None` if not.
    /// The flag tells whether all contradictions within transactions are absent.
    fn outside(ts: &[T]) -> Option<(Vec<Outside>, bool)> {
        let writer = |key: usize, value: i64| {
            ts.iter().position(|t| {
                t.ops.iter().any(|op| matches!(op, Op::W(k, v) | Op::A(k, v) if (*k, *v) == (key, value)))
            })
        };
        let last = |t: usize, key: usize| {
            ts[t].ops.iter().rev().find_map(|op| match op {
                Op::W(k, v) | Op::A(k, v) if *k == key => Some(*v),
                _ => None,
            })
        };
        let mut found = Vec::new();
        let mut internal = true;
        for (reader, t) in ts.iter().enumerate() {
            let mut own: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
            let mut before: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
            for (at, op) in t.ops.iter().enumerate() {
                let (key, seen, list) = match op {
                    Op::W(k, v) => {
                        own.insert(*k, vec![*v]);
                        continue;
                    }
                    Op::A(k, v) => {
                        own.entry(*k).or_default().push(*v);
                        continue;
                    }
                    Op::R(k, v) => (*k, v.iter().copied().collect::<Vec<_>>(), false),
                    Op::L(k, l) => (*k, l.clone(), true),
                };
                let mine = own.get(&key).cloned().unwrap_or_default();
                let version = if list {
                    match seen.strip_suffix(mine.as_slice()) {
                        Some(version) => version.to_vec(),
                        None => {
                            internal = false;
                            continue;
                        }
                    }
                } else if !mine.is_empty() {
                    internal &= seen.last() == mine.last();
                    continue;
                } else {
                    seen
                };
                internal &= before.get(&key).is_none_or(|before| *before == version);
                before.insert(key, version.clone());
                let source = match version.last() {
                    None => None,
                    Some(&value) => {
                        let source = writer(key, value)?;
                        if source == reader || last(source, key) != Some(value) {
                            return None;
                        }
                        if list && version.iter().any(|&v| writer(key, v) == Some(reader)) {
                            return None;
                        }
                        Some(source)
                    }
                };
                found.push(Outside { reader, at, key, source, list: list.then_some(version) });
            }
        }
        Some((found, internal))
    }

    /// Whether lists are what they become in a commit order.
    fn lists_fit(ts: &[T], order: &[usize], reads: &[Outside]) -> bool {
        reads.iter().all(|read| {
            let Some(list) = &read.list else { return true };
            let mut state = Vec::new();
            let mut fits = list.is_empty();
            for &t in order.iter().filter(|&&t| writes(&ts[t]).contains(&read.key)) {
                for op in &ts[t].ops {
                    if let Op::A(k, v) = op
                        && *k == read.key
                    {
                        state.push(*v);
                    }
                }
                fits |= state == *list;
            }
            fits
        })
    }

    fn position(order: &[usize], t: usize) -> usize {
        order.iter().position(|&o| o == t).unwrap()
    }

    /// No G1, for some order of versions; with `single`, no G-single either.
    pub fn committed(ts: &[T], keep: Keep, single: bool) -> bool {
        let Some((reads, _)) = outside(ts) else { return false };
        orders(ts, keep).any(|order| {
            let place = |t| position(&order, t);
            let read_after = reads.iter().all(|r| r.source.is_none_or(|s| place(s) < place(r.reader)));
            if !read_after || !lists_fit(ts, &order, &reads) {
                return false;
            }
            if !single {
                return true;
            }
            // Dependencies, and from where to where they lead.
            let n = ts.len();
            let mut reach = vec![vec![false; n]; n];
            for a in 0..n {
                for b in 0..n {
                    reach[a][b] = must_precede(ts, keep, a, b)
                        || place(a) < place(b) && !writes(&ts[a]).is_disjoint(&writes(&ts[b]))
                        || reads.iter().any(|r| r.reader == b && r.source == Some(a));
                }
            }
            for k in 0..n {
                for a in 0..n {
                    for b in 0..n {
                        reach[a][b] |= reach[a][k] && reach[k][b];
                    }
                }
            }
            reads.iter().all(|r| {
                (0..n).all(|w| {
                    let later = w != r.reader
                        && writes(&ts[w]).contains(&r.key)
                        && r.source.is_none_or(|s| s != w && place(s) < place(w));
                    !later || !reach[w][r.reader]
                })
            })
        })
    }

    /// A guarantee by its axiom, over all commit orders.
    pub fn guarantee(ts: &[T], guarantee: Guarantee) -> bool {
        let Some((reads, _)) = outside(ts) else { return false };
        let own = |ts: &[T]| {
            ts.iter().all(|t| {
                let mut state: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
                t.ops.iter().all(|op| {
                    let fits = match op {
                        Op::R(k, v) => state.get(k).is_none_or(|own| own.last().copied() == *v),
                        Op::L(k, l) => state.get(k).is_none_or(|own| l.ends_with(own)),
                        _ => true,
                    };
                    write(&mut state, op);
                    fits
                })
            })
        };
        if !own(ts) {
            return false;
        }
        let n = ts.len();
        let so = |a: usize, b: usize| a < b && ts[a].session == ts[b].session;
        let so_eq = |a: usize, b: usize| a == b || so(a, b);
        let wr = |a: usize, b: usize| reads.iter().any(|r| r.reader == b && r.source == Some(a));
        let mut causal = vec![vec![false; n]; n];
        for (a, row) in causal.iter_mut().enumerate() {
            for (b, cell) in row.iter_mut().enumerate() {
                *cell = so(a, b) || wr(a, b);
            }
        }
        for k in 0..n {
            for a in 0..n {
                for b in 0..n {
                    causal[a][b] |= causal[a][k] && causal[k][b];
                }
            }
        }
        let visible = |t2: usize, read: &Outside| -> bool {
            let t3 = read.reader;
            match guarantee {
                Guarantee::ReadYourWrites => so(t2, t3),
                Guarantee::MonotonicReads => (0..n).any(|t| wr(t2, t) && so(t, t3)),
                Guarantee::MonotonicWrites => (0..n).any(|t| so(t2, t) && wr(t, t3)),
                Guarantee::WritesFollowReads => {
                    (0..n).any(|t| wr(t2, t) && (0..n).any(|u| so_eq(t, u) && wr(u, t3)))
                }
                Guarantee::Pram => {
                    so(t2, t3) || (0..n).any(|t| so_eq(t2, t) && (0..n).any(|u| wr(t, u) && so_eq(u, t3)))
                }
                Guarantee::ReadCommitted => {
                    reads.iter().any(|r| r.reader == t3 && r.at < read.at && r.source == Some(t2))
                }
                Guarantee::ReadAtomic => so(t2, t3) || wr(t2, t3),
                Guarantee::Causal => causal[t2][t3],
            }
        };
        orders(ts, Keep::Sessions).any(|order| {
            let place = |t| position(&order, t);
            reads.iter().all(|r| r.source.is_none_or(|s| place(s) < place(r.reader)))
                && lists_fit(ts, &order, &reads)
                && reads.iter().all(|r| {
                    (0..n).all(|t2| {
                        t2 == r.reader
                            || Some(t2) == r.source
                            || !writes(&ts[t2]).contains(&r.key)
                            || !visible(t2, r)
                            || r.source.is_some_and(|t1| place(t2) < place(t1))
                    })
                })
        })
    }

    /// Whether time stamps explain a history, with its spans for time stamps.
    pub fn stamped(ts: &[T], promise: Promise) -> bool {
        let stamp = |t: &T| {
            let (start, end) = t.span.unwrap();
            (if promise == Promise::Serializable { end } else { start }, end)
        };
        let mut commits: Vec<&T> = ts.iter().collect();
        commits.sort_by_key(|t| stamp(t).1);
        let reads = ts.iter().all(|t| {
            let mut state = State::new();
            for earlier in commits.iter().filter(|earlier| stamp(earlier).1 < stamp(t).0) {
                earlier.ops.iter().for_each(|op| write(&mut state, op));
            }
            t.ops.iter().all(|op| {
                let fits = read(&state, op);
                write(&mut state, op);
                fits
            })
        });
        let pairs = || (0..ts.len()).flat_map(|a| (a + 1..ts.len()).map(move |b| (&ts[a], &ts[b])));
        let sessions = pairs().all(|(a, b)| a.session != b.session || stamp(b).0 >= stamp(a).1);
        let conflicts = promise == Promise::SnapshotIsolation
            && pairs().any(|(a, b)| {
                let overlap = stamp(a).0 < stamp(b).1 && stamp(b).0 < stamp(a).1;
                overlap && !writes(a).is_disjoint(&writes(b))
            });
        reads && sessions && !conflicts
    }

    /// Whether a history is of a level, by definition.
    pub fn level(ts: &[T], level: Level) -> Option<bool> {
        let internal = || outside(ts).is_none_or(|(_, internal)| internal);
        Some(match level {
            Level::ReadUncommitted => return None,
            Level::ReadCommitted => committed(ts, Keep::Nothing, false),
            Level::StrongSessionReadCommitted => committed(ts, Keep::Sessions, false),
            Level::StrongReadCommitted => committed(ts, Keep::Time, false),
            Level::ConsistentView => committed(ts, Keep::Nothing, true),
            Level::ParallelSnapshotIsolation => committed(ts, Keep::Sessions, true) && internal(),
            // Their reads of their own writes are left to `internal`, as the levels above.
            Level::MonotonicAtomicView => {
                guarantee(ts, Guarantee::ReadCommitted) || !internal() && return None
            }
            Level::ReadAtomic => guarantee(ts, Guarantee::ReadAtomic) && internal(),
            Level::Causal => guarantee(ts, Guarantee::Causal) && internal(),
            Level::SnapshotIsolation => snapshot(ts, Keep::Nothing),
            Level::StrongSessionSnapshotIsolation => snapshot(ts, Keep::Sessions),
            Level::StrongSnapshotIsolation => snapshot(ts, Keep::Time),
            Level::Serializable => serializable(ts, Keep::Nothing),
            Level::StrongSessionSerializable => serializable(ts, Keep::Sessions),
            Level::StrictSerializable => serializable(ts, Keep::Time),
        })
    }
}

use brute::{Op, T};

fn words(report: &transactions::Report) -> String {
    report.anomalies.iter().map(|anomaly| format!("{anomaly}\n")).collect()
}

/// Compares all that is said of a history with brute force.
fn compare(ts: &[T]) {
    let history = brute::history(ts);
    let report = transactions::analyze(&history, &Assume::default(), Budget::default());
    for (&level, &holds) in &report.levels {
        let Some(expected) = brute::level(ts, level) else { continue };
        match holds {
            Holds::Yes => assert!(expected, "{level} holds? {ts:?}\n{}", words(&report)),
            Holds::No => assert!(!expected, "{level} is refuted? {ts:?}\n{}", words(&report)),
            Holds::Unknown => {
                let open = [Level::ConsistentView, Level::ParallelSnapshotIsolation];
                assert!(
                    open.contains(&level) && !report.unordered.is_empty(),
                    "{level} is unknown: {ts:?}\n{}",
                    words(&report)
                );
            }
        }
        for weaker in Level::ALL.into_iter().filter(|&weaker| level.implies(weaker)) {
            assert!(
                holds != Holds::Yes || report.levels[&weaker] == Holds::Yes,
                "{level} holds, {weaker} does not: {ts:?}"
            );
        }
        if holds == Holds::No {
            let Verdict::Illegal(anomalies) = report.verdict(level) else { panic!("{level}: {ts:?}") };
            assert!(!anomalies.is_empty(), "{level} is refuted by nothing: {ts:?}");
        }
    }
    for anomaly in &report.anomalies {
        for (edge, next) in anomaly.cycle.iter().zip(anomaly.cycle.iter().cycle().skip(1)) {
            assert_eq!(edge.to, next.from, "{anomaly}");
        }
    }
    for guarantee in Guarantee::ALL {
        let verdict = sessions::check(&history, guarantee, Budget::default());
        let expected = brute::guarantee(ts, guarantee);
        assert_eq!(verdict.is_legal(), expected, "{guarantee}: {ts:?}\n{verdict:#?}");
        assert!(!verdict.is_unknown());
    }
    for promise in [Promise::SnapshotIsolation, Promise::Serializable] {
        let verdict = timestamps::check(&history, promise);
        assert_eq!(verdict.is_legal(), brute::stamped(ts, promise), "{promise:?}: {ts:?}\n{verdict:#?}");
    }
}

/// A small generator, so that a case is one number.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as usize
    }
}

/// All ways to fill in what was read, given who writes what.
fn fill(kinds: &[Vec<(bool, usize)>], lists: bool, visit: &mut dyn FnMut(Vec<Vec<Op>>)) {
    let mut value = 0;
    let mut written: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    let mut shape: Vec<Vec<Result<Op, usize>>> = Vec::new();
    for t in kinds {
        let mut ops = Vec::new();
        for &(write, key) in t {
            if write {
                value += 1;
                written.entry(key).or_default().push(value);
                ops.push(Ok(if lists { Op::A(key, value) } else { Op::W(key, value) }));
            } else {
                ops.push(Err(key));
            }
        }
        shape.push(ops);
    }
    let choices = |key: usize| -> Vec<Op> {
        let values = written.get(&key).cloned().unwrap_or_default();
        if !lists {
            return [None].into_iter().chain(values.into_iter().map(Some)).map(|v| Op::R(key, v)).collect();
        }
        let mut lists: BTreeSet<Vec<i64>> = BTreeSet::new();
        for order in brute::permutations(values.len()) {
            for length in 0..=values.len() {
                lists.insert(order[..length].iter().map(|&i| values[i]).collect());
            }
        }
        lists.into_iter().map(|list| Op::L(key, list)).collect()
    };
    let open: Vec<(usize, usize, Vec<Op>)> = shape
        .iter()
        .enumerate()
        .flat_map(|(t, ops)| {
            ops.iter().enumerate().filter_map(move |(o, op)| op.as_ref().err().map(|&key| (t, o, key)))
        })
        .map(|(t, o, key)| (t, o, choices(key)))
        .collect();
    let mut ops: Vec<Vec<Op>> =
        shape.iter().map(|t| t.iter().map(|op| op.clone().unwrap_or(Op::R(0, None))).collect()).collect();
    let mut at = vec![0; open.len()];
    loop {
        for (i, (t, o, choices)) in open.iter().enumerate() {
            ops[*t][*o] = choices[at[i]].clone();
        }
        visit(ops.clone());
        let Some(next) = (0..open.len()).find(|&i| at[i] + 1 < open[i].2.len()) else { break };
        at[next] += 1;
        at[..next].fill(0);
    }
}

/// All histories of so many transactions with so many operations each on two keys, each in some sessions and spans.
fn exhaust(sizes: &[usize], lists: bool, keep: impl Fn(usize) -> bool) -> usize {
    let n: usize = sizes.iter().sum();
    let mut seen = 0;
    let mut number = 0;
    let sessions: &[&[u32]] = &[&[0, 1, 2, 3], &[0, 0, 1, 1], &[0, 1, 0, 1], &[0, 0, 0, 0]];
    for kinds in 0..4usize.pow(n as u32) {
        let mut rest = kinds;
        let kinds: Vec<Vec<(bool, usize)>> = sizes
            .iter()
            .map(|&size| {
                let mut op = || {
                    let op = (rest & 1 == 0, rest >> 1 & 1);
                    rest >>= 2;
                    op
                };
                (0..size).map(|_| op()).collect()
            })
            .collect();
        // Renaming keys changes nothing.
        if kinds[0][0].1 == 1 {
            continue;
        }
        fill(&kinds, lists, &mut |ops| {
            number += 1;
            if !keep(number) {
                return;
            }
            // Sessions and spans vary with the history's number; each combination occurs.
            let sessions = sessions[number % sessions.len()];
            let concurrent = number / 4 % 3;
            let ts: Vec<T> = ops
                .into_iter()
                .enumerate()
                .map(|(i, ops)| {
                    let i = i as u64;
                    let mut span = match concurrent {
                        0 => (i * 2, i * 2 + 1),
                        1 => (i * 2, i * 2 + 3),
                        _ => (i, 100 + i),
                    };
                    // One session runs one transaction at a time.
                    if sessions != [0, 1, 2, 3] && concurrent != 0 {
                        span = (i * 2, i * 2 + 1);
                    }
                    T { session: sessions[i as usize], span: Some(span), ops }
                })
                .collect();
            seen += 1;
            compare(&ts);
        });
    }
    seen
}

#[test]
fn all_small_histories_of_registers_are_judged_as_by_definition() {
    let all = |_| true;
    let mut seen = 0;
    for sizes in
        [&[1, 2][..], &[2, 2], &[3, 1], &[1, 1, 1], &[2, 1, 1], &[2, 2, 1], &[2, 2, 2], &[1, 1, 1, 1]]
    {
        seen += exhaust(sizes, false, all);
    }
    seen += exhaust(&[2, 2, 1, 1], false, |n| n % 5 == 0);
    seen += exhaust(&[2, 2, 2, 1], false, |n| n % 121 == 0);
    assert!(seen > 30_000, "{seen}");
}

#[test]
fn all_small_histories_of_lists_are_judged_as_by_definition() {
    let all = |_| true;
    let mut seen = 0;
    for sizes in [&[1, 2][..], &[2, 2], &[3, 1], &[1, 1, 1], &[2, 1, 1], &[2, 2, 1], &[1, 1, 1, 1]] {
        seen += exhaust(sizes, true, all);
    }
    seen += exhaust(&[2, 2, 2], true, |n| n % 29 == 0);
    seen += exhaust(&[2, 2, 1, 1], true, |n| n % 61 == 0);
    assert!(seen > 20_000, "{seen}");
}

/// What a strictly serializable store would answer to random transactions of some sessions that overlap in time. Spans
/// hold the moment of effect; `stamps` are the snapshot and commit time stamps of that moment.
fn legal(seed: u64, transactions: usize, sessions: usize, keys: usize, lists: bool) -> Vec<T> {
    #[derive(Default)]
    struct Running {
        number: Option<usize>,
        done: bool,
    }
    let mut random = Random(seed);
    let mut state: Vec<Vec<i64>> = vec![Vec::new(); keys];
    let mut running: Vec<Running> = (0..sessions).map(|_| Running::default()).collect();
    let mut ts: Vec<T> = Vec::new();
    let mut value = 0;
    let mut time = 0;
    while ts.len() < transactions || running.iter().any(|r| r.number.is_some()) {
        time += 1;
        let session = random.below(sessions);
        match (running[session].number, running[session].done) {
            (None, _) if ts.len() < transactions => {
                running[session].number = Some(ts.len());
                ts.push(T { session: session as u32, span: Some((time, u64::MAX)), ops: Vec::new() });
            }
            (None, _) => {}
            (Some(number), false) => {
                let mut own: Vec<i64> = Vec::new();
                for _ in 0..1 + random.below(4) {
                    let key = random.below(keys);
                    let op = match (random.below(2) == 0, lists) {
                        (true, _) => {
                            value += 1;
                            own.push(value);
                            state[key].push(value);
                            if lists { Op::A(key, value) } else { Op::W(key, value) }
                        }
                        (false, true) => Op::L(key, state[key].clone()),
                        (false, false) => Op::R(key, state[key].last().copied()),
                    };
                    ts[number].ops.push(op);
                }
                running[session].done = true;
            }
            (Some(number), true) => {
                ts[number].span.as_mut().unwrap().1 = time;
                running[session] = Running::default();
            }
        }
    }
    ts
}

/// A legal history, to which more can be told.
fn told(ts: &[T], keys: usize) -> Builder {
    let mut builder = History::builder();
    let keys: Vec<_> = (0..keys).map(|key| builder.key(&format!("k{key}"))).collect();
    for t in ts {
        let (start, end) = t.span.unwrap();
        let mut txn = builder.begin(t.session).at(start);
        for op in &t.ops {
            txn = match op {
                Op::W(k, v) => txn.write(keys[*k], *v),
                Op::R(k, v) => txn.read(keys[*k], *v),
                Op::A(k, v) => txn.append(keys[*k], *v),
                Op::L(k, l) => txn.read_list(keys[*k], l),
            };
        }
        txn.commit(end);
    }
    builder
}

/// An anomaly and the kinds that a history with it, and only it, has.
type Plant = (&'static str, fn(&mut Builder, u64), &'static [AnomalyKind]);

/// Plants on keys `p` and `q` by sessions from 100 on; `t` is a moment in the middle of the history. All run at once, from
/// `t` to `t + 1`, where nothing else is said.
const LISTS: &[Plant] = {
    use AnomalyKind::*;
    &[
        (
            "G0",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).append(q, 1).commit(t + 1);
                b.begin(101).at(t).append(p, 2).append(q, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
                b.begin(103).at(t).read_list(q, &[2, 1]).commit(t + 1);
            },
            &[G0],
        ),
        (
            "G1a",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).abort(t + 1);
                b.begin(101).at(t).read_list(p, &[1]).commit(t + 1);
            },
            &[G1a],
        ),
        (
            "G1b",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).append(p, 2).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1]).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[G1b, GSingle],
        ),
        (
            "G1c",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).read_list(q, &[1]).commit(t + 1);
                b.begin(101).at(t).append(q, 1).read_list(p, &[1]).commit(t + 1);
            },
            &[G1c],
        ),
        (
            "G1c-process",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[1]).commit(t + 1);
                b.begin(100).at(t).append(p, 1).commit(t + 1);
            },
            &[G1cProcess],
        ),
        (
            "G1c-realtime",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[1]).commit(t + 1);
                b.begin(101).at(t + 2).append(p, 1).commit(t + 3);
            },
            &[G1cRealtime],
        ),
        (
            "G0-process",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 2).commit(t + 1);
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[G0Process],
        ),
        (
            "G0-realtime",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 2).commit(t + 1);
                b.begin(101).at(t + 2).append(p, 1).commit(t + 3);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 3);
            },
            &[G0Realtime],
        ),
        (
            "G-single",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).append(q, 1).commit(t + 1);
                b.begin(101).at(t).append(p, 2).append(q, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1]).read_list(q, &[1, 2]).commit(t + 1);
                b.begin(103).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[GSingle, FracturedRead],
        ),
        (
            "G-single-process",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(100).at(t).read_list(p, &[]).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1]).commit(t + 1);
            },
            &[GSingleProcess, FracturedRead],
        ),
        (
            "G-single-realtime",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read_list(p, &[]).commit(t + 3);
            },
            &[GSingleRealtime],
        ),
        (
            "G-nonadjacent",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).append(q, 1).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1]).read_list(q, &[]).commit(t + 1);
                b.begin(103).at(t).read_list(p, &[]).read_list(q, &[1]).commit(t + 1);
            },
            &[GNonadjacent],
        ),
        (
            "G2-item",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).read_list(p, &[]).append(q, 1).commit(t + 1);
                b.begin(101).at(t).read_list(q, &[]).append(p, 1).commit(t + 1);
            },
            &[G2Item],
        ),
        (
            "G2-item-process",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(100).at(t).read_list(q, &[]).append(q, 2).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).read_list(q, &[2]).commit(t + 1);
            },
            &[GSingleProcess, CausalityViolation],
        ),
        (
            "lost update",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[]).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).append(p, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[LostUpdate, GSingle],
        ),
        (
            "lost update that nobody read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[]).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).append(p, 2).commit(t + 1);
            },
            &[LostUpdate, G2Item],
        ),
        (
            "lost append",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).append(p, 2).commit(t + 3);
                b.begin(102).at(t + 4).read_list(p, &[2]).commit(t + 5);
            },
            &[G0Realtime, GSingleRealtime],
        ),
        (
            "internal",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).read_list(p, &[]).commit(t + 1);
            },
            &[Internal],
        ),
        (
            "future read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[1]).append(p, 1).commit(t + 1);
            },
            &[FutureRead],
        ),
        (
            "garbage read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[9]).commit(t + 1);
            },
            &[GarbageRead],
        ),
        (
            "duplicate elements",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1, 1]).commit(t + 1);
            },
            &[DuplicateElements],
        ),
        (
            "incompatible order",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).append(p, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
                b.begin(103).at(t).read_list(p, &[2, 1]).commit(t + 1);
            },
            &[IncompatibleOrder],
        ),
        (
            "dirty update",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).abort(t + 1);
                b.begin(101).at(t).append(p, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[DirtyUpdate, G1a],
        ),
        (
            "skipped append",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).append(p, 2).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[2]).commit(t + 1);
            },
            &[SkippedAppend],
        ),
        (
            "an append of unknown outcome that was seen",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).append(q, 1).unknown();
                b.begin(101).at(t + 2).read_list(p, &[1]).commit(t + 3);
                b.begin(102).at(t + 4).read_list(q, &[]).commit(t + 5);
            },
            &[GSingleRealtime],
        ),
        (
            "nothing: an append of unknown outcome",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).unknown();
                b.begin(101).at(t + 2).read_list(p, &[]).commit(t + 3);
            },
            &[],
        ),
    ]
};

const REGISTERS: &[Plant] = {
    use AnomalyKind::*;
    &[
        (
            "G1a",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).abort(t + 1);
                b.begin(101).at(t).read(p, Some(1)).commit(t + 1);
            },
            &[G1a],
        ),
        (
            "G1b",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).write(p, 2).commit(t + 1);
                b.begin(101).at(t).read(p, Some(1)).commit(t + 1);
            },
            &[G1b],
        ),
        (
            "G1c",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).read(q, Some(1)).commit(t + 1);
                b.begin(101).at(t).write(q, 1).read(p, Some(1)).commit(t + 1);
            },
            &[G1c],
        ),
        (
            "G-single",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).write(q, 1).commit(t + 1);
                b.begin(101).at(t).read(p, None).read(q, Some(1)).commit(t + 1);
            },
            &[GSingle, FracturedRead],
        ),
        (
            "long fork",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t).write(q, 1).commit(t + 1);
                b.begin(102).at(t).read(p, Some(1)).read(q, None).commit(t + 1);
                b.begin(103).at(t).read(p, None).read(q, Some(1)).commit(t + 1);
            },
            &[GNonadjacent],
        ),
        (
            "G2-item",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).read(p, None).write(q, 1).commit(t + 1);
                b.begin(101).at(t).read(q, None).write(p, 1).commit(t + 1);
            },
            &[G2Item],
        ),
        (
            "lost update",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read(p, None).write(p, 1).commit(t + 1);
                b.begin(101).at(t).read(p, None).write(p, 2).commit(t + 1);
            },
            &[LostUpdate, G2Item],
        ),
        (
            "stale read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read(p, Some(1)).write(p, 2).commit(t + 3);
                b.begin(102).at(t + 4).read(p, Some(1)).commit(t + 5);
            },
            &[GSingleRealtime],
        ),
        (
            "internal",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).read(p, None).commit(t + 1);
            },
            &[Internal],
        ),
        (
            "fuzzy read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t).read(p, None).read(p, Some(1)).commit(t + 1);
            },
            &[Internal, GSingle],
        ),
        (
            "future read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read(p, Some(1)).write(p, 1).commit(t + 1);
            },
            &[FutureRead],
        ),
        (
            "garbage read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read(p, Some(9)).commit(t + 1);
            },
            &[GarbageRead],
        ),
        (
            "a stale read that no dependency shows",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).write(p, 2).commit(t + 3);
                b.begin(102).at(t + 4).read(p, Some(1)).commit(t + 5);
            },
            &[NoOrder],
        ),
    ]
};

fn planted(seed: u64, lists: bool, (name, plant, expected): &Plant) -> Result<(), String> {
    let ts = legal(seed, 40, 4, 3, lists);
    let mut builder = told(&ts, 3);
    plant(&mut builder, ts[20].span.unwrap().0);
    let history = builder.build().unwrap();
    let report = transactions::analyze(&history, &Assume::default(), Budget::default());
    let found: BTreeSet<AnomalyKind> = report.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    let expected: BTreeSet<AnomalyKind> = expected.iter().copied().collect();
    if found != expected {
        return Err(format!(
            "{name} with seed {seed}: {found:?} instead of {expected:?}\n{}",
            words(&report)
        ));
    }
    for anomaly in &report.anomalies {
        assert!(anomaly.smallest || anomaly.kind == AnomalyKind::NoOrder, "{anomaly}");
        assert!(anomaly.cycle.len() <= 4, "{name}: {anomaly}");
        // Nothing of the legal history is in it: that has sessions below 100.
        assert!(anomaly.transactions.iter().all(|t| t.session >= 100), "{name}: {anomaly}");
        assert!(!anomaly.transactions.is_empty(), "{name}: {anomaly}");
    }
    if expected.is_empty() {
        assert_eq!(report.strongest(), [Level::StrictSerializable]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(16), ..ProptestConfig::default() })]

    #[test]
    fn legal_histories_are_strictly_serializable(seed: u64, n in 1usize..150, sessions in 1usize..8, keys in 1usize..6, lists: bool) {
        let ts = legal(seed, n, sessions, keys, lists);
        let history = told(&ts, keys).build().unwrap();
        let report = transactions::analyze(&history, &Assume::default(), Budget::default());
        prop_assert!(report.anomalies.is_empty(), "{:#?}", report.anomalies);
        prop_assert_eq!(report.strongest(), [Level::StrictSerializable]);
        for guarantee in Guarantee::ALL {
            prop_assert!(sessions::check(&history, guarantee, Budget::default()).is_legal(), "{guarantee}");
        }
    }

    #[test]
    fn each_anomaly_planted_into_lists_is_found_and_no_other(seed: u64) {
        let wrong: Vec<String> = LISTS.iter().filter_map(|plant| planted(seed, true, plant).err()).collect();
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn each_anomaly_planted_into_registers_is_found_and_no_other(seed: u64) {
        let wrong: Vec<String> = REGISTERS.iter().filter_map(|plant| planted(seed, false, plant).err()).collect();
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn registers(tell: impl FnOnce(&mut Builder)) -> History {
    let mut builder = History::builder();
    tell(&mut builder);
    builder.build().unwrap()
}

/// T1 replaced T0's value, and T2 read that afterwards.
fn stale() -> History {
    registers(|b| {
        let p = b.key("p");
        b.begin(0).at(0).write(p, 1).commit(1);
        b.begin(1).at(2).write(p, 2).commit(3);
        b.begin(2).at(4).read(p, Some(1)).commit(5);
    })
}

#[test]
fn what_is_known_of_single_registers_turns_a_search_into_a_cycle() {
    let kinds = |assume: Assume| -> Vec<AnomalyKind> {
        let report = transactions::analyze(&stale(), &assume, Budget::default());
        assert!(report.strongest().contains(&Level::StrongSessionSerializable), "{:?}", report.strongest());
        report.anomalies.iter().map(|anomaly| anomaly.kind).collect()
    };
    assert_eq!(kinds(Assume::default()), [AnomalyKind::NoOrder, AnomalyKind::NoOrder]);
    let versions = BTreeMap::from([(stale().find_key("p").unwrap(), vec![Txn(0), Txn(1)])]);
    assert_eq!(kinds(Assume { versions, ..Assume::default() }), [AnomalyKind::GSingleRealtime]);
}

#[test]
fn a_register_taken_for_linearizable_or_sequential_orders_its_versions() {
    let assume = Assume { linearizable_keys: true, ..Assume::default() };
    let report = transactions::analyze(&stale(), &assume, Budget::default());
    // T1 is behind T0 in real time, and before it for T2 to read T0's value later.
    assert_eq!(report.levels[&Level::ReadUncommitted], Holds::No, "{:#?}", report.anomalies);

    let back = registers(|b| {
        let p = b.key("p");
        b.begin(0).write(p, 1).commit(None);
        b.begin(1).write(p, 2).commit(None);
        b.begin(2).read(p, Some(1)).commit(None);
        b.begin(2).read(p, Some(2)).commit(None);
        b.begin(3).read(p, Some(2)).commit(None);
        b.begin(3).read(p, Some(1)).commit(None);
    });
    let assume = Assume { sequential_keys: true, ..Assume::default() };
    let report = transactions::analyze(&back, &assume, Budget::default());
    assert_eq!(report.anomalies[0].kind, AnomalyKind::G0, "{:#?}", report.anomalies);

    let nil = registers(|b| {
        let p = b.key("p");
        b.begin(0).write(p, 1).commit(None);
        b.begin(0).read(p, None).commit(None);
    });
    let report = transactions::analyze(&nil, &assume, Budget::default());
    assert_eq!(report.anomalies[0].kind, AnomalyKind::CyclicVersions, "{:#?}", report.anomalies);
}

/// Writers of one register that nobody reads, and readers that nothing orders with them: no cycle, and many orders.
fn hard(n: i64) -> History {
    registers(|b| {
        let keys: Vec<_> = (0..n).map(|key| b.key(&format!("k{key}"))).collect();
        for i in 0..n as usize {
            // Each reads what the last but one wrote to the key before, so that greedy orders end in dead ends.
            let before = keys[(i + n as usize - 1) % n as usize];
            b.begin(i as u32).write(keys[i], i as i64).write(before, 1000 + i as i64).commit(None);
            b.begin(n as u32 + i as u32)
                .read(keys[i], Some(i as i64))
                .read(before, Some(1000 + i as i64))
                .commit(None);
        }
    })
}

#[test]
fn without_budget_nothing_is_legal() {
    let history = hard(9);
    for level in [Level::Serializable, Level::SnapshotIsolation] {
        let full = transactions::check(&history, level, &Assume::default(), Budget::default());
        assert!(!full.is_unknown(), "{full:?}");
        let none = transactions::check(
            &history,
            level,
            &Assume::default(),
            Budget { steps: 5, ..Budget::default() },
        );
        assert!(none.is_unknown(), "{none:?}");
        let small = Budget { memory: 8, ..Budget::default() };
        let scarce = transactions::check(&history, level, &Assume::default(), small);
        assert!(!scarce.is_illegal(), "{scarce:?}");
    }
    let legal = told(&legal(7, 50, 4, 3, false), 3).build().unwrap();
    let none = Budget { steps: 5, memory: 5, ..Budget::default() };
    for guarantee in [Guarantee::Causal, Guarantee::Pram, Guarantee::ReadAtomic, Guarantee::MonotonicWrites] {
        assert!(sessions::check(&legal, guarantee, none).is_unknown(), "{guarantee}");
    }
}

/// A cycle that the budget does not suffice to find is still a cycle.
#[test]
fn without_budget_what_is_illegal_stays_so() {
    let mut builder = told(&legal(3, 30, 3, 2, true), 2);
    LISTS[0].1(&mut builder, 20);
    let history = builder.build().unwrap();
    let verdict = transactions::check(
        &history,
        Level::ReadUncommitted,
        &Assume::default(),
        Budget { steps: 1, ..Budget::default() },
    );
    let Verdict::Illegal(anomalies) = verdict else { panic!("{verdict:?}") };
    assert_eq!(anomalies[0].kind, AnomalyKind::G0);
    assert!(!anomalies[0].smallest);
}

#[test]
fn a_transaction_of_unknown_outcome_counts_once_it_was_seen() {
    let history = |seen: bool| {
        registers(|b| {
            let (p, q) = (b.key("p"), b.key("q"));
            b.begin(0).at(0).write(p, 1).write(q, 1).unknown();
            b.begin(1).at(1).read(p, seen.then_some(1)).commit(2);
            b.begin(1).at(3).read(q, None).commit(4);
        })
    };
    let report = |seen| transactions::analyze(&history(seen), &Assume::default(), Budget::default());
    assert_eq!(report(false).strongest(), [Level::StrictSerializable]);
    assert!(report(true).anomalies.iter().any(|anomaly| anomaly.kind == AnomalyKind::GSingleProcess));
    assert!(timestamps::check(&history(true), Promise::Serializable).is_unknown());
    let status: Vec<Status> = history(true).transactions().map(|txn| history(true).status(txn)).collect();
    assert_eq!(status, [Status::Unknown, Status::Committed, Status::Committed]);
}

#[test]
fn long_forks_are_found_where_snapshots_disagree() {
    for plant in REGISTERS {
        let mut builder = told(&legal(5, 40, 4, 3, false), 3);
        plant.1(&mut builder, 30);
        let found = transactions::long_fork(&builder.build().unwrap(), Budget::default());
        assert_eq!(found.is_illegal(), plant.0 == "long fork", "{}", plant.0);
    }
}

#[test]
fn what_is_no_history_says_what_to_do() {
    let error = |tell: fn(&mut Builder)| {
        let mut builder = History::builder();
        tell(&mut builder);
        builder.build().unwrap_err().to_string()
    };
    let twice = error(|b| {
        let p = b.key("p");
        b.begin(0).write(p, 1).commit(None);
        b.begin(1).write(p, 1).commit(None);
    });
    assert_eq!(
        twice,
        "T0 and T1 both write 1 to p: which of them a read saw cannot be told. Write each value to a key once"
    );
    let mixed = error(|b| {
        let p = b.key("p");
        b.begin(0).write(p, 1).append(p, 2).commit(None);
    });
    assert!(mixed.starts_with("T0 uses p as a list where it was a register"), "{mixed}");
    assert_eq!(
        error(|b| {
            b.begin(0).at(2).commit(1);
        }),
        "T0 ends before it begins"
    );
}
