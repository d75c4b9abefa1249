//! Which packets a loss model takes. One draw for each packet; the frames of a long one draw from a stream that the
//! draw keys.

use super::policy::{LossModel, unit};
use crate::world::Stream;

/// Where a loss model is: the state that bursts need.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Whether the frame before was lost in a burst; `None` before the first.
    in_burst: Option<bool>,
}

impl Loss {
    /// Whether a packet of so many frames loses one of them.
    #[inline]
    pub(super) fn takes(&mut self, model: &LossModel, bits: u64, frames: u32) -> bool {
        match model {
            LossModel::Independent(probability) if frames == 1 => unit(bits) < *probability,
            _ => self.takes_one_of(model, bits, frames),
        }
    }

    #[cold]
    fn takes_one_of(&mut self, model: &LossModel, bits: u64, frames: u32) -> bool {
        let mut lost = self.takes_frame(model, bits);
        if frames > 1 {
            let mut stream = Stream::new(bits, "frames", "");
            for _ in 1..frames {
                lost |= self.takes_frame(model, stream.next_u64());
            }
        }
        lost
    }

    fn takes_frame(&mut self, model: &LossModel, bits: u64) -> bool {
        match *model {
            LossModel::Independent(probability) => unit(bits) < probability,
            LossModel::Burst { rate, length } => {
                // A burst ends with probability `end`, and one begins so that `rate` is the share of the bad state.
                let end = (1.0 / length.max(1.0)).min((1.0 - rate) / rate);
                let lost = unit(bits)
                    < match self.in_burst {
                        None => rate,
                        Some(true) => 1.0 - end,
                        Some(false) => end * rate / (1.0 - rate),
                    };
                self.in_burst = Some(lost);
                lost
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of 200,000 packets that is lost, and the mean length of what is lost in a row.
    fn share_and_length(model: LossModel, frames: u32) -> (f64, f64) {
        let mut stream = Stream::new(1, "loss", "");
        let mut loss = Loss::default();
        let lost: Vec<bool> = (0..200_000).map(|_| loss.takes(&model, stream.next_u64(), frames)).collect();
        let count = lost.iter().filter(|&&lost| lost).count() as f64;
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(lost[0]);
        (count / lost.len() as f64, count / bursts as f64)
    }

    #[track_caller]
    fn assert_near((share, length): (f64, f64), expected: (f64, f64)) {
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.06;
        assert!(near(share, expected.0) && near(length, expected.1), "{share}, {length}: not {expected:?}");
    }

    #[test]
    fn independent_loss_comes_in_no_more_of_a_row_than_chance_has_it() {
        assert_near(share_and_length(LossModel::Independent(0.1), 1), (0.1, 1.0 / 0.9));
    }

    #[test]
    fn bursts_have_their_rate_and_length() {
        assert_near(share_and_length(LossModel::Burst { rate: 0.05, length: 8.0 }, 1), (0.05, 8.0));
        assert_near(share_and_length(LossModel::Burst { rate: 0.3, length: 1.0 }, 1), (0.3, 1.0));
    }

    #[test]
    fn a_rate_that_short_bursts_cannot_reach_makes_them_longer() {
        assert_near(share_and_length(LossModel::Burst { rate: 0.9, length: 1.0 }, 1), (0.9, 9.0));
    }

    #[test]
    fn the_ends_of_the_range_are_certain() {
        for length in [1.0, 5.0] {
            assert_eq!(share_and_length(LossModel::Burst { rate: 1.0, length }, 1).0, 1.0);
            assert_eq!(share_and_length(LossModel::Burst { rate: 0.0, length }, 1).0, 0.0);
        }
    }

    #[test]
    fn one_lost_frame_loses_the_packet() {
        let (share, _) = share_and_length(LossModel::Independent(0.1), 5);
        assert!((share - 0.40951).abs() < 0.005, "{share} is not 1 - 0.9 ^ 5");
        let (share, _) = share_and_length(LossModel::Burst { rate: 0.1, length: 50.0 }, 5);
        assert!((0.1..0.12).contains(&share), "{share}: long bursts take whole packets");
    }
}
