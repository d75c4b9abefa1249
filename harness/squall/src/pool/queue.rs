//! One exploration's runs: which are still to be dealt out, which wait to be executed again, and which are ready to be handed on
//! in the order in which their source issued them. Plain data; who runs what, and where, is the [pool](super::pool)'s.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::source::{Issue, Source, Statement};
use crate::{
    plan::RunId,
    run::{RunReport, Verdict},
};

/// Of how many runs one is executed again in a fresh process, and one in a worker that has done others, besides those at the start.
const SAMPLE: u64 = 50;
/// How often the first run is executed in one fresh process, where there are as many runs. What differs from the first run of a process
/// to any up to the eighth then shows in it alone, whatever else was dealt to whom: one job or many, they find the same.
const FIRST_AGAIN: u32 = 8;
/// How often others are: as the first run of a process, and as one that is not.
const AGAIN: u32 = 2;
/// How far runs may get ahead of the first that is not done: bounds what a run that hangs makes us keep.
const AHEAD: u64 = 4096;
/// How much work is dealt out at a time.
const CHUNK: Duration = Duration::from_millis(20);
/// The most runs dealt out at a time.
const MOST: u64 = 64;

/// The runs of one exploration. A run's place is its position in the order in which the source issued it.
pub(super) struct Queue {
    source: Box<dyn Source>,
    /// What the source issued and nobody has been given.
    ahead: Option<RunId>,
    /// The place of the next run to deal out.
    next: u64,
    /// The place of the next run to hand on.
    head: u64,
    slots: BTreeMap<u64, Slot>,
    /// Runs to execute in a fresh process, and how often there.
    fresh: VecDeque<(u64, RunId, u32)>,
    /// Runs to execute again, and the driver that should rather not do it.
    repeat: VecDeque<(u64, RunId, usize)>,
    /// How many more failures to confirm before anybody asks for it; none if nothing is executed twice.
    eager: Option<u64>,
    /// A moving average of how long a run takes.
    run_time: Option<Duration>,
}

/// What is known of a run.
struct Slot {
    report: RunReport,
    again: Again,
}

enum Again {
    /// Once is enough.
    No,
    /// It failed, and is to be confirmed once it is its turn.
    Due,
    /// It waits for a worker, or is being run, so many times more. What came of it so far: the first report that is not the same, if
    /// there is one.
    Under(u32, Option<Box<RunReport>>),
    Done(Option<Box<RunReport>>),
}

impl Again {
    fn times(n: u32) -> Self {
        Again::Under(n, None)
    }
}

/// A run as it can be trusted: with another execution, if it had any; with one that came out otherwise, if any did.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) report: RunReport,
    pub(crate) again: Option<RunReport>,
}

/// What a driver is to do.
pub(super) enum Work {
    /// These, the first of which has this place.
    Runs(u64, Vec<RunId>),
    /// This once more, in a worker that may have done others.
    Repeat(u64, RunId),
    /// This, so often, in a fresh process.
    Fresh(u64, RunId, u32),
}

/// What can be handed on.
pub(super) enum HandOn {
    Nothing,
    /// A confirmation was put in the queue.
    Asked,
    Run(Box<Checked>),
    Finished,
}

impl Queue {
    /// The runs of a source that has issued `done` runs and been shown their reports. `failures` is how many failing runs are wanted: so many
    /// are confirmed ahead of their turn. Without it nothing is executed twice.
    pub(super) fn new(source: Box<dyn Source>, done: u64, failures: Option<u64>) -> Self {
        Queue {
            source,
            ahead: None,
            next: done,
            head: done,
            slots: BTreeMap::new(),
            fresh: VecDeque::new(),
            repeat: VecDeque::new(),
            eager: failures,
            run_time: None,
        }
    }

    /// How many runs there will be in all, as far as that is known.
    pub(super) fn total(&self) -> u64 {
        self.source.total()
    }

    /// What the runs so far cover.
    pub(super) fn statements(&self) -> Vec<Statement> {
        self.source.statements()
    }

    /// The next run of the source, which stays the next until it is taken.
    fn issue(&mut self) -> Issue {
        if let Some(id) = &self.ahead {
            return Issue::Run(id.clone());
        }
        let issue = self.source.next();
        if let Issue::Run(id) = &issue {
            self.ahead = Some(id.clone());
        }
        issue
    }

    /// The next run in order, if it is ready.
    pub(super) fn hand_on(&mut self) -> HandOn {
        if self.head == self.next && self.issue() == Issue::End {
            return HandOn::Finished;
        }
        let Some(slot) = self.slots.get_mut(&self.head) else { return HandOn::Nothing };
        match slot.again {
            Again::Under(..) => return HandOn::Nothing,
            Again::Due => {
                let times = to_confirm(&slot.report);
                slot.again = Again::times(times);
                self.fresh.push_back((self.head, slot.report.run.clone(), times));
                return HandOn::Asked;
            }
            Again::No | Again::Done(_) => {}
        }
        let mut slot = self.slots.remove(&self.head).expect("it was just there");
        self.head += 1;
        self.source.learn(&slot.report);
        let again = match slot.again {
            Again::Done(Some(again)) => {
                slot.report.take_history(&again);
                Some(*again)
            }
            _ => None,
        };
        HandOn::Run(Box::new(Checked { report: slot.report, again }))
    }

    /// Whether this is to execute a run again that took its process with it.
    pub(super) fn was_lost(&self, work: &Work) -> bool {
        match work {
            Work::Runs(..) => false,
            Work::Repeat(place, _) | Work::Fresh(place, ..) => {
                self.slots.get(place).is_some_and(|slot| slot.report.is_lost())
            }
        }
    }

    /// What driver `me` should do next. One alone in the pool repeats its own runs.
    pub(super) fn deal(&mut self, me: usize, jobs: u64) -> Option<Work> {
        if let Some((place, id, times)) = self.fresh.pop_front() {
            return Some(Work::Fresh(place, id, times));
        }
        let mine = |(_, _, first): &(u64, RunId, usize)| *first == me && jobs > 1;
        if let Some(at) = self.repeat.iter().position(|entry| !mine(entry)) {
            return self.repeat.remove(at).map(|(place, id, _)| Work::Repeat(place, id));
        }
        let runs = self.deal_runs(jobs);
        if runs.is_empty() {
            // Better in the same worker than late: the others may be busy for long.
            return self.repeat.pop_front().map(|(place, id, _)| Work::Repeat(place, id));
        }
        let first = self.next;
        self.next += runs.len() as u64;
        Some(Work::Runs(first, runs))
    }

    fn deal_runs(&mut self, jobs: u64) -> Vec<RunId> {
        let end = self.source.total().max(self.next + 1).min(self.head.saturating_add(AHEAD));
        if self.next >= end {
            return Vec::new();
        }
        let fits = match self.run_time {
            None => 1,
            Some(time) => (CHUNK.as_micros() / time.as_micros().max(1)) as u64,
        };
        // Fewer towards the end, so that all workers come to it together.
        let share = (end - self.next).div_ceil(2 * jobs);
        let mut runs = Vec::new();
        while (runs.len() as u64) < fits.min(share).clamp(1, MOST) && matches!(self.issue(), Issue::Run(_)) {
            runs.extend(self.ahead.take());
        }
        runs
    }

    /// Takes a run's first report.
    pub(super) fn store(&mut self, place: u64, report: RunReport, driver: usize) {
        let time = Duration::from_micros(report.wall_us);
        self.run_time = Some(self.run_time.map_or(time, |average| (average * 7 + time) / 8));
        let id = report.run.clone();
        let fresh = if self.eager.is_none() {
            0
        } else if failed(&report) {
            match &mut self.eager {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    to_confirm(&report)
                }
                _ => {
                    self.slots.insert(place, Slot { report, again: Again::Due });
                    return;
                }
            }
        } else {
            self.sampled(place)
        };
        let again = if fresh > 0 {
            self.fresh.push_back((place, id, fresh));
            Again::times(fresh)
        } else if self.eager.is_some() && place % SAMPLE == SAMPLE / 2 {
            self.repeat.push_back((place, id, driver));
            Again::times(1)
        } else {
            Again::No
        };
        self.slots.insert(place, Slot { report, again });
    }

    /// How often the run in this place is executed in a fresh process, to see what outlives a run. State of a process may come to show
    /// with any of its runs, so places are dense at the start, where few runs are all there are, and never end.
    fn sampled(&self, place: u64) -> u32 {
        match place {
            0 => u32::try_from(self.source.total()).unwrap_or(u32::MAX).clamp(AGAIN, FIRST_AGAIN),
            _ if place.is_power_of_two() => AGAIN,
            _ if place.is_multiple_of(SAMPLE) || place + 1 == self.source.total() => AGAIN,
            _ => 0,
        }
    }

    /// Takes the report of another execution of it.
    pub(super) fn store_again(&mut self, place: u64, mut report: RunReport) {
        let Some(slot) = self.slots.get_mut(&place) else { return };
        // Only in a fresh process was it asked what it logs.
        if slot.report.log.is_empty() {
            slot.report.log = std::mem::take(&mut report.log);
        }
        let Again::Under(left, so_far) = &mut slot.again else { return };
        // What could not be executed again is not known to be what it was.
        if matches!(report.verdict, Verdict::Interrupted { .. }) {
            *slot = Slot { report, again: Again::No };
            return;
        }
        let so_far = match so_far.take() {
            Some(other) if !slot.report.is_same(&other) => other,
            _ => Box::new(report),
        };
        slot.again = match *left - 1 {
            0 => Again::Done(Some(so_far)),
            left => Again::Under(left, Some(so_far)),
        };
    }
}

/// How often a run that failed is executed again before it is reported. What ends a process, or its time, does so once.
fn to_confirm(report: &RunReport) -> u32 {
    if report.is_lost() { 1 } else { AGAIN }
}

fn failed(report: &RunReport) -> bool {
    !matches!(report.verdict, Verdict::Passed | Verdict::Undecided { .. } | Verdict::Interrupted { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::{Seeds, source::source};
    use crate::spec::{Spec, model::Strategy};

    fn queue(seeds: Seeds, failures: u64) -> Queue {
        let spec: Spec = serde_yaml::from_str("spec: 1\nsystem: s").expect("a spec");
        Queue::new(source(&spec, &[Strategy::Random], seeds), 0, Some(failures))
    }

    fn report(seed: u64, verdict: Verdict) -> RunReport {
        RunReport { wall_us: 1_000, ..RunReport::lost(RunId::drawn(seed), verdict) }
    }

    fn passed(seed: u64) -> RunReport {
        report(seed, Verdict::Passed)
    }

    /// Has all runs dealt out to driver 0.
    fn deal_all(queue: &mut Queue) -> Vec<u64> {
        let mut seeds = Vec::new();
        while let Some(Work::Runs(_, runs)) = queue.deal(0, 2) {
            seeds.extend(runs.iter().map(|run| run.seed));
        }
        seeds
    }

    fn handed_on(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| match queue.hand_on() {
            HandOn::Run(run) => Some(run.report.run.seed),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn runs_are_handed_on_in_order_whatever_order_they_end_in() {
        let mut queue = queue(Seeds::from(3, 4), 1);
        assert_eq!(deal_all(&mut queue), [3, 4, 5, 6]);
        for place in [2, 1, 3] {
            queue.store(place, passed(3 + place), 0);
        }
        assert_eq!(handed_on(&mut queue), [0u64; 0]);
        queue.store(0, passed(3), 0);
        assert_eq!(handed_on(&mut queue), [0u64; 0], "the first is executed again");
        for place in [2, 1, 3, 0] {
            let Some(Work::Fresh(again, _, times)) = queue.deal(1, 2) else {
                panic!("{place} in a fresh process")
            };
            assert_eq!((again, times), (place, if place == 0 { 4 } else { AGAIN }));
            assert_eq!(handed_on(&mut queue), [0u64; 0]);
            (0..times).for_each(|_| queue.store_again(place, passed(3 + place)));
        }
        assert_eq!(handed_on(&mut queue), [3, 4, 5, 6]);
        assert!(matches!(queue.hand_on(), HandOn::Finished));
    }

    #[test]
    fn a_failure_is_not_handed_on_before_it_is_confirmed() {
        let mut queue = queue(Seeds::first(2), 1);
        deal_all(&mut queue);
        let hung = |seed| report(seed, Verdict::Hung { after: Duration::from_secs(1) });
        queue.store(1, hung(1), 0);
        queue.store(0, hung(0), 0);
        assert!(matches!(queue.deal(0, 1), Some(Work::Fresh(1, _, 1))), "one is confirmed ahead");
        assert!(matches!(queue.hand_on(), HandOn::Asked), "the other when it is asked for");
        assert!(matches!(queue.deal(0, 1), Some(Work::Fresh(0, _, 1))));
        assert_eq!(handed_on(&mut queue), [0u64; 0]);
        queue.store_again(0, hung(0));
        assert_eq!(handed_on(&mut queue), [0]);
    }

    #[test]
    fn a_second_execution_goes_to_another_worker_while_there_is_other_work() {
        let mut queue = queue(Seeds::first(100), 1);
        queue.store(25, passed(25), 0);
        assert!(matches!(queue.deal(0, 2), Some(Work::Runs(..))));
        assert!(matches!(queue.deal(1, 2), Some(Work::Repeat(25, _))));
        queue.store(25, passed(25), 0);
        assert!(matches!(queue.deal(0, 1), Some(Work::Repeat(25, _))), "where there is another");
    }

    /// What a process keeps from its first run on was seen in no second execution: one was first as the first had been, and the others
    /// came later as the first had.
    #[test]
    fn some_runs_are_executed_first_in_a_process_and_not_first() {
        let mut queue = queue(Seeds::first(200), 1);
        deal_all(&mut queue);
        (0..200).for_each(|place| queue.store(place, passed(place), 0));
        let mut again = Vec::new();
        while let Some(Work::Fresh(place, _, times)) = queue.deal(0, 1) {
            assert!(times > 1, "{place}");
            again.push(place);
        }
        assert_eq!(again, [0, 1, 2, 4, 8, 16, 32, 50, 64, 100, 128, 150, 199]);
    }

    #[test]
    fn one_execution_that_differs_is_enough() {
        for nth in 0..FIRST_AGAIN {
            let mut queue = queue(Seeds::first(20), 1);
            deal_all(&mut queue);
            queue.store(0, passed(0), 0);
            let odd = RunReport { digest: crate::run::Digest(7), ..passed(0) };
            (0..FIRST_AGAIN)
                .for_each(|at| queue.store_again(0, if at == nth { odd.clone() } else { passed(0) }));
            let HandOn::Run(run) = queue.hand_on() else { panic!("it is ready") };
            assert_eq!(run.again, Some(odd));
        }
    }

    #[test]
    fn runs_do_not_get_arbitrarily_far_ahead_of_one_that_hangs() {
        let mut queue = queue(Seeds::first(1_000_000), 1);
        let mut dealt = 0;
        while let Some(Work::Runs(first, runs)) = queue.deal(0, 2) {
            dealt += runs.len() as u64;
            for (place, run) in (first..).zip(runs).filter(|(place, _)| *place > 0) {
                queue.store(place, report(run.seed, Verdict::Undecided { reason: String::new() }), 0);
                queue.fresh.clear();
                queue.repeat.clear();
            }
        }
        assert_eq!(dealt, AHEAD);
    }
}
