//! Cycles of a serialization graph, by the anomalies that they are.
//!
//! That there is a cycle of some kind is found by strongly connected components in linear time. The smallest one of each
//! anomaly is then searched for breadth first inside of them, which may cost the product of their nodes and edges; where
//! the budget does not suffice, the smallest so far is kept and said to be possibly not the smallest.

use std::collections::{VecDeque, hash_map::Entry};

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::{Arc, CO, Graph, Kinds, RT, RW, SO, WR, WW};
use crate::verdict::{Exhausted, Meter};

/// The shape of a cycle, as Adya's phenomena and Elle's refinements of them have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Writes only.
    G0,
    /// Writes and at least one read of a version.
    G1c,
    /// Exactly one anti-dependency.
    GSingle,
    /// At least two anti-dependencies, never two in a row.
    GNonadjacent,
    /// At least two anti-dependencies in a row.
    G2Item,
    /// Any order at all, with what the axiom of a level adds.
    Axiom,
}

/// Which orders besides those of versions a cycle goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Through {
    /// None.
    Versions,
    /// The order of a session, at least once.
    Sessions,
    /// Real time, at least once.
    Time,
}

impl Through {
    /// The edges that a cycle may go through, besides those of its shape.
    pub(crate) fn kinds(self) -> Kinds {
        match self {
            Through::Versions => 0,
            Through::Sessions => SO,
            Through::Time => SO | RT,
        }
    }

    /// The one it must go through.
    fn needed(self) -> Kinds {
        match self {
            Through::Versions => 0,
            Through::Sessions => SO,
            Through::Time => RT,
        }
    }
}

impl Shape {
    pub(crate) const ALL: [Shape; 5] =
        [Shape::G0, Shape::G1c, Shape::GSingle, Shape::GNonadjacent, Shape::G2Item];

    /// The dependencies it may have.
    pub(crate) fn kinds(self) -> Kinds {
        match self {
            Shape::G0 => WW,
            Shape::G1c => WW | WR,
            Shape::Axiom => WW | WR | SO | CO,
            _ => WW | WR | RW,
        }
    }

    /// The dependencies of which it has at least one.
    fn first(self) -> Kinds {
        match self {
            Shape::G0 => WW,
            Shape::G1c => WR,
            Shape::Axiom => WW | WR | SO | CO,
            _ => RW,
        }
    }
}

/// One edge of a cycle between two transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) from: u32,
    pub(crate) arc: Arc,
}

/// A cycle: each step begins where the one before ends, the first where the last ends.
pub(crate) type Cycle = Vec<Step>;

/// The smallest cycle that was found of a shape, and whether none is smaller.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) cycle: Cycle,
    pub(crate) smallest: bool,
}

/// What a walk remembers of its past.
mod memory {
    /// The last edge was an anti-dependency.
    pub(super) const AFTER_RW: u8 = 1;
    /// There was a second anti-dependency; of G2: one right after another.
    pub(super) const SECOND: u8 = 2;
    /// There was an edge of the order that is needed.
    pub(super) const NEEDED: u8 = 4;
    /// This is a connector that was entered from where the walk began.
    pub(super) const FROM_START: u8 = 8;
}

/// Looks for the smallest cycle of a shape. `Err`: the budget ran out before any was found.
pub(crate) fn smallest(
    graph: &Graph,
    components: &[Vec<u32>],
    shape: Shape,
    through: Through,
    meter: &mut Meter,
) -> Result<Option<Found>, Exhausted> {
    let mut best: Option<Cycle> = None;
    for component in components {
        let inside: FxHashSet<u32> = component.iter().copied().collect();
        let mut nodes: Vec<u32> =
            component.iter().copied().filter(|&node| !graph.is_connector(node)).collect();
        nodes.sort_unstable();
        for start in nodes {
            let limit = best.as_ref().map_or(u32::MAX, |best| best.len() as u32);
            if limit == 2 {
                break;
            }
            match from(graph, &inside, start, shape, through, limit, meter) {
                Ok(None) => {}
                Ok(Some(cycle)) => best = Some(cycle),
                Err(exhausted) => {
                    return match best {
                        Some(cycle) => Ok(Some(Found { cycle, smallest: false })),
                        None => Err(exhausted),
                    };
                }
            }
        }
    }
    Ok(best.map(|cycle| Found { cycle, smallest: true }))
}

/// How a state was first reached.
struct Visit {
    before: (u32, u8),
    arc: Arc,
}

/// The breadth-first search from one transaction back to it.
struct Search<'s> {
    graph: &'s Graph,
    inside: &'s FxHashSet<u32>,
    start: u32,
    shape: Shape,
    needed: Kinds,
    visits: FxHashMap<(u32, u8), Visit>,
    /// States at the distance that is being looked at, and at the next.
    queue: VecDeque<(u32, u8)>,
    end: Option<((u32, u8), Arc)>,
    spent: u64,
}

impl Search<'_> {
    /// The memory after an edge out of a transaction, or none where the shape does not allow it.
    fn advance(&self, memory: u8, kind: Kinds) -> Option<u8> {
        let mut next = memory & (memory::SECOND | memory::NEEDED);
        if kind & self.needed != 0 {
            next |= memory::NEEDED;
        }
        if kind == RW {
            let after_rw = memory & memory::AFTER_RW != 0;
            match self.shape {
                Shape::G0 | Shape::G1c | Shape::GSingle | Shape::Axiom => return None,
                Shape::GNonadjacent if after_rw => return None,
                Shape::G2Item if !after_rw => {}
                Shape::GNonadjacent | Shape::G2Item => next |= memory::SECOND,
            }
            next |= memory::AFTER_RW;
        }
        Some(next)
    }

    /// Whether a walk that comes back to the start is a cycle of the shape.
    fn closes(&self, memory: u8) -> bool {
        let ordered = self.needed == 0 || memory & memory::NEEDED != 0;
        ordered
            && match self.shape {
                Shape::G0 | Shape::G1c | Shape::GSingle | Shape::Axiom => true,
                // The first edge is an anti-dependency, so the last must not be.
                Shape::GNonadjacent => memory & memory::SECOND != 0 && memory & memory::AFTER_RW == 0,
                Shape::G2Item => memory & (memory::SECOND | memory::AFTER_RW) != 0,
            }
    }

    /// Goes along an edge, and on through connectors to transactions, which are all one edge away.
    fn enter(&mut self, before: (u32, u8), arc: Arc, memory: u8, from_start: bool) {
        let mut open = vec![(before, arc)];
        while let Some((before, arc)) = open.pop() {
            self.spent += 1;
            if !self.inside.contains(&arc.to) {
                continue;
            }
            if arc.to == self.start {
                // Out of a connector entered from the start it would be an edge to itself.
                if !from_start && self.end.is_none() && self.closes(memory) {
                    self.end = Some((before, arc));
                }
                continue;
            }
            let connector = self.graph.is_connector(arc.to);
            let state = (arc.to, memory | if connector && from_start { memory::FROM_START } else { 0 });
            let Entry::Vacant(vacant) = self.visits.entry(state) else { continue };
            vacant.insert(Visit { before, arc });
            if connector {
                open.extend(self.graph.arcs(arc.to).iter().map(|&arc| (state, arc)));
            } else {
                self.queue.push_back(state);
            }
        }
    }

    /// The cycle that was found, from the start on, connectors skipped.
    fn cycle(&self) -> Option<Cycle> {
        let (mut state, arc) = self.end?;
        let mut cycle = Cycle::new();
        // An edge through connectors has its key from its beginning and its witness from its end.
        let (mut to, mut last, mut witness) = (arc.to, arc, arc.witness);
        loop {
            if !self.graph.is_connector(state.0) {
                cycle.push(Step { from: state.0, arc: Arc { to, witness, ..last } });
                to = state.0;
            }
            if state.0 == self.start {
                break;
            }
            let visit = &self.visits[&state];
            if !self.graph.is_connector(state.0) {
                witness = visit.arc.witness;
            }
            (last, state) = (visit.arc, visit.before);
        }
        cycle.reverse();
        Some(cycle)
    }
}

/// The smallest cycle of less than `limit` edges that begins at a transaction with the edge that its shape must have.
fn from(
    graph: &Graph,
    inside: &FxHashSet<u32>,
    start: u32,
    shape: Shape,
    through: Through,
    limit: u32,
    meter: &mut Meter,
) -> Result<Option<Cycle>, Exhausted> {
    let allowed = shape.kinds() | through.kinds();
    let mut search = Search {
        graph,
        inside,
        start,
        shape,
        needed: through.needed(),
        visits: FxHashMap::default(),
        queue: VecDeque::new(),
        end: None,
        spent: 1,
    };
    let first_memory = if shape.first() == RW { memory::AFTER_RW } else { 0 };
    for &arc in graph.arcs(start) {
        if arc.kind & shape.first() != 0 {
            search.enter((start, 0), arc, first_memory, true);
        }
    }
    // How many edges a cycle has that closes now, and how many states are left of this distance.
    let mut length = 2;
    while search.end.is_none() && length < limit && !search.queue.is_empty() {
        for _ in 0..search.queue.len() {
            let Some((node, memory)) = search.queue.pop_front() else { break };
            for &arc in graph.arcs(node) {
                search.spent += 1;
                if arc.kind & allowed != 0
                    && let Some(next) = search.advance(memory, arc.kind)
                {
                    search.enter((node, memory), arc, next, false);
                }
            }
            meter.spend(std::mem::take(&mut search.spent))?;
        }
        length += 1;
    }
    meter.spend(search.spent)?;
    let Some(cycle) = search.cycle() else { return Ok(None) };
    // A walk may cross itself. It is then several smaller cycles, of which each that counts is found from its own start;
    // only without two anti-dependencies in a row does the crossing walk itself show an anomaly.
    let mut met = FxHashSet::default();
    let simple = cycle.iter().all(|step| met.insert(step.from));
    Ok((simple || shape == Shape::GNonadjacent).then_some(cycle))
}
