//! Linearizability: each operation takes effect at one moment between its invocation and its return, as if one process
//! after the other used the object.
//!
//! M. Herlihy and J. Wing, "Linearizability: a correctness condition for concurrent objects", TOPLAS 12(3), 1990.
//!
//! [`check`] judges a history by a [`Model`]. Objects that have keys are judged one by one. Each is judged by the fastest
//! algorithm that covers it (see [`models`](crate::models)) and by [search](check) where none does; the searches take turns
//! with growing slices of the budget, so that one illegal key is found early however hard the others are.
//!
//! ```
//! use squall_checkers::{Budget, Recorder, linearizability};
//! use squall_checkers::models::{KeyValue, KeyValueInput::*, KeyValueOutput::*};
//!
//! let mut history = Recorder::new();
//! let put = history.invoke(0, Put("x".into(), "1".into()));
//! history.ok(put, Done);
//! let get = history.invoke(1, Get("x".into()));
//! history.ok(get, Value(None));
//!
//! let verdict = linearizability::check(&KeyValue, &history.finish(), Budget::default());
//! let violation = verdict.explanation().expect("a put was lost");
//! assert_eq!(violation.key.as_deref(), Some("\"x\""));
//! assert_eq!(violation.operations.len(), 2);
//! println!("{violation}");
//! ```
//!
//! A run that knows in which order effects happened has a [`witness`](check_witness), which is checked in linear time.

pub(crate) mod containers;
pub(crate) mod cover;
pub(crate) mod elements;
pub(crate) mod growing;
pub(crate) mod zones;

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxBuildHasher;

use crate::{
    explain::{self, Condition, Violation},
    history::Operation,
    model::{Call, Model},
    ranks::{self, Ranked},
    search::{self, Progress, RealTime, Record, Search},
    verdict::{Budget, Exhausted, Meter, Verdict},
};

pub(crate) const SEARCH: &str = "search (Wing and Gong 1993, Lowe 2017)";
const MIXED: &str = "search and faster algorithms, by key";
const WITNESS: &str = "witness";

/// How many steps a search gets at first, for each call and besides; later twice as many each time.
const SLICE_PER_CALL: u64 = 16;
const SLICE: u64 = 1024;

/// Judges a history.
///
/// Costs O(n log n) where a near-linear algorithm applies. Search costs O(n c) for `c` concurrent operations when it need
/// not go back, and is exponential in `c` at worst; then the verdict is [`Unknown`](Verdict::Unknown).
///
/// # Panics
///
/// If an operation returns before it is invoked, or there are 2^31 operations.
pub fn check<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    budget: Budget,
) -> Verdict<Violation> {
    judge(model, history, None, budget)
}

/// Judges a history whose order of effects is known: `order` are positions in `history`, first effect first.
///
/// Operations that did not return are missing if they had no effect; all others must be there. Where
/// the order explains the history, the verdict is legal by witness, in O(n log n) for sorting and one step for each
/// operation; objects that it does not explain (a missing effect, an effect outside its operation, a wrong answer) are
/// judged as by [`check`]. So a wrong witness cannot make a verdict wrong.
///
/// ```
/// use squall_checkers::{Budget, Operation, Verdict, linearizability};
/// use squall_checkers::models::{Register, RegisterInput::*, RegisterOutput::*};
///
/// let history = [
///     Operation::ok(0, Write(1), Done, 0, 3),
///     Operation::ok(1, Write(2), Done, 1, 2),
///     Operation::ok(1, Read, Value(1), 4, 5),
/// ];
/// let verdict = linearizability::check_witness(&Register::new(0), &history, &[1, 0, 2], Budget::default());
/// assert_eq!(verdict, Verdict::Legal { by: "witness" });
/// ```
///
/// # Panics
///
/// As [`check`], and if a position is outside the history.
pub fn check_witness<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    order: &[usize],
    budget: Budget,
) -> Verdict<Violation> {
    judge(model, history, Some(order), budget)
}

/// What returned before another was invoked takes effect before it.
struct ByTime;

impl Condition for ByTime {
    type Order = RealTime;
    const REAL_TIME: bool = true;

    fn order<M: Model>(&self, calls: &[Call<'_, M::Input, M::Output>], _: &[u32]) -> RealTime {
        RealTime::of::<M>(calls)
    }
}

/// One of the objects of a history.
struct Object<K> {
    key: Option<K>,
    /// The positions of its operations.
    operations: Vec<u32>,
}

fn judge<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    witness: Option<&[usize]>,
    budget: Budget,
) -> Verdict<Violation> {
    let mut meter = Meter::new(budget);
    match decide(model, history, witness, &mut meter) {
        Ok(Decided::Legal(by)) => Verdict::Legal { by },
        Ok(Decided::Illegal { by, object, suspects }) => {
            let part = explain::Wrong {
                key: object.key.as_ref(),
                operations: &object.operations,
                by,
                suspects: &suspects,
            };
            Verdict::Illegal(explain::violation(model, history, &ByTime, part, budget))
        }
        Err(reason) => Verdict::Unknown { reason },
    }
}

enum Decided<K> {
    Legal(&'static str),
    Illegal { by: &'static str, object: Object<K>, suspects: Vec<u32> },
}

fn decide<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    witness: Option<&[usize]>,
    meter: &mut Meter,
) -> Result<Decided<M::Key>, Exhausted> {
    let effects = witness.map(|order| {
        let mut effects = vec![usize::MAX; history.len()];
        for (effect, operation) in order.iter().enumerate() {
            effects[*operation] = effect;
        }
        effects
    });
    let mut by: Option<&'static str> = None;
    let mut used = |algorithm: &'static str| {
        by = Some(match by {
            Some(other) if other != algorithm => MIXED,
            _ => algorithm,
        });
    };
    // An object whose search fills the memory makes the verdict unknown, unless another is illegal.
    let mut full = None;
    let mut searches = VecDeque::new();
    for object in objects(model, history) {
        if let Some(effects) = &effects
            && witnessed(model, history, &object.operations, effects, meter)?
        {
            used(WITNESS);
            continue;
        }
        let Ranked { mut calls, operations } = ranks::calls(model, history, &object.operations);
        meter.spend(calls.len() as u64)?;
        if let Some(monitored) = model.monitor(&calls) {
            let Some(suspects) = monitored.suspects else {
                used(monitored.by);
                continue;
            };
            let suspects = suspects.into_iter().map(|call| operations[call]).collect();
            return Ok(Decided::Illegal { by: monitored.by, object, suspects });
        }
        used(SEARCH);
        let slice = SLICE + SLICE_PER_CALL * calls.len() as u64;
        calls.sort_unstable_by_key(search::by_return);
        let order = RealTime::of::<M>(&calls);
        let search = Search::new(model, calls, order, model.initial(), Record::Nothing);
        // The first turn is had at once, so that easy objects are not all held at the same time.
        match Box::new(Pending { search, object, slice }).turn(meter, &mut full)? {
            Turn::Over => {}
            Turn::Illegal(object) => {
                return Ok(Decided::Illegal { by: SEARCH, object, suspects: Vec::new() });
            }
            Turn::Again(pending) => searches.push_back(pending),
        }
    }
    while let Some(pending) = searches.pop_front() {
        match pending.turn(meter, &mut full)? {
            Turn::Over => {}
            Turn::Illegal(object) => {
                return Ok(Decided::Illegal { by: SEARCH, object, suspects: Vec::new() });
            }
            Turn::Again(pending) => searches.push_back(pending),
        }
    }
    match full {
        Some(reason) => Err(reason),
        None => Ok(Decided::Legal(by.unwrap_or(SEARCH))),
    }
}

/// The search on one object, which takes turns with others.
struct Pending<'m, 'h, M: Model> {
    search: Search<'m, 'h, M, RealTime>,
    object: Object<M::Key>,
    slice: u64,
}

enum Turn<'m, 'h, M: Model> {
    Over,
    Illegal(Object<M::Key>),
    Again(Box<Pending<'m, 'h, M>>),
}

impl<'m, 'h, M: Model> Pending<'m, 'h, M> {
    fn turn(
        mut self: Box<Self>,
        meter: &mut Meter,
        full: &mut Option<Exhausted>,
    ) -> Result<Turn<'m, 'h, M>, Exhausted> {
        let progress = self.search.run(meter, self.slice);
        if progress == Ok(Progress::Paused) {
            self.slice = self.slice.saturating_mul(2);
            return Ok(Turn::Again(self));
        }
        self.search.release(meter);
        match progress {
            Ok(Progress::Impossible) => Ok(Turn::Illegal(self.object)),
            Err(reason @ Exhausted::Memory { .. }) => {
                *full = Some(reason);
                Ok(Turn::Over)
            }
            Err(reason) => Err(reason),
            Ok(_) => Ok(Turn::Over),
        }
    }
}

/// The objects of a history, in the order in which they are first met.
fn objects<M: Model>(model: &M, history: &[Operation<M::Input, M::Output>]) -> Vec<Object<M::Key>> {
    let whole = || vec![Object { key: None, operations: (0..history.len() as u32).collect() }];
    assert!(history.len() < 1 << 31, "a history has at most 2^31 operations");
    let mut numbers: HashMap<M::Key, usize, FxBuildHasher> = HashMap::default();
    let mut objects: Vec<Object<M::Key>> = Vec::new();
    for (index, operation) in history.iter().enumerate() {
        let Some(key) = model.key(&operation.input) else { return whole() };
        let number = match numbers.get(&key) {
            Some(number) => *number,
            None => {
                numbers.insert(key.clone(), objects.len());
                objects.push(Object { key: Some(key), operations: Vec::new() });
                objects.len() - 1
            }
        };
        objects[number].operations.push(index as u32);
    }
    objects
}

/// Whether effects in a known order explain the operations on one object.
fn witnessed<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    operations: &[u32],
    effects: &[usize],
    meter: &mut Meter,
) -> Result<bool, Exhausted> {
    let mut order: Vec<u32> = Vec::with_capacity(operations.len());
    for &index in operations {
        let operation = &history[index as usize];
        match effects[index as usize] {
            usize::MAX if operation.returned.is_some() => return Ok(false),
            usize::MAX => {}
            _ => order.push(index),
        }
    }
    order.sort_unstable_by_key(|index| effects[*index as usize]);
    let mut state = model.initial();
    let mut latest = 0;
    for index in order {
        meter.step()?;
        let operation = &history[index as usize];
        // An effect is not before any invocation of those before it.
        latest = latest.max(operation.invoked.index);
        if operation.returned.as_ref().is_some_and(|returned| returned.at.index < latest) {
            return Ok(false);
        }
        match model.apply(&state, &operation.input, operation.output()) {
            Some(after) => state = after,
            None => return Ok(false),
        }
    }
    Ok(true)
}
