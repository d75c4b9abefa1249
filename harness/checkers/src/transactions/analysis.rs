//! The analysis of a history: what dependencies say, what axioms say, and where neither decides, what a search says.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Anomaly, AnomalyKind, Assume, Holds, Key, Level, Report, Unordered, broken,
    cycles::{self, Found, Shape, Through},
    explain::Explainer,
    facts::{self, Facts},
    graph::{self, Graph, Kinds, RT, RW, SO, WR, WW, Walk},
    history::History,
    search::{Promise, Search},
};
use crate::{
    sessions::Guarantee,
    verdict::{Budget, Exhausted, Meter},
};

const BY_GRAPH: &str = "dependency graph (Adya 1999, Kingsbury and Alvaro 2020)";
const BY_MINI: &str = "dependency graph of mini-transactions, each of whose writes replaces what it read (after Wei et al. 2025)";
const BY_AXIOM: &str = "axioms of weak levels (Biswas and Enea 2019, M\u{f8}ldrup and Pavlogiannis 2025)";
const BY_SEARCH: &str = "search for an order of the transactions (Biswas and Enea 2019)";

/// An analysis under way.
pub(super) struct Analysis<'h> {
    history: &'h History,
    facts: Facts,
    graph: Graph,
    anomalies: Vec<Anomaly>,
    /// What holds, and what showed it.
    yes: BTreeMap<Level, &'static str>,
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
    pub(super) fn run(history: &'h History, assume: &Assume, budget: Budget, wanted: Option<Level>) -> Self {
        let mut facts = facts::of(history, assume);
        let graph = std::mem::replace(&mut facts.edges, graph::Edges::new(0)).build();
        let mut analysis = Analysis {
            history,
            facts,
            graph,
            anomalies: Vec::new(),
            yes: BTreeMap::new(),
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
        self.yes.keys().any(|yes| yes.implies(level))
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
        let lists = self.history.lists.iter().any(|&list| list);
        let by = if !lists && self.ordered() { BY_MINI } else { BY_GRAPH };
        if self.no.is_empty() && !self.walk(ALL, false).has_cycle() {
            self.yes.insert(Level::StrongReadCommitted, by);
            if self.registers_ordered() {
                self.yes.insert(Level::StrictSerializable, by);
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
                    self.yes.insert(level, by);
                }
            }
        }
        if !self.refuted(Level::ReadUncommitted) {
            self.yes.insert(Level::ReadUncommitted, by);
        }
        if self.ordered() && unfinished != Some(Through::Versions) && !self.refuted(Level::ConsistentView) {
            self.yes.insert(Level::ConsistentView, by);
        }
        let committed = !self.refuted(Level::StrongSessionReadCommitted);
        if self.ordered()
            && committed
            && !matches!(unfinished, Some(Through::Versions | Through::Sessions))
            && !self.refuted(Level::ParallelSnapshotIsolation)
        {
            self.yes.insert(Level::ParallelSnapshotIsolation, by);
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
                    self.yes.insert(level, BY_AXIOM);
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
                    self.yes.insert(level, BY_SEARCH);
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

    pub(super) fn report(mut self) -> Report {
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
        // Of all that imply a level, the weakest that was shown, or itself.
        let shown = |level: Level| Some((level, *self.yes.iter().find(|(yes, _)| yes.implies(level))?.1));
        let by = Level::ALL.into_iter().filter_map(shown).collect();
        let unordered = self
            .facts
            .unordered
            .iter()
            .map(|&(key, sequences)| Unordered { key: self.history.key(Key(key)).to_owned(), sequences });
        Report {
            levels: levels.collect(),
            by,
            unordered: unordered.collect(),
            exhausted: self.exhausted,
            anomalies: self.anomalies,
            timed,
        }
    }
}
