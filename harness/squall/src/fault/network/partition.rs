//! Partition: links are cut, in one of the shapes that are known to break distributed systems.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::{
    NodeId,
    net::{BlockMode, LinkEffect},
};

use super::super::{Hold, Kind, Strike, one_of::exactly_one};
use crate::{
    context::{Context, Use},
    language::{
        Code, Place,
        model::{Link, Spanned, Target},
    },
};

/// The shapes of a partition, by their keys.
const SHAPES: &[&str] = &["isolate", "split", "halves", "ring", "bridge", "one_way"];

/// Cut links: exactly one of `isolate`, `split`, `halves`, `ring`, `bridge`, `one_way`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = exactly_one(SHAPES)["oneOf"]))]
#[schemars(extend("x-incident" = "GitHub, October 2018: 43 seconds without the link between two data centres left both sides \
    writing, and a day of repair."))]
pub struct Partition {
    /// Cut these nodes off from all others. (They still reach each other.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolate: Option<Spanned<Target>>,
    /// Cut these groups of nodes off from each other; nodes in none of them keep all links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Vec<Spanned<Target>>>,
    /// Cut these nodes into two halves, drawn; with an odd number one half has one more. Other nodes keep all links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halves: Option<Spanned<Target>>,
    /// Arrange these nodes in a ring, drawn, where each reaches a bare majority of them: those nearest to it. No two see the same
    /// majority. Needs four nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<Spanned<Target>>,
    /// Cut these nodes into two halves but for one node, drawn, that reaches both. Needs three nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Spanned<Target>>,
    /// Cut only this direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_way: Option<Spanned<Link>>,
    /// What happens to packets. Default: drop.
    #[serde(default)]
    pub mode: PartitionMode,
}

/// What happens to packets at a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionMode {
    /// They vanish; senders retransmit and time out.
    #[default]
    Drop,
    /// Senders are told: refused, reset.
    Reject,
    /// They are kept and delivered after the heal.
    Hold,
}

impl Kind for Partition {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.exactly_one(
            SHAPES,
            at,
            (
                "the partition does not say what to cut".into(),
                &format!("add one of {}", context.keys(SHAPES)),
            ),
            "a second form of partition, `{}`",
            "a partition has one form: make two faults",
        );
        if let Some(target) = &self.isolate {
            context.isolated(target, &at.key("isolate"));
        }
        if let Some(sides) = &self.split {
            let split = at.key("split");
            let places = split.items();
            context.sides(sides.iter().map(|side| &side.value).zip(places), &split);
        }
        let shapes = [("halves", &self.halves, 2), ("ring", &self.ring, 4), ("bridge", &self.bridge, 3)];
        for (name, target, least) in shapes {
            let Some(target) = target else { continue };
            let at = at.key(name);
            if !context.target(target, &at, Use::Struck) {
                continue;
            }
            if let Some(count) = context.count_of(target).filter(|count| *count < least) {
                let message = format!("`{name}` needs {least} nodes, and `{}` is {count}", **target);
                context.report(at.error(
                    Code::MatchesNothing,
                    message,
                    "raise the number of nodes, or cut by `isolate`",
                ));
            }
        }
        if let Some(link) = &self.one_way {
            let entry = at.key("one_way");
            if link.both {
                let help = format!(
                    "write `{} -> {}`, or `isolate` or `split` for both directions",
                    link.from, link.to
                );
                context.report(entry.error(Code::Conflict, format!("`{}` is both ways", **link), help));
            } else {
                context.link(link, &entry, Use::End);
            }
        }
        if self.mode != PartitionMode::Drop {
            context.not_on_netsim("this mode of a partition", &at.key("mode"));
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let (links, sides) = self.resolve(strike);
        let (mode, verb) = match self.mode {
            PartitionMode::Drop => (BlockMode::Drop, "drop"),
            PartitionMode::Reject => (BlockMode::Reject, "reject"),
            PartitionMode::Hold => (BlockMode::Hold, "hold"),
        };
        strike.impose(&links, LinkEffect::Block(mode), format!("partition ({verb}) {sides}"))
    }
}

impl Partition {
    /// The links to cut, and the sides for a person.
    fn resolve(&self, strike: &mut Strike<'_>) -> (BTreeSet<(NodeId, NodeId)>, String) {
        if let Some(target) = &self.isolate {
            let inside = strike.nodes(target);
            let outside: BTreeSet<_> = strike.cluster.nodes().filter(|node| !inside.contains(node)).collect();
            let sides = format!("{} | everyone else", strike.cluster.names(&inside));
            return (between(&[inside, outside]), sides);
        }
        if let Some(link) = &self.one_way {
            let links = strike.links(link);
            let names = strike.link_names(&links);
            return (links, names);
        }
        if let Some(target) = &self.ring {
            let ring = shuffled(strike, target);
            let names: Vec<_> = ring.iter().map(|node| strike.cluster.name(*node).to_string()).collect();
            return (across_ring(&ring), format!("ring {}", names.join(", ")));
        }
        let sides = if let Some(target) = &self.halves {
            let nodes = shuffled(strike, target);
            let (one, other) = nodes.split_at(nodes.len() / 2);
            vec![one.iter().copied().collect(), other.iter().copied().collect()]
        } else if let Some(target) = &self.bridge {
            let nodes = shuffled(strike, target);
            let rest = nodes.get(1..).unwrap_or_default();
            let (one, other) = rest.split_at(rest.len() / 2);
            if let Some(bridge) = nodes.first() {
                let sides = vec![one.iter().copied().collect(), other.iter().copied().collect()];
                let names = format!("{} (bridge {})", names(strike, &sides), strike.cluster.name(*bridge));
                return (between(&sides), names);
            }
            Vec::new()
        } else {
            self.split_sides(strike)
        };
        (between(&sides), names(strike, &sides))
    }

    /// `rest` means those in no other group, so the others are resolved first.
    fn split_sides(&self, strike: &mut Strike<'_>) -> Vec<BTreeSet<NodeId>> {
        let groups: Vec<_> = self.split.iter().flatten().collect();
        let mut sides = vec![BTreeSet::new(); groups.len()];
        let mut named = BTreeSet::new();
        for rest in [false, true] {
            for (side, group) in sides.iter_mut().zip(&groups) {
                if (group.value == Target::Rest) == rest {
                    *side = strike.nodes_but(group, &named);
                }
            }
            named = sides.iter().flatten().copied().collect();
        }
        sides
    }
}

fn names(strike: &Strike<'_>, sides: &[BTreeSet<NodeId>]) -> String {
    let names: Vec<_> = sides.iter().map(|side| strike.cluster.names(side)).collect();
    names.join(" | ")
}

fn shuffled(strike: &mut Strike<'_>, target: &Target) -> Vec<NodeId> {
    let mut nodes: Vec<_> = strike.nodes(target).into_iter().collect();
    strike.draws.shuffle(&mut nodes);
    nodes
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

/// All directed links of a ring but for those to so many neighbours that each node, with itself, has a majority. (The
/// "majorities ring" of Jepsen.)
fn across_ring(ring: &[NodeId]) -> BTreeSet<(NodeId, NodeId)> {
    let n = ring.len();
    // Half of the others that a majority needs on either side, rounded up.
    let reach = (n / 2).div_ceil(2);
    let mut links = BTreeSet::new();
    for (i, &a) in ring.iter().enumerate() {
        for (j, &b) in ring.iter().enumerate() {
            let apart = i.abs_diff(j);
            if apart.min(n - apart) > reach {
                links.insert((a, b));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_ring_everyone_sees_a_majority_and_no_two_see_the_same() {
        for n in 4..=9_u32 {
            let ring: Vec<_> = (0..n).map(NodeId).collect();
            let cut = across_ring(&ring);
            assert!(!cut.is_empty(), "{n} nodes");
            let seen = |a: NodeId| -> BTreeSet<_> {
                ring.iter().copied().filter(|b| !cut.contains(&(a, *b))).collect()
            };
            for &a in &ring {
                assert!(seen(a).len() > n as usize / 2, "{a:?} of {n} sees {:?}", seen(a));
                assert!(ring.iter().all(|&b| a == b || seen(a) != seen(b)), "{n} nodes");
                assert!(ring.iter().all(|&b| cut.contains(&(a, b)) == cut.contains(&(b, a))));
            }
        }
    }
}
