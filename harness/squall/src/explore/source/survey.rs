//! The points of a run that was recorded: where faults can be put.
//!
//! Every packet that carries something, every call, every sync and every reported step is a point. Which operations a point can have had a part in
//! is told from the trace: the causal past (Lamport 1978) of an operation's outcome, as far as it lies between its invocation and its
//! outcome.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    history::{Kind, Phase, Record},
    plan::Point,
    run::RunReport,
    trace::{MessageFate, MessageKind, TraceEvent, Traced, TracedCall, TracedSync},
};

/// A point, and which operations it can have had a part in.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) point: Point,
    /// The operations, as bits.
    pub(super) operations: Vec<u64>,
}

impl Site {
    /// Whether some operation can have depended on both.
    pub(super) fn meets(&self, other: &Site) -> bool {
        self.operations.iter().zip(&other.operations).any(|(a, b)| a & b != 0)
    }
}

/// The points of a run, by time, as long as faults may strike.
pub(super) fn survey(report: &RunReport) -> Vec<Site> {
    let mut points: Vec<(Duration, String, Point)> = report.trace.iter().filter_map(of_trace).collect();
    points.extend(steps(&report.history));
    // From then on everything is healed.
    let settle = report.history.iter().find(|record| matches!(record.kind, Kind::Phase(Phase::Settle)));
    points.retain(|(at, _, _)| settle.is_none_or(|settle| *at < settle.at));
    points.sort_by_key(|(at, _, _)| *at);
    let pasts = pasts(report);
    let words = pasts.len().div_ceil(64);
    points
        .into_iter()
        .map(|(at, node, point)| {
            let mut operations = vec![0; words];
            for (i, _) in pasts.iter().enumerate().filter(|(_, past)| past.contains(&node, at)) {
                operations[i / 64] |= 1 << (i % 64);
            }
            Site { point, operations }
        })
        .collect()
}

/// When, where and what, of a traced event that is a point.
fn of_trace(traced: &Traced) -> Option<(Duration, String, Point)> {
    let (node, point) = match &traced.event {
        TraceEvent::Message { from, to, kind, number, .. } if carries(*kind) => (
            from.clone(),
            Point::Message { from: from.clone(), to: to.clone(), kind: *kind, number: *number },
        ),
        TraceEvent::Arrived(TracedCall { from, to, method, number }) => (
            to.clone(),
            Point::Call { from: from.clone(), to: to.clone(), method: method.clone(), number: *number },
        ),
        TraceEvent::Sync(TracedSync { node, number }) => {
            (node.clone(), Point::Sync { node: node.clone(), number: *number })
        }
        _ => return None,
    };
    Some((traced.at, node, point))
}

/// Whether a packet of this kind is one that anybody waits for. Acknowledgements and the like are sent again and again by themselves.
fn carries(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::Datagram | MessageKind::Syn | MessageKind::SynAck | MessageKind::Data | MessageKind::Fin
    )
}

/// The steps that nodes reported, each with its number among the events of its name.
fn steps(history: &[Record]) -> impl Iterator<Item = (Duration, String, Point)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    history.iter().filter_map(move |record| {
        let Kind::Event { node, name, .. } = &record.kind else { return None };
        let number = counts.entry(name).or_default();
        *number += 1;
        let point = Point::Step { node: node.to_string(), event: name.to_string(), number: *number };
        Some((record.at, node.to_string(), point))
    })
}

/// What an operation's outcome can depend on: each node up to a moment, from the invocation on.
struct Past {
    since: Duration,
    until: BTreeMap<String, Duration>,
}

impl Past {
    fn contains(&self, node: &str, at: Duration) -> bool {
        at >= self.since && self.until.get(node).is_some_and(|until| at <= *until)
    }
}

/// The causal past of each operation's outcome.
fn pasts(report: &RunReport) -> Vec<Past> {
    // Backwards in time, so that each delivery is seen after all that it can have led to.
    let mut deliveries: Vec<(Duration, &str, Duration, &str)> = report
        .trace
        .iter()
        .filter_map(|traced| match &traced.event {
            TraceEvent::Message { from, to, fate: MessageFate::Delivered(after), .. } => {
                Some((traced.at + *after, to.as_str(), traced.at, from.as_str()))
            }
            _ => None,
        })
        .collect();
    deliveries.sort_by(|a, b| b.cmp(a));
    let mut open: BTreeMap<u32, Duration> = BTreeMap::new();
    let mut pasts = Vec::new();
    for record in &report.history {
        match &record.kind {
            Kind::Invoke(operation, _) => {
                open.insert(operation.id, record.at);
            }
            Kind::Ok(operation, _) | Kind::Fail(operation, _) | Kind::Info(operation, _) => {
                let Some(since) = open.remove(&operation.id) else { continue };
                let mut until = BTreeMap::from([(format!("clients[{}]", operation.client), record.at)]);
                let first = deliveries.partition_point(|(arrived, ..)| *arrived > record.at);
                for (arrived, to, sent, from) in &deliveries[first..] {
                    if *arrived < since {
                        break;
                    }
                    if *sent >= since && until.get(*to).is_some_and(|until| arrived <= until) {
                        let latest = until.entry((*from).to_owned()).or_insert(*sent);
                        *latest = (*latest).max(*sent);
                    }
                }
                pasts.push(Past { since, until });
            }
            _ => {}
        }
    }
    pasts
}
