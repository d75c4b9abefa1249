//! A register: read, write, compare-and-set.

use std::{collections::HashMap, fmt::Debug, hash::Hash};

use rustc_hash::FxBuildHasher;

use super::fingerprint;
use crate::{
    linearizability::zones::{self, Access, Kind},
    model::{Call, Model, Monitored, Strand},
};

/// One cell.
///
/// ```
/// use squall_checkers::{Budget, Operation, linearizability};
/// use squall_checkers::models::{Register, RegisterInput::*, RegisterOutput::*};
///
/// let stale = [
///     Operation::ok(0, Write(1), Done, 0, 1),
///     Operation::ok(0, Write(2), Done, 2, 3),
///     Operation::ok(1, Read, Value(1), 4, 5),
/// ];
/// let verdict = linearizability::check(&Register::new(0), &stale, Budget::default());
/// assert!(verdict.is_illegal());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Register<V> {
    initial: V,
}

impl<V> Register<V> {
    /// A register that holds `initial`.
    pub fn new(initial: V) -> Self {
        Register { initial }
    }
}

/// What can be asked of a [`Register`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterInput<V> {
    /// What does it hold? Answered with [`Value`](RegisterOutput::Value).
    Read,
    /// Hold this from now on. Answered with [`Done`](RegisterOutput::Done).
    Write(V),
    /// Hold the second if it holds the first. Answered with [`Swapped`](RegisterOutput::Swapped).
    CompareAndSet(V, V),
}

/// What a [`Register`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOutput<V> {
    /// What it holds.
    Value(V),
    /// It was written.
    Done,
    /// Whether it held the value that was expected.
    Swapped(bool),
}

impl<V: Clone + Eq + Hash + Debug> Model for Register<V> {
    type State = V;
    type Input = RegisterInput<V>;
    type Output = RegisterOutput<V>;
    type Key = ();

    fn initial(&self) -> V {
        self.initial.clone()
    }

    fn apply(&self, state: &V, input: &Self::Input, output: Option<&Self::Output>) -> Option<V> {
        match (input, output) {
            (RegisterInput::Read, None) => Some(state.clone()),
            (RegisterInput::Read, Some(RegisterOutput::Value(value))) => {
                (value == state).then(|| state.clone())
            }
            (RegisterInput::Write(value), None | Some(RegisterOutput::Done)) => Some(value.clone()),
            (RegisterInput::CompareAndSet(expected, new), None) => {
                Some(if state == expected { new.clone() } else { state.clone() })
            }
            (RegisterInput::CompareAndSet(expected, new), Some(RegisterOutput::Swapped(swapped))) => {
                (*swapped == (state == expected)).then(|| if *swapped { new.clone() } else { state.clone() })
            }
            _ => None,
        }
    }

    fn reads_only(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        match input {
            RegisterInput::Read => true,
            RegisterInput::Write(_) => false,
            RegisterInput::CompareAndSet(..) => output == Some(&RegisterOutput::Swapped(false)),
        }
    }

    /// Operations on one value go together, and with them those on what was swapped for it. A swap that failed, or may
    /// have, depends on all values.
    fn strands(&self, calls: &[Call<'_, Self::Input, Self::Output>]) -> Vec<Strand> {
        let mut values = Values::default();
        let mut one_by_one = true;
        for call in calls {
            if let RegisterInput::CompareAndSet(expected, new) = call.input {
                one_by_one &= call.output == Some(&RegisterOutput::Swapped(true));
                values.join(fingerprint(expected), fingerprint(new));
            }
        }
        let mut group = |value: &V| values.root(fingerprint(value));
        let strand = |call: &Call<'_, Self::Input, Self::Output>| match (call.input, call.output) {
            (RegisterInput::Read, Some(RegisterOutput::Value(value))) if one_by_one => {
                Strand::AloneOrGroup(group(value))
            }
            (RegisterInput::Write(value) | RegisterInput::CompareAndSet(value, _), _) if one_by_one => {
                Strand::Group(group(value))
            }
            (input, output) if self.reads_only(input, output) => Strand::Alone,
            _ => Strand::Fixed,
        };
        calls.iter().map(strand).collect()
    }

    fn monitor(&self, calls: &[Call<'_, Self::Input, Self::Output>]) -> Option<Monitored> {
        let accesses = calls.iter().map(|call| {
            let (kind, value) = match (call.input, call.output) {
                (RegisterInput::Write(value), None | Some(RegisterOutput::Done)) => (Kind::Write, value),
                (RegisterInput::Read, Some(RegisterOutput::Value(value))) => (Kind::Read, value),
                _ => return None,
            };
            Some(Access { kind, value, invoked: call.invoked, returned: call.returned })
        });
        zones::monitor(&self.initial, accesses)
    }

    fn name(&self) -> &'static str {
        "register"
    }

    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match (input, output) {
            (RegisterInput::Read, Some(RegisterOutput::Value(value))) => format!("read -> {value:?}"),
            (RegisterInput::Read, _) => "read".to_owned(),
            (RegisterInput::Write(value), _) => format!("write {value:?}"),
            (RegisterInput::CompareAndSet(expected, new), Some(RegisterOutput::Swapped(swapped))) => {
                format!("swap {expected:?} for {new:?} -> {swapped}")
            }
            (RegisterInput::CompareAndSet(expected, new), _) => format!("swap {expected:?} for {new:?}"),
        }
    }

    fn refusal(&self, state: &V, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match (input, output) {
            (RegisterInput::Read, Some(RegisterOutput::Value(value))) => {
                format!("the read returned {value:?}, but the register holds {state:?}")
            }
            (RegisterInput::CompareAndSet(expected, _), Some(RegisterOutput::Swapped(true))) => {
                format!("the swap found {expected:?}, but the register holds {state:?}")
            }
            (RegisterInput::CompareAndSet(expected, _), Some(RegisterOutput::Swapped(false))) => {
                format!("the swap did not find {expected:?}, but the register holds it")
            }
            _ => format!("{} has an answer of another operation", self.describe(input, output)),
        }
    }
}

/// Values by fingerprint, joined into groups.
#[derive(Default)]
struct Values {
    parents: HashMap<u64, u64, FxBuildHasher>,
}

impl Values {
    fn root(&mut self, value: u64) -> u64 {
        let parent = *self.parents.get(&value).unwrap_or(&value);
        if parent == value {
            return value;
        }
        let mut root = parent;
        while let Some(&above) = self.parents.get(&root)
            && above != root
        {
            root = above;
        }
        self.parents.insert(value, root);
        root
    }

    fn join(&mut self, one: u64, other: u64) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents.insert(one, other);
    }
}
