//! What a saga consists of: steps, in order, and how each is undone.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// Proves to a participant who drives a saga: the coordinator's name, and an epoch that rises with each of its starts.
/// (Kleppmann, "How to do distributed locking", 2016, calls it a fencing token.)
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The coordinator's name; epochs of different coordinators are not compared.
    pub coordinator: String,
    /// Which start of it, from 1.
    pub epoch: u64,
}

/// One attempt at a step or at its compensation.
#[derive(Debug)]
pub struct Attempt<'a, I> {
    /// The saga's id.
    pub saga: &'a str,
    /// The step's idempotency key: the same in each attempt, in its compensation, and after a restart.
    pub key: &'a str,
    /// The coordinator's token, for the participant to check.
    pub token: &'a Token,
    /// What the saga was started with.
    pub input: &'a I,
    /// What the steps done so far returned, in their order.
    pub outputs: &'a [Vec<u8>],
    /// How long the attempt may take. A step that does not heed it is dropped a quarter of it later: time enough for the
    /// calls in it to come to their own time-outs first, which know more than a dropped call does.
    pub within: Duration,
    /// Which attempt of this life of the orchestrator, from 1.
    pub number: u32,
}

/// How an attempt at a step ended, as far as the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// It took effect, now or in an earlier attempt. The output is kept for later steps.
    Done(Vec<u8>),
    /// It did not take effect and *never will under this key*: a business refusal that the participant remembers.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// Anything else: a time-out, a lost connection, an error of the participant. It may have taken effect, or may still.
    Unknown {
        /// What is known, for people.
        reason: String,
    },
    /// The participant has seen a higher epoch: another start of this coordinator drives the saga now.
    Fenced,
}

/// How an attempt at a compensation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compensation {
    /// The step's effect is gone, or never was, and its key is void.
    Done,
    /// Not known to be done; to be repeated.
    Unknown {
        /// What is known, for people.
        reason: String,
    },
    /// See [`Execution::Fenced`].
    Fenced,
}

/// A step of a saga. Its participant must make an effect at most once per [`Attempt::key`].
pub trait Step<I>: Send + Sync + 'static {
    /// Names the step in the journal, in keys and in events. Unique in a definition, and not to be changed while sagas
    /// are open.
    fn name(&self) -> &'static str;
    /// Attempts it.
    fn execute<'a>(&'a self, attempt: Attempt<'a, I>) -> BoxFuture<'a, Execution>;
}

/// A step that can be undone. Its participant must accept a compensation any number of times, and before the step itself.
pub trait Compensate<I>: Step<I> {
    /// Attempts to undo it.
    fn compensate<'a>(&'a self, attempt: Attempt<'a, I>) -> BoxFuture<'a, Compensation>;
}

pub(super) enum Kind<I> {
    Undoable(Box<dyn Compensate<I>>),
    Forward(Box<dyn Step<I>>),
}

impl<I: 'static> Kind<I> {
    pub(super) fn step(&self) -> &dyn Step<I> {
        match self {
            Kind::Undoable(step) => &**step,
            Kind::Forward(step) => &**step,
        }
    }
}

/// A kind of saga: its steps in order.
///
/// Undoable steps come first, then at most one pivot, then steps that only go forward; the types of the builder see to
/// that. There is an example in the [module](super).
pub struct Definition<I> {
    pub(super) name: &'static str,
    pub(super) steps: Vec<Kind<I>>,
    /// How many of the first steps can be undone as long as the last of them is not known to be done.
    pub(super) undoable: usize,
}

/// A [`Definition`] under construction, before its pivot.
pub struct Undoable<I>(Definition<I>);

impl<I: 'static> Definition<I> {
    /// A saga without steps yet. `name` is kept in the journal.
    #[expect(clippy::new_ret_no_self, reason = "the builder's first stage is another type")]
    pub fn new(name: &'static str) -> Undoable<I> {
        Undoable(Definition { name, steps: Vec::new(), undoable: 0 })
    }

    /// Adds a step after the pivot: it is repeated until it is done.
    ///
    /// # Panics
    /// When there is a step of that name already.
    pub fn forward(mut self, step: impl Step<I>) -> Self {
        self.push(Kind::Forward(Box::new(step)));
        self
    }

    fn push(&mut self, kind: Kind<I>) {
        let name = kind.step().name();
        assert!(
            self.steps.iter().all(|k| k.step().name() != name),
            "saga {} has two steps named {name}",
            self.name
        );
        self.steps.push(kind);
    }
}

impl<I: 'static> Undoable<I> {
    /// Adds a step that can be undone.
    ///
    /// # Panics
    /// When there is a step of that name already.
    pub fn undoable(mut self, step: impl Compensate<I>) -> Self {
        self.0.push(Kind::Undoable(Box::new(step)));
        self.0.undoable += 1;
        self
    }

    /// Adds the pivot: once it is known to be done, the saga goes forward only. As long as it is in doubt it can be undone
    /// as the steps before it.
    ///
    /// # Panics
    /// When there is a step of that name already.
    pub fn pivot(self, step: impl Compensate<I>) -> Definition<I> {
        self.undoable(step).0
    }

    /// Ends the definition without a pivot: the last step decides.
    pub fn without_pivot(self) -> Definition<I> {
        self.0
    }
}
