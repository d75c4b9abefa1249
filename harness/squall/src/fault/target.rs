//! Which nodes and links a target means, at the moment a fault strikes.

use std::collections::BTreeSet;

use squall_rt::world::{NodeId, Stream};

use crate::{
    run::cluster::Cluster,
    spec::model::{Link, Target},
};

/// The nodes that `target` means now, in order of creation. `named` are those that the fault names elsewhere, which
/// `rest` leaves out.
pub(crate) fn nodes(
    target: &Target,
    cluster: &Cluster,
    named: &BTreeSet<NodeId>,
    draws: &mut Stream,
) -> BTreeSet<NodeId> {
    match target {
        Target::Group(group) => cluster.group(group),
        Target::Member(group, index) => cluster.member(group, *index).into_iter().collect(),
        Target::One(inner) => sample(nodes(inner, cluster, named, draws), draws, |_, _| 1),
        Target::Some(inner) => {
            sample(nodes(inner, cluster, named, draws), draws, |len, draws| 1 + draws.pick(len))
        }
        Target::Minority(inner) => sample(nodes(inner, cluster, named, draws), draws, |len, draws| {
            // The largest number that leaves a majority; drawn between one and that.
            let most = (len - 1) / 2;
            if most == 0 { usize::from(len < 3) } else { 1 + draws.pick(most) }
        }),
        Target::Majority(inner) => sample(nodes(inner, cluster, named, draws), draws, |len, draws| {
            let least = len / 2 + 1;
            least + draws.pick(len - least + 1)
        }),
        Target::Role(role) => cluster.role(role),
        Target::Zone(zone) => cluster.zone(zone),
        Target::Everyone => cluster.nodes().collect(),
        Target::Rest => cluster.nodes().filter(|node| !named.contains(node)).collect(),
    }
}

/// Draws some of `all`: as many as `how_many` says of their number, which is at least one.
fn sample(
    all: BTreeSet<NodeId>,
    draws: &mut Stream,
    how_many: impl FnOnce(usize, &mut Stream) -> usize,
) -> BTreeSet<NodeId> {
    if all.is_empty() {
        return all;
    }
    let count = how_many(all.len(), draws);
    let mut list: Vec<_> = all.into_iter().collect();
    draws.shuffle(&mut list);
    list.truncate(count);
    list.into_iter().collect()
}

/// The directed links that `link` means now, without those from a node to itself.
pub(crate) fn links(link: &Link, cluster: &Cluster, draws: &mut Stream) -> BTreeSet<(NodeId, NodeId)> {
    let none = BTreeSet::new();
    let from_rest = matches!(link.from, Target::Rest);
    let (from, to) = if from_rest {
        let to = nodes(&link.to, cluster, &none, draws);
        (nodes(&link.from, cluster, &to, draws), to)
    } else {
        let from = nodes(&link.from, cluster, &none, draws);
        let to = nodes(&link.to, cluster, &from, draws);
        (from, to)
    };
    let mut links = BTreeSet::new();
    for &a in &from {
        for &b in &to {
            if a != b {
                links.insert((a, b));
                if link.both {
                    links.insert((b, a));
                }
            }
        }
    }
    links
}
