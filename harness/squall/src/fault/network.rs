//! Network faults: partition, delay, loss. Each puts effects on directed links and takes exactly those off again.

use std::{collections::BTreeSet, time::Duration};

use squall_rt::world::{
    NodeId, Stream,
    net::{BlockMode, EffectId, LinkEffect},
};

use super::{Announce, Hold, target};
use crate::{
    plan::{Cut, PlannedFault},
    run::cluster::Cluster,
    spec::model::{Link, PartitionMode},
    system::Transport,
};

/// Effects on links, to be lifted together.
struct LinkHold {
    effects: Vec<EffectId>,
    /// Links blocked in madsim's network too.
    bridged: Vec<(NodeId, NodeId)>,
    what: String,
}

impl Hold for LinkHold {
    fn heal(self: Box<Self>, cluster: &Cluster, announce: Announce<'_>) -> u64 {
        announce(self.what);
        for &(from, to) in &self.bridged {
            cluster.world().bridge().unblock(from, to);
        }
        let packets: u64 = self.effects.iter().map(|effect| cluster.world().net().lift(*effect)).sum();
        // What madsim's network holds up cannot be counted: each link counts once.
        packets + self.bridged.len() as u64
    }
}

fn impose(
    cluster: &Cluster,
    planned: &PlannedFault,
    links: &BTreeSet<(NodeId, NodeId)>,
    effect: LinkEffect,
    what: String,
    announce: Announce<'_>,
) -> Option<Box<dyn Hold>> {
    if links.is_empty() {
        announce(format!("{what}: no such link now"));
        return None;
    }
    announce(what.clone());
    let name = planned.name();
    let effects = links
        .iter()
        .map(|&(from, to)| {
            let key = format!("{name}: {} -> {}", cluster.name(from), cluster.name(to));
            cluster.world().net().impose(from, to, effect, Stream::new(cluster.seed(), "effect", &key))
        })
        .collect();
    let mut bridged = Vec::new();
    if cluster.transport() == Transport::NetSim && matches!(effect, LinkEffect::Block(_)) {
        bridged.extend(links);
        for &(from, to) in links {
            cluster.world().bridge().block(from, to);
        }
    }
    Some(Box::new(LinkHold { effects, bridged, what }))
}

/// Cuts links.
pub(super) fn partition(
    cluster: &Cluster,
    planned: &PlannedFault,
    cut: &Cut,
    mode: PartitionMode,
    draws: &mut Stream,
    announce: Announce<'_>,
) -> Option<Box<dyn Hold>> {
    let (links, sides) = match cut {
        Cut::Isolate(of) => {
            let inside = target::nodes(of, cluster, &BTreeSet::new(), draws);
            let outside: BTreeSet<_> = cluster.nodes().filter(|node| !inside.contains(node)).collect();
            let sides = format!("{} | everyone else", cluster.names(&inside));
            (between(&[inside, outside]), sides)
        }
        Cut::Split(groups) => {
            // `rest` means those in no other group, so the others are resolved first.
            let mut sides = vec![BTreeSet::new(); groups.len()];
            let mut named = BTreeSet::new();
            for rest in [false, true] {
                for (side, group) in sides.iter_mut().zip(groups) {
                    if matches!(group, crate::spec::model::Target::Rest) == rest {
                        *side = target::nodes(group, cluster, &named, draws);
                    }
                }
                named = sides.iter().flatten().copied().collect();
            }
            let names: Vec<_> = sides.iter().map(|side| cluster.names(side)).collect();
            (between(&sides), names.join(" | "))
        }
        Cut::OneWay(link) => {
            let links = target::links(link, cluster, draws);
            let names = link_names(cluster, &links);
            (links, names)
        }
    };
    let (mode, verb) = match mode {
        PartitionMode::Drop => (BlockMode::Drop, "drop"),
        PartitionMode::Reject => (BlockMode::Reject, "reject"),
        PartitionMode::Hold => (BlockMode::Hold, "hold"),
    };
    impose(cluster, planned, &links, LinkEffect::Block(mode), format!("partition ({verb}) {sides}"), announce)
}

/// Slows links down.
pub(super) fn delay(
    cluster: &Cluster,
    planned: &PlannedFault,
    link: &Link,
    by: Duration,
    jitter: Duration,
    draws: &mut Stream,
    announce: Announce<'_>,
) -> Option<Box<dyn Hold>> {
    let links = target::links(link, cluster, draws);
    let what = format!("delay {} by {by:?}", link_names(cluster, &links));
    impose(cluster, planned, &links, LinkEffect::Delay { by, jitter }, what, announce)
}

/// Loses packets.
pub(super) fn loss(
    cluster: &Cluster,
    planned: &PlannedFault,
    link: &Link,
    probability: f64,
    draws: &mut Stream,
    announce: Announce<'_>,
) -> Option<Box<dyn Hold>> {
    let links = target::links(link, cluster, draws);
    let what = format!("loss of {}% on {}", probability * 100.0, link_names(cluster, &links));
    impose(cluster, planned, &links, LinkEffect::Loss { probability }, what, announce)
}

/// All directed links between different sides.
fn between(sides: &[BTreeSet<NodeId>]) -> BTreeSet<(NodeId, NodeId)> {
    let mut links = BTreeSet::new();
    for (i, side) in sides.iter().enumerate() {
        for other in sides.iter().take(i) {
            for &a in side {
                for &b in other {
                    if a != b {
                        links.insert((a, b));
                        links.insert((b, a));
                    }
                }
            }
        }
    }
    links
}

/// The links for a person: the first few, and how many more.
fn link_names(cluster: &Cluster, links: &BTreeSet<(NodeId, NodeId)>) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<_> = links
        .iter()
        .take(SHOWN)
        .map(|&(from, to)| format!("{} -> {}", cluster.name(from), cluster.name(to)))
        .collect();
    if links.len() > SHOWN {
        names.push(format!("and {} more", links.len() - SHOWN));
    }
    names.join(", ")
}
