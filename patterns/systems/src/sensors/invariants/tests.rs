//! Hand-made histories: what is right passes, and each kind of wrong is caught at the record that shows it.

use std::time::Duration;

use squall::{
    Condition, Fields, Invariant, Record,
    check::{Breach, End},
    history::{Kind, Lifecycle, Operation},
};

use super::{super::Params, *};

fn at(seq: u64, kind: Kind) -> Record {
    Record { seq, at: Duration::from_millis(seq * 100), kind }
}

fn event(seq: u64, node: &'static str, name: &'static str, fields: Fields) -> Record {
    at(seq, Kind::Event { node: node.into(), incarnation: 1, name: name.into(), fields })
}

fn reading(seq: u64, node: &'static str, name: &'static str, number: i64, value: &'static str) -> Record {
    event(seq, node, name, Fields::new().with("sensor", 0).with("seq", number).with("value", value))
}

fn measured(seq: u64, number: i64, value: &'static str) -> Record {
    reading(seq, "sensors[0]", "effect.measured", number, value)
}

fn stored(seq: u64, number: i64, value: &'static str) -> Record {
    reading(seq, "collectors[1]", "effect.stored", number, value)
}

fn opened(seq: u64, next: i64) -> Record {
    event(seq, "collectors[1]", "collector.opened", Fields::new().with("sensor", 0).with("next", next))
}

fn adjusted(seq: u64, intent: i64, by: i64, offset: i64) -> Record {
    let fields = Fields::new().with("sensor", 0).with("request", intent).with("intent", intent);
    event(seq, "sensors[0]", "effect.adjusted", fields.with("by", by).with("offset", offset))
}

fn granted(seq: u64, epoch: i64) -> Record {
    event(seq, "keeper[0]", "effect.granted", Fields::new().with("epoch", epoch).with("collector", 0))
}

fn published(seq: u64, epoch: i64) -> Record {
    event(seq, "collectors[1]", "effect.published", Fields::new().with("epoch", epoch))
}

fn operation(id: u32, name: &'static str) -> Operation {
    Operation { id, client: 0, name: name.into() }
}

fn invoked(seq: u64, id: u32, name: &'static str) -> Record {
    at(seq, Kind::Invoke(operation(id, name), Fields::new()))
}

fn read(seq: u64, id: u32, readings: &'static str) -> Record {
    let fields = Fields::new().with("of", 0).with("collector", 1).with("readings", readings);
    at(seq, Kind::Ok(operation(id, "latest"), fields))
}

fn outcome(intent: i64, by: i64) -> (Operation, Fields) {
    (operation(0, "adjust"), Fields::new().with("of", 0).with("intent", intent).with("by", by))
}

fn told_ok(seq: u64, intent: i64, by: i64) -> Record {
    let (operation, fields) = outcome(intent, by);
    at(seq, Kind::Ok(operation, fields))
}

fn told_failed(seq: u64, intent: i64, by: i64) -> Record {
    let (operation, fields) = outcome(intent, by);
    at(seq, Kind::Fail(operation, fields))
}

fn node(seq: u64, node: &'static str, change: Lifecycle) -> Record {
    at(seq, Kind::Node { node: node.into(), incarnation: 1, change })
}

/// Shows an invariant a history; the first breach's class, and the position of the record that is one.
fn judge(mut invariant: impl Invariant, records: &[Record]) -> Option<(u64, &'static str)> {
    let breach =
        |record: &Record| -> Option<(u64, Breach)> { Some((record.seq, invariant.observe(record).err()?)) };
    records.iter().find_map(breach).map(|(seq, breach)| (seq, breach.class))
}

#[test]
fn a_reading_is_what_was_measured() {
    let history = [measured(0, 0, "aa"), stored(1, 0, "aa"), read(2, 0, "0:aa")];
    assert_eq!(judge(Authentic::default(), &history), None);
    let altered = [measured(0, 0, "aa"), stored(1, 0, "ab")];
    assert_eq!(judge(Authentic::default(), &altered), Some((1, "altered")));
    let given = [measured(0, 0, "aa"), read(1, 0, "0:ab")];
    assert_eq!(judge(Authentic::default(), &given), Some((1, "altered")));
    assert_eq!(judge(Authentic::default(), &[stored(0, 7, "aa")]), Some((0, "made_up")));
    let uncertain = |value| [as_event("effect.uncertain", measured(0, 7, "aa")), stored(1, 7, value)];
    assert_eq!(judge(Authentic::default(), &uncertain("aa")), None, "it may be on the disk");
    assert_eq!(judge(Authentic::default(), &uncertain("ab")), Some((1, "made_up")));
}

/// The same event by another name.
fn as_event(called: &'static str, mut record: Record) -> Record {
    if let Kind::Event { name, .. } = &mut record.kind {
        *name = called.into();
    }
    record
}

#[test]
fn readings_are_stored_once_and_in_order() {
    let fine = [stored(0, 0, ""), stored(1, 1, ""), opened(2, 1), stored(3, 1, "")];
    assert_eq!(judge(OnceInOrder::default(), &fine), None);
    assert_eq!(
        judge(OnceInOrder::default(), &[stored(0, 0, ""), stored(1, 0, "")]),
        Some((1, "stored_twice"))
    );
    assert_eq!(judge(OnceInOrder::default(), &[stored(0, 0, ""), stored(1, 2, "")]), Some((1, "gap")));
}

#[test]
fn what_was_acknowledged_is_there_at_the_next_start() {
    assert_eq!(judge(Durable::default(), &[opened(0, 0), stored(1, 0, ""), opened(2, 1)]), None);
    let lost = [opened(0, 0), stored(1, 0, ""), stored(2, 1, ""), opened(3, 1)];
    assert_eq!(judge(Durable::default(), &lost), Some((3, "acknowledged_lost")));
}

#[test]
fn the_latest_is_not_older_than_what_was_stored_when_it_was_asked_for() {
    let history = [stored(0, 4, ""), invoked(1, 0, "latest"), stored(2, 5, "")];
    for given in ["4:", "5:"] {
        let history = [&history[..], &[read(3, 0, given)]].concat();
        assert_eq!(judge(LatestIsNewest::default(), &history), None, "{given}");
    }
    let old = [&history[..], &[read(3, 0, "3:")]].concat();
    assert_eq!(judge(LatestIsNewest::default(), &old), Some((3, "old_for_latest")));
    // A collector that came back with less is not held to what it had.
    let less = [&history[..], &[opened(3, 3), read(4, 0, "3:")]].concat();
    assert_eq!(judge(LatestIsNewest::default(), &less), None);
}

#[test]
fn a_command_takes_effect_once_as_it_was_asked() {
    let fine = [adjusted(0, 1, 5, 5), told_ok(1, 1, 5), told_failed(2, 9, 1), adjusted(3, 2, 3, 8)];
    assert_eq!(judge(AdjustedOnce::default(), &fine), None);
    for (history, class) in [
        (vec![adjusted(0, 1, 5, 5), adjusted(1, 1, 5, 10)], "adjusted_twice"),
        (vec![adjusted(0, 1, 5, 5), told_failed(1, 1, 5)], "failed_yet_effective"),
        (vec![told_failed(0, 1, 5), adjusted(1, 1, 5, 5)], "failed_yet_effective"),
        (vec![adjusted(0, 1, 6, 6), told_ok(1, 1, 5)], "adjusted_otherwise"),
        (vec![adjusted(0, 1, 5, 5), adjusted(1, 2, 5, 5)], "lost_adjustment"),
        (vec![adjusted(0, 1, 5, 5), told_ok(1, 2, 5)], "never_adjusted"),
    ] {
        assert_eq!(judge(AdjustedOnce::default(), &history), Some((1, class)));
    }
}

#[test]
fn a_command_that_could_not_be_written_may_have_taken_effect() {
    let uncertain = || as_event("effect.adjustment_uncertain", adjusted(0, 1, 5, 5));
    let repeated = |seq| event(seq, "sensors[0]", "sensor.repeated", Fields::new().with("intent", 1));
    for history in [
        vec![uncertain(), adjusted(1, 2, 3, 3), adjusted(2, 1, 5, 8)],
        vec![uncertain(), adjusted(1, 2, 3, 8), told_ok(2, 1, 5)],
        vec![uncertain(), repeated(1), told_ok(2, 1, 5), adjusted(3, 2, 3, 8)],
        vec![uncertain(), adjusted(1, 1, 5, 5), told_ok(2, 1, 5)],
        vec![uncertain(), told_failed(1, 1, 5), adjusted(2, 2, 3, 3)],
    ] {
        assert_eq!(judge(AdjustedOnce::default(), &history), None, "{history:?}");
    }
    for (history, seq, class) in [
        (vec![uncertain(), adjusted(1, 2, 3, 9)], 1, "lost_adjustment"),
        (vec![uncertain(), repeated(1), adjusted(2, 2, 3, 3)], 2, "lost_adjustment"),
        (vec![uncertain(), repeated(1), adjusted(2, 1, 5, 10)], 2, "adjusted_twice"),
        (vec![uncertain(), told_failed(1, 1, 5), adjusted(2, 2, 3, 8)], 2, "failed_yet_effective"),
        (vec![uncertain(), told_ok(1, 1, 5)], 1, "never_adjusted"),
    ] {
        assert_eq!(judge(AdjustedOnce::default(), &history), Some((seq, class)), "{history:?}");
    }
}

#[test]
fn nobody_publishes_in_a_reign_that_is_over() {
    let fine = [granted(0, 1), published(1, 1), granted(2, 2), published(3, 2)];
    assert_eq!(judge(OnePrimary::default(), &fine), None);
    let late = [granted(0, 1), granted(1, 2), published(2, 1)];
    assert_eq!(judge(OnePrimary::default(), &late), Some((2, "two_primaries")));
}

#[test]
fn an_operation_ends_when_the_patience_of_its_client_does() {
    let params = Params::default();
    let patience = || AnswersInTime::new(&params);
    // A record every 100 ms; the patience is 1.5 s, and an attempt and a margin.
    assert_eq!(judge(patience(), &[invoked(0, 0, "adjust"), told_ok(19, 1, 1), opened(99, 0)]), None);
    let forgotten = [invoked(0, 0, "adjust"), opened(19, 0), opened(20, 0)];
    assert_eq!(judge(patience(), &forgotten), Some((20, "no_answer")));
    let mut at_the_end = patience();
    assert!(at_the_end.observe(&invoked(0, 0, "adjust")).is_ok());
    let end = End { healed_at: Duration::ZERO, ended_at: Duration::from_secs(9) };
    assert_eq!(at_the_end.finish(&end).map_err(|breach| breach.class), Err("no_answer"));
}

fn arrivals() -> Vec<Record> {
    vec![
        node(0, "sensors[0]", Lifecycle::Started),
        node(0, "collectors[1]", Lifecycle::Started),
        measured(1, 0, ""),
        measured(2, 1, ""),
        stored(3, 0, ""),
    ]
}

#[test]
fn what_was_measured_before_the_heal_is_everywhere_at_the_end() {
    let end =
        |healed_at| End { healed_at: Duration::from_millis(healed_at), ended_at: Duration::from_secs(5) };
    let finish = |more: &[Record], healed_at| {
        let mut delivered = Delivered::default();
        for record in arrivals().iter().chain(more) {
            delivered.observe(record).expect("it is judged at the end");
        }
        delivered.finish(&end(healed_at)).map_err(|breach| breach.class)
    };
    assert_eq!(finish(&[], 150), Ok(()));
    assert_eq!(finish(&[], 250), Err("undelivered"));
    assert_eq!(finish(&[stored(4, 1, "")], 250), Ok(()));
    // One that is down owes nothing, one that was started anew has what it says.
    assert_eq!(finish(&[node(4, "collectors[1]", Lifecycle::Crashed)], 250), Ok(()));
    assert_eq!(
        finish(&[stored(4, 1, ""), node(5, "collectors[1]", Lifecycle::Started)], 250),
        Err("undelivered")
    );
    let again = [node(4, "collectors[1]", Lifecycle::Started), opened(5, 2)];
    assert_eq!(finish(&again, 250), Ok(()));
}

#[test]
fn all_is_stored_but_for_the_last_second() {
    let mut all = AllStored::default();
    assert!(!all.holds(), "no collector is up");
    arrivals().iter().for_each(|record| all.observe(record));
    assert!(all.holds(), "reading 1 is under way");
    all.observe(&published(12, 1));
    assert!(!all.holds());
    assert_eq!(all.because(), "collectors[1] has 1 of 2 of sensors[0]");
    all.observe(&stored(13, 1, ""));
    assert!(all.holds());
}
