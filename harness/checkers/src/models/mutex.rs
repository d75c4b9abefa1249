//! A lock: acquire, release, with fencing tokens where the service gives them.

use crate::{history::Process, model::Model};

/// A lock that is free at first. With [`fenced`](Mutex::fenced), each grant carries a token greater than all before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutex {
    fenced: bool,
}

impl Mutex {
    /// A lock without tokens; those that are given are not looked at.
    pub fn new() -> Self {
        Mutex { fenced: false }
    }

    /// A lock whose tokens must grow with every grant.
    pub fn fenced() -> Self {
        Mutex { fenced: true }
    }
}

/// What can be asked of a [`Mutex`]; the field is who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexInput {
    /// May I have it? Answered with [`Granted`](MutexOutput::Granted) or [`Busy`](MutexOutput::Busy).
    Acquire(Process),
    /// I am done with it. Answered with [`Released`](MutexOutput::Released), or [`Busy`](MutexOutput::Busy) if another
    /// holds it, or nobody does.
    Release(Process),
}

/// What a [`Mutex`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexOutput {
    /// It is yours, with this token if there are tokens.
    Granted(Option<u64>),
    /// It is free again.
    Released,
    /// Not as things are.
    Busy,
}

impl Model for Mutex {
    /// Who holds it, and the least that the greatest token given can be.
    type State = (Option<Process>, Option<u64>);
    type Input = MutexInput;
    type Output = MutexOutput;
    type Key = ();

    fn initial(&self) -> Self::State {
        (None, None)
    }

    fn apply(
        &self,
        state: &Self::State,
        input: &MutexInput,
        output: Option<&MutexOutput>,
    ) -> Option<Self::State> {
        let &(holder, greatest) = state;
        match (input, output) {
            (MutexInput::Acquire(process), Some(MutexOutput::Granted(Some(token)))) if self.fenced => {
                (holder.is_none() && greatest.is_none_or(|greatest| greatest < *token))
                    .then_some((Some(*process), Some(*token)))
            }
            (MutexInput::Acquire(process), None | Some(MutexOutput::Granted(_))) => {
                // A token that nobody saw is the least there can be, which leaves most room for those after it.
                let unseen = || greatest.map_or(0, |greatest| greatest.saturating_add(1));
                let greatest = if self.fenced { Some(unseen()) } else { None };
                holder.is_none().then_some((Some(*process), greatest))
            }
            (MutexInput::Acquire(_), Some(MutexOutput::Busy)) => holder.is_some().then_some(*state),
            (MutexInput::Release(process), None | Some(MutexOutput::Released)) => {
                (holder == Some(*process)).then_some((None, greatest))
            }
            (MutexInput::Release(process), Some(MutexOutput::Busy)) => {
                (holder != Some(*process)).then_some(*state)
            }
            _ => None,
        }
    }

    fn reads_only(&self, _: &MutexInput, output: Option<&MutexOutput>) -> bool {
        output == Some(&MutexOutput::Busy)
    }

    fn name(&self) -> &'static str {
        "lock"
    }

    fn describe(&self, input: &MutexInput, output: Option<&MutexOutput>) -> String {
        let what = match input {
            MutexInput::Acquire(process) => format!("acquire by {process}"),
            MutexInput::Release(process) => format!("release by {process}"),
        };
        match output {
            Some(MutexOutput::Granted(Some(token))) => format!("{what} -> token {token}"),
            Some(MutexOutput::Busy) => format!("{what} -> refused"),
            _ => what,
        }
    }

    fn describe_state(&self, &(holder, greatest): &Self::State) -> String {
        let holder = holder.map_or_else(|| "free".to_owned(), |holder| format!("held by {holder}"));
        match greatest {
            Some(token) if self.fenced => format!("{holder}, last token {token}"),
            _ => holder,
        }
    }

    fn refusal(&self, state: &Self::State, input: &MutexInput, output: Option<&MutexOutput>) -> String {
        format!(
            "{} is not possible: the lock is {}",
            self.describe(input, output),
            self.describe_state(state)
        )
    }
}
