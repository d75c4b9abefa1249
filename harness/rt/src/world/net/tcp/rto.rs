//! The retransmission time-out: RFC 6298, with Linux's constants.

use std::time::Duration;

use super::super::link::nanos;

/// Before the first round trip was measured.
const INITIAL: u64 = nanos(Duration::from_secs(1));
/// The least that is added to the smoothed round-trip time, as Linux does it: enough for a delayed acknowledgement.
const MIN_MARGIN: u64 = nanos(Duration::from_millis(200));
const MAX: u64 = nanos(Duration::from_secs(120));

/// Estimates how long to wait for an acknowledgement.
#[derive(Debug)]
pub(super) struct Rto {
    smoothed: Option<u64>,
    variation: u64,
    /// Retransmissions since the last acknowledgement of something new; each doubles the wait.
    pub(super) retries: u32,
}

impl Rto {
    pub(super) fn new() -> Self {
        Rto { smoothed: None, variation: 0, retries: 0 }
    }

    /// Takes a measured round trip, in nanoseconds; never one of something retransmitted (Karn's algorithm).
    #[inline]
    pub(super) fn sample(&mut self, round_trip: u64) {
        match &mut self.smoothed {
            None => {
                self.smoothed = Some(round_trip);
                self.variation = round_trip / 2;
            }
            Some(smoothed) => {
                self.variation = (3 * self.variation + smoothed.abs_diff(round_trip)) / 4;
                *smoothed = (7 * *smoothed + round_trip) / 8;
            }
        }
    }

    /// The window is still closed, but the peer is there. The next probe waits as long as it would have, and giving up is
    /// as far away as it was after a minute of probes.
    pub(super) fn probe_was_answered(&mut self) {
        self.retries = self.retries.min(8);
    }

    /// How long to wait now.
    #[inline]
    pub(super) fn current(&self) -> u64 {
        let base = match self.smoothed {
            None => INITIAL,
            Some(smoothed) => smoothed + MIN_MARGIN.max(4 * self.variation),
        };
        if self.retries == 0 {
            base.min(MAX)
        } else {
            base.saturating_mul(1 << self.retries.min(20)).min(MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_a_second_at_first_and_doubles_up_to_two_minutes() {
        let mut rto = Rto::new();
        let mut waits = Vec::new();
        for _ in 0..9 {
            waits.push(rto.current() / 1_000_000_000);
            rto.retries += 1;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
    }

    #[test]
    fn follows_the_round_trip() {
        let mut rto = Rto::new();
        rto.sample(nanos(Duration::from_millis(100)));
        assert_eq!(rto.current(), nanos(Duration::from_millis(300)));
        for _ in 0..100 {
            rto.sample(nanos(Duration::from_millis(10)));
        }
        assert!(rto.current() < nanos(Duration::from_millis(211)), "{rto:?}");
        assert!(rto.current() >= nanos(Duration::from_millis(210)), "{rto:?}");
        rto.sample(nanos(Duration::from_millis(900)));
        assert!(rto.current() > nanos(Duration::from_millis(900)), "one slow round trip raises it: {rto:?}");
    }
}
