//! A set: add, remove, contains.

use std::{fmt::Debug, hash::Hash, marker::PhantomData};

use crate::{
    linearizability::elements::{self, Kind, Sight},
    model::{Call, Model, Monitored},
};

/// A set that is empty at first. Elements do not affect each other, so each is judged by itself: linearizability is local
/// (Herlihy and Wing, TOPLAS 1990, theorem 1).
#[derive(Clone, Copy, Debug)]
pub struct Set<V>(PhantomData<V>);

impl<V> Set<V> {
    /// An empty set.
    pub fn new() -> Self {
        Set(PhantomData)
    }
}

impl<V> Default for Set<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// What can be asked of a [`Set`]. All are answered with a `bool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetInput<V> {
    /// Be it there. Was it absent?
    Add(V),
    /// Be it gone. Was it there?
    Remove(V),
    /// Is it there?
    Contains(V),
}

impl<V: Clone + Eq + Hash + Debug> Model for Set<V> {
    /// Whether the element is there.
    type State = bool;
    type Input = SetInput<V>;
    type Output = bool;
    type Key = V;

    fn initial(&self) -> bool {
        false
    }

    fn apply(&self, there: &bool, input: &SetInput<V>, output: Option<&bool>) -> Option<bool> {
        let (answer, after) = match input {
            SetInput::Add(_) => (!there, true),
            SetInput::Remove(_) => (*there, false),
            SetInput::Contains(_) => (*there, *there),
        };
        output.is_none_or(|output| *output == answer).then_some(after)
    }

    fn key(&self, input: &SetInput<V>) -> Option<V> {
        match input {
            SetInput::Add(element) | SetInput::Remove(element) | SetInput::Contains(element) => {
                Some(element.clone())
            }
        }
    }

    fn reads_only(&self, input: &SetInput<V>, output: Option<&bool>) -> bool {
        matches!(input, SetInput::Contains(_)) || output == Some(&false)
    }

    fn monitor(&self, calls: &[Call<'_, SetInput<V>, bool>]) -> Option<Monitored> {
        let sight = |call: &Call<'_, SetInput<V>, bool>| Sight {
            kind: match (call.input, call.output) {
                (SetInput::Add(_), None | Some(true)) => Kind::Adds,
                (SetInput::Remove(_), None | Some(true)) => Kind::Removes,
                (SetInput::Add(_), Some(false)) | (SetInput::Contains(_), Some(true)) => Kind::SawIt,
                (SetInput::Remove(_) | SetInput::Contains(_), _) => Kind::SawNothing,
            },
            invoked: call.invoked,
            returned: call.returned,
        };
        elements::monitor(&calls.iter().map(sight).collect::<Vec<_>>())
    }

    fn name(&self) -> &'static str {
        "set"
    }

    fn describe(&self, input: &SetInput<V>, output: Option<&bool>) -> String {
        let (what, element) = match input {
            SetInput::Add(element) => ("add", element),
            SetInput::Remove(element) => ("remove", element),
            SetInput::Contains(element) => ("contains", element),
        };
        match output {
            Some(output) => format!("{what} {element:?} -> {output}"),
            None => format!("{what} {element:?}"),
        }
    }

    fn describe_state(&self, there: &bool) -> String {
        if *there { "there" } else { "absent" }.to_owned()
    }

    fn refusal(&self, there: &bool, input: &SetInput<V>, output: Option<&bool>) -> String {
        let is = self.describe_state(there);
        format!("{} contradicts that the element is {is}", self.describe(input, output))
    }
}
