//! Transactions: which isolation level did a history have, and if not the promised one, why not?
//!
//! A [`History`] holds what transactions wrote and read, on lists (to which is appended) or registers (which are
//! overwritten). [`check`] says whether it is of a [`Level`]; [`analyze`] finds all that is wrong and all levels that
//! hold.
//!
//! ```
//! use squall_checkers::{Budget, Verdict, transactions::{self, AnomalyKind, Assume, History, Level}};
//!
//! // Write skew: each reads both and writes one.
//! let mut history = History::builder();
//! let (x, y) = (history.key("x"), history.key("y"));
//! history.begin(0).at(0).read_list(x, &[]).read_list(y, &[]).append(x, 1).commit(3);
//! history.begin(1).at(1).read_list(x, &[]).read_list(y, &[]).append(y, 1).commit(4);
//! history.begin(2).at(5).read_list(x, &[1]).read_list(y, &[1]).commit(6);
//! let history = history.build()?;
//!
//! assert!(transactions::check(&history, Level::StrongSnapshotIsolation, &Assume::default(), Budget::default()).is_legal());
//! let Verdict::Illegal(anomalies) =
//!     transactions::check(&history, Level::Serializable, &Assume::default(), Budget::default())
//! else {
//!     panic!("write skew is not serializable");
//! };
//! assert_eq!(anomalies[0].kind, AnomalyKind::G2Item);
//! assert_eq!(anomalies[0].cycle[0].why, "T0 read y = [] and did not see T1's append of 1");
//! # Ok::<(), transactions::HistoryError>(())
//! ```
//!
//! # How
//!
//! As Elle does (Kingsbury and Alvaro, VLDB 2020): reads give the order of versions, versions give Adya's
//! dependencies, and cycles of dependencies are the anomalies ([`AnomalyKind`]), of each of which the smallest is
//! shown. Whether there is one is known in linear time from strongly connected components; snapshot isolation by a graph
//! in which each transaction stands twice (Cerone and Gotsman, JACM 2018). Monotonic atomic view, read atomic and causal
//! are judged by their axioms (see [`sessions`](crate::sessions)). Beyond Elle, the absence of a cycle is not taken for
//! proof where the order of versions is not known: then an order of the transactions is searched for within the budget,
//! and without it the answer is unknown.
//!
//! | what | cost |
//! |---|---|
//! | all levels of a history that is strictly serializable, of lists | O(n log n), the logarithm for sorting by time |
//! | that an anomaly is there | O(n) |
//! | its smallest cycle | up to nodes times edges of the component it is in, within the budget |
//! | registers whose writers do not read what they replace | exponential at worst, within the budget; nearly linear if the system works |
//!
//! n counts operations and elements of lists read. Registers need no search where each transaction reads what it replaces:
//! then reads give the order of versions (mini-transactions, as Wei et al. call the smallest such, *Boosting End-to-End Database
//! Isolation Checking via Mini-Transactions*, ICDE 2025; theirs have at most two reads and two writes, these any number, and
//! real time costs O(n log n) here). The verdict says which way it was. Where the database tells its time stamps, [`timestamps`] needs no
//! search at all.

mod analysis;
mod blocks;
mod cycles;
mod explain;
mod facts;
mod graph;
mod history;
mod levels;
mod long_fork;
mod placed;
mod search;
pub mod timestamps;
pub(crate) mod weak;

use std::{collections::BTreeMap, fmt};

pub(crate) use self::facts::Direct;
use self::{
    analysis::Analysis,
    cycles::{Found, Shape, Through},
    explain::Explainer,
    facts::Facts,
    graph::{Graph, Walk},
};
pub use self::{
    history::{Builder, History, HistoryError, Key, Operation, Status, TransactionBuilder, Txn, Value},
    levels::{AnomalyKind, Level},
    long_fork::{LongFork, long_fork},
};
use crate::{
    sessions::Guarantee,
    verdict::{Budget, Exhausted, Meter, Verdict},
};

/// What is known of single registers besides what transactions saw. Lists need none of it.
#[derive(Clone, Debug, Default)]
pub struct Assume {
    /// Each register by itself is sequentially consistent: a session never goes back to an older version.
    pub sequential_keys: bool,
    /// Each register by itself is linearizable: what was written is seen by whoever begins later.
    pub linearizable_keys: bool,
    /// The order in which versions of a register were installed, by the transactions that wrote them, as a simulator
    /// knows it. Those that are not named are left open.
    pub versions: BTreeMap<Key, Vec<Txn>>,
}

/// Which order an edge stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Order {
    /// `ww`: the first installed a version and the second a later one.
    WriteWrite,
    /// `wr`: the second read the first's version.
    WriteRead,
    /// `rw`: the first read a version, the second installed a later one.
    ReadWrite,
    /// The first came earlier in their session.
    Session,
    /// The first had ended when the second began.
    RealTime,
    /// The axiom of the level demands it.
    Axiom,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Order::WriteWrite => "ww",
            Order::WriteRead => "wr",
            Order::ReadWrite => "rw",
            Order::Session => "session",
            Order::RealTime => "realtime",
            Order::Axiom => "axiom",
        })
    }
}

/// One edge of a cycle: `from` must be before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Edge {
    /// The earlier one.
    pub from: Txn,
    /// The later one.
    pub to: Txn,
    /// By which order.
    pub order: Order,
    /// The key it is about, if it is about one.
    pub key: Option<String>,
    /// Why, in one sentence.
    pub why: String,
}

/// A transaction as an explanation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Transaction {
    /// Which one.
    pub transaction: Txn,
    /// Its session.
    pub session: u32,
    /// How it ended.
    pub status: Status,
    /// Where it began, if that is known.
    pub start: Option<u64>,
    /// Where it ended, if it did and that is known.
    pub end: Option<u64>,
    /// What it did, in words.
    pub operations: Vec<String>,
}

/// What a key held before all that an explanation shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StartingState {
    /// The key.
    pub key: String,
    /// Its value or list, in words.
    pub state: String,
}

/// Something that is wrong with a history, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Anomaly {
    /// Its name.
    pub kind: AnomalyKind,
    /// What happened, in one sentence.
    pub about: String,
    /// The cycle, each edge beginning where the one before ends and the last ending where the first begins. Empty where
    /// the anomaly is none.
    pub cycle: Vec<Edge>,
    /// The transactions that it takes.
    pub transactions: Vec<Transaction>,
    /// What the keys in question held before.
    pub starts_from: Vec<StartingState>,
    /// Whether no smaller cycle shows the same anomaly. Not, where the budget ran out on looking.
    pub smallest: bool,
    /// The weakest levels that it refutes; what implies one of these is refuted with it.
    pub refutes: Vec<Level>,
}

impl Anomaly {
    /// Whether a history with this anomaly cannot be of a level.
    pub fn refutes(&self, level: Level) -> bool {
        self.refutes.iter().any(|&weakest| level.implies(weakest))
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.about)?;
        for state in &self.starts_from {
            write!(f, "\n  {} = {} at first", state.key, state.state)?;
        }
        for transaction in &self.transactions {
            write!(f, "\n  {} (session {}", transaction.transaction, transaction.session)?;
            match transaction.status {
                Status::Committed => {}
                Status::Aborted => write!(f, ", aborted")?,
                Status::Unknown => write!(f, ", unknown")?,
            }
            write!(f, "): {}", transaction.operations.join(", "))?;
        }
        for edge in &self.cycle {
            write!(f, "\n  {} -{}-> {}: {}", edge.from, edge.order, edge.to, edge.why)?;
        }
        Ok(())
    }
}

/// A register whose writes fall into several sequences that nothing orders among each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Unordered {
    /// The key.
    pub key: String,
    /// How many sequences there are.
    pub sequences: u32,
}

/// Whether a history is of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Holds {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Neither was shown.
    Unknown,
}

/// All that an analysis found.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// Of each level that holds, the algorithm that showed it or something stronger.
    pub by: BTreeMap<Level, &'static str>,
    /// What is wrong: of each kind of cycle the smallest, of the rest each. The worst first.
    pub anomalies: Vec<Anomaly>,
    /// Of each level, whether the history is of it.
    pub levels: BTreeMap<Level, Holds>,
    /// Keys of whose writes the order is not known.
    pub unordered: Vec<Unordered>,
    /// What ran out, if something did.
    pub exhausted: Option<Exhausted>,
    /// Whether it is known of all transactions when they ran. If not, no level of real time is said to hold.
    pub timed: bool,
}

impl Report {
    /// The strongest levels that hold: none implies another.
    pub fn strongest(&self) -> Vec<Level> {
        let holding = self.levels.iter().filter(|(_, holds)| **holds == Holds::Yes).map(|(&level, _)| level);
        levels::strongest(&holding.collect())
    }

    /// The verdict on one level.
    pub fn verdict(&self, level: Level) -> Verdict<Vec<Anomaly>> {
        match self.levels[&level] {
            Holds::Yes => Verdict::Legal { by: self.by[&level] },
            Holds::No => Verdict::Illegal(
                self.anomalies.iter().filter(|anomaly| anomaly.refutes(level)).cloned().collect(),
            ),
            Holds::Unknown if !self.timed && level.is_of_time() => {
                Verdict::Unknown { reason: Exhausted::NoTimestamps }
            }
            Holds::Unknown => Verdict::Unknown {
                reason: self.exhausted.unwrap_or(Exhausted::Unordered {
                    sequences: self.unordered.iter().map(|u| u.sequences as u64).sum(),
                }),
            },
        }
    }
}

/// Whether a history is of a level; if not, the anomalies that forbid it, the worst first.
pub fn check(history: &History, level: Level, assume: &Assume, budget: Budget) -> Verdict<Vec<Anomaly>> {
    Analysis::run(history, assume, budget, Some(level)).report().verdict(level)
}

/// All that is wrong with a history, and all levels that it is of.
///
/// ```
/// use squall_checkers::{Budget, transactions::{self, Assume, History, Level}};
///
/// // T1 does not see what its own session wrote before, as of a snapshot that is too old.
/// let mut history = History::builder();
/// let x = history.key("x");
/// history.begin(0).write(x, 1).commit(None);
/// history.begin(0).read(x, None).commit(None);
/// let report = transactions::analyze(&history.build()?, &Assume::default(), Budget::default());
/// assert_eq!(report.strongest(), [Level::MonotonicAtomicView, Level::Serializable]);
/// # Ok::<(), transactions::HistoryError>(())
/// ```
pub fn analyze(history: &History, assume: &Assume, budget: Budget) -> Report {
    Analysis::run(history, assume, budget, None).report()
}

/// How a history breaks the axiom of a guarantee, if it does.
pub(crate) fn broken(
    history: &History,
    facts: &Facts,
    graph: &Graph,
    guarantee: Guarantee,
    kind: AnomalyKind,
    meter: &mut Meter,
) -> Result<Option<Anomaly>, Exhausted> {
    let inferred = weak::infer(history, facts, graph, guarantee, meter)?;
    let explainer = Explainer { history, facts };
    if let Some(unseen) = inferred.unseen {
        return Ok(Some(explainer.unseen(kind, graph, unseen)));
    }
    let components = Walk { graph: &inferred.graph, kinds: u8::MAX, nonadjacent: false }.components();
    if components.is_empty() {
        return Ok(None);
    }
    let found = cycles::smallest(&inferred.graph, &components, Shape::Axiom, Through::Versions, meter)?;
    let Found { cycle, smallest } = found.expect("a component has a cycle");
    Ok(Some(explainer.cycle(kind, &cycle, smallest)))
}

pub(crate) fn facts_and_graph(history: &History) -> (Facts, Graph) {
    let mut facts = facts::of(history, &Assume::default());
    let graph = std::mem::replace(&mut facts.edges, graph::Edges::new(0)).build();
    (facts, graph)
}

/// A direct anomaly, explained.
pub(crate) fn explain_direct(history: &History, facts: &Facts, direct: Direct) -> Anomaly {
    Explainer { history, facts }.direct(direct)
}
