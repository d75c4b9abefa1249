//! Histories: operations of processes on one object or many, with the moments between which each took effect.
//!
//! A history is a slice of [`Operation`]s in any order. An operation that *failed* for certain never happened and is not
//! part of it. One whose outcome is unknown (*info*: a time-out, a lost connection) never returned: it may take effect
//! at any moment after its invocation, or never.

use std::time::Duration;

/// Who performed an operation: a client, a thread, a session. It has one operation at a time, except that it may go on
/// after one whose outcome is unknown.
pub type Process = u64;

/// A place in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Moment {
    /// The position in the order of all invocations and returns. Only this decides what precedes what. Equal positions
    /// are not ordered, so that readings of a coarse clock may serve.
    pub index: u64,
    /// When it was, for people.
    pub time: Option<Duration>,
}

impl Moment {
    /// A place without a time.
    pub fn at(index: u64) -> Self {
        Moment { index, time: None }
    }
}

/// That an operation returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Returned<O> {
    /// What it returned.
    pub output: O,
    /// When it did.
    pub at: Moment,
}

/// One operation of one process: `I` is what was asked, `O` what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Operation<I, O> {
    /// Who asked.
    pub process: Process,
    /// What was asked.
    pub input: I,
    /// When it was asked: the effect is not earlier.
    pub invoked: Moment,
    /// What came back and when: the effect is not later. `None`: the outcome is unknown; the effect comes whenever, or
    /// never.
    pub returned: Option<Returned<O>>,
}

impl<I, O> Operation<I, O> {
    /// An operation that returned `output`; it took effect between two positions.
    pub fn ok(process: Process, input: I, output: O, invoked: u64, returned: u64) -> Self {
        let returned = Some(Returned { output, at: Moment::at(returned) });
        Operation { process, input, invoked: Moment::at(invoked), returned }
    }

    /// An operation whose outcome is unknown.
    pub fn info(process: Process, input: I, invoked: u64) -> Self {
        Operation { process, input, invoked: Moment::at(invoked), returned: None }
    }

    /// What came back; `None` where the outcome is unknown.
    pub fn output(&self) -> Option<&O> {
        self.returned.as_ref().map(|returned| &returned.output)
    }

    /// Whether this one returned before the other was invoked.
    pub fn precedes(&self, other: &Self) -> bool {
        self.returned.as_ref().is_some_and(|returned| returned.at.index < other.invoked.index)
    }

    /// Whether neither precedes the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        !self.precedes(other) && !other.precedes(self)
    }
}

/// An operation in a [`Recorder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Invocation(usize);

/// Records a history event by event, in the order in which they happen.
///
/// What is still open at the end counts as unknown.
#[derive(Clone, Debug)]
pub struct Recorder<I, O> {
    /// `None`: it failed.
    operations: Vec<Option<Operation<I, O>>>,
    next: u64,
    time: Option<Duration>,
}

impl<I, O> Default for Recorder<I, O> {
    fn default() -> Self {
        Recorder { operations: Vec::new(), next: 0, time: None }
    }
}

impl<I, O> Recorder<I, O> {
    /// Nothing happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What comes next happens at this time.
    pub fn now(&mut self, time: Duration) {
        self.time = Some(time);
    }

    /// A process asks for something.
    pub fn invoke(&mut self, process: Process, input: I) -> Invocation {
        let invoked = self.moment();
        self.operations.push(Some(Operation { process, input, invoked, returned: None }));
        Invocation(self.operations.len() - 1)
    }

    /// It is answered.
    ///
    /// # Panics
    ///
    /// If the operation has returned or failed before.
    pub fn ok(&mut self, invocation: Invocation, output: O) {
        let at = self.moment();
        let operation = self.operations[invocation.0].as_mut().expect("an operation that failed returned");
        assert!(operation.returned.is_none(), "an operation returned twice");
        operation.returned = Some(Returned { output, at });
    }

    /// It failed for certain: it had no effect and will have none.
    ///
    /// # Panics
    ///
    /// If the operation has returned before.
    pub fn fail(&mut self, invocation: Invocation) {
        if let Some(operation) = self.operations[invocation.0].take() {
            assert!(operation.returned.is_none(), "an operation failed after it returned");
        }
    }

    /// Its outcome is not known and will not be.
    pub fn info(&mut self, invocation: Invocation) {
        debug_assert!(invocation.0 < self.operations.len());
    }

    /// The history.
    pub fn finish(self) -> Vec<Operation<I, O>> {
        self.operations.into_iter().flatten().collect()
    }

    fn moment(&mut self) -> Moment {
        let index = self.next;
        self.next += 1;
        Moment { index, time: self.time }
    }
}
