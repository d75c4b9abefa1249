//! A key-value store of strings: get, put, append, delete.

use super::fingerprint;
use crate::{
    linearizability::zones::{self, Access, Kind},
    model::{Call, Model, Monitored, Strand},
};

/// A map from keys to strings, judged key by key. At first there is nothing in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyValue;

/// What can be asked of a [`KeyValue`] store; the first field is the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValueInput {
    /// What is there? Answered with [`Value`](KeyValueOutput::Value).
    Get(String),
    /// Put this there. Answered with [`Done`](KeyValueOutput::Done), as are the others.
    Put(String, String),
    /// Put this behind what is there; nothing counts as empty.
    Append(String, String),
    /// Remove what is there, if anything.
    Delete(String),
}

/// What a [`KeyValue`] store answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValueOutput {
    /// What is there; `None`: nothing.
    Value(Option<String>),
    /// It was changed.
    Done,
}

impl Model for KeyValue {
    type State = Option<String>;
    type Input = KeyValueInput;
    type Output = KeyValueOutput;
    type Key = String;

    fn initial(&self) -> Option<String> {
        None
    }

    fn apply(
        &self,
        state: &Option<String>,
        input: &KeyValueInput,
        output: Option<&KeyValueOutput>,
    ) -> Option<Option<String>> {
        match (input, output) {
            (KeyValueInput::Get(_), None) => Some(state.clone()),
            (KeyValueInput::Get(_), Some(KeyValueOutput::Value(value))) => {
                (value == state).then(|| state.clone())
            }
            (KeyValueInput::Get(_), _) | (_, Some(KeyValueOutput::Value(_))) => None,
            (KeyValueInput::Put(_, value), _) => Some(Some(value.clone())),
            (KeyValueInput::Append(_, more), _) => {
                let there = state.as_deref().unwrap_or_default();
                Some(Some([there, more].concat()))
            }
            (KeyValueInput::Delete(_), _) => Some(None),
        }
    }

    fn key(&self, input: &KeyValueInput) -> Option<String> {
        match input {
            KeyValueInput::Get(key)
            | KeyValueInput::Put(key, _)
            | KeyValueInput::Append(key, _)
            | KeyValueInput::Delete(key) => Some(key.clone()),
        }
    }

    fn reads_only(&self, input: &KeyValueInput, _: Option<&KeyValueOutput>) -> bool {
        matches!(input, KeyValueInput::Get(_))
    }

    /// Operations on one value go together, unless something is appended: then a value depends on those before it.
    fn strands(&self, calls: &[Call<'_, KeyValueInput, KeyValueOutput>]) -> Vec<Strand> {
        let appended = calls.iter().any(|call| matches!(call.input, KeyValueInput::Append(..)));
        let group = |value: Option<&String>| fingerprint(&value);
        let strand = |call: &Call<'_, _, _>| match (call.input, call.output) {
            (KeyValueInput::Get(_), Some(KeyValueOutput::Value(value))) if !appended => {
                Strand::AloneOrGroup(group(value.as_ref()))
            }
            (KeyValueInput::Get(_), _) => Strand::Alone,
            (KeyValueInput::Put(_, value), _) if !appended => Strand::Group(group(Some(value))),
            (KeyValueInput::Delete(_), _) if !appended => Strand::Group(group(None)),
            _ => Strand::Fixed,
        };
        calls.iter().map(strand).collect()
    }

    fn monitor(&self, calls: &[Call<'_, KeyValueInput, KeyValueOutput>]) -> Option<Monitored> {
        let accesses = calls.iter().map(|call| {
            let (kind, value) = match (call.input, call.output) {
                (KeyValueInput::Put(_, value), None | Some(KeyValueOutput::Done)) => {
                    (Kind::Write, Some(value.as_str()))
                }
                (KeyValueInput::Get(_), Some(KeyValueOutput::Value(value))) => (Kind::Read, value.as_deref()),
                _ => return None,
            };
            Some(Access { kind, value, invoked: call.invoked, returned: call.returned })
        });
        zones::monitor(None, accesses)
    }

    fn weight(&self, state: &Option<String>) -> usize {
        size_of::<Option<String>>() + state.as_ref().map_or(0, String::len)
    }

    fn name(&self) -> &'static str {
        "key-value store"
    }

    fn describe(&self, input: &KeyValueInput, output: Option<&KeyValueOutput>) -> String {
        match (input, output) {
            (KeyValueInput::Get(_), Some(KeyValueOutput::Value(Some(value)))) => format!("get -> {value:?}"),
            (KeyValueInput::Get(_), Some(KeyValueOutput::Value(None))) => "get -> nothing".to_owned(),
            (KeyValueInput::Get(_), _) => "get".to_owned(),
            (KeyValueInput::Put(_, value), _) => format!("put {value:?}"),
            (KeyValueInput::Append(_, value), _) => format!("append {value:?}"),
            (KeyValueInput::Delete(_), _) => "delete".to_owned(),
        }
    }

    fn describe_state(&self, state: &Option<String>) -> String {
        state.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"))
    }

    fn refusal(
        &self,
        state: &Option<String>,
        input: &KeyValueInput,
        output: Option<&KeyValueOutput>,
    ) -> String {
        match (input, output) {
            (KeyValueInput::Get(_), Some(KeyValueOutput::Value(value))) => {
                let (value, state) = (self.describe_state(value), self.describe_state(state));
                format!("the get returned {value}, but {state} is there")
            }
            _ => format!("{} has an answer of another operation", self.describe(input, output)),
        }
    }
}
