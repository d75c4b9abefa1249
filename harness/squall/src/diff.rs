//! Two runs side by side: up to where they tell the same story, how they differ from there on, and what of their plans does.
//!
//! Also finds a failing run's nearest neighbour that passes: the same run without one strike of a fault, or one operation, or more. It is the same to
//! the nanosecond up to that moment, so what differs after it is what that led to.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use crate::{
    blame::Runner,
    history::{Kind, Record},
    plan::{Branch, Part, Plan, PlannedFault, PlannedOperation, RunId, Start, fault_of},
    run::RunReport,
};

/// Records that say the same within this time are the same. Two runs whose schedulers had other choices differ in nanoseconds from
/// the start.
const SAME_TIME: Duration = Duration::from_millis(1);

/// How many records from the start say the same in both histories.
pub(crate) fn shared(one: &[Record], other: &[Record]) -> usize {
    let same = |(a, b): &(&Record, &Record)| a.at.abs_diff(b.at) < SAME_TIME && a.kind.is_same(&b.kind);
    one.iter().zip(other).take_while(same).count()
}

/// Something that two plans say differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What: `fault crash-orders#2`, `operation 12`.
    pub what: String,
    /// How the one plan has it, if it does.
    pub one: Option<String>,
    /// How the other has it.
    pub other: Option<String>,
}

/// In what two plans differ: faults first, then operations, as each is ordered.
pub(crate) fn differences(one: &Plan, other: &Plan) -> Vec<Difference> {
    let faults = |plan: &Plan| -> BTreeMap<String, PlannedFault> {
        plan.strikes().into_iter().map(|fault| (fault.name(), fault.clone())).collect()
    };
    let operations = |plan: &Plan| -> BTreeMap<u32, PlannedOperation> {
        let left_out = plan.left_out.operations();
        let there = |(id, _): &(u32, PlannedOperation)| !left_out.contains(id);
        (0..).zip(plan.operations.iter().cloned()).filter(there).collect()
    };
    let mut found =
        compare(&faults(one), &faults(other), &|name| format!("fault {name}"), &|fault, in_full| {
            let lasts = fault.lasts.map_or(String::new(), |lasts| format!(" for {lasts}"));
            let action = if in_full { format!(" {}", json(&fault.action)) } else { String::new() };
            format!("{}{lasts}{action}", start(&fault.start))
        });
    found.extend(compare(
        &operations(one),
        &operations(other),
        &|id| format!("operation {id}"),
        &|operation, in_full| {
            let op = if in_full { json(&operation.op) } else { operation.name().to_owned() };
            format!("{op} of clients[{}] at {}", operation.client, operation.at)
        },
    ));
    found
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a plan is plain data")
}

fn start(start: &Start) -> String {
    match start {
        Start::At(at) => format!("at {at}"),
        Start::When(trigger) => format!("{} after {} ({})", trigger.after, trigger.event, trigger.nth),
    }
}

/// `show` tells a thing in short, or in full where that is the same of both.
fn compare<K: Ord, V: PartialEq>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
    name: &dyn Fn(&K) -> String,
    show: &dyn Fn(&V, bool) -> String,
) -> Vec<Difference> {
    let mut keys: Vec<&K> = one.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    let differ = keys.into_iter().filter(|key| one.get(key) != other.get(key));
    differ
        .map(|key| {
            let [a, b] = [one.get(key), other.get(key)];
            let short = |thing: Option<&V>| thing.map(|thing| show(thing, false));
            let in_full = short(a) == short(b);
            let shown = |thing: Option<&V>| thing.map(|thing| show(thing, in_full));
            Difference { what: name(key), one: shown(a), other: shown(b) }
        })
        .collect()
}

/// A run that passes, and what of the failing run it lacks.
#[derive(Clone, Debug)]
pub(crate) struct Neighbour {
    pub report: RunReport,
    pub without: Vec<Part>,
}

/// Of the runs that lack one thing that happened in a failing run, else a whole fault, else two things, else all faults: the one that passes
/// and shares the longest history with it. `most` is how many may be tried.
pub(crate) fn neighbour(runner: &mut Runner<'_>, failing: &RunReport, most: u64) -> Option<Neighbour> {
    let mut parts: Vec<(u64, Part)> = Vec::new();
    let mut faults: Vec<(u64, Part)> = Vec::new();
    for record in &failing.history {
        let part = match &record.kind {
            Kind::FaultStart { fault, .. } => {
                let whole = Part::Fault(fault_of(fault).to_owned());
                if faults.iter().all(|(_, known)| *known != whole) {
                    faults.push((record.seq, whole));
                }
                Part::Strike(fault.to_string())
            }
            Kind::Invoke(operation, _) => Part::Operation(operation.id),
            _ => continue,
        };
        parts.push((record.seq, part));
    }
    // The later it is, the more the runs share.
    parts.reverse();
    faults.reverse();
    let mut pairs: Vec<(u64, Vec<Part>)> = Vec::new();
    for (i, (seq, part)) in parts.iter().enumerate() {
        pairs.extend(parts[..i].iter().map(|(_, later)| (*seq, vec![part.clone(), later.clone()])));
    }
    pairs.sort_by_key(|(seq, _)| Reverse(*seq));
    let pairs: Vec<Vec<Part>> = pairs.into_iter().map(|(_, pair)| pair).collect();
    let one_of = |parts: &[(u64, Part)]| -> Vec<Vec<Part>> {
        parts.iter().map(|(_, part)| vec![part.clone()]).collect()
    };
    let all_faults: Vec<Part> = faults.iter().map(|(_, fault)| fault.clone()).collect();
    let end = runner.runs + most;
    // There is one run left for the last.
    [(one_of(&parts), end), (one_of(&faults), end), (pairs, end.saturating_sub(1)), (vec![all_faults], end)]
        .iter()
        .find_map(|(without, end)| nearest(runner, failing, without, *end))
}

/// Of the runs without these, in which those that share more come first, the nearest that passes. No more run than up to `end` in all.
fn nearest(
    runner: &mut Runner<'_>,
    failing: &RunReport,
    without: &[Vec<Part>],
    end: u64,
) -> Option<Neighbour> {
    // As many as one would have to try anyway, more often than not.
    const AT_ONCE: usize = 32;
    let branch = |parts: &Vec<Part>| -> RunId {
        failing.run.branched(Branch::Without(parts.iter().cloned().collect()))
    };
    for batch in without.chunks(AT_ONCE) {
        let left = usize::try_from(end.saturating_sub(runner.runs)).unwrap_or(usize::MAX);
        let batch = &batch[..batch.len().min(left)];
        let runs: Vec<RunId> = batch.iter().map(branch).collect();
        let passing = runner
            .each(&runs, &|_, report| report.passed().then(|| shared(&failing.history, &report.history)));
        let best =
            (0..batch.len()).filter(|i| passing[*i].is_some()).max_by_key(|i| (passing[*i], Reverse(*i)));
        if let Some(best) = best {
            return Some(Neighbour { report: runner.one(&runs[best]), without: batch[best].clone() });
        }
        if batch.is_empty() {
            return None;
        }
    }
    None
}
