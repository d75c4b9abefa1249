//! A history as plain data, and the levels by their definitions, by trying everything.

use std::collections::{BTreeMap, BTreeSet};

use squall_checkers::{
    sessions::Guarantee,
    transactions::{History, Key, Level, TransactionBuilder, timestamps::Promise},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    W(usize, i64),
    R(usize, Option<i64>),
    A(usize, i64),
    L(usize, Vec<i64>),
}

impl Op {
    /// Tells it as the next of a transaction.
    pub fn tell<'b>(&self, txn: TransactionBuilder<'b>, keys: &[Key]) -> TransactionBuilder<'b> {
        match self {
            Op::W(k, v) => txn.write(keys[*k], *v),
            Op::R(k, v) => txn.read(keys[*k], *v),
            Op::A(k, v) => txn.append(keys[*k], *v),
            Op::L(k, l) => txn.read_list(keys[*k], l),
        }
    }
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
            txn = op.tell(txn, &keys);
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
    permutations(ts.len())
        .into_iter()
        .filter(move |p| (0..p.len()).all(|i| (i + 1..p.len()).all(|j| !must_precede(ts, keep, p[j], p[i]))))
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
        Level::MonotonicAtomicView => guarantee(ts, Guarantee::ReadCommitted) || !internal() && return None,
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
