//! Sliding windows over call results, in constant memory.

use std::collections::VecDeque;

use squall_rt::time::Duration;

use super::config::Window;

/// How many calls, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u32,
    pub(super) failures: u32,
    pub(super) slow: u32,
}

impl Tally {
    pub(super) fn of(failed: bool, slow: bool) -> Self {
        Tally { calls: 1, failures: failed.into(), slow: slow.into() }
    }

    pub(super) fn add(&mut self, other: Tally) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }

    fn subtract(&mut self, other: Tally) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }

    pub(super) fn failure_rate(self) -> f64 {
        f64::from(self.failures) / f64::from(self.calls)
    }

    pub(super) fn slow_rate(self) -> f64 {
        f64::from(self.slow) / f64::from(self.calls)
    }
}

/// The results of the current generation that still count.
pub(super) enum Sliding {
    Calls {
        size: usize,
        /// The last `size` results as (failed, slow), oldest first.
        results: VecDeque<(bool, bool)>,
        /// Their sum.
        sum: Tally,
    },
    Time {
        /// When the generation began, and with it slot 0.
        since: Duration,
        slot: Duration,
        slots: u64,
        /// Slots that saw a call, by number, oldest first; none is older than `slots` before the newest.
        tallies: VecDeque<(u64, Tally)>,
    },
}

impl Sliding {
    pub(super) fn new(window: Window, now: Duration) -> Self {
        match window {
            Window::Calls(n) => {
                Sliding::Calls { size: n as usize, results: VecDeque::new(), sum: Tally::default() }
            }
            Window::Time { span, slots } => Sliding::Time {
                since: now,
                slot: span / slots,
                slots: u64::from(slots),
                tallies: VecDeque::new(),
            },
        }
    }

    pub(super) fn add(&mut self, now: Duration, failed: bool, slow: bool) {
        match self {
            Sliding::Calls { size, results, sum } => {
                if results.len() == *size
                    && let Some((failed, slow)) = results.pop_front()
                {
                    sum.subtract(Tally::of(failed, slow));
                }
                results.push_back((failed, slow));
                sum.add(Tally::of(failed, slow));
            }
            Sliding::Time { since, slot, slots, tallies } => {
                let current = slot_number(*since, *slot, now);
                while tallies.front().is_some_and(|(number, _)| number + *slots <= current) {
                    tallies.pop_front();
                }
                match tallies.back_mut() {
                    Some((number, tally)) if *number == current => tally.add(Tally::of(failed, slow)),
                    _ => tallies.push_back((current, Tally::of(failed, slow))),
                }
            }
        }
    }

    pub(super) fn tally(&self, now: Duration) -> Tally {
        match self {
            Sliding::Calls { sum, .. } => *sum,
            Sliding::Time { since, slot, slots, tallies } => {
                let current = slot_number(*since, *slot, now);
                let mut sum = Tally::default();
                for &(_, tally) in tallies.iter().filter(|(number, _)| number + slots > current) {
                    sum.add(tally);
                }
                sum
            }
        }
    }
}

fn slot_number(since: Duration, slot: Duration, now: Duration) -> u64 {
    (now.saturating_sub(since).as_nanos() / slot.as_nanos()) as u64
}
