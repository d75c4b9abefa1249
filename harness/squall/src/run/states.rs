//! What a run reached, as a set of abstract states: small enough to compare runs by, coarse enough that two runs which differ in
//! nothing but numbers have the same.
//!
//! A state is a hash of: an event and the one before it on the same node; an event, or an operation's outcome, and the faults that were there; a
//! field of an event that is a word; how often an invariant had something to judge, to the power of two; faults that were there at
//! once.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    history::{Fields, Kind, Lifecycle, Record, Value},
    plan::fault_of,
};

/// The longest text of a field that is taken for a word.
const WORD: usize = 20;

/// The abstract states of a run.
pub(super) fn states(history: &[Record], exercised: &BTreeMap<String, u64>) -> BTreeSet<u32> {
    let mut reached = BTreeSet::new();
    let mut reach = |parts: &[&str]| {
        let hash = parts.iter().fold(0, |seed, part| xxh3_64_with_seed(part.as_bytes(), seed));
        reached.insert((hash ^ (hash >> 32)) as u32);
    };
    let mut active: BTreeSet<&str> = BTreeSet::new();
    let mut there = String::new();
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for record in history {
        match &record.kind {
            Kind::Event { node, name, fields, .. } => {
                let before = last.insert(node, name).unwrap_or_default();
                reach(&["after", before, name]);
                reach(&["during", &there, name]);
                for (field, word) in words(fields) {
                    reach(&["field", name, field, word]);
                }
            }
            Kind::Ok(operation, _) => reach(&["ok", &there, &operation.name]),
            Kind::Fail(operation, _) => reach(&["fail", &there, &operation.name]),
            Kind::Info(operation, _) => reach(&["info", &there, &operation.name]),
            Kind::FaultStart { fault, .. } => {
                active.insert(fault_of(fault));
                there = active.iter().copied().collect::<Vec<_>>().join(" ");
                reach(&["faults", &there]);
            }
            Kind::FaultHeal { fault, .. } => {
                active.remove(fault_of(fault));
                there = active.iter().copied().collect::<Vec<_>>().join(" ");
            }
            Kind::Node { node, change, .. } => {
                let what = change_of(change);
                reach(&["node", &there, what]);
                last.insert(node, what);
            }
            Kind::Invoke(..) | Kind::Phase(_) => {}
        }
    }
    for (check, times) in exercised {
        reach(&["exercised", check, &times.checked_ilog2().map_or(0, |log| log + 1).to_string()]);
    }
    reached
}

fn change_of(change: &Lifecycle) -> &'static str {
    match change {
        Lifecycle::Started => "started",
        Lifecycle::Crashed => "crashed",
        Lifecycle::Exited(_) => "exited",
        Lifecycle::Paused => "paused",
        Lifecycle::Resumed => "resumed",
        Lifecycle::Stopping => "stopping",
        Lifecycle::DiskLied { .. } => "disk lied",
    }
}

/// The fields that say what rather than which or how many.
fn words(fields: &Fields) -> impl Iterator<Item = (&str, &str)> {
    fields.iter().filter_map(|(name, value)| match value {
        Value::Text(text) if text.len() <= WORD && !text.bytes().any(|b| b.is_ascii_digit()) => {
            Some((name, text.as_str()))
        }
        Value::Bool(true) => Some((name, "true")),
        Value::Bool(false) => Some((name, "false")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn history(kinds: Vec<Kind>) -> Vec<Record> {
        let record = |(seq, kind)| Record { seq, at: Duration::from_millis(seq), kind };
        (0..).zip(kinds).map(record).collect()
    }

    fn event(name: &'static str, fields: Fields) -> Kind {
        Kind::Event { node: "a[0]".into(), incarnation: 1, name: name.into(), fields }
    }

    fn strike() -> Kind {
        Kind::FaultStart { fault: "cut#2".into(), what: "partition".to_owned() }
    }

    fn count(kinds: Vec<Kind>) -> usize {
        states(&history(kinds), &BTreeMap::new()).len()
    }

    #[test]
    fn numbers_make_no_difference_and_words_do() {
        let with = |value: Value| event("a.b", Fields::new().with("of", value));
        let first = states(&history(vec![with(Value::Int(1))]), &BTreeMap::new());
        assert_eq!(first, states(&history(vec![with(Value::Int(2))]), &BTreeMap::new()));
        assert_eq!(first, states(&history(vec![with("order-17".into())]), &BTreeMap::new()));
        assert!(count(vec![with("open".into())]) > first.len());
        assert!(
            count(vec![with("open".into()), with("closed".into())]) > count(vec![with("open".into()); 2])
        );
    }

    #[test]
    fn what_happens_under_a_fault_is_something_else() {
        let beat = || event("a.b", Fields::new());
        let calm = count(vec![beat(), beat()]);
        let heal = Kind::FaultHeal { fault: "cut#2".into(), what: String::new() };
        assert_eq!(count(vec![strike(), heal, beat(), beat()]), calm + 1, "the fault itself");
        assert_eq!(count(vec![beat(), beat(), strike(), beat()]), calm + 2, "and the event under it");
    }

    #[test]
    fn how_often_an_invariant_judged_counts_to_the_power_of_two() {
        let of = |n: u64| states(&[], &BTreeMap::from([("inv".to_owned(), n)]));
        assert_eq!(of(4), of(7));
        assert_ne!(of(7), of(8));
        assert_ne!(of(0), of(1));
    }
}
