//! What a checker answers, and how much it may spend on the answer.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// A checker's answer. `E` explains what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Verdict<E> {
    /// The history is one that the promised behaviour allows.
    Legal {
        /// The algorithm that showed it.
        by: &'static str,
    },
    /// It is not, and this is why.
    Illegal(E),
    /// The budget ran out before either was shown. It says nothing about the history.
    Unknown {
        /// What ran out.
        reason: Exhausted,
    },
}

impl<E> Verdict<E> {
    /// Whether the history was shown to be allowed.
    pub fn is_legal(&self) -> bool {
        matches!(self, Verdict::Legal { .. })
    }

    /// Whether the history was shown to be forbidden.
    pub fn is_illegal(&self) -> bool {
        matches!(self, Verdict::Illegal(_))
    }

    /// Whether neither was shown.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Verdict::Unknown { .. })
    }

    /// What is wrong with the history, if that was shown.
    pub fn explanation(&self) -> Option<&E> {
        match self {
            Verdict::Illegal(explanation) => Some(explanation),
            _ => None,
        }
    }

    /// The same verdict, explained otherwise.
    pub fn map<F>(self, explain: impl FnOnce(E) -> F) -> Verdict<F> {
        match self {
            Verdict::Legal { by } => Verdict::Legal { by },
            Verdict::Illegal(explanation) => Verdict::Illegal(explain(explanation)),
            Verdict::Unknown { reason } => Verdict::Unknown { reason },
        }
    }
}

/// How much a check may cost. Steps and memory are counted the same on every machine, so a verdict within them is
/// reproducible; a deadline is not.
///
/// ```
/// use squall_checkers::Budget;
///
/// let default = Budget::default();
/// let small = Budget { steps: 10_000, ..Budget::default() };
/// assert!(small.steps < default.steps);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many steps, each about the work of applying one operation to a state (some 100 ns).
    pub steps: u64,
    /// How many bytes may be remembered at once, as the checker counts them: what it keeps to avoid repeating work.
    /// The history itself, and a fixed number of words for each operation, come on top.
    pub memory: u64,
    /// How long it may take by the clock of the machine. `None`, the default, keeps verdicts reproducible.
    pub time: Option<Duration>,
}

impl Default for Budget {
    /// 50 million steps, 1 GiB, no limit of time.
    fn default() -> Self {
        Budget { steps: 50_000_000, memory: 1 << 30, time: None }
    }
}

/// Why a question stayed open: mostly, what of a [`Budget`] ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Exhausted {
    /// All steps were taken.
    Steps {
        /// How many there were.
        limit: u64,
    },
    /// The memory was full.
    Memory {
        /// How many bytes there were.
        limit: u64,
    },
    /// The time was over.
    Time {
        /// How much there was.
        limit: Duration,
    },
    /// Nothing ran out: the history does not show in which order some writes were made, and no search decides it.
    Unordered {
        /// Into how many sequences these writes fall.
        sequences: u64,
    },
    /// Nothing ran out: time stamps that are needed are not there.
    NoTimestamps,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exhausted::Steps { limit } => write!(f, "undecided after {limit} steps"),
            Exhausted::Memory { limit } => write!(f, "undecided with {limit} bytes of memory in use"),
            Exhausted::Time { limit } => write!(f, "undecided after {limit:?}"),
            Exhausted::Unordered { sequences } => {
                write!(f, "undecided, as nothing orders {sequences} sequences of writes among each other")
            }
            Exhausted::NoTimestamps => {
                write!(f, "undecided, as a transaction has no start and commit time stamps")
            }
        }
    }
}

/// A [`Budget`] being spent. One meter may pass through several algorithms, which then share the budget.
#[derive(Clone, Debug)]
pub struct Meter {
    budget: Budget,
    steps: u64,
    memory: u64,
    deadline: Option<Instant>,
}

/// A deadline is looked at once in this many steps.
const CLOCK_EVERY: u64 = 1024;

impl Meter {
    /// Starts to spend; from here on the time counts.
    pub fn new(budget: Budget) -> Self {
        Meter {
            budget,
            steps: 0,
            memory: 0,
            deadline: budget.time.and_then(|time| Instant::now().checked_add(time)),
        }
    }

    /// How many steps were taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How many bytes are remembered.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Takes one step.
    pub fn step(&mut self) -> Result<(), Exhausted> {
        self.spend(1)
    }

    /// Takes several steps.
    pub fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        let before = self.steps / CLOCK_EVERY;
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.budget.steps {
            return Err(Exhausted::Steps { limit: self.budget.steps });
        }
        if let (Some(deadline), Some(limit)) = (self.deadline, self.budget.time)
            && self.steps / CLOCK_EVERY != before
            && Instant::now() >= deadline
        {
            return Err(Exhausted::Time { limit });
        }
        Ok(())
    }

    /// Remembers so many bytes more.
    pub fn remember(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.memory = self.memory.saturating_add(bytes as u64);
        if self.memory > self.budget.memory {
            return Err(Exhausted::Memory { limit: self.budget.memory });
        }
        Ok(())
    }

    /// Forgets so many bytes again.
    pub fn forget(&mut self, bytes: usize) {
        self.memory = self.memory.saturating_sub(bytes as u64);
    }
}
