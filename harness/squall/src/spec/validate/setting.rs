//! The setting of a run: version, system, variant, topology, network, workload, phases, seeds.

use std::time::Duration;

use super::{Spec, VERSION, shown};
use crate::{
    context::{Context, Use},
    language::{
        Code, Place, Span,
        diagnostic::name_help,
        model::{Heal, LinkSpec, MaxDown, Target},
    },
    system::Registry,
};

/// The most nodes of one group, and the most clients. Far more than a simulated cluster needs to show anything.
const MAX_NODES: u32 = 1_000;
/// The most operations of a run, which are all drawn before it starts.
const MAX_OPERATIONS: u32 = 1_000_000;

impl Context<'_> {
    pub(super) fn version(&mut self, spec: &Spec, top: &Place<'_>) {
        if *spec.spec != VERSION {
            let message = format!("version {} of the language is not known here", *spec.spec);
            self.report(top.key("spec").error(Code::Version, message, format!("write `spec: {VERSION}`")));
        }
    }

    pub(super) fn system(&mut self, spec: &Spec, top: &Place<'_>, registry: &Registry) {
        let Some(system) = registry.get(&spec.system) else {
            let known: Vec<_> = registry.iter().map(|system| system.name()).collect();
            let help = match registry.now_called(&spec.system) {
                Some(now) => format!("it is now called `{now}`"),
                None => name_help(&spec.system, "systems of this build", &known),
            };
            let message = format!("there is no system `{}`", *spec.system);
            self.report(top.key("system").error(Code::UnknownSystem, message, help));
            return;
        };
        let problems = registry.problems(&spec.system);
        let others = self.system.as_ref().map_or(&[][..], |known| &known.problems);
        let others = others.iter().filter(|problem| !problems.contains(problem));
        let told: Vec<_> = problems
            .iter()
            .chain(others)
            .map(|problem| problem.at(system.name(), top.key("system").span()))
            .collect();
        told.into_iter().for_each(|problem| self.report(problem));
        let Some(variant) = &spec.variant else { return };
        let known: Vec<_> =
            std::iter::once("hardened").chain(system.flaws().iter().map(|flaw| flaw.name)).collect();
        if !known.contains(&variant.as_str()) {
            let message = format!("`{}` has no variant `{variant}`", system.name());
            let help = name_help(variant, "its variants", &known);
            self.report(top.key("variant").error(Code::UnknownVariant, message, help));
        }
    }

    pub(super) fn topology(&mut self, spec: &Spec, top: &Place<'_>) {
        for (group, size) in &spec.topology {
            let at = top.key("topology").key(group);
            if **group == "clients" {
                let help = format!("write `workload: {{ clients: {} }}`", **size);
                self.report(at.key_error(Code::UnknownGroup, "clients are not a node group", help));
            } else if let Some(system) = &self.system {
                let known: Vec<_> = system
                    .groups
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .filter(|name| *name != "clients")
                    .collect();
                if !known.contains(&group.as_str()) {
                    let message = format!("`{}` has no node group `{group}`", system.name);
                    let help = name_help(group, "its groups", &known);
                    self.report(at.key_error(Code::UnknownGroup, message, help));
                }
            }
            if **size == 0 && !at.is_damaged() {
                let help = "write 1 at least; to have it gone for a time, let its nodes `leave`";
                self.report(at.error(Code::OutOfRange, "a group of nobody", help));
            }
            if **size > MAX_NODES {
                let message = format!("{} nodes are too many", **size);
                self.report(at.error(Code::OutOfRange, message, format!("write {MAX_NODES} at most")));
            }
        }
    }

    pub(super) fn network(&mut self, spec: &Spec, top: &Place<'_>) {
        let at = top.key("network");
        self.network_on_netsim(spec, &at);
        self.link_spec(&spec.network.default, &at.key("default"));
        self.link_spec(&spec.network.between_zones, &at.key("between_zones"));
        if spec.network.zones.len() < 2
            && at.key("between_zones").is_written()
            && !at.key("zones").is_damaged()
        {
            let help = "make two zones at least in `network.zones`";
            self.report(at.key("between_zones").key_error(
                Code::MatchesNothing,
                "there are no two zones",
                help,
            ));
        }
        for link in spec.network.links.keys() {
            let own = at.key("links").entry_at(link.span);
            self.link_spec(&spec.network.links[link], &at.key("links").key(&own.name()));
        }
        self.zones(spec, &at.key("zones"));
        for link in spec.network.links.keys() {
            // The key as it is written, not as it is shown: `a->b` is `a -> b`.
            let at = top.key("network").key("links").entry_at(link.span);
            self.link(link, &at, Use::Setting);
        }
    }

    /// Checks numbers of a link that its types do not bound.
    fn link_spec(&mut self, link: &LinkSpec, at: &Place<'_>) {
        if let Some(mtu) = link.mtu.as_ref().filter(|mtu| !(68..=65_535).contains(&mtu.value)) {
            let message = format!("an MTU of {mtu}");
            let help = "write 68 (the least of IPv4) to 65535 bytes; 1500 is Ethernet's";
            self.report(at.key("mtu").error(Code::OutOfRange, message, help));
        }
        if link.queue.is_some() && link.bandwidth.is_none() && !at.is_damaged() {
            let help =
                "say how fast the link is, as `bandwidth: 10MiB/s`: without a limit nothing ever waits";
            self.report(at.key("queue").key_error(Code::Conflict, "`queue` without `bandwidth`", help));
        }
    }

    fn zones(&mut self, spec: &Spec, at: &Place<'_>) {
        let mut taken: Vec<(Target, String, Span)> = Vec::new();
        for (name, zone) in &spec.network.zones {
            let at = at.key(name);
            self.link_spec(&zone.within, &at.key("within"));
            let nodes = at.key("nodes");
            if zone.nodes.is_empty() && !nodes.is_damaged() {
                let help = "name groups and single nodes, as `[orders, payments[0]]`";
                self.report(nodes.error(Code::MatchesNothing, "a zone of nobody", help));
            }
            for (node, at) in zone.nodes.iter().zip(at.key("nodes").items()) {
                if !matches!(node.value, Target::Group(_) | Target::Member(..)) {
                    let message = format!("`{}` in a zone", node.value);
                    let help = "a zone is made of groups and single nodes, as `[orders, payments[0]]`";
                    self.report(at.error(Code::BadValue, message, help));
                    continue;
                }
                if !self.target(node, &at, Use::Setting) {
                    continue;
                }
                let overlaps = |other: &Target| match (other, &node.value) {
                    (Target::Member(a, i), Target::Member(b, j)) => a == b && i == j,
                    (Target::Group(a) | Target::Member(a, _), Target::Group(b) | Target::Member(b, _)) => {
                        a == b
                    }
                    _ => false,
                };
                if let Some((other, of, span)) = taken.iter().find(|(other, ..)| overlaps(other)) {
                    let message = format!("`{}` is in the zone `{of}` too", node.value);
                    let help =
                        format!("a node is in one zone at most: leave one out (there it is `{other}`)");
                    let error = at.error(Code::Conflict, message, help).related(*span, "also here");
                    self.report(error);
                    continue;
                }
                taken.push((node.value.clone(), name.value.clone(), at.span()));
            }
        }
    }

    pub(super) fn limits(&mut self, spec: &Spec, top: &Place<'_>) {
        let at = top.key("limits");
        if spec.limits.max_concurrent.as_ref().is_some_and(|most| most.value == 0) {
            let help = "write 1 at least, or leave the faults out";
            self.report(at.key("max_concurrent").error(
                Code::OutOfRange,
                "no fault may ever be active",
                help,
            ));
        }
        let Some(MaxDown::Groups(groups)) = &spec.limits.max_down else { return };
        for name in groups.keys() {
            let Some(system) = &self.system else { return };
            let known: Vec<_> = system.groups.iter().map(|(name, _)| name.as_str()).collect();
            if !known.contains(&name.as_str()) {
                let message = format!("`{}` has no node group `{name}`", system.name);
                let help = name_help(name, "its groups", &known);
                self.report(at.key("max_down").key(name).key_error(Code::UnknownGroup, message, help));
            }
        }
    }

    pub(super) fn heal(&mut self, spec: &Spec, top: &Place<'_>) {
        let at = top.key("phases").key("heal").key("core");
        let Heal::Core(nodes) = &spec.phases.heal.value else { return };
        if nodes.is_empty() {
            let help = "name the nodes that heal, as `[orders[0], clients]`, or write `random_quorum`";
            self.report(at.error(Code::MatchesNothing, "a core of nobody", help));
        }
        for (node, at) in nodes.iter().zip(at.items()) {
            self.target(node, &at, Use::Struck);
        }
    }

    pub(super) fn workload(&mut self, spec: &Spec, top: &Place<'_>) {
        let workload = &spec.workload;
        let at = top.key("workload");
        if let Some(system) = &self.system {
            let known: Vec<_> = system.operations.iter().map(|(name, _)| *name).collect();
            let name = system.name;
            for operation in workload.mix.keys() {
                if !known.contains(&operation.as_str()) {
                    let message = format!("`{name}` has no operation `{operation}`");
                    let help = name_help(operation, "its operations", &known);
                    self.report(at.key("mix").key(operation).key_error(
                        Code::UnknownOperation,
                        message,
                        help,
                    ));
                }
            }
        }
        let mix = at.key("mix");
        if mix.is_written() && !mix.is_damaged() && workload.mix.is_empty() {
            let help = "name operations with their weights, as `{ read: 3, write: 1 }`, or leave it out for the system's own; for no \
                        operations at all write `ops: 0`";
            self.report(mix.key_error(Code::OutOfRange, "a mix of nothing", help));
        }
        if !mix.is_damaged() && !workload.mix.is_empty() && workload.mix.values().all(|weight| *weight == 0) {
            let help = "give an operation a weight above 0; for no operations at all write `ops: 0`";
            self.report(mix.key_error(
                Code::OutOfRange,
                "all weights are 0, so there is nothing to do",
                help,
            ));
        }
        let (clients, ops) = (at.key("clients"), at.key("ops"));
        if *workload.clients > MAX_NODES {
            let message = format!("{} clients are too many", *workload.clients);
            self.report(clients.error(Code::OutOfRange, message, format!("write {MAX_NODES} at most")));
        }
        if *workload.ops > MAX_OPERATIONS {
            let message = format!("{} operations are too many", *workload.ops);
            let help = format!("write {MAX_OPERATIONS} at most; more seeds say more than longer runs");
            self.report(ops.error(Code::OutOfRange, message, help));
        }
        if clients.is_damaged() || ops.is_damaged() {
            return;
        }
        if *workload.clients == 0 && *workload.ops > 0 {
            let message = format!("there are no clients to perform {} operations", *workload.ops);
            self.report(clients.error(Code::Conflict, message, "write `ops: 0` too, or have clients"));
        }
        if let (Some(rate), Some(times)) = (workload.rate, self.times) {
            // The workload starts halfway through warmup.
            let room = (times.end - times.warmup / 2).as_secs_f64() * rate.per_second;
            if f64::from(*workload.ops) > room {
                let message = format!(
                    "{} operations at {rate} take longer than the run, which ends at {}",
                    *workload.ops,
                    shown(times.end)
                );
                let help =
                    format!("raise the rate, lengthen `phases`, or have at most {} operations", room.floor());
                self.report(at.key("rate").error(Code::OutsideRun, message, help));
            }
        }
    }

    pub(super) fn phases(&mut self, spec: &Spec, top: &Place<'_>) {
        let Some(times) = self.times else { return };
        let at = top.key("phases");
        if times.end == Duration::ZERO {
            let help = "give `chaos` a length, as `chaos: 20s`";
            self.report(at.key_error(Code::OutOfRange, "the run has no length", help));
        } else if times.heal == times.warmup && !spec.faults.is_empty() {
            let help = "give `chaos` a length, as `chaos: 20s`, or leave the faults out";
            let error = at.key("chaos").error(Code::OutsideRun, "there is no time for faults", help);
            self.report(error.related(top.key("faults").key_span(), "these never strike"));
            // One error says it for all of them.
            self.times = None;
        }
    }

    pub(super) fn explore(&mut self, spec: &Spec, top: &Place<'_>) {
        if *spec.explore.seeds == 0 {
            let at = top.key("explore").key("seeds");
            self.report(at.error(
                Code::OutOfRange,
                "no seeds, so no runs",
                "write 1 at least; 200 is the default",
            ));
        }
        let strategies = &spec.explore.strategy.0;
        let at = top.key("explore").key("strategy");
        if strategies.is_empty() {
            self.report(at.error(
                Code::OutOfRange,
                "no strategy, so no runs",
                "write `random`, or leave it out",
            ));
        }
        for (i, at) in at.items().into_iter().enumerate() {
            if strategies[..i].contains(&strategies[i]) {
                let message = format!("`{}` is here twice", strategies[i].value);
                self.report(at.error(
                    Code::Conflict,
                    message,
                    "each strategy takes its turn once: leave it out",
                ));
            }
        }
    }
}
