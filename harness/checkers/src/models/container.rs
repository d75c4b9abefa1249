//! Queue, stack and priority queue: one puts values in, and takes them out in an order of the container's.

use std::{fmt::Debug, hash::Hash, marker::PhantomData};

use super::fingerprint;
use crate::{
    linearizability::containers::{self, Inhabitants},
    model::{Call, Model, Monitored, Strand},
};

/// First in, first out. See [`Container`].
pub type Queue<V> = Container<V, Fifo>;
/// Last in, first out. See [`Container`].
pub type Stack<V> = Container<V, Lifo>;
/// The smallest first; wrap values in [`Reverse`](std::cmp::Reverse) for the greatest first. See [`Container`].
pub type PriorityQueue<V> = Container<V, SmallestFirst>;

/// A container that is empty at first: values are put in, and taken out in the order of the [`Discipline`].
///
/// ```
/// use squall_checkers::{Budget, Operation, Verdict, linearizability};
/// use squall_checkers::models::{ContainerInput::*, ContainerOutput::*, Queue};
///
/// let overtaken = [
///     Operation::ok(0, Put(1), Done, 0, 1),
///     Operation::ok(0, Put(2), Done, 2, 3),
///     Operation::ok(1, Take, Taken(2), 4, 5),
///     Operation::ok(1, Take, Taken(1), 6, 7),
/// ];
/// let verdict = linearizability::check(&Queue::new(), &overtaken, Budget::default());
/// assert!(verdict.is_illegal());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Container<V, D>(PhantomData<(V, D)>);

impl<V, D> Container<V, D> {
    /// An empty one.
    pub fn new() -> Self {
        Container(PhantomData)
    }
}

impl<V, D> Default for Container<V, D> {
    fn default() -> Self {
        Self::new()
    }
}

/// What can be asked of a [`Container`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerInput<V> {
    /// Put this in. Answered with [`Done`](ContainerOutput::Done).
    Put(V),
    /// Take the next one out. Answered with [`Taken`](ContainerOutput::Taken) or [`Empty`](ContainerOutput::Empty).
    Take,
}

/// What a [`Container`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerOutput<V> {
    /// It was put in.
    Done,
    /// This was the next one; it is out.
    Taken(V),
    /// There was nothing to take.
    Empty,
}

/// The order in which values come out.
pub trait Discipline<V> {
    /// The model's name, what putting in and taking out are called.
    const NAMES: [&'static str; 3];

    /// Puts a value where it belongs; the next one to be taken out is the last.
    fn put(values: &mut Vec<V>, value: V);

    /// Judges a history in which each value is put in once.
    fn monitor(values: &Inhabitants<'_, V>) -> Monitored;
}

/// First in, first out.
#[derive(Clone, Copy, Debug)]
pub struct Fifo;

/// Last in, first out.
#[derive(Clone, Copy, Debug)]
pub struct Lifo;

/// The smallest first.
#[derive(Clone, Copy, Debug)]
pub struct SmallestFirst;

impl<V> Discipline<V> for Fifo {
    const NAMES: [&'static str; 3] = ["queue", "enqueue", "dequeue"];

    fn put(values: &mut Vec<V>, value: V) {
        values.insert(0, value);
    }

    fn monitor(values: &Inhabitants<'_, V>) -> Monitored {
        containers::queue(values)
    }
}

impl<V> Discipline<V> for Lifo {
    const NAMES: [&'static str; 3] = ["stack", "push", "pop"];

    fn put(values: &mut Vec<V>, value: V) {
        values.push(value);
    }

    fn monitor(values: &Inhabitants<'_, V>) -> Monitored {
        containers::stack(values)
    }
}

impl<V: Ord> Discipline<V> for SmallestFirst {
    const NAMES: [&'static str; 3] = ["priority queue", "insert", "take the smallest"];

    fn put(values: &mut Vec<V>, value: V) {
        let place = values.partition_point(|other| *other > value);
        values.insert(place, value);
    }

    fn monitor(values: &Inhabitants<'_, V>) -> Monitored {
        containers::priority_queue(values)
    }
}

impl<V: Clone + Eq + Hash + Debug, D: Discipline<V>> Model for Container<V, D> {
    /// What is in it; the next one to be taken out is the last.
    type State = Vec<V>;
    type Input = ContainerInput<V>;
    type Output = ContainerOutput<V>;
    type Key = ();

    fn initial(&self) -> Vec<V> {
        Vec::new()
    }

    fn apply(&self, state: &Vec<V>, input: &Self::Input, output: Option<&Self::Output>) -> Option<Vec<V>> {
        match (input, output) {
            (ContainerInput::Put(value), None | Some(ContainerOutput::Done)) => {
                let mut after = Vec::with_capacity(state.len() + 1);
                after.extend_from_slice(state);
                D::put(&mut after, value.clone());
                Some(after)
            }
            (ContainerInput::Take, Some(ContainerOutput::Taken(value))) => match state.split_last() {
                Some((next, rest)) if next == value => Some(rest.to_vec()),
                _ => None,
            },
            (ContainerInput::Take, Some(ContainerOutput::Empty)) => state.is_empty().then(Vec::new),
            (ContainerInput::Take, None) => {
                Some(state.split_last().map_or_else(Vec::new, |(_, rest)| rest.to_vec()))
            }
            _ => None,
        }
    }

    fn reads_only(&self, _: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!(output, Some(ContainerOutput::Empty))
    }

    /// Operations on one value go together, and each that found the container empty alone; unless it is not known what
    /// was taken out.
    fn strands(&self, calls: &[Call<'_, Self::Input, Self::Output>]) -> Vec<Strand> {
        let blind =
            calls.iter().any(|call| matches!((call.input, call.output), (ContainerInput::Take, None)));
        let strand = |call: &Call<'_, Self::Input, Self::Output>| match (call.input, call.output) {
            (_, Some(ContainerOutput::Empty)) => Strand::Alone,
            (ContainerInput::Put(value), _) | (_, Some(ContainerOutput::Taken(value))) if !blind => {
                Strand::Group(fingerprint(value))
            }
            _ => Strand::Fixed,
        };
        calls.iter().map(strand).collect()
    }

    fn monitor(&self, calls: &[Call<'_, Self::Input, Self::Output>]) -> Option<Monitored> {
        let values = match Inhabitants::of(calls)? {
            Ok(values) => values,
            Err(suspects) => return Some(Monitored { by: containers::BY, suspects: Some(suspects) }),
        };
        values.judge(D::monitor)
    }

    fn weight(&self, state: &Vec<V>) -> usize {
        size_of::<Vec<V>>() + state.capacity() * size_of::<V>()
    }

    fn name(&self) -> &'static str {
        D::NAMES[0]
    }

    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let [_, put, take] = D::NAMES;
        match (input, output) {
            (ContainerInput::Put(value), _) => format!("{put} {value:?}"),
            (ContainerInput::Take, Some(ContainerOutput::Taken(value))) => format!("{take} -> {value:?}"),
            (ContainerInput::Take, Some(ContainerOutput::Empty)) => format!("{take} -> empty"),
            (ContainerInput::Take, _) => take.to_owned(),
        }
    }

    fn describe_state(&self, state: &Vec<V>) -> String {
        let next_first: Vec<&V> = state.iter().rev().collect();
        format!("{next_first:?}")
    }

    fn refusal(&self, state: &Vec<V>, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let what = self.describe(input, output);
        match state.last() {
            Some(next) => format!("{what} is not possible: the next one out is {next:?}"),
            None => format!("{what} is not possible: the {} is empty", self.name()),
        }
    }
}
