//! Which nodes and links a target means, at the moment it is asked.

use std::collections::BTreeSet;

use squall_rt::world::{NodeId, Stream};

use super::Cluster;
use crate::language::model::{Link, Target};

/// Who is meant by a group, and drawn from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    /// For what strikes: the members now.
    Members,
    /// For what is settled before the run: whoever was or will be a member. Drawn from those that were there at the start, so
    /// that who joins changes no draw.
    Ever,
}

/// The nodes that `target` means now, in order of creation. `named` are those that the fault names elsewhere, which
/// `rest` leaves out.
pub(crate) fn nodes(
    target: &Target,
    cluster: &Cluster,
    among: Among,
    named: &BTreeSet<NodeId>,
    draws: &mut Stream,
) -> BTreeSet<NodeId> {
    let drawn_from = |inner: &Target, draws: &mut Stream| drawn_from(inner, cluster, among, named, draws);
    match target {
        Target::Group(group) => {
            let mut all = cluster.group(group);
            all.retain(|node| among == Among::Ever || cluster.is_member(*node));
            all
        }
        Target::Member(group, index) => cluster.member(group, *index).into_iter().collect(),
        Target::One(inner) => sample(drawn_from(inner, draws), draws, |_, _| 1),
        Target::Some(inner) => sample(drawn_from(inner, draws), draws, |len, draws| 1 + draws.pick(len)),
        Target::Minority(inner) => sample(drawn_from(inner, draws), draws, |len, draws| {
            // The largest number that leaves a majority; drawn between one and that.
            let most = (len - 1) / 2;
            if most == 0 { usize::from(len < 3) } else { 1 + draws.pick(most) }
        }),
        Target::Majority(inner) => sample(drawn_from(inner, draws), draws, |len, draws| {
            let least = len / 2 + 1;
            least + draws.pick(len - least + 1)
        }),
        Target::Role(role) => cluster.role(role),
        Target::Zone(zone) => cluster.zone(zone),
        Target::Everyone => cluster.nodes().collect(),
        Target::Rest => cluster.nodes().filter(|node| !named.contains(node)).collect(),
    }
}

/// The nodes that a choice among `inner` may fall on.
fn drawn_from(
    inner: &Target,
    cluster: &Cluster,
    among: Among,
    named: &BTreeSet<NodeId>,
    draws: &mut Stream,
) -> BTreeSet<NodeId> {
    let mut all = nodes(inner, cluster, among, named, draws);
    all.retain(|node| among == Among::Members || cluster.was_there_at_the_start(*node));
    all
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

/// The directed links that `link` means now, without those from a node to itself. In `one(g) -> one(g)` the two are different nodes.
pub(crate) fn links(
    link: &Link,
    cluster: &Cluster,
    among: Among,
    draws: &mut Stream,
) -> BTreeSet<(NodeId, NodeId)> {
    let none = BTreeSet::new();
    let from_rest = matches!(link.from, Target::Rest);
    let (from, to) = if from_rest {
        let to = nodes(&link.to, cluster, among, &none, draws);
        (nodes(&link.from, cluster, among, &to, draws), to)
    } else {
        let from = nodes(&link.from, cluster, among, &none, draws);
        let to = match &link.to {
            Target::One(inner) => {
                let mut all = drawn_from(inner, cluster, among, &from, draws);
                if !all.is_subset(&from) {
                    all.retain(|node| !from.contains(node));
                }
                sample(all, draws, |_, _| 1)
            }
            to => nodes(to, cluster, among, &from, draws),
        };
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
