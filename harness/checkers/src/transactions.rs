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
//! n counts operations and elements of lists read. Where the database tells its time stamps, [`timestamps`] needs no
//! search at all.

mod cycles;
mod explain;
mod facts;
mod graph;
mod history;
mod levels;
mod long_fork;
mod search;
pub mod timestamps;
pub(crate) mod weak;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub(crate) use self::facts::Direct;
use self::{
    cycles::{Found, Shape, Through},
    explain::Explainer,
    facts::Facts,
    graph::{Graph, Kinds, RT, RW, SO, WR, WW, Walk},
    search::{Promise, Search},
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
            Holds::Yes => Verdict::Legal { by: BY },
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

const BY: &str = "dependency graph";

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

/// An analysis under way.
struct Analysis<'h> {
    history: &'h History,
    facts: Facts,
    graph: Graph,
    anomalies: Vec<Anomaly>,
    yes: BTreeSet<Level>,
    no: BTreeSet<Level>,
    exhausted: Option<Exhausted>,
}

/// The levels that forbid all cycles through versions, sessions or time: without two anti-dependencies in a row, and any.
const BY_CYCLES: [(Through, Level, Level, Level); 3] = [
    (Through::Versions, Level::ReadCommitted, Level::SnapshotIsolation, Level::Serializable),
    (
        Through::Sessions,
        Level::StrongSessionReadCommitted,
        Level::StrongSessionSnapshotIsolation,
        Level::StrongSessionSerializable,
    ),
    (Through::Time, Level::StrongReadCommitted, Level::StrongSnapshotIsolation, Level::StrictSerializable),
];

impl<'h> Analysis<'h> {
    fn run(history: &'h History, assume: &Assume, budget: Budget, wanted: Option<Level>) -> Self {
        let mut facts = facts::of(history, assume);
        let graph = std::mem::replace(&mut facts.edges, graph::Edges::new(0)).build();
        let mut analysis = Analysis {
            history,
            facts,
            graph,
            anomalies: Vec::new(),
            yes: BTreeSet::new(),
            no: BTreeSet::new(),
            exhausted: None,
        };
        let explainer = Explainer { history, facts: &analysis.facts };
        let direct: Vec<Anomaly> =
            analysis.facts.direct.iter().map(|&direct| explainer.direct(direct)).collect();
        for anomaly in direct {
            analysis.found(anomaly);
        }
        analysis.judge_cycles(budget);
        if analysis.wants(wanted, &[Level::MonotonicAtomicView, Level::ReadAtomic, Level::Causal]) {
            analysis.judge_axioms(budget);
        }
        analysis.search_orders(budget, wanted);
        analysis
    }

    /// Whether any of some levels is both undecided and of use for what is wanted.
    fn wants(&self, wanted: Option<Level>, levels: &[Level]) -> bool {
        let useful =
            |level: Level| wanted.is_none_or(|wanted| wanted.implies(level) || level.implies(wanted));
        levels.iter().any(|&level| useful(level) && !self.holds(level) && !self.refuted(level))
    }

    fn holds(&self, level: Level) -> bool {
        self.yes.iter().any(|yes| yes.implies(level))
    }

    fn refuted(&self, level: Level) -> bool {
        self.no.iter().any(|&no| level.implies(no))
    }

    fn found(&mut self, anomaly: Anomaly) {
        self.no.extend(&anomaly.refutes);
        self.anomalies.push(anomaly);
    }

    fn walk(&self, kinds: Kinds, nonadjacent: bool) -> Walk<'_> {
        Walk { graph: &self.graph, kinds, nonadjacent }
    }

    /// Whether all version orders are known, so that what has no cycle is legal.
    fn ordered(&self) -> bool {
        self.facts.unordered.is_empty()
    }

    /// Whether nobody knows the order of some writes of registers. Appends that nobody read may be put into any order
    /// that agrees with the rest, so they do not stand in the way of serializability.
    fn registers_ordered(&self) -> bool {
        self.facts.unordered.iter().all(|&(key, _)| self.history.lists[key as usize])
    }

    fn judge_cycles(&mut self, budget: Budget) {
        const ALL: Kinds = WW | WR | RW | SO | RT;
        if self.no.is_empty() && !self.walk(ALL, false).has_cycle() {
            self.yes.insert(Level::StrongReadCommitted);
            if self.registers_ordered() {
                self.yes.insert(Level::StrictSerializable);
            }
            return;
        }
        // The weaker of the levels that cycles with one anti-dependency refute, where the search for these was not finished.
        let mut unfinished: Option<Through> = None;
        for (through, committed, snapshot, serial) in BY_CYCLES {
            let extra = through.kinds();
            let by_writes = self.walk(WW | extra, false).components();
            let by_reads = self.walk(WW | WR | extra, false).components();
            let all = self.walk(ALL & (WW | WR | RW | extra), false).components();
            let adjacent_only = all.is_empty() || !self.walk(WW | WR | RW | extra, true).has_cycle();
            for shape in Shape::ALL {
                let components = match shape {
                    Shape::G0 => &by_writes,
                    Shape::G1c => &by_reads,
                    Shape::GSingle | Shape::GNonadjacent if adjacent_only => continue,
                    _ => &all,
                };
                if components.is_empty() {
                    continue;
                }
                // Each search has its part, so that an expensive one does not hide what others would find.
                let mut meter = Meter::new(Budget { steps: budget.steps / 15, ..budget });
                match cycles::smallest(&self.graph, components, shape, through, &mut meter) {
                    Ok(None) => {}
                    Ok(Some(Found { cycle, smallest })) => {
                        let explainer = Explainer { history: self.history, facts: &self.facts };
                        let anomaly = explainer.cycle(AnomalyKind::of(shape, through), &cycle, smallest);
                        self.found(anomaly);
                    }
                    Err(exhausted) => {
                        if shape == Shape::GSingle {
                            unfinished.get_or_insert(through);
                        }
                        self.exhausted.get_or_insert(exhausted);
                    }
                }
            }
            // Components say that there is a cycle even where the budget did not suffice to show one.
            let kind = |shape| AnomalyKind::of(shape, through);
            self.told(
                !by_writes.is_empty() && through == Through::Versions,
                Level::ReadUncommitted,
                kind(Shape::G0),
                &by_writes,
            );
            self.told(!by_reads.is_empty(), committed, kind(Shape::G1c), &by_reads);
            self.told(!adjacent_only, snapshot, kind(Shape::GNonadjacent), &all);
            self.told(!all.is_empty(), serial, kind(Shape::G2Item), &all);
            for (level, proved) in
                [(committed, true), (snapshot, self.ordered()), (serial, self.registers_ordered())]
            {
                if proved && !self.refuted(level) {
                    self.yes.insert(level);
                }
            }
        }
        if !self.refuted(Level::ReadUncommitted) {
            self.yes.insert(Level::ReadUncommitted);
        }
        if self.ordered() && unfinished != Some(Through::Versions) && !self.refuted(Level::ConsistentView) {
            self.yes.insert(Level::ConsistentView);
        }
        let committed = !self.refuted(Level::StrongSessionReadCommitted);
        if self.ordered()
            && committed
            && !matches!(unfinished, Some(Through::Versions | Through::Sessions))
            && !self.refuted(Level::ParallelSnapshotIsolation)
        {
            self.yes.insert(Level::ParallelSnapshotIsolation);
        }
    }

    /// Makes an anomaly of a cycle that is known to be there and was not found.
    fn told(&mut self, there: bool, level: Level, kind: AnomalyKind, components: &[Vec<u32>]) {
        if !there || self.refuted(level) {
            return;
        }
        let members: usize =
            components.iter().flatten().filter(|&&node| !self.graph.is_connector(node)).count();
        let about = format!(
            "{kind}: there is a cycle among {members} transactions; the budget did not suffice to find it"
        );
        self.found(Anomaly {
            kind,
            about,
            cycle: Vec::new(),
            transactions: Vec::new(),
            starts_from: Vec::new(),
            smallest: false,
            refutes: kind.refutes().to_vec(),
        });
    }

    /// Causal, read atomic and monotonic atomic view by their axioms. What holds of a stronger one is not asked again.
    fn judge_axioms(&mut self, budget: Budget) {
        let all = [
            (Guarantee::Causal, Level::Causal, AnomalyKind::CausalityViolation),
            (Guarantee::ReadAtomic, Level::ReadAtomic, AnomalyKind::FracturedRead),
            (Guarantee::ReadCommitted, Level::MonotonicAtomicView, AnomalyKind::NonAtomicView),
        ];
        let mut worst = None;
        for (guarantee, level, kind) in all {
            if self.holds(level) {
                break;
            }
            if self.refuted(level) {
                continue;
            }
            let mut meter = Meter::new(budget);
            match broken(self.history, &self.facts, &self.graph, guarantee, kind, &mut meter) {
                Ok(None) => {
                    self.yes.insert(level);
                    break;
                }
                Ok(Some(anomaly)) => worst = Some(anomaly),
                Err(exhausted) => {
                    self.exhausted.get_or_insert(exhausted);
                }
            }
        }
        if let Some(anomaly) = worst {
            self.found(anomaly);
        }
    }

    /// Searches for orders where versions do not decide, the strictest level first.
    fn search_orders(&mut self, budget: Budget, wanted: Option<Level>) {
        let promises =
            BY_CYCLES.iter().rev().map(|&(through, _, _, level)| (through, level, Promise::Serializable));
        let snapshots =
            BY_CYCLES.iter().rev().map(|&(through, _, level, _)| (through, level, Promise::Snapshot));
        for (through, level, promise) in promises.chain(snapshots) {
            // What can be searched for itself is; the rest may follow from something stronger.
            let itself = |wanted| {
                BY_CYCLES.iter().any(|&(_, _, snapshot, serial)| [snapshot, serial].contains(&wanted))
            };
            let useful = wanted
                .is_none_or(|wanted| if itself(wanted) { wanted == level } else { level.implies(wanted) });
            if !useful || !self.wants(wanted, &[level]) {
                continue;
            }
            let kinds = through.kinds();
            let mut meter = Meter::new(budget);
            let search =
                Search { history: self.history, facts: &self.facts, graph: &self.graph, kinds, promise };
            match search.order_exists(&mut meter) {
                Ok(true) => {
                    self.yes.insert(level);
                }
                Ok(false) => {
                    let members = search.smallest_without_order(&mut Meter::new(budget));
                    let touched = |&txn: &u32| {
                        let read = self.facts.reads(txn).iter().map(|read| read.key);
                        read.chain(self.facts.writes(txn).iter().copied())
                    };
                    let keys = members.iter().flat_map(touched).collect();
                    let kind = AnomalyKind::NoOrder;
                    let about = format!(
                        "{kind}: all orders of {} transactions were tried, and none is {level}",
                        members.len()
                    );
                    let explainer = Explainer { history: self.history, facts: &self.facts };
                    let anomaly = explainer.anomaly(kind, about, Vec::new(), members, keys, false);
                    self.found(Anomaly { refutes: vec![level], ..anomaly });
                }
                Err(exhausted) => {
                    self.exhausted.get_or_insert(exhausted);
                }
            }
        }
    }

    fn report(mut self) -> Report {
        self.anomalies.sort_by_key(|anomaly| anomaly.refutes.first().copied());
        let mut transactions = self.history.transactions.iter().zip(&self.facts.live);
        let timed = transactions.all(|(transaction, live)| !live || transaction.at.is_some());
        let levels = Level::ALL.into_iter().map(|level| {
            let holds = if self.refuted(level) {
                Holds::No
            } else if self.holds(level) && (timed || !level.is_of_time()) {
                Holds::Yes
            } else {
                Holds::Unknown
            };
            (level, holds)
        });
        let unordered = self
            .facts
            .unordered
            .iter()
            .map(|&(key, sequences)| Unordered { key: self.history.key(Key(key)).to_owned(), sequences });
        Report {
            levels: levels.collect(),
            unordered: unordered.collect(),
            exhausted: self.exhausted,
            anomalies: self.anomalies,
            timed,
        }
    }
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
