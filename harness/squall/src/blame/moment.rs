//! From which moment on the run was bound to fail: the share of futures that fail, by the moment from which they are drawn.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use super::{Asker, End};
use crate::{
    history::{Kind, Lifecycle, Record},
    plan::Branch,
    run::Verdict,
};

/// How many moments are tried at first: those before faults, crashes and evidence.
const FIRST: usize = 20;
/// How many more, to close in on the one that counts.
const MORE: usize = 12;
/// What happens within so short a time happens at once: nothing is drawn anew in the middle of it.
const AT_ONCE: Duration = Duration::from_micros(1);

/// A moment from which futures were drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When.
    pub from: Duration,
    /// The position of the most telling record of what comes next in the run.
    pub next: usize,
    /// The futures that fail the same way.
    pub failing: Vec<u64>,
    /// The futures that pass.
    pub passing: Vec<u64>,
    /// What comes next, by its place among all that happens.
    place: usize,
}

/// Where the share of futures that fail rises most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The moment before, by its position.
    pub before: usize,
    /// How many of the futures from after it fail; all, if after it is the failure.
    pub after_failing: u64,
    /// The moment after, unless that is the failure.
    pub after: Option<usize>,
    /// Whether there is but one thing that happens in between.
    pub exact: bool,
}

/// Things that happen at once.
struct Burst(Range<usize>);

/// Tries moments of the run, and says which counts.
pub(super) fn moments(asker: &mut Asker<'_>, verdict: &Verdict) -> (Vec<Moment>, Option<Turn>) {
    let history = asker.history;
    let bursts = bursts(history);
    let evidence: BTreeSet<u64> = match verdict {
        Verdict::Violated(violation) => violation.evidence.iter().copied().collect(),
        _ => BTreeSet::new(),
    };
    // The first burst is the start of the run.
    let places: Vec<usize> = (1..bursts.len()).collect();
    let (Some(start), Some(last)) = (places.first().copied(), places.last().copied()) else {
        return (Vec::new(), None);
    };
    let keys: Vec<usize> = places
        .iter()
        .copied()
        .filter(|place| history[bursts[*place].0.clone()].iter().any(|r| is_key(r, &evidence)))
        // What comes right after something of importance says what it was good for.
        .flat_map(|place| [place, place + 1])
        .filter(|place| *place <= last)
        .collect();
    let mut first: BTreeSet<usize> = spaced(&keys, FIRST);
    first.extend([start, last]);
    let mut tried: Vec<Moment> = Vec::new();
    let mut next: Vec<usize> = first.into_iter().collect();
    for step in 0.. {
        let moments = next.iter().map(|place| at(history, &bursts, *place, &evidence)).collect();
        tried.extend(futures(asker, moments));
        tried.sort_by_key(|moment| moment.place);
        let Some(turn) = turn(&tried, last, asker.limits.futures) else { break };
        if turn.exact || step == MORE {
            break;
        }
        let from = tried[turn.before].place;
        let to = turn.after.map_or(last + 1, |after| tried[after].place);
        next = vec![from.midpoint(to)];
    }
    let turn = turn(&tried, last, asker.limits.futures);
    (tried, turn)
}

/// When all that struck or happened at that time is over, and before anything else does.
pub(super) fn after(history: &[Record], at: Duration) -> Option<Duration> {
    let bursts = bursts(history);
    let next = bursts.iter().position(|burst| history[burst.0.start].at > at)?;
    Some(between(history[bursts[next].0.start - 1].at, history[bursts[next].0.start].at))
}

fn bursts(history: &[Record]) -> Vec<Burst> {
    let mut bursts: Vec<Burst> = Vec::new();
    for (i, record) in history.iter().enumerate() {
        match bursts.last_mut() {
            Some(burst) if record.at - history[i - 1].at < AT_ONCE => burst.0.end = i + 1,
            _ => bursts.push(Burst(i..i + 1)),
        }
    }
    bursts
}

/// Whether it is what a person would look at first.
fn is_key(record: &Record, evidence: &BTreeSet<u64>) -> bool {
    let change = match &record.kind {
        Kind::FaultStart { .. } | Kind::FaultHeal { .. } => true,
        Kind::Node { incarnation, change, .. } => *change != Lifecycle::Started || *incarnation > 1,
        _ => false,
    };
    change || evidence.contains(&record.seq)
}

/// Up to `most` of these, spread over all of them.
fn spaced(all: &[usize], most: usize) -> BTreeSet<usize> {
    let step = all.len().div_ceil(most).max(1);
    all.iter().copied().step_by(step).collect()
}

/// The moment before what happens at that place, with no futures yet.
fn at(history: &[Record], bursts: &[Burst], place: usize, evidence: &BTreeSet<u64>) -> Moment {
    let burst = &bursts[place].0;
    let telling = |wanted: &dyn Fn(&Record) -> bool| burst.clone().find(|i| wanted(&history[*i]));
    let next = telling(&|record| matches!(record.kind, Kind::FaultStart { .. }))
        .or_else(|| telling(&|record| is_key(record, evidence)))
        .unwrap_or(burst.start);
    let from = between(history[burst.start - 1].at, history[burst.start].at);
    Moment { from, next, failing: Vec::new(), passing: Vec::new(), place }
}

/// The roundest time after one and before another.
fn between(after: Duration, before: Duration) -> Duration {
    let (after, before) = (after.as_nanos() as u64, before.as_nanos() as u64);
    let round = |grain: u64| (after + 1).next_multiple_of(grain);
    let grains = (0..=9).rev().map(|zeros| 10_u64.pow(zeros));
    let time = grains.map(round).find(|time| *time < before).unwrap_or(after + 1);
    Duration::from_nanos(time)
}

/// Has the futures of these moments run: as many of each as there are to be, of those that are futures of this run. A moment that
/// has not enough of them, in twice as many draws, says nothing.
fn futures(asker: &mut Asker<'_>, mut moments: Vec<Moment>) -> Vec<Moment> {
    let count = asker.limits.futures;
    let mut counted = vec![0; moments.len()];
    for draws in [0..count, count..2 * count] {
        let mut drawn: Vec<(usize, u64)> = Vec::new();
        for (i, counted) in counted.iter().enumerate().filter(|(_, counted)| **counted < count) {
            drawn.extend(draws.clone().take((count - counted) as usize).map(|future| (i, future)));
        }
        let branches: Vec<_> = drawn
            .iter()
            .map(|(i, future)| {
                let from = moments[*i].from;
                (asker.run.branched(Branch::Redrawn { from, future: *future }), from)
            })
            .collect();
        for (end, (i, future)) in asker.ends(&branches).into_iter().zip(drawn) {
            counted[i] += u64::from(!matches!(end, End::Apart(_)));
            match end {
                End::Same => moments[i].failing.push(future),
                End::Passed => moments[i].passing.push(future),
                End::Otherwise(_) | End::Apart(_) => {}
            }
        }
    }
    let mut enough = counted.into_iter().map(|counted| counted == count);
    moments.retain(|_| enough.next().unwrap_or(false));
    moments
}

/// Where the share rises most, the earliest if there are several; none if it never does.
fn turn(tried: &[Moment], last: usize, futures: u64) -> Option<Turn> {
    let failing = |i: usize| tried.get(i).map_or(futures, |moment| moment.failing.len() as u64);
    let rise = |i: usize| failing(i + 1).saturating_sub(failing(i));
    let before = (0..tried.len()).rev().max_by_key(|i| rise(*i)).filter(|i| rise(*i) > 0)?;
    let to = tried.get(before + 1).map_or(last + 1, |moment| moment.place);
    Some(Turn {
        before,
        after_failing: failing(before + 1),
        after: (before + 1 < tried.len()).then_some(before + 1),
        exact: to - tried[before].place == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(place: usize, failing: u64) -> Moment {
        let from = Duration::from_secs(place as u64);
        Moment { from, next: place, failing: (0..failing).collect(), passing: Vec::new(), place }
    }

    #[test]
    fn the_turn_is_where_the_share_rises_most() {
        let tried = [moment(1, 0), moment(4, 1), moment(5, 11), moment(9, 12)];
        let turn = turn(&tried, 9, 12).expect("it rises");
        assert_eq!(turn, Turn { before: 1, after_failing: 11, after: Some(2), exact: true });
    }

    #[test]
    fn the_failure_itself_may_be_the_turn() {
        let turn = turn(&[moment(1, 2), moment(7, 3)], 7, 12).expect("it rises");
        assert_eq!(turn, Turn { before: 1, after_failing: 12, after: None, exact: true });
        assert_eq!(super::turn(&[moment(1, 12), moment(7, 12)], 7, 12), None, "it fails whatever is drawn");
    }

    #[test]
    fn a_moment_is_as_round_as_there_is_room_for() {
        let ns = Duration::from_nanos;
        assert_eq!(between(ns(3_213_950_000), ns(3_214_005_123)), ns(3_214_000_000));
        assert_eq!(between(ns(0), ns(7_000_000_000)), ns(1_000_000_000));
        assert_eq!(between(ns(999), ns(1_001)), ns(1_000));
        assert_eq!(between(ns(1_000), ns(2_000)), ns(1_100), "after it, not at it");
    }
}
