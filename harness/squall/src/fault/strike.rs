//! One strike of a fault: what the kinds have at hand when they take hold of the world.

use std::{collections::BTreeSet, fmt::Display};

use squall_rt::world::{
    NodeId, Stream,
    net::{LinkEffect, LossModel},
};

use super::Hold;
use crate::{
    cluster::{
        Cluster,
        target::{self, Among},
    },
    language::model::{Dur, Link, Target},
    system::Transport,
};

/// A strike that is under way.
pub(crate) struct Strike<'a> {
    pub cluster: &'a Cluster,
    /// The strike's name in the history.
    pub name: String,
    /// How long it lasts, if not until settle.
    pub lasts: Option<Dur>,
    /// Resolves targets.
    pub draws: Stream,
    announce: &'a dyn Fn(String),
}

impl<'a> Strike<'a> {
    /// `announce` takes the line of the history that tells what was done, before its consequences are.
    pub fn new(cluster: &'a Cluster, name: String, lasts: Option<Dur>, announce: &'a dyn Fn(String)) -> Self {
        let draws = cluster.world().stream("target", &name);
        Strike { cluster, name, lasts, draws, announce }
    }

    /// Tells the history.
    pub fn announce(&self, what: impl Into<String>) {
        (self.announce)(what.into());
    }

    /// Tells the history that there was nothing to strike.
    pub fn nothing(&self, what: impl Display) -> Option<Hold> {
        self.announce(what.to_string());
        None
    }

    /// The nodes that a target means now.
    pub fn nodes(&mut self, target: &Target) -> BTreeSet<NodeId> {
        target::nodes(target, self.cluster, Among::Members, &BTreeSet::new(), &mut self.draws)
    }

    /// The nodes that a target means now, where `rest` means those that are not among `named`.
    pub fn nodes_but(&mut self, target: &Target, named: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        target::nodes(target, self.cluster, Among::Members, named, &mut self.draws)
    }

    /// The names of nodes that are about to be taken down. None, and told, if there are none or the spec's limits forbid it. `verb`
    /// is what would be done to them.
    pub fn may_take_down(&self, nodes: &BTreeSet<NodeId>, verb: &str) -> Option<String> {
        if nodes.is_empty() {
            self.announce(format!("{verb}: no such node now"));
            return None;
        }
        let names = self.cluster.names(nodes);
        if let Err(limit) = self.cluster.may_go_down(nodes) {
            self.announce(format!("{verb} {names}: left out, {limit}"));
            return None;
        }
        Some(names)
    }

    /// The directed links that a link means now.
    pub fn links(&mut self, link: &Link) -> BTreeSet<(NodeId, NodeId)> {
        target::links(link, self.cluster, Among::Members, &mut self.draws)
    }

    /// The stream of this strike's effect on one thing.
    pub fn stream(&self, entity: &str) -> Stream {
        self.cluster.world().stream("effect", &format!("{}: {entity}", self.name))
    }

    /// Puts an effect on links. `what` tells it, but for the links.
    pub fn on_links(&mut self, link: &Link, effect: LinkEffect, what: &str) -> Option<Hold> {
        let links = self.links(link);
        let what = format!("{what} on {}", self.link_names(&links));
        self.impose(&links, effect, what)
    }

    /// Puts an effect on these links.
    pub fn impose(
        &self,
        links: &BTreeSet<(NodeId, NodeId)>,
        effect: LinkEffect,
        what: String,
    ) -> Option<Hold> {
        if links.is_empty() {
            return self.nothing(format!("{what}: no such link now"));
        }
        self.announce(what.clone());
        let mut hold = Hold::new(what);
        for &(from, to) in links {
            let key = format!("{} -> {}", self.cluster.name(from), self.cluster.name(to));
            let id = self.cluster.world().net().impose(from, to, effect, self.stream(&key));
            hold.part([from, to], move |cluster| cluster.world().net().lift(id));
        }
        if self.cluster.transport() == Transport::NetSim {
            self.impose_on_netsim(links, effect, &mut hold);
        }
        Some(hold)
    }

    /// Puts an effect on madsim's own network too, for a system that runs over it. That the network can do it was checked with
    /// the spec. It does not count what a block stops: each link counts once.
    fn impose_on_netsim(&self, links: &BTreeSet<(NodeId, NodeId)>, effect: LinkEffect, hold: &mut Hold) {
        let bridge = self.cluster.world().bridge();
        let global = match effect {
            LinkEffect::Block(_) => {
                for &(from, to) in links {
                    bridge.block(from, to);
                    hold.part([from, to], move |cluster| {
                        cluster.world().bridge().unblock(from, to);
                        1
                    });
                }
                return;
            }
            LinkEffect::Delay { by, jitter } => bridge.impose_delay(by, jitter),
            LinkEffect::Loss { model: LossModel::Independent(rate) } => bridge.impose_loss(rate),
            other => unreachable!("a spec that asks this of NetSim is refused: {other:?}"),
        };
        hold.part(self.cluster.nodes(), move |cluster| cluster.world().bridge().lift(global));
    }

    /// Links for a person: the first few, and how many more.
    pub fn link_names(&self, links: &BTreeSet<(NodeId, NodeId)>) -> String {
        const SHOWN: usize = 3;
        let mut names: Vec<_> = links
            .iter()
            .take(SHOWN)
            .map(|&(from, to)| format!("{} -> {}", self.cluster.name(from), self.cluster.name(to)))
            .collect();
        if links.len() > SHOWN {
            names.push(format!("and {} more", links.len() - SHOWN));
        }
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    }
}
