//! What a saga's journal amounts to: the state that a driver goes on from.

use super::{Entry, Phase};

/// The state of one saga: the fold of its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many entries the journal has.
    pub position: u32,
    /// What the steps done so far returned; as many as are done.
    pub outputs: Vec<Vec<u8>>,
    /// The intent of the next step is logged and its result is not: it is in doubt.
    pub in_doubt: bool,
    /// The saga turned back, and so many of the first steps still have to be compensated, the last of them first.
    pub to_compensate: Option<usize>,
    pub parked: bool,
    pub ended: Option<bool>,
}

impl Progress {
    pub fn of(entries: &[Entry]) -> Self {
        let mut progress = Progress::default();
        progress.extend(entries);
        progress
    }

    pub fn extend(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.position += 1;
            match entry {
                Entry::Started { .. } => {}
                Entry::Intended { .. } => self.in_doubt = true,
                Entry::Done { output, .. } => {
                    self.in_doubt = false;
                    self.outputs.push(output.clone());
                }
                Entry::Refused { .. } => self.in_doubt = false,
                Entry::Turned { .. } => {
                    self.to_compensate = Some(self.outputs.len() + usize::from(self.in_doubt));
                }
                Entry::Compensated { step } => self.to_compensate = Some(*step as usize),
                Entry::Parked { .. } => self.parked = true,
                Entry::Unparked => self.parked = false,
                Entry::Ended { completed } => self.ended = Some(*completed),
            }
        }
    }

    /// The step to go forward with.
    pub fn next(&self) -> usize {
        self.outputs.len()
    }

    pub fn phase(&self, undoable: usize) -> Phase {
        match self {
            Progress { ended: Some(true), .. } => Phase::Completed,
            Progress { ended: Some(false), .. } => Phase::Compensated,
            Progress { parked: true, .. } => Phase::Parked,
            Progress { to_compensate: Some(_), .. } => Phase::Compensating,
            _ if self.next() >= undoable => Phase::Committed,
            _ => Phase::Forward,
        }
    }
}
