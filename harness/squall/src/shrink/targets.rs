//! Whom faults strike, by name: `workers[0]` in the place of `one(workers)`.
//!
//! Who is drawn depends on who is there: on a node that another fault has down, on a member that joined before, on who holds a role. A fault that
//! only steered the draw looks as if it were needed. With the targets named it can go; and a fault that strikes one node of a group says
//! more than one that strikes all of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Shrinker, fingerprint};
use crate::{
    fault::Fault,
    history::Kind,
    spec::{
        Spec,
        model::{Link, Target},
    },
    system::CLIENTS,
};

/// How many nodes are tried in the place of one target.
const MOST: usize = 5;
/// The keys of faults' entries that hold a target or a link of which one node may be enough.
const KEYS: [&str; 7] = ["from", "isolate", "link", "node", "one_way", "peer", "to"];

/// Names the nodes that targets mean, one target at a time, where one node is enough; and leaves out what is not needed any more.
pub(super) fn name(shrinker: &mut Shrinker<'_>, spec: &mut Spec) {
    if spec.faults.iter().all(|fault| targets(fault).is_empty()) || shrinker.exhausted.is_some() {
        return;
    }
    let before = fingerprint(spec);
    // Who was there, and who was struck, as the run tells it.
    let report = shrinker.run(spec);
    let mut nodes: BTreeSet<String> = BTreeSet::new();
    let mut struck: Vec<(String, String)> = Vec::new();
    for record in &report.history {
        match &record.kind {
            Kind::Node { node, .. } => {
                nodes.insert(node.to_string());
            }
            Kind::FaultStart { fault, what } => struck.push((fault.to_string(), what.clone())),
            _ => {}
        }
    }
    for i in 0..spec.faults.len() {
        for (key, target) in targets(&spec.faults[i]) {
            let id = &spec.faults[i].id.value;
            let told = struck.iter().find(|(fault, _)| fault == id).map_or("", |(_, what)| what.as_str());
            let mut candidates: Vec<&String> = nodes.iter().filter(|node| may_mean(&target, node)).collect();
            // A group of one is as good a name.
            if candidates.len() == 1 && !target.contains('(') {
                continue;
            }
            // Those that it struck come first: they are who it takes, most likely.
            candidates.sort_by_key(|node| !told.contains(node.as_str()));
            for node in candidates.into_iter().take(MOST) {
                let Some(fault) = with(&spec.faults[i], &key, &target, node) else { continue };
                let mut candidate = spec.clone();
                candidate.faults[i] = fault;
                if shrinker.accept(spec, candidate) {
                    break;
                }
            }
        }
    }
    if fingerprint(spec) != before {
        shrinker.take_out(spec);
    }
}

/// Where a target stands in a fault: its kind's entry, and which key of it.
type Key = (String, String);

/// The targets that do not name one node, as they are written, each with where it stands. A link has two of them.
fn targets(fault: &Fault) -> Vec<(Key, String)> {
    let mut found = Vec::new();
    for action in fault.actions() {
        let kind = action.name().to_owned();
        let Ok(Value::Object(entries)) = serde_json::to_value(fault) else { continue };
        let Some(Value::Object(params)) = entries.get(&kind) else { continue };
        for (key, value) in params.iter().filter(|(key, _)| KEYS.contains(&key.as_str())) {
            let Value::String(text) = value else { continue };
            let sides = match text.parse::<Link>() {
                Ok(Link { from, to, .. }) => vec![from, to],
                Err(_) => text.parse::<Target>().into_iter().collect(),
            };
            let drawn = sides.into_iter().filter(is_choice);
            found.extend(drawn.map(|target| ((kind.clone(), key.clone()), target.to_string())));
        }
    }
    found
}

/// Whether it may mean several nodes, or one that is drawn.
fn is_choice(target: &Target) -> bool {
    match target {
        Target::Member(..) | Target::Rest | Target::Everyone => false,
        // Clients are left out as a whole, and those that are left move up.
        Target::Group(group) => group != CLIENTS,
        _ => true,
    }
}

/// Whether that node may be one of those that are meant.
fn may_mean(target: &str, node: &str) -> bool {
    let group = node.split('[').next().unwrap_or(node);
    let mut inner = target;
    while let Some((_, rest)) = inner.split_once('(') {
        if inner.starts_with("role") || inner.starts_with("zone") {
            return true;
        }
        inner = rest.trim_end_matches(')');
    }
    inner == group
}

/// The fault with that node in the place of a target. None if that is no fault.
fn with(fault: &Fault, (kind, key): &Key, target: &str, node: &str) -> Option<Fault> {
    let mut entries = serde_json::to_value(fault).ok()?;
    let value = entries.get_mut(kind)?.get_mut(key)?;
    let node = if node.contains('[') { node.to_owned() } else { format!("{node}[0]") };
    let text = value.as_str()?;
    let text = match text.parse::<Link>() {
        Ok(Link { from, to, both }) => {
            let arrow = if both { "<->" } else { "->" };
            let side =
                |side: &Target| if side.to_string() == target { node.clone() } else { side.to_string() };
            let sides = (side(&from), side(&to));
            // From a node to itself there is nothing.
            if sides.0 == sides.1 {
                return None;
            }
            format!("{} {arrow} {}", sides.0, sides.1)
        }
        Err(_) => node,
    };
    *value = Value::String(text);
    serde_json::from_value(entries).ok()
}
