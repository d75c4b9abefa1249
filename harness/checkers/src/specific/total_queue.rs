//! A queue, in any order, that is emptied in the end: what goes in comes out once.

use std::{collections::BTreeMap, fmt};

/// Watches a queue.
///
/// ```
/// use squall_checkers::specific::{QueueFinding, TotalQueue};
///
/// let mut queue = TotalQueue::new();
/// queue.putting("a");
/// queue.put("a");
/// queue.putting("b");                    // nobody knows whether it arrived
/// assert!(queue.taken("b").is_ok());     // it did
/// assert_eq!(queue.taken("b"), Err(QueueFinding::Duplicated { value: "b", put: 1, taken: 2 }));
/// assert_eq!(queue.finish().lost, ["a"]);
/// ```
#[derive(Clone, Debug)]
pub struct TotalQueue<V> {
    values: BTreeMap<V, Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    attempted: u64,
    acknowledged: u64,
    taken: u64,
}

/// What came out and should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum QueueFinding<V> {
    /// More often than anybody tried to put it in.
    Duplicated {
        /// What.
        value: V,
        /// How often it can have been put in.
        put: u64,
        /// How often it came out.
        taken: u64,
    },
    /// Nobody ever tried to put it in.
    Unexpected {
        /// What.
        value: V,
    },
}

impl<V: fmt::Debug> fmt::Display for QueueFinding<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueFinding::Duplicated { value, put, taken } => {
                write!(f, "{value:?} came out {taken} times and was put in at most {put} times")
            }
            QueueFinding::Unexpected { value } => write!(f, "{value:?} came out and was never put in"),
        }
    }
}

/// What is known when the queue has been emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TotalQueueReport<V> {
    /// Put in for certain, and it did not come out that often.
    pub lost: Vec<V>,
    /// Came out more often than it can have been put in.
    pub duplicated: Vec<V>,
    /// Came out and was never put in.
    pub unexpected: Vec<V>,
    /// Came out though it was not known to have been put in, which is fine.
    pub recovered: Vec<V>,
}

impl<V> Default for TotalQueue<V> {
    fn default() -> Self {
        TotalQueue { values: BTreeMap::new() }
    }
}

impl<V: Clone + Ord> TotalQueue<V> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody tries to put a value in.
    pub fn putting(&mut self, value: V) {
        self.values.entry(value).or_default().attempted += 1;
    }

    /// A value was put in: the attempt succeeded.
    pub fn put(&mut self, value: V) {
        self.values.entry(value).or_default().acknowledged += 1;
    }

    /// A value was not put in: the attempt failed for certain.
    pub fn refused(&mut self, value: V) {
        let counts = self.values.entry(value).or_default();
        counts.attempted = counts.attempted.saturating_sub(1);
    }

    /// A value came out.
    pub fn taken(&mut self, value: V) -> Result<(), QueueFinding<V>> {
        let counts = self.values.entry(value.clone()).or_default();
        counts.taken += 1;
        match *counts {
            Counts { attempted: 0, .. } => Err(QueueFinding::Unexpected { value }),
            Counts { attempted, taken, .. } if taken > attempted => {
                Err(QueueFinding::Duplicated { value, put: attempted, taken })
            }
            _ => Ok(()),
        }
    }

    /// The queue has been emptied.
    pub fn finish(&self) -> TotalQueueReport<V> {
        let which = |wanted: fn(&Counts) -> bool| {
            self.values.iter().filter(|(_, counts)| wanted(counts)).map(|(value, _)| value.clone()).collect()
        };
        TotalQueueReport {
            lost: which(|counts| counts.taken < counts.acknowledged),
            duplicated: which(|counts| counts.attempted > 0 && counts.taken > counts.attempted),
            unexpected: which(|counts| counts.attempted == 0 && counts.taken > 0),
            recovered: which(|counts| counts.taken > counts.acknowledged && counts.taken <= counts.attempted),
        }
    }
}
