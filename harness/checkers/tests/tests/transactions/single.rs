//! Single properties of checkers of transactions.

use std::collections::BTreeMap;

use squall_checkers::{
    Budget, Verdict,
    sessions::{self, Guarantee},
    transactions::{
        self, AnomalyKind, Assume, Builder, History, Holds, Level, Status, Txn,
        timestamps::{self, Fault, Promise},
    },
};

use crate::{
    legal::{legal, told},
    plants::{LISTS, REGISTERS},
};

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

/// Nil is before all versions, so that what was nil before says nothing of them.
#[test]
fn a_register_taken_for_linearizable_or_sequential_may_be_nil_at_first() {
    let history = registers(|b| {
        let p = b.key("p");
        b.begin(0).at(0).read(p, None).commit(1);
        b.begin(1).at(2).write(p, 1).commit(3);
        b.begin(0).at(4).read(p, Some(1)).commit(5);
    });
    let assume = Assume { linearizable_keys: true, sequential_keys: true, ..Assume::default() };
    let report = transactions::analyze(&history, &assume, Budget::default());
    assert_eq!(report.strongest(), [Level::StrictSerializable], "{:#?}", report.anomalies);
}

/// A long use is behind what begins after it, whatever short ones were in between.
#[test]
fn a_register_taken_for_linearizable_remembers_what_lasted_long() {
    let history = registers(|b| {
        let p = b.key("p");
        b.begin(0).at(0).read(p, Some(2)).write(p, 1).commit(10);
        b.begin(1).at(2).write(p, 2).commit(3);
        b.begin(2).at(4).read(p, Some(2)).commit(5);
        b.begin(3).at(11).read(p, Some(2)).commit(12);
    });
    let assume = Assume { linearizable_keys: true, ..Assume::default() };
    let report = transactions::analyze(&history, &assume, Budget::default());
    // T0 replaced T1's value, and T3 saw that again after T0 had ended.
    assert_eq!(report.levels[&Level::ReadUncommitted], Holds::No, "{:#?}", report.anomalies);
}

/// The last edge of a cycle is next to the first: there, too, no anti-dependency follows another.
#[test]
fn a_nonadjacent_cycle_is_none_that_is_adjacent_at_its_beginning() {
    let mut builder = History::builder();
    let [v, w, x, y, z] = ["v", "w", "x", "y", "z"].map(|key| builder.key(key));
    builder.begin(0).read_list(x, &[]).read_list(w, &[1]).append(v, 1).commit(None);
    builder.begin(1).append(x, 1).append(y, 1).commit(None);
    builder.begin(2).read_list(y, &[1]).read_list(z, &[]).read_list(v, &[]).commit(None);
    builder.begin(3).append(z, 1).append(w, 1).commit(None);
    let report = transactions::analyze(&builder.build().unwrap(), &Assume::default(), Budget::default());
    let found = report.anomalies.iter().find(|anomaly| anomaly.kind == AnomalyKind::GNonadjacent);
    // T0, T1 and T2 are a shorter cycle, with two in a row at T0.
    assert_eq!(found.expect("there is one").cycle.len(), 4, "{:#?}", report.anomalies);
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

/// A snapshot does not see what commits at its own time stamp, and conflicts with it.
#[test]
fn a_commit_at_the_time_of_a_snapshot_is_not_in_it() {
    let judged = |seen: Option<i64>, writes: bool| {
        let history = registers(|b| {
            let p = b.key("p");
            b.begin(0).at(1).write(p, 1).commit(2);
            let reader = b.begin(1).at(2).read(p, seen);
            if writes { reader.write(p, 2) } else { reader }.commit(3);
        });
        match timestamps::check(&history, Promise::SnapshotIsolation) {
            Verdict::Illegal(violations) => violations.into_iter().map(|violation| violation.fault).collect(),
            verdict => {
                assert!(verdict.is_legal());
                Vec::new()
            }
        }
    };
    assert_eq!(judged(None, false), []);
    assert_eq!(judged(Some(1), false), [Fault::External]);
    assert_eq!(judged(None, true), [Fault::Conflict]);
}

/// A version that was read twice is still followed by what was read after that.
#[test]
fn a_third_read_does_not_go_back_behind_the_second() {
    let judged = |reads: [(usize, i64); 3]| {
        let history = registers(|b| {
            let keys = [b.key("p"), b.key("q")];
            b.begin(0).write(keys[1], 1).commit(None);
            b.begin(0).write(keys[0], 2).write(keys[1], 2).commit(None);
            let mut reader = b.begin(1);
            for (key, value) in reads {
                reader = reader.read(keys[key], Some(value));
            }
            reader.commit(None);
        });
        sessions::check(&history, Guarantee::ReadCommitted, Budget::default())
    };
    assert!(judged([(1, 1), (0, 2), (1, 2)]).is_legal());
    assert!(judged([(0, 2), (1, 2), (1, 1)]).is_illegal());
}
