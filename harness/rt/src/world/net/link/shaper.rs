//! A bandwidth: packets leave one behind the other, and a queue that is full takes no more (tail drop).

/// A transmitter, and the queue in front of it.
#[derive(Debug, Default)]
pub(super) struct Shaper {
    /// When the last byte of the last packet taken has left.
    busy_until: u64,
}

impl Shaper {
    /// Takes a packet of `size` bytes, and says when its last byte has left. `None` if it finds others waiting and does
    /// not fit into the queue behind them.
    pub(super) fn take(
        &mut self,
        now: u64,
        size: usize,
        bytes_per_second: u64,
        queue: Option<u64>,
    ) -> Option<u64> {
        let rate = bytes_per_second.max(1);
        let begins = self.busy_until.max(now);
        if let Some(queue) = queue
            && begins > now
        {
            let waiting = u128::from(begins - now) * u128::from(rate) / 1_000_000_000;
            if waiting + size as u128 > u128::from(queue) {
                return None;
            }
        }
        let takes = u128::from(size as u64) * 1_000_000_000 / u128::from(rate);
        self.busy_until = begins.saturating_add(takes as u64);
        Some(self.busy_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn packets_leave_one_behind_the_other_and_an_idle_time_is_not_saved_up() {
        let mut shaper = Shaper::default();
        assert_eq!(shaper.take(0, 500, 1_000, None), Some(SECOND / 2));
        assert_eq!(shaper.take(0, 500, 1_000, None), Some(SECOND));
        assert_eq!(shaper.take(5 * SECOND, 500, 1_000, None), Some(5 * SECOND + SECOND / 2));
    }

    #[test]
    fn a_full_queue_takes_no_more_until_something_has_left() {
        let mut shaper = Shaper::default();
        let mut take = |now, size| shaper.take(now, size, 1_000, Some(1_500));
        assert_eq!(take(0, 2_000), Some(2 * SECOND), "an idle link takes what is longer than the queue");
        assert_eq!(take(0, 100), None);
        assert_eq!(take(SECOND, 501), None);
        assert_eq!(take(SECOND, 500), Some(2 * SECOND + SECOND / 2));
        assert_eq!(take(SECOND, 1), None);
        assert_eq!(take(3 * SECOND, 1_500), Some(4 * SECOND + SECOND / 2), "and recovers");
    }

    #[test]
    fn no_bandwidth_at_all_is_a_byte_a_second() {
        assert_eq!(Shaper::default().take(0, 3, 0, None), Some(3 * SECOND));
    }
}
