//! A counter whose reads lie between what is surely counted and what can be.

use std::{collections::BTreeMap, fmt};

/// Watches a counter. It does not look at the order of reads: that is what [linearizability](crate::linearizability) is
/// for.
///
/// ```
/// use squall_checkers::specific::CounterBounds;
///
/// let mut counter = CounterBounds::new();
/// let sure = counter.adding(5);
/// counter.added(sure);
/// let _unknown = counter.adding(2);
/// let read = counter.reading();
/// assert!(counter.read(read, 7).is_ok());
/// let read = counter.reading();
/// assert_eq!(counter.read(read, 8).unwrap_err().to_string(), "a read returned 8, which is not in 5..=7");
/// ```
#[derive(Clone, Debug, Default)]
pub struct CounterBounds {
    sure: Sums,
    possible: Sums,
    open: BTreeMap<u64, i64>,
    next: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    up: i128,
    down: i128,
}

impl Sums {
    fn add(&mut self, amount: i64, times: i128) {
        let sum = if amount > 0 { &mut self.up } else { &mut self.down };
        *sum += times * i128::from(amount);
    }
}

/// An addition to a [`CounterBounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition(u64);

/// A read of a [`CounterBounds`].
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    sure: Sums,
}

/// A read that no order of additions explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OutOfBounds {
    /// What was read.
    pub value: i64,
    /// The least that it can be.
    pub low: i128,
    /// The most that it can be.
    pub high: i128,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a read returned {}, which is not in {}..={}", self.value, self.low, self.high)
    }
}

impl CounterBounds {
    /// A counter that is zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody tries to add an amount, which may be negative. If nothing more is told, it may have been added.
    pub fn adding(&mut self, amount: i64) -> Addition {
        let addition = self.next;
        self.next += 1;
        self.possible.add(amount, 1);
        self.open.insert(addition, amount);
        Addition(addition)
    }

    /// It was added.
    pub fn added(&mut self, addition: Addition) {
        if let Some(amount) = self.open.remove(&addition.0) {
            self.sure.add(amount, 1);
        }
    }

    /// It was not added and will not be.
    pub fn refused(&mut self, addition: Addition) {
        if let Some(amount) = self.open.remove(&addition.0) {
            self.possible.add(amount, -1);
        }
    }

    /// A read begins.
    pub fn reading(&self) -> Reading {
        Reading { sure: self.sure }
    }

    /// It returned a value.
    pub fn read(&self, reading: Reading, value: i64) -> Result<(), OutOfBounds> {
        let low = reading.sure.up + self.possible.down;
        let high = self.possible.up + reading.sure.down;
        match (low..=high).contains(&i128::from(value)) {
            true => Ok(()),
            false => Err(OutOfBounds { value, low, high }),
        }
    }
}
