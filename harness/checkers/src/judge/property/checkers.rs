//! The checkers, each told what calls with untyped values say: what is given, kept, taken and counted.

use std::collections::BTreeMap;

use super::{
    Checker, Finding, Open, Property, Terms, Trouble,
    holders::{Lock, Replicas},
};
use crate::{
    formats::Datum,
    specific::{
        Addition, Bank, BankFinding, CounterBounds, GrowingSet, LongFork, OutOfBounds, QueueFinding, Reading,
        SetFinding, TotalQueue, UniqueIds,
    },
};

/// A checker to which nothing happened yet.
pub(super) fn fresh(property: Property, terms: &Terms) -> Box<dyn Checker> {
    match property {
        Property::UniqueIds => Box::new(Ids { given: UniqueIds::new(), by: BTreeMap::new() }),
        Property::GrowingSet => {
            Box::new(Set { set: GrowingSet::new(), stale_reads: terms.stale_reads, reads: BTreeMap::new() })
        }
        Property::TotalQueue => Box::new(Queue { drained: terms.drained, ..Queue::default() }),
        Property::CounterBounds => Box::new(Counter { stale_reads: terms.stale_reads, ..Counter::default() }),
        Property::Bank => Box::new(Balances { total: terms.total, overdraft: terms.overdraft, last: None }),
        Property::LongFork => Box::new(Snapshots { seen: LongFork::new(), by: BTreeMap::new() }),
        Property::MutualExclusion => Box::new(Lock::new(terms.released)),
        Property::Convergence => Box::<Replicas>::default(),
    }
}

/// A whole number.
fn int(call: &Open, datum: &Datum, what: &str) -> Result<i64, Trouble> {
    datum.int().ok_or_else(|| call.malformed(what, datum, "name the field that holds a whole number"))
}

/// The items of a list. A text is one whose items stand between blanks.
fn items(call: &Open, datum: &Datum) -> Result<Vec<Datum>, Trouble> {
    match datum {
        Datum::List(items) => Ok(items.clone()),
        Datum::Text(text) => Ok(text.split_whitespace().map(item).collect()),
        Datum::Nil | Datum::Bool(_) | Datum::Int(_) | Datum::Float(_) | Datum::Map(_) => Err(call.malformed(
            "a list",
            datum,
            "a list is a text whose items stand between blanks, as `3 5 8`",
        )),
    }
}

fn item(text: &str) -> Datum {
    text.parse().map_or_else(|_| Datum::Text(text.into()), Datum::Int)
}

/// Numbers by names: a mapping, a list of pairs, a text of `name:number`; or bare numbers, which are named by their positions.
fn numbers(call: &Open, datum: &Datum) -> Result<Vec<(Datum, i64)>, Trouble> {
    let pairs: Vec<(Datum, Datum)> = match datum {
        Datum::Map(entries) => entries.clone(),
        Datum::Int(_) => vec![(Datum::Int(0), datum.clone())],
        _ => items(call, datum)?
            .into_iter()
            .zip(0..)
            .map(|(one, position)| match &one {
                Datum::List(pair) => match pair.as_slice() {
                    [name, number] => (name.clone(), number.clone()),
                    _ => (Datum::Int(position), one),
                },
                Datum::Text(text) => match text.rsplit_once(':') {
                    Some((name, number)) => (item(name), item(number)),
                    None => (Datum::Int(position), one),
                },
                _ => (Datum::Int(position), one),
            })
            .collect(),
    };
    pairs
        .into_iter()
        .map(|(name, number)| match number {
            // As a key that is not there has it.
            Datum::Nil => Ok((name, 0)),
            _ => int(call, &number, "whole numbers by names, as `a:3 b:5`").map(|number| (name, number)),
        })
        .collect()
}

struct Ids {
    given: UniqueIds<Datum>,
    by: BTreeMap<u64, String>,
}

impl Checker for Ids {
    fn ok(&mut self, _: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        let ids = match call.verb {
            "give" if output.is_nil() => {
                return Err(call.malformed("an id", output, "name the field that holds it"));
            }
            "give" => vec![output.clone()],
            _ => items(call, output)?,
        };
        let judged = !self.by.is_empty();
        self.by.insert(index, call.by.clone());
        for id in ids {
            // Ids are told apart by where they were given, and so are their receivers.
            if let Err(twice) = self.given.given(index, id) {
                let first = &self.by[&twice.first];
                let seen = match twice.first == index {
                    true => format!("{} was given to {first} twice in one answer", twice.id),
                    false => format!("{} was given to {first}, and then to {}", twice.id, call.by),
                };
                return Err(Finding {
                    class: "given_twice",
                    expected: "each id is given once".to_owned(),
                    seen,
                    indices: vec![twice.first, index],
                }
                .into());
            }
        }
        Ok(judged)
    }
}

struct Set {
    set: GrowingSet<Datum>,
    stale_reads: bool,
    /// By the position of its invocation, that of a read's answer.
    reads: BTreeMap<u64, u64>,
}

impl Checker for Set {
    fn invoked(&mut self, _: u64, call: &Open) -> Result<(), Trouble> {
        if call.input.is_nil() {
            return Err(call.malformed("an element", &call.input, "name the argument that holds it"));
        }
        self.set.adding(call.input.clone());
        Ok(())
    }

    fn ok(&mut self, _: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        if call.verb == "add" {
            self.set.added(call.input.clone(), index);
            return Ok(false);
        }
        let shown = if output.is_nil() { Vec::new() } else { items(call, output)? };
        self.reads.insert(call.invoked, index);
        for finding in self.set.read(shown, call.invoked, index) {
            let (class, expected, seen, since) = match finding {
                SetFinding::Missing { .. } if self.stale_reads => continue,
                SetFinding::Missing { element, known, .. } => (
                    "missing_element",
                    format!("a read shows {element}, which was known to be there before it began"),
                    format!("the read of {} does not", call.by),
                    Some(known),
                ),
                SetFinding::Unexpected { element } => (
                    "unexpected_element",
                    "a read shows only what somebody tried to add".to_owned(),
                    format!(
                        "the read of {} shows {element}, which nobody did, or whose addition was refused",
                        call.by
                    ),
                    None,
                ),
            };
            let indices = since.into_iter().chain([call.invoked, index]).collect();
            return Err(Finding { class, expected, seen, indices }.into());
        }
        Ok(true)
    }

    fn failed(&mut self, _: u64, call: &Open) {
        if call.verb == "add" {
            self.set.refused(call.input.clone());
        }
    }

    fn finish(&mut self, _: u64) -> Result<u64, Finding> {
        let lost = self.set.finish().lost;
        match lost.first() {
            Some(element) => Err(Finding {
                class: "lost_element",
                expected: format!("{element}, which was added, is shown by the last reads"),
                seen: "they do not show it any more".to_owned(),
                indices: self.reads.last_key_value().map_or_else(Vec::new, |(from, to)| vec![*from, *to]),
            }),
            None => Ok(0),
        }
    }
}

#[derive(Default)]
struct Queue {
    queue: Option<TotalQueue<Datum>>,
    drained: bool,
    /// By value: where it was put in for certain, and where it came out.
    put: BTreeMap<Datum, Vec<u64>>,
    taken: BTreeMap<Datum, Vec<u64>>,
    /// How many takes may have taken something that nobody saw.
    blind: usize,
}

impl Queue {
    fn queue(&mut self) -> &mut TotalQueue<Datum> {
        self.queue.get_or_insert_default()
    }
}

impl Checker for Queue {
    fn invoked(&mut self, _: u64, call: &Open) -> Result<(), Trouble> {
        if call.input.is_nil() {
            return Err(call.malformed("a value", &call.input, "name the argument that holds it"));
        }
        self.queue().putting(call.input.clone());
        Ok(())
    }

    fn ok(&mut self, _: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        if call.verb == "put" {
            self.queue().put(call.input.clone());
            self.put.entry(call.input.clone()).or_default().push(index);
            return Ok(false);
        }
        if output.is_nil() {
            return Ok(false);
        }
        let taken = self.queue().taken(output.clone());
        let places = self.taken.entry(output.clone()).or_default();
        places.push(index);
        let (class, seen) = match taken {
            Ok(()) => return Ok(true),
            Err(QueueFinding::Duplicated { value, put, taken }) => {
                ("taken_twice", format!("{value} came out {taken} times, and was put in at most {put} times"))
            }
            Err(QueueFinding::Unexpected { value }) => {
                ("never_put", format!("{value} came out, and nobody had put it in, or it was refused"))
            }
        };
        let expected = "what comes out was put in, and comes out no more often than that".to_owned();
        Err(Finding { class, expected, seen, indices: places.clone() }.into())
    }

    fn failed(&mut self, _: u64, call: &Open) {
        if call.verb == "put" {
            self.queue().refused(call.input.clone());
        }
    }

    fn unknown(&mut self, call: &Open) {
        self.blind += usize::from(call.verb == "take");
    }

    fn finish(&mut self, settled: u64) -> Result<u64, Finding> {
        if !self.drained {
            return Ok(0);
        }
        let mut lost = self.queue().finish().lost;
        lost.retain(|value| self.put.get(value).is_some_and(|put| put.iter().all(|index| *index < settled)));
        match lost.first() {
            Some(value) if lost.len() > self.blind => Err(Finding {
                class: "lost",
                expected: format!("{value}, which was put in, comes out in the end"),
                seen: match self.blind {
                    0 => "it never did".to_owned(),
                    blind => {
                        format!("{} values never did, and only {blind} takes were not answered", lost.len())
                    }
                },
                indices: lost.iter().flat_map(|value| self.put[value].clone()).collect(),
            }),
            _ => Ok(lost.len() as u64),
        }
    }
}

#[derive(Default)]
struct Counter {
    counter: CounterBounds,
    stale_reads: bool,
    additions: BTreeMap<u64, Addition>,
    readings: BTreeMap<u64, Reading>,
    /// The positions of additions that count, or may.
    counted: Vec<(u64, u64)>,
}

impl Checker for Counter {
    fn invoked(&mut self, id: u64, call: &Open) -> Result<(), Trouble> {
        if call.verb == "read" {
            let counter = if self.stale_reads { &CounterBounds::new() } else { &self.counter };
            self.readings.insert(id, counter.reading());
            return Ok(());
        }
        let amount = if call.input.is_nil() { 1 } else { int(call, &call.input, "an amount")? };
        let amount = if call.verb == "add" { amount } else { amount.saturating_neg() };
        self.additions.insert(id, self.counter.adding(amount));
        self.counted.push((id, call.invoked));
        Ok(())
    }

    fn ok(&mut self, id: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        if let Some(addition) = self.additions.remove(&id) {
            // With stale reads, an addition that has returned may not be shown yet, and is not certain to count.
            if !self.stale_reads {
                self.counter.added(addition);
            }
            self.counted.push((id, index));
            return Ok(false);
        }
        let Some(reading) = self.readings.remove(&id) else { return Ok(false) };
        let value = int(call, output, "a number")?;
        let Err(OutOfBounds { value, low, high }) = self.counter.read(reading, value) else {
            return Ok(true);
        };
        let mut indices: Vec<u64> = self.counted.iter().map(|(_, index)| *index).collect();
        indices.extend([call.invoked, index]);
        Err(Finding {
            class: if i128::from(value) < low { "below_bounds" } else { "above_bounds" },
            expected: format!("a read between {low}, which is surely counted, and {high}, which can be"),
            seen: format!("{} read {value}", call.by),
            indices,
        }
        .into())
    }

    fn failed(&mut self, id: u64, _: &Open) {
        if let Some(addition) = self.additions.remove(&id) {
            self.counter.refused(addition);
            self.counted.retain(|(of, _)| *of != id);
        }
        self.readings.remove(&id);
    }
}

struct Balances {
    total: Option<i64>,
    overdraft: bool,
    last: Option<u64>,
}

impl Checker for Balances {
    fn ok(&mut self, _: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        let balances = numbers(call, output)?;
        let judged = self.total.is_some();
        let sum = balances.iter().map(|(_, balance)| *balance).fold(0, i64::saturating_add);
        let total = *self.total.get_or_insert(sum);
        let bank = Bank::new(total);
        let bank = if self.overdraft { bank.with_overdraft() } else { bank };
        let before = self.last.replace(index);
        let (class, expected, seen) = match bank.read(balances) {
            Ok(()) => return Ok(judged),
            Err(BankFinding::WrongTotal { found, total }) => (
                "wrong_total",
                format!("{total} in all"),
                format!("{found} in all, in what {} read: {output}", call.by),
            ),
            Err(BankFinding::Negative { account, balance }) => (
                "overdrawn",
                "no account below 0".to_owned(),
                format!("account {account} at {balance}, in what {} read: {output}", call.by),
            ),
        };
        Err(Finding { class, expected, seen, indices: before.into_iter().chain([index]).collect() }.into())
    }
}

struct Snapshots {
    seen: LongFork<Datum>,
    by: BTreeMap<u64, String>,
}

impl Checker for Snapshots {
    fn ok(&mut self, _: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        let forked = self.seen.read(index, numbers(call, output)?);
        let judged = self.by.insert(index, call.by.clone()).is_none() && self.by.len() > 1;
        let Err(fork) = forked else { return Ok(judged) };
        let ((x, x_here, x_there), (y, y_here, y_there)) = (fork.ahead, fork.behind);
        Err(Finding {
            class: "long_fork",
            expected: "of two reads of several keys, one is as new as the other in every key".to_owned(),
            seen: format!(
                "{} saw {x} at {x_here} and {y} at {y_here}, and {} saw {y} at {y_there} and {x} at {x_there}",
                call.by, self.by[&fork.other]
            ),
            indices: vec![fork.other, index],
        }
        .into())
    }
}
