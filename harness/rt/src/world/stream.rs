//! Independent random streams, one for each thing that draws.
//!
//! A stream is keyed by hash(seed, concern, entity), so a draw depends on nothing but the seed, what it is for and how
//! many were drawn for that before. The generator is xoshiro256++ (Blackman and Vigna, 2018), seeded through xxh3;
//! distributions go through the `libm` crate, because the platform's `exp` and `ln` differ in the last bit.

use std::{ops::Range, time::Duration};

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A deterministic random stream of its own: xoshiro256++ keyed by (seed, concern, entity).
#[derive(Clone, Debug)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of `concern` (what is drawn, as "link" or "fault") and `entity` (for whom, as "a -> b").
    pub fn new(seed: u64, concern: &str, entity: &str) -> Self {
        let key = xxh3_64_with_seed(entity.as_bytes(), xxh3_64_with_seed(concern.as_bytes(), seed));
        Stream(Xoshiro256PlusPlus::seed_from_u64(key))
    }

    /// From here on another stream, which `key` and what has been drawn so far decide.
    pub(super) fn redraw(&mut self, key: u64) {
        let key = xxh3_64_with_seed(&self.next_u64().to_le_bytes(), key);
        *self = Stream(Xoshiro256PlusPlus::seed_from_u64(key));
    }

    /// 64 uniform bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number in `[0, 1)`.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with the given probability.
    #[inline]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A uniform number in `range`; `range.start` if it is empty.
    #[inline]
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        let width = u128::from(range.end.saturating_sub(range.start));
        range.start + ((u128::from(self.next_u64()) * width) >> 64) as u64
    }

    /// A uniform duration in `[low, high]`, to the nanosecond.
    #[inline]
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.range(low.as_nanos() as u64..(high.as_nanos() as u64).saturating_add(1)))
    }

    /// An exponentially distributed duration with the given mean.
    #[inline]
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-libm::log(1.0 - self.unit()))
    }

    /// A position in a list of `len` things; 0 for an empty list.
    pub fn pick(&mut self, len: usize) -> usize {
        self.range(0..len as u64) as usize
    }

    /// Shuffles a list (Fisher and Yates).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.pick(i + 1));
        }
    }
}
