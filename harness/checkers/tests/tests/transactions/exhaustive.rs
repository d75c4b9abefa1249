//! All small histories, judged as by definition.

use std::collections::{BTreeMap, BTreeSet};

use squall_checkers::{
    Budget, Verdict,
    sessions::{self, Guarantee},
    transactions::{
        self, Assume, Holds, Level,
        timestamps::{self, Promise},
    },
};

use crate::{
    brute::{self, Op, T},
    words,
};

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
