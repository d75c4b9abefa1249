//! Registers whose writers do not read what they replace: nobody sees the order of versions, so that an order of the
//! transactions is searched for.

use squall_checkers::{
    Budget, Verdict,
    transactions::{self, AnomalyKind, Assume, History, Level},
};

use crate::{
    legal::{legal, told},
    plants::REGISTERS,
};

fn check(history: &History, level: Level, budget: Budget) -> Verdict<Vec<transactions::Anomaly>> {
    transactions::check(history, level, &Assume::default(), budget)
}

/// What is remembered is as long as the concurrency is, not as the history: 60,000 transactions leave thousands of dead
/// ends, and 16 MiB are enough.
#[test]
fn long_histories_of_blind_writes_are_judged_in_little_memory() {
    let budget = Budget { memory: 16 << 20, ..Budget::default() };
    for (sessions, keys) in [(4, 3), (16, 10)] {
        let history = told(&legal(1, 60_000, sessions, keys, false), keys).build().unwrap();
        let verdict = check(&history, Level::StrictSerializable, budget);
        let Verdict::Legal { by } = &verdict else { panic!("{sessions} sessions, {keys} keys: {verdict:?}") };
        assert!(by.starts_with("search"), "{by}");
    }
}

/// A contradiction in what real time says of versions is found without a search, however long the history is.
#[test]
fn a_stale_read_in_a_long_history_of_blind_writes_is_found_and_shown_alone() {
    let (_, plant, _) = REGISTERS.last().expect("there are some");
    let ts = legal(2, 5_000, 8, 5, false);
    let mut builder = told(&ts, 5);
    plant(&mut builder, ts[2_500].span.unwrap().0);
    let history = builder.build().unwrap();
    for level in [Level::StrictSerializable, Level::StrongSnapshotIsolation] {
        let Verdict::Illegal(anomalies) = check(&history, level, Budget::default()) else {
            panic!("{level}")
        };
        assert_eq!(anomalies[0].kind, AnomalyKind::NoOrder);
        assert_eq!(anomalies[0].transactions.len(), 3, "{}", anomalies[0]);
        assert!(anomalies[0].transactions.iter().all(|txn| txn.session >= 100), "{}", anomalies[0]);
    }
}

/// Who read a version bounds when it was there as its writer does: two writers at once, one version read before another and again after
/// it. No order has to be searched for to see that.
#[test]
fn readers_alone_show_that_a_version_came_back() {
    let ts = legal(3, 5_000, 8, 5, false);
    let t = ts[2_500].span.unwrap().0;
    let judged = |last: i64, steps: u64| {
        let mut builder = told(&ts, 5);
        let p = builder.key("p");
        builder.begin(100).at(t).write(p, 1).commit(t + 90);
        builder.begin(101).at(t).write(p, 2).commit(t + 90);
        for (round, value) in [1, 2, last].into_iter().enumerate() {
            let at = t + 10 + 10 * round as u64;
            builder.begin(102 + round as u32).at(at).read(p, Some(value)).commit(at + 5);
        }
        let budget = Budget { steps, ..Budget::default() };
        check(&builder.build().unwrap(), Level::StrictSerializable, budget)
    };
    assert!(judged(2, 200_000).is_legal());
    // Not enough to place all transactions once.
    let Verdict::Illegal(anomalies) = judged(1, 4_000) else { panic!("{:?}", judged(1, 4_000)) };
    assert_eq!(anomalies[0].kind, AnomalyKind::NoOrder);
}

/// The verdict names what showed it.
#[test]
fn a_verdict_says_by_which_algorithm() {
    let by = |level: Level, tell: fn(&mut transactions::Builder)| {
        let mut builder = History::builder();
        tell(&mut builder);
        match check(&builder.build().unwrap(), level, Budget::default()) {
            Verdict::Legal { by } => by,
            other => panic!("{other:?}"),
        }
    };
    let lists: fn(&mut transactions::Builder) = |b| {
        let p = b.key("p");
        b.begin(0).append(p, 1).commit(None);
        b.begin(1).read_list(p, &[1]).commit(None);
    };
    // Each write replaces what its transaction read.
    let mini: fn(&mut transactions::Builder) = |b| {
        let p = b.key("p");
        b.begin(0).read(p, None).write(p, 1).commit(None);
        b.begin(1).read(p, Some(1)).write(p, 2).commit(None);
    };
    let blind: fn(&mut transactions::Builder) = |b| {
        let p = b.key("p");
        b.begin(0).write(p, 1).commit(None);
        b.begin(1).write(p, 2).commit(None);
        b.begin(1).read(p, Some(1)).commit(None);
    };
    for (level, tell, algorithm) in [
        (Level::Serializable, lists, "dependency graph ("),
        (Level::Serializable, mini, "dependency graph of mini-transactions"),
        (Level::Serializable, blind, "search for an order"),
        (Level::ReadCommitted, blind, "dependency graph ("),
    ] {
        assert!(by(level, tell).starts_with(algorithm), "{level}: {}", by(level, tell));
    }
}
