//! A set that elements are added to and that is read as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Watches a set. An element is *known* from the moment at which its addition returned, or a read that shows it did: reads
/// that are invoked later must show it. A read costs O(n) in the elements there are.
///
/// ```
/// use squall_checkers::specific::{GrowingSet, SetFinding};
///
/// let mut set = GrowingSet::new();
/// set.adding("a");
/// set.added("a", 1);
/// assert_eq!(set.read([], 2, 3), [SetFinding::Missing { element: "a", known: 1, invoked: 2 }]);
/// assert!(set.read(["a"], 4, 5).is_empty());
/// assert_eq!(set.finish().stale, ["a"]);
/// ```
#[derive(Clone, Debug)]
pub struct GrowingSet<V> {
    elements: BTreeMap<V, Element>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Element {
    /// How many additions succeeded or may have.
    attempts: u64,
    /// Since when all reads must show it.
    known: Option<u64>,
    /// The latest invocation of a read that showed it.
    seen: Option<u64>,
    /// The latest invocation of a read that had to show it and did not.
    missed: Option<u64>,
}

/// What is wrong with a read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum SetFinding<V> {
    /// It does not show an element that it must.
    Missing {
        /// Which.
        element: V,
        /// The position from which on it must be shown.
        known: u64,
        /// When the read was invoked.
        invoked: u64,
    },
    /// It shows an element that nobody tried to add.
    Unexpected {
        /// Which.
        element: V,
    },
}

impl<V: fmt::Debug> fmt::Display for SetFinding<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetFinding::Missing { element, known, invoked } => {
                write!(
                    f,
                    "the read invoked at {invoked} does not show {element:?}, which is known since {known}"
                )
            }
            SetFinding::Unexpected { element } => {
                write!(f, "a read shows {element:?}, which was never added")
            }
        }
    }
}

/// What is known in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GrowingSetReport<V> {
    /// Known, and the last read that had to show it did not: no later one showed it.
    pub lost: Vec<V>,
    /// Missed by a read that had to show it, and shown by a later one.
    pub stale: Vec<V>,
    /// Added, and no read was invoked after that.
    pub never_read: Vec<V>,
    /// Shown, and never added.
    pub unexpected: Vec<V>,
}

impl<V> Default for GrowingSet<V> {
    fn default() -> Self {
        GrowingSet { elements: BTreeMap::new() }
    }
}

impl<V: Clone + Ord> GrowingSet<V> {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody tries to add an element.
    pub fn adding(&mut self, element: V) {
        self.elements.entry(element).or_default().attempts += 1;
    }

    /// An element was not added: the attempt failed for certain.
    pub fn refused(&mut self, element: V) {
        let element = self.elements.entry(element).or_default();
        element.attempts = element.attempts.saturating_sub(1);
    }

    /// An element was added; the addition returned at this position.
    pub fn added(&mut self, element: V, returned: u64) {
        let element = self.elements.entry(element).or_default();
        element.attempts = element.attempts.max(1);
        element.known = Some(element.known.map_or(returned, |known| known.min(returned)));
    }

    /// A read that was invoked at one position returned these elements at another. Reads and additions are told in the order
    /// in which they return.
    pub fn read(
        &mut self,
        elements: impl IntoIterator<Item = V>,
        invoked: u64,
        returned: u64,
    ) -> Vec<SetFinding<V>> {
        let shown: BTreeSet<V> = elements.into_iter().collect();
        let mut findings = Vec::new();
        for (name, element) in &mut self.elements {
            if !shown.contains(name)
                && let Some(known) = element.known.filter(|known| *known < invoked)
            {
                element.missed = element.missed.max(Some(invoked));
                findings.push(SetFinding::Missing { element: name.clone(), known, invoked });
            }
        }
        for name in shown {
            let element = self.elements.entry(name.clone()).or_default();
            element.seen = element.seen.max(Some(invoked));
            if element.attempts > 0 {
                element.known = Some(element.known.map_or(returned, |known| known.min(returned)));
            } else {
                findings.push(SetFinding::Unexpected { element: name });
            }
        }
        findings
    }

    /// Nothing more will be read.
    pub fn finish(&self) -> GrowingSetReport<V> {
        let which = |wanted: fn(&Element) -> bool| {
            let wanted = self.elements.iter().filter(|(_, element)| wanted(element));
            wanted.map(|(name, _)| name.clone()).collect()
        };
        GrowingSetReport {
            lost: which(|element| element.missed.is_some() && element.seen <= element.missed),
            stale: which(|element| element.missed.is_some() && element.seen > element.missed),
            never_read: which(|element| element.known.is_some() && element.seen.or(element.missed).is_none()),
            unexpected: which(|element| element.attempts == 0 && element.seen.is_some()),
        }
    }
}
