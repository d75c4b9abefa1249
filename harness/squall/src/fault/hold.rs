//! A fault's grip on the world, from strike to heal.

use std::collections::BTreeSet;

use squall_rt::world::NodeId;

use crate::cluster::Cluster;

/// Undoes one part of what a fault did. Returns what that part touched in all: packets, calls, processes.
type Release = Box<dyn FnOnce(&Cluster) -> u64 + Send>;

struct Part {
    /// The nodes it concerns: one, or the two ends of a link.
    nodes: BTreeSet<NodeId>,
    release: Release,
}

/// A fault's grip: parts that can be let go of one by one.
pub(crate) struct Hold {
    /// The line of the history that tells of the heal.
    what: String,
    parts: Vec<Part>,
    /// What was done stays: there is nothing to undo.
    done: bool,
}

impl Hold {
    /// A grip on nothing yet; `what` tells what is healed.
    pub fn new(what: impl Into<String>) -> Self {
        Hold { what: what.into(), parts: Vec::new(), done: false }
    }

    /// What is left of a fault that is over at once, or whose work stays for good: how much it touched.
    pub fn done(touched: u64) -> Self {
        let mut hold = Hold { done: true, ..Hold::new(String::new()) };
        hold.part([], move |_| touched);
        hold
    }

    /// Whether there is nothing to undo.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Adds a part that concerns these nodes.
    pub fn part(
        &mut self,
        nodes: impl IntoIterator<Item = NodeId>,
        release: impl FnOnce(&Cluster) -> u64 + Send + 'static,
    ) {
        self.parts.push(Part { nodes: nodes.into_iter().collect(), release: Box::new(release) });
    }

    /// Whether nothing is left to heal.
    pub fn is_over(&self) -> bool {
        self.parts.is_empty()
    }

    /// Lets go of what lies within `core`, or of everything. Returns what that touched in all.
    pub fn heal(
        &mut self,
        cluster: &Cluster,
        core: Option<&BTreeSet<NodeId>>,
        announce: &dyn Fn(String),
    ) -> u64 {
        let within = |part: &Part| core.is_none_or(|core| part.nodes.is_subset(core));
        let (healed, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.parts).into_iter().partition(within);
        self.parts = rest;
        if healed.is_empty() {
            return 0;
        }
        let nodes: BTreeSet<NodeId> = healed.iter().flat_map(|part| part.nodes.iter().copied()).collect();
        if !self.done {
            announce(match self.is_over() {
                true => self.what.clone(),
                false => format!("{}, within {}", self.what, cluster.names(&nodes)),
            });
        }
        healed.into_iter().map(|part| (part.release)(cluster)).sum()
    }
}
