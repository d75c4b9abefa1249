//! What an object promises when it is used by one process at a time: the sequential specification that linearizability
//! and sequential consistency are judged by.
//!
//! Ready-made models are in [`models`](crate::models). Your own is a type that implements [`Model`]; two methods are
//! enough:
//!
//! ```
//! use squall_checkers::{Budget, Model, Operation, linearizability};
//!
//! /// A ticket machine: each ticket is the next number.
//! struct Tickets;
//!
//! impl Model for Tickets {
//!     type State = u64;
//!     type Input = ();
//!     type Output = u64;
//!     type Key = ();
//!
//!     fn initial(&self) -> u64 {
//!         0
//!     }
//!
//!     fn apply(&self, next: &u64, _: &(), ticket: Option<&u64>) -> Option<u64> {
//!         ticket.is_none_or(|ticket| ticket == next).then_some(next + 1)
//!     }
//! }
//!
//! let fine = [Operation::ok(0, (), 0, 0, 3), Operation::ok(1, (), 1, 1, 2)];
//! assert!(linearizability::check(&Tickets, &fine, Budget::default()).is_legal());
//!
//! let twice = [Operation::ok(0, (), 0, 0, 1), Operation::ok(1, (), 0, 2, 3)];
//! assert!(linearizability::check(&Tickets, &twice, Budget::default()).is_illegal());
//! ```

use std::{fmt::Debug, hash::Hash};

/// A sequential object. States and answers must be a pure function of the arguments.
pub trait Model {
    /// What the object holds. Two states that are equal must behave equally ever after.
    type State: Clone + Eq + Hash + Debug;
    /// What can be asked.
    type Input: Eq + Hash + Debug;
    /// What can come back.
    type Output: Eq + Hash + Debug;
    /// What names one of many independent objects; `()` where there is one.
    type Key: Clone + Eq + Hash + Debug;

    /// What the object, or each of the objects, holds at first.
    fn initial(&self) -> Self::State;

    /// The state after an operation took effect; `None` if it cannot take effect in this state with this output. An
    /// unknown output (`None`) stands for whichever is right in this state.
    fn apply(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;

    /// Which of many independent objects the operation is on. Either all operations of a history have a key or it is
    /// judged as one object.
    fn key(&self, _input: &Self::Input) -> Option<Self::Key> {
        None
    }

    /// Whether the operation leaves *every* state in which it is possible as it is. True makes the search faster; a
    /// wrong true makes it wrong.
    fn reads_only(&self, _input: &Self::Input, _output: Option<&Self::Output>) -> bool {
        false
    }

    /// What may be left out of a history of one object, for an explanation to be short. By default, what only reads.
    fn strands(&self, calls: &[Call<'_, Self::Input, Self::Output>]) -> Vec<Strand> {
        let strand = |call: &Call<'_, _, _>| match self.reads_only(call.input, call.output) {
            true => Strand::Alone,
            false => Strand::Fixed,
        };
        calls.iter().map(strand).collect()
    }

    /// Judges a history of one object by an algorithm that is faster than search; `None` where it does not apply. Calls
    /// whose output is unknown and which only read are not among them.
    fn monitor(&self, _calls: &[Call<'_, Self::Input, Self::Output>]) -> Option<Monitored> {
        None
    }

    /// About how many bytes a state takes, for the budget of memory.
    fn weight(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }

    /// The model's name in explanations.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
            .split('<')
            .next()
            .and_then(|path| path.rsplit("::").next())
            .unwrap_or("object")
    }

    /// An operation, for people.
    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match output {
            Some(output) => format!("{input:?} -> {output:?}"),
            None => format!("{input:?} -> ?"),
        }
    }

    /// A state, for people.
    fn describe_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// A key, for people.
    fn describe_key(&self, key: &Self::Key) -> String {
        format!("{key:?}")
    }

    /// Why an operation cannot take effect in a state: one sentence without a full stop.
    fn refusal(&self, state: &Self::State, input: &Self::Input, output: Option<&Self::Output>) -> String {
        format!("{} is not possible in state {}", self.describe(input, output), self.describe_state(state))
    }
}

/// One operation as models and monitors see it. Moments are ranks: all moments of the calls that are judged together are
/// distinct.
#[derive(Debug)]
pub struct Call<'a, I, O> {
    /// What was asked.
    pub input: &'a I,
    /// What came back, or comes back if the call takes effect; `None`: unknown.
    pub output: Option<&'a O>,
    /// When it was asked.
    pub invoked: u32,
    /// When it returned; [`NEVER`] if it did not: then it may not have taken effect at all.
    pub returned: u32,
}

impl<I, O> Clone for Call<'_, I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Call<'_, I, O> {}

/// The return of a call that did not return.
pub const NEVER: u32 = u32::MAX;

/// How an operation may be left out of a history so that a legal history stays legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strand {
    /// It may be left out by itself.
    Alone,
    /// It may be left out together with all others of the group, such as all operations on one value.
    Group(u64),
    /// As [`Group`](Strand::Group), and by itself as well.
    AloneOrGroup(u64),
    /// It must stay.
    Fixed,
}

/// What an algorithm faster than search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitored {
    /// The algorithm's name.
    pub by: &'static str,
    /// `None`: the history is legal. Otherwise some calls (by position) that take part in what is wrong: the groups they
    /// are in are likely to be illegal by themselves.
    pub suspects: Option<Vec<usize>>,
}
