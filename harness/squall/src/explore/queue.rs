//! One exploration's runs: which are still to be dealt out, which wait to be executed again, and which are ready to be handed on
//! in the order of their seeds. Plain data; who runs what, and where, is the [pool](super::pool)'s.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    explore::Seeds,
    run::{RunReport, Verdict},
};

/// Of how many runs one is executed twice, besides the first and the last.
const SAMPLE: u64 = 50;
/// How far runs may get ahead of the first that is not done: bounds what a run that hangs makes us keep.
const AHEAD: u64 = 4096;
/// How much work is dealt out at a time.
const CHUNK: Duration = Duration::from_millis(20);
/// The most runs dealt out at a time.
const MOST: u64 = 64;

/// The runs of one exploration.
pub(super) struct Queue {
    seeds: Seeds,
    /// The next seed to deal out.
    next: u64,
    /// The next seed to hand on.
    head: u64,
    slots: BTreeMap<u64, Slot>,
    /// Seeds to run in a fresh process.
    confirm: VecDeque<u64>,
    /// Seeds to run again, and the driver that should rather not do it.
    repeat: VecDeque<(u64, usize)>,
    /// How many more failures to confirm before anybody asks for it.
    eager: u64,
    /// A moving average of how long a run takes.
    run_time: Option<Duration>,
}

/// What is known of a seed.
struct Slot {
    report: RunReport,
    again: Again,
}

enum Again {
    /// Once is enough.
    No,
    /// It failed, and is to be confirmed once it is its turn.
    Due,
    /// It waits for a worker, or is being run.
    Under,
    Done(Box<RunReport>),
}

/// A run as it can be trusted: with the second execution, if it had one.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) report: RunReport,
    pub(super) again: Option<RunReport>,
}

/// What a driver is to do.
pub(super) enum Work {
    Runs(Vec<u64>),
    Repeat(u64),
    Confirm(u64),
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
    /// Nothing done yet. `failures` is how many failing runs are wanted: so many are confirmed ahead of their turn.
    pub(super) fn new(seeds: Seeds, failures: u64) -> Self {
        Queue {
            seeds,
            next: seeds.start,
            head: seeds.start,
            slots: BTreeMap::new(),
            confirm: VecDeque::new(),
            repeat: VecDeque::new(),
            eager: failures,
            run_time: None,
        }
    }

    /// The next run in the order of seeds, if it is ready.
    pub(super) fn hand_on(&mut self) -> HandOn {
        if self.head >= self.seeds.end {
            return HandOn::Finished;
        }
        let Some(slot) = self.slots.get_mut(&self.head) else { return HandOn::Nothing };
        match slot.again {
            Again::Under => return HandOn::Nothing,
            Again::Due => {
                slot.again = Again::Under;
                self.confirm.push_back(self.head);
                return HandOn::Asked;
            }
            Again::No | Again::Done(_) => {}
        }
        let slot = self.slots.remove(&self.head).expect("it was just there");
        self.head += 1;
        let again = match slot.again {
            Again::Done(report) => Some(*report),
            _ => None,
        };
        HandOn::Run(Box::new(Checked { report: slot.report, again }))
    }

    /// What driver `me` should do next. One alone in the pool repeats its own runs.
    pub(super) fn deal(&mut self, me: usize, jobs: u64) -> Option<Work> {
        if let Some(seed) = self.confirm.pop_front() {
            return Some(Work::Confirm(seed));
        }
        let mine = |(_, first): &(u64, usize)| *first == me && jobs > 1;
        if let Some(at) = self.repeat.iter().position(|entry| !mine(entry)) {
            return self.repeat.remove(at).map(|(seed, _)| Work::Repeat(seed));
        }
        let end = self.seeds.end.min(self.head.saturating_add(AHEAD));
        if self.next >= end {
            // Better in the same worker than late: the others may be busy for long.
            return self.repeat.pop_front().map(|(seed, _)| Work::Repeat(seed));
        }
        let fits = match self.run_time {
            None => 1,
            Some(time) => (CHUNK.as_micros() / time.as_micros().max(1)) as u64,
        };
        // Fewer towards the end, so that all workers come to it together.
        let share = (end - self.next).div_ceil(2 * jobs);
        let n = fits.min(share).clamp(1, MOST);
        let seeds = (self.next..self.next + n).collect();
        self.next += n;
        Some(Work::Runs(seeds))
    }

    /// Takes a run's first report.
    pub(super) fn store(&mut self, report: RunReport, driver: usize) {
        let time = Duration::from_micros(report.wall_us);
        self.run_time = Some(self.run_time.map_or(time, |average| (average * 7 + time) / 8));
        let seed = report.seed;
        let again = if failed(&report) {
            if self.eager > 0 {
                self.eager -= 1;
                self.confirm.push_back(seed);
                Again::Under
            } else {
                Again::Due
            }
        } else if seed == self.seeds.start {
            // Shows what differs between processes, as addresses do, even where there is but one worker.
            self.confirm.push_back(seed);
            Again::Under
        } else if seed + 1 == self.seeds.end || (seed - self.seeds.start).is_multiple_of(SAMPLE) {
            // Shows what is left over from the runs before.
            self.repeat.push_back((seed, driver));
            Again::Under
        } else {
            Again::No
        };
        self.slots.insert(seed, Slot { report, again });
    }

    /// Takes the report of its second execution.
    pub(super) fn store_again(&mut self, report: RunReport) {
        if let Some(slot) = self.slots.get_mut(&report.seed) {
            slot.again = Again::Done(Box::new(report));
        }
    }
}

fn failed(report: &RunReport) -> bool {
    !matches!(report.verdict, Verdict::Passed | Verdict::Undecided { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Digest;

    fn report(seed: u64, verdict: Verdict) -> RunReport {
        RunReport {
            seed,
            verdict,
            digest: Digest(seed),
            virtual_time: Duration::ZERO,
            wall_us: 1_000,
            coverage: Default::default(),
            history: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn handed_on(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| match queue.hand_on() {
            HandOn::Run(run) => Some(run.report.seed),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn runs_are_handed_on_in_order_whatever_order_they_end_in() {
        let mut queue = Queue::new(Seeds { start: 3, end: 7 }, 1);
        for seed in [5, 4, 6] {
            queue.store(report(seed, Verdict::Passed), 0);
        }
        assert_eq!(handed_on(&mut queue), [0u64; 0]);
        queue.store(report(3, Verdict::Passed), 0);
        assert_eq!(handed_on(&mut queue), [0u64; 0], "the first is executed again");
        assert!(matches!(queue.deal(1, 2), Some(Work::Confirm(3))), "the first in a fresh process");
        queue.store_again(report(3, Verdict::Passed));
        assert_eq!(handed_on(&mut queue), [3, 4, 5]);
        assert!(matches!(queue.deal(1, 2), Some(Work::Repeat(6))), "and so is the last");
        queue.store_again(report(6, Verdict::Passed));
        assert_eq!(handed_on(&mut queue), [6]);
        assert!(matches!(queue.hand_on(), HandOn::Finished));
    }

    #[test]
    fn a_failure_is_not_handed_on_before_it_is_confirmed() {
        let mut queue = Queue::new(Seeds { start: 0, end: 2 }, 1);
        let hung = || Verdict::Hung { after: Duration::from_secs(1) };
        queue.store(report(1, hung()), 0);
        queue.store(report(0, hung()), 0);
        assert!(matches!(queue.deal(0, 1), Some(Work::Confirm(1))), "one is confirmed ahead");
        assert!(matches!(queue.hand_on(), HandOn::Asked), "the other when it is asked for");
        assert!(matches!(queue.deal(0, 1), Some(Work::Confirm(0))));
        assert_eq!(handed_on(&mut queue), [0u64; 0]);
        queue.store_again(report(0, hung()));
        assert_eq!(handed_on(&mut queue), [0]);
    }

    #[test]
    fn a_second_execution_goes_to_another_worker_while_there_is_other_work() {
        let mut queue = Queue::new(Seeds::first(100), 1);
        queue.store(report(50, Verdict::Passed), 0);
        assert!(matches!(queue.deal(0, 2), Some(Work::Runs(_))));
        assert!(matches!(queue.deal(1, 2), Some(Work::Repeat(50))));
        queue.store(report(50, Verdict::Passed), 0);
        assert!(matches!(queue.deal(0, 1), Some(Work::Repeat(50))), "where there is another");
    }

    #[test]
    fn runs_do_not_get_arbitrarily_far_ahead_of_one_that_hangs() {
        let mut queue = Queue::new(Seeds::first(1_000_000), 1);
        let mut dealt = 0;
        while let Some(Work::Runs(seeds)) = queue.deal(0, 2) {
            dealt += seeds.len() as u64;
            for seed in seeds.into_iter().filter(|seed| *seed > 0) {
                queue.store(report(seed, Verdict::Undecided { reason: String::new() }), 0);
                queue.repeat.clear();
            }
        }
        assert_eq!(dealt, AHEAD);
    }
}
