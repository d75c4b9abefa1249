//! Explanations: the smallest history that is wrong, the state it starts from, and a sentence for each edge.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{
    Anomaly, AnomalyKind, Edge, Order, StartingState, Transaction, Txn, Value,
    cycles::{Cycle, Shape, Step, Through},
    facts::{Direct, Facts, INITIAL},
    graph::{Arc, CO, Graph, NO_KEY, RT, RW, SO, WR, WW},
    history::{History, Key, Operation},
    weak::Unseen,
};

impl AnomalyKind {
    pub(crate) fn of(shape: Shape, through: Through) -> AnomalyKind {
        use AnomalyKind::*;
        let row = match shape {
            Shape::G0 => [G0, G0Process, G0Realtime],
            Shape::G1c => [G1c, G1cProcess, G1cRealtime],
            Shape::GSingle => [GSingle, GSingleProcess, GSingleRealtime],
            Shape::GNonadjacent => [GNonadjacent, GNonadjacentProcess, GNonadjacentRealtime],
            Shape::G2Item => [G2Item, G2ItemProcess, G2ItemRealtime],
            Shape::Axiom => [CausalityViolation; 3],
        };
        row[through as usize]
    }
}

pub(crate) struct Explainer<'h> {
    pub(crate) history: &'h History,
    pub(crate) facts: &'h Facts,
}

impl Explainer<'_> {
    fn name(&self, key: u32) -> &str {
        self.history.key(Key(key))
    }

    fn is_list(&self, key: u32) -> bool {
        self.history.lists[key as usize]
    }

    fn last_write(&self, txn: u32, key: u32) -> String {
        let value = self.history.operations(Txn(txn)).rev().find_map(|operation| match operation {
            Operation::Append(k, value) | Operation::Write(k, value) if k.0 == key => Some(value),
            _ => None,
        });
        self.history.value(value.expect("an edge about a write begins or ends at its writer"))
    }

    fn chain(&self, key: u32) -> &[Value] {
        let chain = &self.facts.chains[key as usize];
        &self.history.elements[chain.from as usize..chain.to as usize]
    }

    /// A read of a list of which an append is no part: the list, and the first value appended that it lacks.
    fn missed(&self, reader: u32, writer: u32, key: u32) -> Option<(&[Value], Value)> {
        self.history.operations(Txn(reader)).find_map(|operation| {
            let Operation::ReadList(k, list) = operation else { return None };
            if k.0 != key {
                return None;
            }
            let value = self.history.operations(Txn(writer)).find_map(|operation| match operation {
                Operation::Append(k, value) if k.0 == key && !list.contains(&value) => Some(value),
                _ => None,
            })?;
            Some((list, value))
        })
    }

    /// Why one transaction is before another, in one sentence.
    fn why(&self, from: u32, to: u32, kind: u8, key: u32, witness: u32) -> String {
        let (a, b) = (Txn(from), Txn(to));
        match kind {
            SO => format!("{a} came before {b} in session {}", self.history.session(a)),
            RT => {
                let (start, end) =
                    (self.history.positions(b).map(|at| at.0), self.history.positions(a).and_then(|at| at.1));
                match start.zip(end) {
                    Some((start, end)) => format!("{a} had ended (at {end}) before {b} began (at {start})"),
                    None => format!("{a} had ended before {b} began"),
                }
            }
            WW if self.is_list(key) => {
                let (x, chain) = (self.name(key), self.chain(key));
                let before = self.last_write(from, key);
                let reader = Txn(self.facts.chains[key as usize].reader);
                let after = self.history.operations(b).find_map(|operation| match operation {
                    Operation::Append(k, value) if k.0 == key && chain.contains(&value) => Some(value),
                    _ => None,
                });
                match after.map(|after| self.history.value(after)) {
                    Some(after) => format!(
                        "{a} appended {before} to {x} before {b} appended {after}, as {reader} read them"
                    ),
                    None => format!(
                        "{b} appended {} to {x} after {a} appended {before}, as it is not in {}, which {reader} read",
                        self.last_write(to, key),
                        self.history.list(chain)
                    ),
                }
            }
            WW => {
                let (x, old, new) = (self.name(key), self.last_write(from, key), self.last_write(to, key));
                let replaced = self.facts.reads(to).iter().any(|read| read.key == key && read.source == from);
                if replaced {
                    format!("{b} read {x} = {old}, which {a} wrote, and replaced it by {new}")
                } else {
                    format!("{a} wrote {x} = {old} before {b} wrote {new}, by what is assumed of single keys")
                }
            }
            WR if self.is_list(key) => {
                let read = self.history.operations(b).find_map(|operation| match operation {
                    Operation::ReadList(k, list) if k.0 == key => list
                        .iter()
                        .rev()
                        .find(|&&value| self.wrote(from, key, value))
                        .map(|value| (list, *value)),
                    _ => None,
                });
                match read {
                    Some((list, value)) => {
                        format!(
                            "{b} read {} = {} and so saw {a}'s append of {}",
                            self.name(key),
                            self.history.list(list),
                            self.history.value(value)
                        )
                    }
                    None => format!("{b} saw {a}'s append to {}", self.name(key)),
                }
            }
            WR => {
                let read = self.history.operations(b).find_map(|operation| match operation {
                    Operation::Read(k, Some(value)) if k.0 == key && self.wrote(from, key, value) => {
                        Some(value)
                    }
                    _ => None,
                });
                let value =
                    read.map_or_else(|| self.last_write(from, key), |value| self.history.value(value));
                format!("{b} read {} = {value}, which {a} wrote", self.name(key))
            }
            RW if self.is_list(key) => match self.missed(from, to, key) {
                Some((list, value)) => {
                    format!(
                        "{a} read {} = {} and did not see {b}'s append of {}",
                        self.name(key),
                        self.history.list(list),
                        self.history.value(value)
                    )
                }
                None => format!("{a} read {} before {b} appended to it", self.name(key)),
            },
            RW => {
                let new = self.last_write(to, key);
                let read = self.history.operations(a).find_map(|operation| match operation {
                    Operation::Read(k, value) if k.0 == key => Some(value),
                    _ => None,
                });
                match read.flatten().map(|old| self.history.value(old)) {
                    Some(old) => format!(
                        "{a} read {} = {old} and did not see {b}'s later write of {new}",
                        self.name(key)
                    ),
                    None => format!("{a} read {} = nil and did not see {b}'s write of {new}", self.name(key)),
                }
            }
            CO if witness != u32::MAX => format!(
                "{} read {} from {b} although {a}'s write of it was to be visible to it, so that write was replaced by {b}'s",
                Txn(witness),
                self.name(key)
            ),
            _ => format!("{a} is before {b}"),
        }
    }

    fn wrote(&self, txn: u32, key: u32, value: Value) -> bool {
        self.history.writers.get(&(Key(key), value)) == Some(&Txn(txn))
    }

    fn edge(&self, step: &Step) -> Edge {
        let arc = step.arc;
        let order = match arc.kind {
            WW => Order::WriteWrite,
            WR => Order::WriteRead,
            RW => Order::ReadWrite,
            SO => Order::Session,
            RT => Order::RealTime,
            _ => Order::Axiom,
        };
        Edge {
            from: Txn(step.from),
            to: Txn(arc.to),
            order,
            key: (arc.key != NO_KEY).then(|| self.name(arc.key).to_owned()),
            why: self.why(step.from, arc.to, arc.kind, arc.key, arc.witness),
        }
    }

    /// A cycle as an anomaly.
    pub(crate) fn cycle(&self, kind: AnomalyKind, cycle: &Cycle, smallest: bool) -> Anomaly {
        let edges: Vec<Edge> = cycle.iter().map(|step| self.edge(step)).collect();
        let mut members: Vec<u32> = Vec::new();
        let mut keys: Vec<u32> = Vec::new();
        for step in cycle {
            let witness = Some(step.arc.witness).filter(|&witness| witness != u32::MAX);
            members.extend([Some(step.from), witness].into_iter().flatten());
            keys.extend(Some(step.arc.key).filter(|&key| key != NO_KEY));
        }
        let names: Vec<String> = cycle.iter().map(|step| Txn(step.from).to_string()).collect();
        let about = format!(
            "{} would each have to be before the next, and the last before the first",
            names.join(", ")
        );
        self.anomaly(kind, about, edges, members, keys, smallest)
    }

    pub(crate) fn anomaly(
        &self,
        kind: AnomalyKind,
        about: String,
        cycle: Vec<Edge>,
        mut members: Vec<u32>,
        mut keys: Vec<u32>,
        smallest: bool,
    ) -> Anomaly {
        members.sort_unstable();
        members.dedup();
        keys.sort_unstable();
        keys.dedup();
        let starts_from = keys.iter().filter_map(|&key| self.starts_from(key, &members)).collect();
        let transactions = members.into_iter().map(|txn| self.transaction(Txn(txn))).collect();
        Anomaly { kind, about, cycle, transactions, starts_from, smallest, refutes: kind.refutes().to_vec() }
    }

    /// A read of the initial state although a write was visible: the way from the writer to the reader, and back.
    pub(crate) fn unseen(&self, kind: AnomalyKind, graph: &Graph, unseen: Unseen) -> Anomaly {
        let Unseen { writer, reader, key } = unseen;
        let mut before: FxHashMap<u32, Step> = FxHashMap::default();
        let mut queue = VecDeque::from([writer]);
        while let Some(txn) = queue.pop_front() {
            if txn == reader {
                break;
            }
            for &arc in graph.arcs(txn).iter().filter(|arc| arc.kind & (SO | WR) != 0 && arc.to != writer) {
                before.entry(arc.to).or_insert_with(|| {
                    queue.push_back(arc.to);
                    Step { from: txn, arc }
                });
            }
        }
        let back = Arc { to: writer, key, kind: RW, witness: u32::MAX };
        let mut cycle = vec![Step { from: reader, arc: back }];
        while let Some(&step) = before.get(&cycle[cycle.len() - 1].from) {
            cycle.push(step);
        }
        cycle.reverse();
        let mut anomaly = self.cycle(kind, &cycle, true);
        anomaly.about = format!(
            "{} read {} in its initial state although {}'s write of it was to be visible to it",
            Txn(reader),
            self.name(key),
            Txn(writer)
        );
        anomaly
    }

    /// The state of a key before all that the members of an anomaly did to it.
    fn starts_from(&self, key: u32, members: &[u32]) -> Option<StartingState> {
        let state = if self.is_list(key) {
            let chain = self.chain(key);
            let read = members.iter().flat_map(|&txn| self.facts.reads(txn)).filter(|read| read.key == key);
            let read = read.map(|read| read.length as usize).filter(|&length| length <= chain.len()).min();
            let written =
                chain.iter().position(|&value| members.iter().any(|&txn| self.wrote(txn, key, value)));
            let length = [read, written].into_iter().flatten().min().unwrap_or(chain.len());
            self.history.list(&chain[..length])
        } else {
            let outside = members
                .iter()
                .flat_map(|&txn| self.facts.reads(txn))
                .find(|read| read.key == key && !members.contains(&read.source))?;
            match outside.source {
                INITIAL => "nil".into(),
                source => self.last_write(source, key),
            }
        };
        Some(StartingState { key: self.name(key).to_owned(), state })
    }

    fn transaction(&self, txn: Txn) -> Transaction {
        let positions = self.history.positions(txn);
        Transaction {
            transaction: txn,
            session: self.history.session(txn),
            status: self.history.status(txn),
            start: positions.map(|at| at.0),
            end: positions.and_then(|at| at.1),
            operations: self
                .history
                .operations(txn)
                .map(|operation| self.history.describe(operation))
                .collect(),
        }
    }

    /// What is wrong at first sight.
    pub(crate) fn direct(&self, direct: Direct) -> Anomaly {
        let t = Txn;
        let named = |value| self.history.value(value);
        let (kind, about, members, key) = match direct {
            Direct::Internal { reader, operation, own } => {
                let operation = self
                    .history
                    .operations(t(reader))
                    .nth(operation as usize)
                    .expect("an operation that was seen");
                let what = if own { "wrote" } else { "read" };
                let about = format!(
                    "{}'s {} contradicts what it {what} before",
                    t(reader),
                    self.history.describe(operation)
                );
                (AnomalyKind::Internal, about, vec![reader], operation.key().0)
            }
            Direct::Future { reader, key, value } => {
                let value = named(value);
                let about =
                    format!("{} read its own {value} of {} before it wrote it", t(reader), self.name(key));
                (AnomalyKind::FutureRead, about, vec![reader], key)
            }
            Direct::Aborted { reader, writer, key, value } => {
                let value = named(value);
                let about = format!(
                    "{} read {value} of {}, which {} wrote, and that aborted",
                    t(reader),
                    self.name(key),
                    t(writer)
                );
                (AnomalyKind::G1a, about, vec![reader, writer], key)
            }
            Direct::Intermediate { reader, writer, key, value } => {
                let value = named(value);
                let about = format!(
                    "{} read {value} of {} as the latest, though {}, who wrote it, went on to write {}",
                    t(reader),
                    self.name(key),
                    t(writer),
                    self.last_write(writer, key)
                );
                (AnomalyKind::G1b, about, vec![reader, writer], key)
            }
            Direct::Garbage { reader, key, value } => {
                let value = named(value);
                let about = format!("{} read {value} of {}, which nobody wrote", t(reader), self.name(key));
                (AnomalyKind::GarbageRead, about, vec![reader], key)
            }
            Direct::Duplicate { reader, key, value } => {
                let value = named(value);
                let about = format!("{} read {} with {value} in it twice", t(reader), self.name(key));
                (AnomalyKind::DuplicateElements, about, vec![reader], key)
            }
            Direct::Skipped { reader, writer, key, skipped, value } => {
                let (skipped, value) = (named(skipped), named(value));
                let about = format!(
                    "{} read {} with {value} in it and without {skipped} before that, which {} had appended to it",
                    t(reader),
                    self.name(key),
                    t(writer)
                );
                (AnomalyKind::SkippedAppend, about, vec![reader, writer], key)
            }
            Direct::Incompatible { reader, other, key } => {
                let about = format!(
                    "{} and {} read {} as lists of which neither is the beginning of the other",
                    t(reader),
                    t(other),
                    self.name(key)
                );
                (AnomalyKind::IncompatibleOrder, about, vec![reader, other], key)
            }
            Direct::DirtyUpdate { writer, later, key, value } => {
                let value = named(value);
                let about = format!(
                    "{} appended to {} on top of {value}, which {} had appended, and that aborted",
                    t(later),
                    self.name(key),
                    t(writer)
                );
                (AnomalyKind::DirtyUpdate, about, vec![writer, later], key)
            }
            Direct::LostUpdate { first, second, key } => {
                let about = format!(
                    "{} and {} both read the same version of {} and replaced it",
                    t(first),
                    t(second),
                    self.name(key)
                );
                (AnomalyKind::LostUpdate, about, vec![first, second], key)
            }
            Direct::Reset { writer, reader, key } => {
                let about = format!(
                    "{} read {} = nil after {} was known to have written it",
                    t(reader),
                    self.name(key),
                    t(writer)
                );
                (AnomalyKind::CyclicVersions, about, vec![writer, reader], key)
            }
        };
        self.anomaly(kind, about, Vec::new(), members, vec![key], true)
    }
}
