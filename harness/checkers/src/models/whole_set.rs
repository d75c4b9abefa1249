//! A set that is read as a whole.

use std::{collections::BTreeSet, fmt::Debug, hash::Hash, marker::PhantomData};

use crate::{
    linearizability::growing::{self, Kind, Use},
    model::{Call, Model, Monitored, NEVER},
};

/// A set that is empty at first and can be read as a whole, so that its elements cannot be judged one by one as those of a
/// [`Set`](super::Set).
///
/// ```
/// use squall_checkers::{Budget, Operation, linearizability};
/// use squall_checkers::models::{WholeSet, WholeSetInput::*, WholeSetOutput::*};
///
/// let lost = [
///     Operation::ok(0, Add(1), Done(None), 0, 1),
///     Operation::ok(0, Add(2), Done(None), 2, 3),
///     Operation::ok(1, Read, Elements([2].into()), 4, 5),
/// ];
/// assert!(linearizability::check(&WholeSet::new(), &lost, Budget::default()).is_illegal());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WholeSet<V>(PhantomData<V>);

impl<V> WholeSet<V> {
    /// An empty set.
    pub fn new() -> Self {
        WholeSet(PhantomData)
    }
}

impl<V> Default for WholeSet<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// What can be asked of a [`WholeSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WholeSetInput<V> {
    /// Be it there. Answered with [`Done`](WholeSetOutput::Done): was it absent?
    Add(V),
    /// Be it gone. Answered with [`Done`](WholeSetOutput::Done): was it there?
    Remove(V),
    /// Is it there? Answered with [`Done`](WholeSetOutput::Done).
    Contains(V),
    /// What is there? Answered with [`Elements`](WholeSetOutput::Elements).
    Read,
}

/// What a [`WholeSet`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WholeSetOutput<V> {
    /// It was done; what it found, if the system tells.
    Done(Option<bool>),
    /// All that is there.
    Elements(BTreeSet<V>),
}

impl<V: Clone + Ord + Hash + Debug> Model for WholeSet<V> {
    type State = BTreeSet<V>;
    type Input = WholeSetInput<V>;
    type Output = WholeSetOutput<V>;
    type Key = ();

    fn initial(&self) -> BTreeSet<V> {
        BTreeSet::new()
    }

    fn apply(
        &self,
        state: &BTreeSet<V>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<BTreeSet<V>> {
        let mut after = state.clone();
        let found = match input {
            WholeSetInput::Add(element) => after.insert(element.clone()),
            WholeSetInput::Remove(element) => after.remove(element),
            WholeSetInput::Contains(element) => state.contains(element),
            WholeSetInput::Read => {
                return match output {
                    None => Some(after),
                    Some(WholeSetOutput::Elements(all)) => (all == state).then_some(after),
                    Some(WholeSetOutput::Done(_)) => None,
                };
            }
        };
        match output {
            None | Some(WholeSetOutput::Done(None)) => Some(after),
            Some(WholeSetOutput::Done(Some(told))) => (*told == found).then_some(after),
            Some(WholeSetOutput::Elements(_)) => None,
        }
    }

    fn reads_only(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!(input, WholeSetInput::Read | WholeSetInput::Contains(_))
            || output == Some(&WholeSetOutput::Done(Some(false)))
    }

    fn monitor(&self, calls: &[Call<'_, Self::Input, Self::Output>]) -> Option<Monitored> {
        let mut uses = Vec::with_capacity(calls.len());
        for call in calls {
            let kind = match (call.input, call.output) {
                // An addition that found the element absent is one of an element that is added once.
                (WholeSetInput::Add(element), None | Some(WholeSetOutput::Done(None | Some(true)))) => {
                    Kind::Adds(element)
                }
                (WholeSetInput::Read, Some(WholeSetOutput::Elements(all))) if call.returned != NEVER => {
                    Kind::Saw(all)
                }
                _ => return None,
            };
            uses.push(Use { kind, invoked: call.invoked, returned: call.returned });
        }
        growing::monitor(&uses)
    }

    fn weight(&self, state: &BTreeSet<V>) -> usize {
        size_of::<BTreeSet<V>>() + 2 * state.len() * size_of::<V>()
    }

    fn name(&self) -> &'static str {
        "set"
    }

    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let what = match input {
            WholeSetInput::Add(element) => format!("add {element:?}"),
            WholeSetInput::Remove(element) => format!("remove {element:?}"),
            WholeSetInput::Contains(element) => format!("contains {element:?}"),
            WholeSetInput::Read => "read".to_owned(),
        };
        match output {
            Some(WholeSetOutput::Done(Some(told))) => format!("{what} -> {told}"),
            Some(WholeSetOutput::Elements(all)) => format!("{what} -> {}", in_words(all)),
            _ => what,
        }
    }

    fn describe_state(&self, state: &BTreeSet<V>) -> String {
        in_words(state)
    }

    fn refusal(&self, state: &BTreeSet<V>, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let Some(WholeSetOutput::Elements(all)) = output else {
            return format!("{} contradicts {}", self.describe(input, output), in_words(state));
        };
        let lacks: BTreeSet<&V> = state.difference(all).collect();
        let has: BTreeSet<&V> = all.difference(state).collect();
        match (lacks.is_empty(), has.is_empty()) {
            (false, true) => format!("the read lacks {}, which is there", in_words(&lacks)),
            (true, false) => format!("the read has {}, which is not there", in_words(&has)),
            _ => format!(
                "the read lacks {}, which is there, and has {}, which is not",
                in_words(&lacks),
                in_words(&has)
            ),
        }
    }
}

/// `{1, 2, 3}`; of a large set the beginning: `{1, 2, .. (40 in all)}`.
fn in_words<V: Debug>(set: &BTreeSet<V>) -> String {
    const SHOWN: usize = 12;
    let mut words: Vec<String> = set.iter().take(SHOWN).map(|element| format!("{element:?}")).collect();
    if set.len() > SHOWN {
        words.push(format!(".. ({} in all)", set.len()));
    }
    format!("{{{}}}", words.join(", "))
}
