//! Ids that are given once.

use std::{collections::HashMap, fmt, hash::Hash};

use rustc_hash::FxBuildHasher;

use crate::history::Process;

/// Watches ids being given.
///
/// ```
/// use squall_checkers::specific::UniqueIds;
///
/// let mut ids = UniqueIds::new();
/// assert!(ids.given(0, 17).is_ok());
/// let duplicate = ids.given(3, 17).unwrap_err();
/// assert_eq!(duplicate.to_string(), "17 was given to process 0, then to process 3");
/// ```
#[derive(Clone, Debug)]
pub struct UniqueIds<T> {
    given: HashMap<T, Process, FxBuildHasher>,
}

/// An id that was given twice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Duplicate<T> {
    /// The id.
    pub id: T,
    /// Who had it first.
    pub first: Process,
    /// Who has it as well.
    pub second: Process,
}

impl<T: fmt::Debug> fmt::Display for Duplicate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Duplicate { id, first, second } = self;
        write!(f, "{id:?} was given to process {first}, then to process {second}")
    }
}

impl<T> Default for UniqueIds<T> {
    fn default() -> Self {
        UniqueIds { given: HashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> UniqueIds<T> {
    /// No id was given.
    pub fn new() -> Self {
        Self::default()
    }

    /// A process was given an id.
    pub fn given(&mut self, process: Process, id: T) -> Result<(), Duplicate<T>> {
        match self.given.get(&id) {
            Some(&first) => Err(Duplicate { id, first, second: process }),
            None => {
                self.given.insert(id, process);
                Ok(())
            }
        }
    }
}
