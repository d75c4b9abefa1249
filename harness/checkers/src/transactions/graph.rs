//! Directed graphs whose nodes are transactions and whose edges say what kind of order they are.
//!
//! Where each of many transactions precedes each of many others, a *connector* between them keeps the graph linear: a
//! node that is no transaction. An edge into a connector and the one out of it are one edge.

/// Kinds of edges, as bits.
pub(crate) type Kinds = u8;
/// Installed an earlier version.
pub(crate) const WW: Kinds = 1;
/// Installed the version that the other read.
pub(crate) const WR: Kinds = 2;
/// Read a version older than the other's.
pub(crate) const RW: Kinds = 4;
/// Came earlier in the same session.
pub(crate) const SO: Kinds = 8;
/// Ended before the other began.
pub(crate) const RT: Kinds = 16;
/// Is earlier by the axiom of a level (see `weak`).
pub(crate) const CO: Kinds = 32;

/// Of versions of a register, as real time shows (see `blocks`).
pub(crate) const BLOCK: Kinds = 64;

/// No key: of an edge that is about none.
pub(crate) const NO_KEY: u32 = u32::MAX;

/// An edge, at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arc {
    pub(crate) to: u32,
    pub(crate) key: u32,
    pub(crate) kind: Kinds,
    /// Of an edge by an axiom: the transaction whose read shows it.
    pub(crate) witness: u32,
}

/// A graph by its edges' beginnings.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// Nodes below this are transactions, the others connectors.
    pub(crate) transactions: usize,
    first: Vec<u32>,
    arcs: Vec<Arc>,
}

impl Graph {
    pub(crate) fn nodes(&self) -> usize {
        self.first.len() - 1
    }

    pub(crate) fn arcs(&self, node: u32) -> &[Arc] {
        &self.arcs[self.first[node as usize] as usize..self.first[node as usize + 1] as usize]
    }

    pub(crate) fn is_connector(&self, node: u32) -> bool {
        node as usize >= self.transactions
    }
}

/// Collects edges.
#[derive(Clone, Debug)]
pub(crate) struct Edges {
    transactions: usize,
    nodes: usize,
    edges: Vec<(u32, Arc)>,
}

impl Edges {
    pub(crate) fn new(transactions: usize) -> Self {
        Edges { transactions, nodes: transactions, edges: Vec::new() }
    }

    /// One edge; none from a transaction to itself.
    pub(crate) fn add(&mut self, from: u32, to: u32, kind: Kinds, key: u32) {
        self.add_because(from, to, kind, key, u32::MAX);
    }

    pub(crate) fn add_because(&mut self, from: u32, to: u32, kind: Kinds, key: u32, witness: u32) {
        if from != to {
            self.edges.push((from, Arc { to, key, kind, witness }));
        }
    }

    /// A new node that is no transaction.
    pub(crate) fn connector(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes as u32 - 1
    }

    /// An edge from each of some transactions to each of others but itself, in as many edges as there are transactions.
    /// `inside` are those that are on both sides.
    ///
    /// A connector joins a transaction on both sides with itself. Where there are at least two of those, they precede
    /// each other anyway, so no cycle comes up that is not there; a single one gets edges of its own.
    pub(crate) fn fan(&mut self, from: &[u32], to: &[u32], inside: &[u32], kind: Kinds, key: u32) {
        if from.len().min(to.len()) <= 1 {
            for &a in from {
                for &b in to {
                    self.add(a, b, kind, key);
                }
            }
            return;
        }
        let apart = match *inside {
            [one] => one,
            _ => u32::MAX,
        };
        let connector = self.connector();
        for &a in from {
            if a != apart {
                self.add(a, connector, kind, key);
                if apart != u32::MAX {
                    self.add(a, apart, kind, key);
                }
            }
        }
        for &b in to {
            if b != apart {
                self.add(connector, b, kind, key);
                if apart != u32::MAX {
                    self.add(apart, b, kind, key);
                }
            }
        }
    }

    /// Copies of the edges of some kinds, of a graph of the same transactions without connectors among these kinds.
    pub(crate) fn copy(&mut self, graph: &Graph, kinds: Kinds) {
        for node in 0..graph.transactions as u32 {
            for arc in graph.arcs(node) {
                if arc.kind & kinds != 0 {
                    self.edges.push((node, *arc));
                }
            }
        }
    }

    /// The edges of some kinds of a graph, with its connectors, between some of its transactions; before any connector of its own.
    pub(crate) fn among(graph: &Graph, kinds: Kinds, among: &[bool]) -> Self {
        let mut edges = Edges { transactions: graph.transactions, nodes: graph.nodes(), edges: Vec::new() };
        let there = |node: u32| graph.is_connector(node) || among[node as usize];
        for node in (0..graph.nodes() as u32).filter(|&node| there(node)) {
            let arcs = graph.arcs(node).iter().filter(|arc| arc.kind & kinds != 0 && there(arc.to));
            edges.edges.extend(arcs.map(|&arc| (node, arc)));
        }
        edges
    }

    pub(crate) fn build(self) -> Graph {
        let mut first = vec![0u32; self.nodes + 1];
        for (from, _) in &self.edges {
            first[*from as usize + 1] += 1;
        }
        for i in 0..self.nodes {
            first[i + 1] += first[i];
        }
        let mut next = first.clone();
        let mut arcs = vec![Arc { to: 0, key: 0, kind: 0, witness: 0 }; self.edges.len()];
        for (from, arc) in self.edges {
            arcs[next[from as usize] as usize] = arc;
            next[from as usize] += 1;
        }
        Graph { transactions: self.transactions, first, arcs }
    }
}

/// What the search for cycles walks on: a graph restricted to some kinds of edges, or such a graph with a memory of the
/// edge before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) kinds: Kinds,
    /// No two anti-dependencies may follow each other. A node then stands twice: as reached by one, and otherwise.
    pub(crate) nonadjacent: bool,
}

impl<'g> Walk<'g> {
    fn states(&self) -> usize {
        self.graph.nodes() << self.nonadjacent as u32
    }

    /// The `position`-th edge out of a state from there on, if there is one, and the state it leads to.
    fn step(&self, state: u32, position: &mut u32) -> Option<u32> {
        let (node, after_rw) = if self.nonadjacent { (state >> 1, state & 1 == 1) } else { (state, false) };
        let arcs = self.graph.arcs(node);
        while let Some(arc) = arcs.get(*position as usize) {
            *position += 1;
            if arc.kind & self.kinds == 0 {
                continue;
            }
            if !self.nonadjacent {
                return Some(arc.to);
            }
            if self.graph.is_connector(node) {
                return Some(arc.to << 1 | after_rw as u32);
            }
            match arc.kind == RW {
                true if after_rw => continue,
                is_rw => return Some(arc.to << 1 | is_rw as u32),
            }
        }
        None
    }

    /// The strongly connected components with more than one state: where all cycles are. Tarjan's algorithm, without
    /// recursion: O(nodes + edges).
    pub(crate) fn components(&self) -> Vec<Vec<u32>> {
        const UNSEEN: u32 = u32::MAX;
        const DONE: u32 = u32::MAX - 1;
        let states = self.states();
        let mut low = vec![UNSEEN; states];
        let mut counter = 0;
        let mut stack: Vec<u32> = Vec::new();
        let mut calls: Vec<(u32, u32, u32)> = Vec::new();
        let mut found = Vec::new();
        for root in 0..states as u32 {
            if low[root as usize] != UNSEEN {
                continue;
            }
            calls.push((root, counter, 0));
            low[root as usize] = counter;
            counter += 1;
            stack.push(root);
            while let Some((state, index, position)) = calls.last_mut() {
                let (state, index) = (*state, *index);
                if let Some(next) = self.step(state, position) {
                    match low[next as usize] {
                        UNSEEN => {
                            low[next as usize] = counter;
                            stack.push(next);
                            calls.push((next, counter, 0));
                            counter += 1;
                        }
                        DONE => {}
                        other => low[state as usize] = low[state as usize].min(other),
                    }
                    continue;
                }
                calls.pop();
                let reached = low[state as usize];
                if reached == index {
                    let from = stack
                        .iter()
                        .rposition(|&s| s == state)
                        .expect("a state is on the stack until its component is done");
                    for &member in &stack[from..] {
                        low[member as usize] = DONE;
                    }
                    let component = stack.split_off(from);
                    if component.len() > 1 {
                        found.push(component);
                    }
                } else if let Some((parent, ..)) = calls.last() {
                    low[*parent as usize] = low[*parent as usize].min(reached);
                }
            }
        }
        found
    }

    /// Whether there is a cycle. O(nodes + edges).
    pub(crate) fn has_cycle(&self) -> bool {
        !self.components().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cyclic(edges: Edges, nonadjacent: bool) -> bool {
        let graph = edges.build();
        Walk { graph: &graph, kinds: u8::MAX, nonadjacent }.has_cycle()
    }

    #[test]
    fn one_on_both_sides_of_a_fan_is_no_cycle_and_two_are() {
        let mut edges = Edges::new(5);
        edges.fan(&[0, 1, 2], &[2, 3, 4], &[2], RW, 0);
        assert!(!cyclic(edges, false));
        let mut edges = Edges::new(5);
        edges.fan(&[0, 1, 2], &[1, 2, 3, 4], &[1, 2], RW, 0);
        assert!(cyclic(edges, false));
    }

    #[test]
    fn a_cycle_of_adjacent_antidependencies_is_none_for_snapshot_isolation() {
        let mut edges = Edges::new(2);
        edges.add(0, 1, RW, 0);
        edges.add(1, 0, RW, 1);
        assert!(cyclic(edges.clone(), false));
        assert!(!cyclic(edges, true));
        let mut edges = Edges::new(4);
        for (from, to, kind) in [(0, 1, RW), (1, 2, WR), (2, 3, RW), (3, 0, WW)] {
            edges.add(from, to, kind, 0);
        }
        assert!(cyclic(edges, true));
    }

    /// Components against reachability, on all graphs of four nodes.
    #[test]
    fn components_are_what_reaches_itself() {
        let pairs: Vec<(u32, u32)> =
            (0..4).flat_map(|a| (0..4).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
        for bits in 0..1u32 << pairs.len() {
            let mut reach = [[false; 4]; 4];
            let mut edges = Edges::new(4);
            for (i, &(a, b)) in pairs.iter().enumerate() {
                if bits >> i & 1 == 1 {
                    edges.add(a, b, WW, 0);
                    reach[a as usize][b as usize] = true;
                }
            }
            for k in 0..4 {
                for a in 0..4 {
                    for b in 0..4 {
                        reach[a][b] |= reach[a][k] && reach[k][b];
                    }
                }
            }
            let graph = edges.build();
            let mut found: Vec<u32> =
                Walk { graph: &graph, kinds: WW, nonadjacent: false }.components().concat();
            found.sort_unstable();
            let expected: Vec<u32> = (0..4).filter(|&a| reach[a as usize][a as usize]).collect();
            assert_eq!(found, expected, "{bits:b}");
        }
    }
}
