//! Targets and links: whether there is any node they can mean.

use std::collections::BTreeSet;

use super::Context;
use crate::{
    history::EventKind,
    language::{
        Code, Diagnostic, Place,
        diagnostic::{listed, name_help},
        model::{Link, Target},
    },
};

/// What a target is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The nodes that a fault strikes.
    Struck,
    /// A side of a split, where `rest` means those on no other side.
    Side,
    /// An end of a link of a fault, where `rest` means those not at the other end.
    End,
    /// An end of a link of the network, before the run starts.
    Setting,
}

/// A node by group and position.
type Member = (String, u32);

impl Context<'_> {
    /// Checks a target, and says whether it is in order.
    pub(crate) fn target(&mut self, target: &Target, at: &Place<'_>, used: Use) -> bool {
        match self.wrong_target(target, at, used, true) {
            Some(error) => {
                self.report(error);
                false
            }
            None => true,
        }
    }

    /// Checks both ends of a link, and that there is a link between two nodes.
    pub(crate) fn link(&mut self, link: &Link, at: &Place<'_>, used: Use) {
        let wrong = [&link.from, &link.to].into_iter().find_map(|end| self.wrong_target(end, at, used, true));
        if let Some(error) = wrong {
            self.report(error);
            return;
        }
        if link.from == Target::Rest && link.to == Target::Rest {
            let help = "name one end: `rest` means the nodes that are not at the other";
            self.report(at.error(Code::MatchesNothing, "both ends are `rest`", help));
        } else if let (Some(from), Some(to)) = (self.members(&link.from), self.members(&link.to))
            && let (Some(only), 1) = (from.first(), from.len())
            && from == to
        {
            let message = format!("`{link}` matches nothing: both ends are {}[{}]", only.0, only.1);
            let help = "a node needs no network to reach itself: name two nodes or groups";
            self.report(at.error(Code::MatchesNothing, message, help));
        }
    }

    /// Checks the sides of a split against each other.
    pub(crate) fn sides<'t>(&mut self, sides: impl Iterator<Item = (&'t Target, Place<'t>)>, at: &Place<'_>) {
        let mut taken: Vec<(Member, Place<'t>)> = Vec::new();
        let mut rest: Option<Place<'t>> = None;
        let mut all_fixed = true;
        let mut count = 0;
        for (side, at) in sides {
            count += 1;
            if !self.target(side, &at, Use::Side) {
                all_fixed = false;
                continue;
            }
            if *side == Target::Rest {
                if let Some(first) = rest.replace(at.clone()) {
                    let error = at.error(Code::Conflict, "`rest` is here twice", "keep one of them");
                    self.report(error.related(first.span(), "first here"));
                }
                continue;
            }
            let Some(members) = self.members(side) else {
                all_fixed = false;
                continue;
            };
            if let Some((member, first)) = taken.iter().find(|(member, _)| members.contains(member)) {
                let message = format!("{}[{}] is on two sides of the split", member.0, member.1);
                let help = "name each node once; what is on no side keeps all its links";
                let error = at.error(Code::Conflict, message, help).related(first.span(), "also here");
                self.report(error);
                continue;
            }
            taken.extend(members.into_iter().map(|member| (member, at.clone())));
        }
        if count < 2 && !at.is_damaged() {
            let help = "name two sides at least, as `[payments, rest]`";
            self.report(at.error(Code::OutOfRange, "a split needs two sides", help));
        } else if let Some(rest) = rest.filter(|_| all_fixed && self.is_everyone(taken.len())) {
            let help = "the other sides name every node already: leave it out";
            self.report(rest.error(Code::MatchesNothing, "`rest` is nobody", help));
        }
    }

    /// Checks that somebody is left when these nodes are cut off.
    pub(crate) fn isolated(&mut self, target: &Target, at: &Place<'_>) {
        if !self.target(target, at, Use::Struck) {
            return;
        }
        if self.members(target).is_some_and(|members| self.is_everyone(members.len())) {
            let message = format!("`{target}` is everyone: there is nobody to be cut off from");
            self.report(at.error(Code::MatchesNothing, message, "name fewer nodes, as `one(..)` of them"));
        }
    }

    /// How many nodes a target is, if that is known before the run.
    pub(crate) fn count_of(&self, target: &Target) -> Option<usize> {
        self.members(target).map(|members| members.len())
    }

    /// Whether so many different nodes are all there are.
    fn is_everyone(&self, count: usize) -> bool {
        let Some(system) = &self.system else { return false };
        let sizes: Option<Vec<u32>> = system.groups.iter().map(|(_, size)| *size).collect();
        sizes.is_some_and(|sizes| sizes.iter().map(|size| *size as usize).sum::<usize>() == count)
    }

    fn size(&self, group: &str) -> Option<u32> {
        self.system.as_ref()?.groups.iter().find(|(name, _)| name == group)?.1
    }

    /// The nodes of a target that means the same ones in every run.
    fn members(&self, target: &Target) -> Option<BTreeSet<Member>> {
        match target {
            Target::Group(group) => Some((0..self.size(group)?).map(|i| (group.clone(), i)).collect()),
            Target::Member(group, index) => Some(BTreeSet::from([(group.clone(), *index)])),
            _ => None,
        }
    }

    fn wrong_target(
        &self,
        target: &Target,
        at: &Place<'_>,
        used: Use,
        outermost: bool,
    ) -> Option<Diagnostic> {
        let system = self.system.as_ref()?;
        let nothing = |message: String, help: String| Some(at.error(Code::MatchesNothing, message, help));
        match target {
            Target::Group(group) | Target::Member(group, _) => {
                let Some((_, size)) = system.groups.iter().find(|(name, _)| name == group) else {
                    let known: Vec<_> = system.groups.iter().map(|(name, _)| name.as_str()).collect();
                    let message = format!("`{}` has no node group `{group}`", system.name);
                    let mut help = name_help(group, "its groups", &known);
                    if has_roles(system.events) {
                        help.push_str("; for whoever holds a role write `role(NAME)`");
                    }
                    return Some(at.error(Code::UnknownGroup, message, help));
                };
                let size = (*size)?;
                if size == 0 {
                    let entry = if group == "clients" {
                        "workload.clients".into()
                    } else {
                        format!("topology.{group}")
                    };
                    let whom =
                        if group == "clients" { "clients".into() } else { format!("nodes in {group}") };
                    let message = format!("`{target}` matches nothing: there are no {whom}");
                    return nothing(message, format!("`{entry}` is 0: raise it, or strike somewhere else"));
                }
                match target {
                    Target::Member(_, index) if *index >= size => nothing(
                        format!("`{target}` matches nothing: there {}", are(size, group)),
                        match size {
                            1 => format!(
                                "positions count from 0: write `{group}[0]`, or raise the number of nodes"
                            ),
                            _ => format!(
                                "write `{group}[0]` to `{group}[{}]`, or raise the number of nodes",
                                size - 1
                            ),
                        },
                    ),
                    _ => None,
                }
            }
            Target::One(inner) | Target::Some(inner) | Target::Majority(inner) => {
                self.wrong_target(inner, at, used, false)
            }
            Target::Minority(inner) => self.wrong_target(inner, at, used, false).or_else(|| {
                let size = self.members(inner)?.len();
                if size >= 3 {
                    return None;
                }
                let message = format!("`{target}` matches nothing: fewer than three nodes have no minority");
                nothing(message, format!("write `one({inner})`, or have three nodes"))
            }),
            Target::Role(_) if !has_roles(system.events) => {
                let groups = listed(system.groups.iter().map(|(name, _)| name.as_str()));
                let message =
                    format!("`{target}` matches nothing: no node of `{}` reports a role", system.name);
                nothing(message, format!("its events have no `role.acquired`; name a group: {groups}"))
            }
            Target::Role(role) if !system.roles.is_empty() && !system.roles.contains(&role.as_str()) => {
                nothing(
                    format!("`{target}` matches nothing: no node of `{}` ever takes this role", system.name),
                    name_help(role, "its roles", system.roles),
                )
            }
            Target::Role(_) if used == Use::Setting => {
                let help = "name a group or a node; to slow down whoever holds the role, write a fault: `delay: { link: .. }`";
                nothing(
                    format!("`{target}` matches nothing: nobody holds a role before the run"),
                    help.into(),
                )
            }
            Target::Role(_) => None,
            Target::Zone(zone) => {
                let known: Vec<_> = self.zones.iter().map(String::as_str).collect();
                if known.contains(&zone.as_str()) {
                    return None;
                }
                let help = match known.as_slice() {
                    [] => "zones are made in `network.zones`, as `east: { nodes: [orders] }`".to_owned(),
                    _ => name_help(zone, "zones of this spec", &known),
                };
                nothing(format!("`{target}` matches nothing: there is no zone `{zone}`"), help)
            }
            Target::Everyone => None,
            Target::Rest if !outermost => nothing(
                "`rest` stands alone".into(),
                "write `rest`, or draw from a group: `one(payments)`".into(),
            ),
            Target::Rest if used == Use::Struck => nothing(
                "`rest` matches nothing here: there is nobody that it could leave out".into(),
                format!(
                    "name a group: {}; `rest` is for a side of a `split`, an end of a link, `from` of `rpc` and `peer` \
                     of `half_open`",
                    listed(system.groups.iter().map(|(name, _)| name.as_str()))
                ),
            ),
            Target::Rest => None,
        }
    }
}

fn has_roles(events: &[EventKind]) -> bool {
    events.iter().any(|event| event.name == "role.acquired")
}

fn are(size: u32, group: &str) -> String {
    if size == 1 { format!("is one node in {group}") } else { format!("are {size} nodes in {group}") }
}
