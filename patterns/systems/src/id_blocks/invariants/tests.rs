//! Hand-made histories: what is right passes, and each kind of wrong is caught at the record that shows it.

use std::time::Duration;

use squall::{
    Condition, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle},
};

use super::{Disjoint, Stocked, Unique};

fn event(seq: u64, node: &'static str, name: &'static str, fields: Fields) -> Record {
    let kind = Kind::Event { node: node.into(), incarnation: 1, name: name.into(), fields };
    Record { seq, at: Duration::from_millis(seq), kind }
}

fn issued(seq: u64, node: &'static str, id: i64) -> Record {
    event(seq, node, "effect.issued", Fields::new().with("id", id))
}

fn reserved(seq: u64, allocator: &str, request: &str, first: i64, size: i64) -> Record {
    let fields = Fields::new()
        .with("allocator", allocator.to_owned())
        .with("request", request.to_owned())
        .with("first", first)
        .with("size", size)
        .with("repeated", false);
    event(seq, "sequencer[0]", "effect.reserved", fields)
}

/// Shows an invariant a history; the first breach, and the position of the record that is one.
fn judge(invariant: &mut dyn Invariant, records: &[Record]) -> Option<(u64, Breach)> {
    records.iter().find_map(|record| Some((record.seq, invariant.observe(record).err()?)))
}

#[test]
fn a_number_is_handed_out_once_by_anyone() {
    let mut unique = Unique::default();
    let a = [issued(0, "allocators[0]", 1), issued(1, "allocators[1]", 7), issued(2, "allocators[0]", 2)];
    assert!(judge(&mut unique, &a).is_none());
    assert_eq!(unique.exercised(), 3);
    let (seq, breach) = judge(&mut unique, &[issued(3, "allocators[0]", 7)]).expect("a breach");
    assert_eq!((seq, breach.class), (3, "issued_twice"));
    assert!(breach.message().contains("allocators[1]"), "{}", breach.message());
}

#[test]
fn blocks_do_not_overlap_and_a_repetition_is_no_overlap() {
    let mut disjoint = Disjoint::default();
    let fine = [
        reserved(0, "a", "1", 1, 10),
        reserved(1, "b", "1", 11, 10),
        reserved(2, "a", "1", 1, 10),
        reserved(3, "a", "2", 31, 5),
        // A gap that is filled late: the report before it was lost in a crash.
        reserved(4, "b", "2", 21, 10),
    ];
    assert!(judge(&mut disjoint, &fine).is_none());
    for (who, request, first, size) in
        [("b", "3", 20, 2), ("b", "1", 1, 10), ("a", "2", 31, 6), ("a", "3", 28, 40), ("a", "3", 2, 1)]
    {
        let found = judge(&mut disjoint, &[reserved(5, who, request, first, size)]);
        assert_eq!(found.map(|(_, breach)| breach.class), Some("overlap"), "{first}, {size}");
    }
}

#[test]
fn an_allocator_is_stocked_when_it_has_a_block() {
    let started = |node: &'static str| {
        let kind = Kind::Node { node: node.into(), incarnation: 1, change: Lifecycle::Started };
        Record { seq: 0, at: Duration::ZERO, kind }
    };
    let mut stocked = Stocked::default();
    assert!(stocked.holds());
    stocked.observe(&started("sequencer[0]"));
    assert!(stocked.holds());
    stocked.observe(&started("allocators[1]"));
    assert!(!stocked.holds());
    assert!(stocked.because().contains("allocators[1]"));
    stocked.observe(&event(1, "allocators[1]", "allocator.stocked", Fields::new()));
    assert!(stocked.holds());
    stocked.observe(&event(2, "allocators[1]", "allocator.unanswered", Fields::new()));
    assert!(!stocked.holds());
}
