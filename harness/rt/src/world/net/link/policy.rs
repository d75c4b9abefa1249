//! What a link does to packets when no fault is on it: the public description and the draws it asks for.
//!
//! Every distribution turns exactly 64 random bits into a value, so that one may be replaced by another without a shift
//! of any other draw.

use std::time::Duration;

/// How long a packet takes over a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Uniform between the two, both included.
    Uniform {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// Normally distributed; what would be below zero is zero.
    Normal {
        /// The mean, before the cut at zero.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// `min` plus an exponentially distributed part, so that the whole has the given mean.
    Exponential {
        /// The least.
        min: Duration,
        /// The mean of the whole.
        mean: Duration,
    },
    /// A heavy tail: longer than `x` with probability `(min / x) ^ shape`, up to 1,000 times `min`, where it is cut so
    /// that a single packet does not hold up a connection for longer than a run lasts.
    Pareto {
        /// The least.
        min: Duration,
        /// The tail index, more than 1: the less, the heavier. The mean is `min * shape / (shape - 1)`, but for the cut.
        shape: f64,
    },
    /// Two paths: uniform within `fast` for most packets, within `slow` for the others.
    Bimodal {
        /// The least and the most on the fast path.
        fast: (Duration, Duration),
        /// The least and the most on the slow path.
        slow: (Duration, Duration),
        /// The share of packets that take the slow path, 0 to 1.
        share: f64,
    },
}

/// How many times the least latency a [`Latency::Pareto`] reaches at most.
const PARETO_LIMIT: f64 = 1_000.0;

/// Which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossModel {
    /// Each with this probability, 0 to 1, whatever happens to the others.
    Independent(f64),
    /// In bursts: the two-state chain of Gilbert (1960) and Elliott (1963), where the bad state loses every packet and
    /// the good one none. It moves with packets, not with time, as that of Linux's netem does: where little is sent, a
    /// burst lasts, and the lone retransmissions of a TCP connection may run into the same one again and again.
    Burst {
        /// The share of packets lost in the long run, 0 to 1.
        rate: f64,
        /// How many packets in a row a burst loses, on average; 1 or more. A high rate takes longer bursts: at least
        /// `rate / (1 - rate)`, which holds if this is less.
        length: f64,
    },
}

/// What a link does to packets when no fault is on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkPolicy {
    /// Time from send to delivery.
    pub latency: Latency,
    /// What comes on top, uniform from zero to this, drawn for each packet.
    pub jitter: Duration,
    /// Which packets are lost.
    pub loss: LossModel,
    /// Bytes a second, headers included; packets queue behind each other. `None` for unlimited.
    pub bandwidth: Option<u64>,
    /// Bytes that may wait for the bandwidth. A packet that finds others waiting and does not fit behind them is lost.
    /// `None` for unlimited.
    pub queue: Option<u64>,
    /// Probability that a packet arrives twice, 0 to 1; the copy within a millisecond of the original.
    pub duplicate: f64,
    /// The longest packet the link carries whole, in bytes, IPv4 header included. Longer datagrams travel in fragments
    /// and arrive if all fragments do. TCP makes its segments fit; it takes the value as a connection is opened.
    pub mtu: usize,
}

impl Default for LinkPolicy {
    /// A local network: 0.5 to 2 ms, Ethernet's 1,500 bytes, no loss, no limit.
    fn default() -> Self {
        LinkPolicy {
            latency: Latency::Uniform { min: Duration::from_micros(500), max: Duration::from_millis(2) },
            jitter: Duration::ZERO,
            loss: LossModel::Independent(0.0),
            bandwidth: None,
            queue: None,
            duplicate: 0.0,
            mtu: 1_500,
        }
    }
}

impl Latency {
    /// The latency that 64 random bits stand for, in nanoseconds.
    #[inline]
    pub(super) fn sample(&self, bits: u64) -> u64 {
        match *self {
            Latency::Uniform { min, max } => between(bits, min, max),
            Latency::Constant(latency) => nanos(latency),
            _ => self.sample_curve(bits),
        }
    }

    fn sample_curve(&self, bits: u64) -> u64 {
        match *self {
            Latency::Constant(_) | Latency::Uniform { .. } => self.sample(bits),
            Latency::Normal { mean, deviation } => {
                // Below zero the cast gives zero.
                (nanos(mean) as f64 + standard_normal(bits) * nanos(deviation) as f64) as u64
            }
            Latency::Exponential { min, mean } => {
                let rest = nanos(mean.saturating_sub(min)) as f64;
                nanos(min).saturating_add((-libm::log(1.0 - unit(bits)) * rest) as u64)
            }
            Latency::Pareto { min, shape } => {
                let factor = libm::pow(1.0 - unit(bits), -1.0 / shape);
                (nanos(min) as f64 * factor.min(PARETO_LIMIT)) as u64
            }
            Latency::Bimodal { fast, slow, share } => {
                // Which side of `share` the number is on, and where on that side, are independent.
                let (unit, (min, max)) = match unit(bits) {
                    unit if unit < share => (unit / share, slow),
                    unit => ((unit - share) / (1.0 - share), fast),
                };
                let width = nanos(max).saturating_sub(nanos(min)) as f64;
                nanos(min) + (unit * (width + 1.0)).min(width) as u64
            }
        }
    }
}

/// A uniform number in `[0, 1)`.
#[inline]
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A uniform duration in `[low, high]`, in nanoseconds; `low` if that is the longer.
#[inline]
pub(super) fn between(bits: u64, low: Duration, high: Duration) -> u64 {
    let low = nanos(low);
    let width = u128::from(nanos(high).saturating_add(1).saturating_sub(low));
    low.saturating_add(((u128::from(bits) * width) >> 64) as u64)
}

/// A number of the standard normal distribution (Box and Muller, 1958), of either half of the bits one uniform number:
/// up to 6.7 standard deviations.
fn standard_normal(bits: u64) -> f64 {
    const SCALE: f64 = 1.0 / (1u64 << 32) as f64;
    let radius = libm::sqrt(-2.0 * libm::log(((bits >> 32) + 1) as f64 * SCALE));
    radius * libm::cos(std::f64::consts::TAU * (bits & 0xFFFF_FFFF) as f64 * SCALE)
}

/// A duration in nanoseconds, up to 584 years.
#[inline]
pub(in crate::world) const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Stream;

    const MS: f64 = 1_000_000.0;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// 100,000 samples in milliseconds, least first.
    fn samples(latency: Latency) -> Vec<f64> {
        let mut stream = Stream::new(1, "latency", "");
        let mut samples: Vec<f64> =
            (0..100_000).map(|_| latency.sample(stream.next_u64()) as f64 / MS).collect();
        samples.sort_unstable_by(f64::total_cmp);
        samples
    }

    fn mean(samples: &[f64]) -> f64 {
        samples.iter().sum::<f64>() / samples.len() as f64
    }

    #[track_caller]
    fn assert_near(value: f64, expected: f64) {
        assert!((value / expected - 1.0).abs() < 0.03, "{value} is not near {expected}");
    }

    #[test]
    fn normal_has_its_mean_and_deviation() {
        let samples = samples(Latency::Normal { mean: ms(50), deviation: ms(10) });
        assert_near(mean(&samples), 50.0);
        let variance = samples.iter().map(|x| (x - 50.0) * (x - 50.0)).sum::<f64>() / samples.len() as f64;
        assert_near(libm::sqrt(variance), 10.0);
        // 97.5 % of a normal distribution is below 1.96 deviations.
        assert_near(samples[97_500], 69.6);
        assert_near(samples[2_500], 30.4);
    }

    #[test]
    fn normal_is_cut_at_zero() {
        let samples = samples(Latency::Normal { mean: ms(1), deviation: ms(10) });
        let zero = samples.iter().filter(|&&x| x == 0.0).count();
        // 46 % of a normal distribution is more than a tenth of a deviation below its mean.
        assert_near(zero as f64, 46_017.0);
    }

    #[test]
    fn exponential_has_its_least_and_its_mean() {
        let samples = samples(Latency::Exponential { min: ms(2), mean: ms(10) });
        assert_near(samples[0], 2.0);
        assert_near(mean(&samples), 10.0);
        assert_near(samples[50_000], 2.0 + 8.0 * std::f64::consts::LN_2);
    }

    #[test]
    fn pareto_has_a_heavy_tail_that_ends() {
        let samples = samples(Latency::Pareto { min: ms(1), shape: 1.2 });
        assert!(samples[0] >= 1.0);
        for (share, factor) in [(50_000, 1.782), (90_000, 6.813), (99_000, 46.42)] {
            // The quantile q of a Pareto distribution is (1 - q) ^ (-1 / shape).
            assert!((samples[share] / factor - 1.0).abs() < 0.1, "{} at {share}", samples[share]);
        }
        assert!(samples[99_999] > 900.0 && samples[99_999] <= 1_000.0, "{}", samples[99_999]);
    }

    #[test]
    fn bimodal_has_two_ways_and_their_share() {
        let latency = Latency::Bimodal { fast: (ms(1), ms(2)), slow: (ms(100), ms(200)), share: 0.05 };
        let samples = samples(latency);
        let slow = samples.iter().filter(|&&x| x >= 100.0).count();
        assert_near(slow as f64, 5_000.0);
        assert!(samples.iter().all(|x| (1.0..=2.0).contains(x) || (100.0..=200.0).contains(x)));
        assert_near(mean(&samples[..95_000 - 500]), 1.5);
        assert_near(mean(&samples[95_500..]), 150.0);
    }

    #[test]
    fn the_ends_of_a_range_are_included() {
        let (low, high) = (Duration::from_nanos(5), Duration::from_nanos(6));
        assert_eq!((between(0, low, high), between(u64::MAX, low, high)), (5, 6));
        assert_eq!(between(u64::MAX, high, low), 6, "an empty range is its start");
    }
}
