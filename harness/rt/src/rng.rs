//! Random numbers for code under test: jitter, ids, sampling. Each node of the simulation draws from a stream of its
//! own, so that one node's draws never shift another's. Not for secrets.

use std::{ops::Range, time::Duration};

/// 64 uniform random bits.
pub fn u64() -> u64 {
    #[cfg(madsim)]
    {
        crate::world::node_random()
    }
    #[cfg(not(madsim))]
    {
        fastrand::u64(..)
    }
}

/// A uniform number in `range`.
///
/// # Panics
/// When the range is empty.
pub fn range(range: Range<u64>) -> u64 {
    assert!(range.start < range.end, "rng::range: empty range {range:?}");
    // Lemire's multiply-shift; the bias is below 2^-64 times the width.
    let width = u128::from(range.end - range.start);
    range.start + ((u128::from(u64()) * width) >> 64) as u64
}

/// A uniform number in `[0, 1)`.
pub fn f64() -> f64 {
    (u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A uniform duration in `range`, to the nanosecond.
///
/// # Panics
/// When the range is empty.
pub fn duration(bounds: Range<Duration>) -> Duration {
    Duration::from_nanos(range(bounds.start.as_nanos() as u64..bounds.end.as_nanos() as u64))
}
