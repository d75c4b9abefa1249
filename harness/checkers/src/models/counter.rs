//! A counter: add, read.

use crate::model::Model;

/// A counter that is zero at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// What can be asked of a [`Counter`]. Both are answered with the count, after the addition; an addition may be answered
/// with `None` instead, where the system does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterInput {
    /// Add so much.
    Add(i64),
    /// How much is it?
    Read,
}

impl Model for Counter {
    type State = i64;
    type Input = CounterInput;
    type Output = Option<i64>;
    type Key = ();

    fn initial(&self) -> i64 {
        0
    }

    fn apply(&self, count: &i64, input: &CounterInput, output: Option<&Option<i64>>) -> Option<i64> {
        let after = match input {
            CounterInput::Add(more) => count.wrapping_add(*more),
            CounterInput::Read => *count,
        };
        output.copied().flatten().is_none_or(|told| told == after).then_some(after)
    }

    fn reads_only(&self, input: &CounterInput, _: Option<&Option<i64>>) -> bool {
        matches!(input, CounterInput::Read | CounterInput::Add(0))
    }

    fn name(&self) -> &'static str {
        "counter"
    }

    fn describe(&self, input: &CounterInput, output: Option<&Option<i64>>) -> String {
        let what = match input {
            CounterInput::Add(more) => format!("add {more}"),
            CounterInput::Read => "read".to_owned(),
        };
        match output.copied().flatten() {
            Some(told) => format!("{what} -> {told}"),
            None => what,
        }
    }

    fn refusal(&self, count: &i64, input: &CounterInput, output: Option<&Option<i64>>) -> String {
        format!("{} does not fit a count of {count} before it", self.describe(input, output))
    }
}
