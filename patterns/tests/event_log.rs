//! The event log as a writer and a reader see it, on a real database.

use std::sync::Arc;

use squall_patterns::{
    cqrs::account::AccountEvent,
    event_log::{AppendError, Appended, Batch, Cause, Entry, EventLog, Expected, Recorded, Settled},
};
use squall_rt::redb::{Database, backends::InMemoryBackend};

type Log = EventLog<AccountEvent>;

fn database() -> Arc<Database> {
    let backend = InMemoryBackend::new();
    Arc::new(Database::builder().create_with_backend(backend).expect("a database in memory"))
}

fn log() -> Log {
    EventLog::open(database()).expect("a new log")
}

fn deposits(stream: &str, expected: Expected, id: u128, amounts: &[i64]) -> Batch<AccountEvent> {
    Batch {
        stream: stream.to_owned(),
        expected,
        cause: Cause::new(id, &amounts),
        events: amounts.iter().map(|amount| AccountEvent::Deposited { amount: *amount }).collect(),
    }
}

fn appended(version: u64, position: u64) -> Settled {
    Settled::Appended(Appended { version, position, repeated: false })
}

fn places(events: &[Recorded<AccountEvent>]) -> Vec<(u64, &str, u64)> {
    events.iter().map(|e| (e.position, e.stream.as_str(), e.version)).collect()
}

#[test]
fn versions_count_in_the_stream_and_positions_in_the_log() {
    let log = log();
    assert_eq!(log.append(deposits("a", Expected::None, 1, &[1, 2])).expect("new"), appended(2, 2));
    assert_eq!(log.append(deposits("b", Expected::None, 2, &[3])).expect("new"), appended(1, 3));
    assert_eq!(log.append(deposits("a", Expected::Version(2), 3, &[4])).expect("at 2"), appended(3, 4));

    let all = log.read_after(0, 100).expect("readable");
    assert_eq!(places(&all), [(1, "a", 1), (2, "a", 2), (3, "b", 1), (4, "a", 3)]);
    assert_eq!(places(&log.read_after(1, 2).expect("readable")), [(2, "a", 2), (3, "b", 1)]);
    assert_eq!(places(&log.read_stream("a", 1).expect("readable")), [(2, "a", 2), (4, "a", 3)]);
    assert_eq!(places(&log.read_stream("c", 0).expect("readable")), []);
    assert_eq!((all[1].cause, all[1].index), (1, 1));
    assert_eq!(*log.head().borrow(), 4);
}

#[test]
fn streams_whose_names_are_prefixes_of_each_other_stay_apart() {
    let log = log();
    for (id, stream) in [(1, "a"), (2, "a/b"), (3, "a\0"), (4, "")] {
        assert_eq!(
            log.append(deposits(stream, Expected::None, id, &[1])).expect("new"),
            appended(1, id as u64)
        );
    }
    assert_eq!(places(&log.read_stream("a", 0).expect("readable")), [(1, "a", 1)]);
}

#[test]
fn an_append_that_expects_another_state_conflicts_and_changes_nothing() {
    let log = log();
    log.append(deposits("a", Expected::Any, 1, &[1, 2])).expect("any state will do");
    for (expected, empty) in [
        (Expected::None, "a"),
        (Expected::Version(1), "a"),
        (Expected::Version(3), "a"),
        (Expected::Exists, "b"),
        (Expected::Version(1), "b"),
    ] {
        let outcome = log.append(deposits(empty, expected, 2, &[9]));
        let actual = if empty == "a" { 2 } else { 0 };
        assert!(
            matches!(outcome, Err(AppendError::Conflict { expected: e, actual: a }) if e == expected && a == actual),
            "{expected} on {empty}: {outcome:?}"
        );
    }
    assert_eq!(*log.head().borrow(), 2);
    // The cause of a conflict is free: its next append, with what it has seen since, succeeds.
    assert_eq!(log.append(deposits("a", Expected::Version(2), 2, &[9])).expect("at 2"), appended(3, 3));
    log.append(deposits("a", Expected::Exists, 3, &[1])).expect("it exists");
    log.append(deposits("b", Expected::Version(0), 4, &[1])).expect("version 0 is none");
}

#[test]
fn the_same_cause_again_is_told_what_the_first_one_did() {
    let log = log();
    log.append(deposits("a", Expected::None, 1, &[1, 2])).expect("new");
    log.append(deposits("a", Expected::Version(2), 2, &[3])).expect("at 2");
    let repeated = Settled::Appended(Appended { version: 2, position: 2, repeated: true });
    // Whatever it expects: an outcome that was unknown is settled by asking again.
    assert_eq!(log.append(deposits("a", Expected::None, 1, &[1, 2])).expect("known"), repeated);
    assert_eq!(log.settled("a", Cause::new(1, &[1i64, 2].as_slice())).expect("readable"), Some(repeated));
    assert_eq!(log.read_after(0, 100).expect("readable").len(), 3);
}

#[test]
fn a_cause_is_not_reused_for_something_else() {
    let log = log();
    log.append(deposits("a", Expected::None, 1, &[1])).expect("new");
    for other in [deposits("a", Expected::Any, 1, &[2]), deposits("b", Expected::Any, 1, &[1])] {
        assert!(matches!(log.append(other), Err(AppendError::CauseReused)));
    }
    assert_eq!(log.settled("a", Cause::new(7, &0)).expect("readable"), None);
}

#[test]
fn a_rejection_is_final_and_so_is_an_append() {
    let log = log();
    let reject = |id, reason: &[u8]| {
        let cause = deposits("a", Expected::Any, id, &[1]).cause;
        let entry = Entry::Reject { stream: "a".to_owned(), cause, reason: reason.to_vec() };
        log.commit(vec![entry]).remove(0).expect("settled")
    };
    assert_eq!(reject(1, b"no"), Settled::Rejected(b"no".to_vec()));
    assert_eq!(reject(1, b"never"), Settled::Rejected(b"no".to_vec()));
    let late = log.append(deposits("a", Expected::Any, 1, &[1])).expect("settled");
    assert_eq!(late, Settled::Rejected(b"no".to_vec()), "the late duplicate of a refused command");
    assert_eq!(*log.head().borrow(), 0);

    log.append(deposits("a", Expected::Any, 2, &[1])).expect("new");
    assert_eq!(reject(2, b"no"), Settled::Appended(Appended { version: 1, position: 1, repeated: true }));
}

#[test]
fn entries_of_one_transaction_are_judged_apart_and_see_each_other() {
    let log = log();
    let results = log.commit(vec![
        Entry::Append(deposits("a", Expected::None, 1, &[1])),
        Entry::Append(deposits("a", Expected::None, 2, &[2])),
        Entry::Append(deposits("a", Expected::Version(1), 3, &[3])),
        Entry::Append(deposits("a", Expected::None, 1, &[1])),
        Entry::Append(deposits("a", Expected::Any, 4, &[])),
    ]);
    let told: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(Settled::Appended(appended)) if appended.repeated => "repeated",
            Ok(_) => "appended",
            Err(AppendError::Conflict { actual: 1, .. }) => "conflict",
            Err(AppendError::Empty) => "empty",
            Err(_) => "other",
        })
        .collect();
    assert_eq!(told, ["appended", "conflict", "appended", "repeated", "empty"]);
    assert_eq!(places(&log.read_after(0, 10).expect("readable")), [(1, "a", 1), (2, "a", 2)]);
}

#[test]
fn a_log_that_is_opened_again_goes_on_where_it_was() {
    let database = database();
    let log = Log::open(database.clone()).expect("a new log");
    log.append(deposits("a", Expected::None, 1, &[1, 2])).expect("new");
    drop(log);
    let log = Log::open(database).expect("the same log");
    assert_eq!(*log.head().borrow(), 2);
    assert_eq!(log.append(deposits("a", Expected::Version(2), 2, &[3])).expect("at 2"), appended(3, 3));
    let first = log.append(deposits("a", Expected::None, 1, &[1, 2])).expect("known");
    assert_eq!(first, Settled::Appended(Appended { version: 2, position: 2, repeated: true }));
}

#[test]
fn the_head_rises_for_those_who_watch() {
    let log = log();
    let mut head = log.head();
    assert!(!head.has_changed().expect("the log is there"));
    log.append(deposits("a", Expected::None, 1, &[1, 2])).expect("new");
    assert_eq!(*head.borrow_and_update(), 2);
    let _ = log.append(deposits("a", Expected::None, 2, &[1]));
    assert!(!head.has_changed().expect("the log is there"), "a conflict is nothing new");
}
