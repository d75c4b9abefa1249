//! Many objects of one kind, by key.

use std::{fmt::Debug, hash::Hash, marker::PhantomData};

use crate::model::{Call, Model, Monitored, Strand};

/// Many independent objects of one kind: inputs are `(key, input)`.
///
/// ```
/// use squall_checkers::{Budget, Operation, linearizability};
/// use squall_checkers::models::{Counter, CounterInput::*, PerKey};
///
/// let history = [
///     Operation::ok(0, ("apples", Add(2)), None, 0, 1),
///     Operation::ok(0, ("pears", Read), Some(0), 2, 3),
/// ];
/// assert!(linearizability::check(&PerKey::new(Counter), &history, Budget::default()).is_legal());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct PerKey<K, M> {
    model: M,
    key: PhantomData<K>,
}

impl<K, M> PerKey<K, M> {
    /// Each key has one of these.
    pub fn new(model: M) -> Self {
        PerKey { model, key: PhantomData }
    }
}

/// The calls as the model inside sees them.
fn inner<'a, K, I, O>(calls: &[Call<'a, (K, I), O>]) -> Vec<Call<'a, I, O>> {
    let inner = |call: &Call<'a, (K, I), O>| Call {
        input: &call.input.1,
        output: call.output,
        invoked: call.invoked,
        returned: call.returned,
    };
    calls.iter().map(inner).collect()
}

impl<K: Clone + Eq + Hash + Debug, M: Model> Model for PerKey<K, M> {
    type State = M::State;
    type Input = (K, M::Input);
    type Output = M::Output;
    type Key = (K, Option<M::Key>);

    fn initial(&self) -> M::State {
        self.model.initial()
    }

    fn apply(&self, state: &M::State, input: &Self::Input, output: Option<&M::Output>) -> Option<M::State> {
        self.model.apply(state, &input.1, output)
    }

    fn key(&self, input: &Self::Input) -> Option<Self::Key> {
        Some((input.0.clone(), self.model.key(&input.1)))
    }

    fn reads_only(&self, input: &Self::Input, output: Option<&M::Output>) -> bool {
        self.model.reads_only(&input.1, output)
    }

    fn strands(&self, calls: &[Call<'_, Self::Input, M::Output>]) -> Vec<Strand> {
        self.model.strands(&inner(calls))
    }

    fn monitor(&self, calls: &[Call<'_, Self::Input, M::Output>]) -> Option<Monitored> {
        self.model.monitor(&inner(calls))
    }

    fn weight(&self, state: &M::State) -> usize {
        self.model.weight(state)
    }

    fn name(&self) -> &'static str {
        self.model.name()
    }

    fn describe(&self, input: &Self::Input, output: Option<&M::Output>) -> String {
        self.model.describe(&input.1, output)
    }

    fn describe_state(&self, state: &M::State) -> String {
        self.model.describe_state(state)
    }

    fn describe_key(&self, (key, inner): &Self::Key) -> String {
        match inner {
            Some(inner) => format!("{key:?}, {}", self.model.describe_key(inner)),
            None => format!("{key:?}"),
        }
    }

    fn refusal(&self, state: &M::State, input: &Self::Input, output: Option<&M::Output>) -> String {
        self.model.refusal(state, &input.1, output)
    }
}
