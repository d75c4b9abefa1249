//! The numbers of a fault that a spec gives as ranges: what is drawn for each strike, and what can be made smaller afterwards.

use std::time::Duration;

use squall_rt::world::Stream;

use crate::language::model::{CountRange, DriftRate, DurationRange, Offset};

/// One of them, whatever it measures.
pub(crate) enum Range<'a> {
    Duration(&'a mut DurationRange),
    Count(&'a mut CountRange),
    Offset(&'a mut Offset),
    Drift(&'a mut DriftRate),
}

impl Range<'_> {
    /// Draws a number and leaves it as the only one of its range.
    pub(crate) fn draw(self, stream: &mut Stream) {
        match self {
            Range::Duration(range) => {
                *range = DurationRange::exactly(stream.duration(range.min, range.max));
            }
            Range::Count(range) => {
                *range = CountRange::exactly(stream.range(range.min..range.max + 1));
            }
            Range::Offset(range) => {
                let drawn = range.draw(stream);
                *range = Offset { min: drawn, max: drawn };
            }
            Range::Drift(range) => {
                let drawn = range.min_ppm + (range.max_ppm - range.min_ppm) * stream.unit();
                *range = DriftRate { min_ppm: drawn, max_ppm: drawn };
            }
        }
    }

    /// How large the one number of a range is, without its sign: nanoseconds, a count, or parts per million.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Range::Duration(range) => u64::try_from(range.min.as_nanos()).unwrap_or(u64::MAX),
            Range::Count(range) => range.min,
            Range::Offset(range) => range.min.unsigned_abs(),
            // What is below one is not worth telling apart.
            Range::Drift(range) => libm::trunc(range.min_ppm.abs()) as u64,
        }
    }

    /// Makes it as large as that, whatever it was, with the sign that it had.
    pub(crate) fn resize(self, size: u64) {
        match self {
            Range::Duration(range) => *range = DurationRange::exactly(Duration::from_nanos(size)),
            Range::Count(range) => *range = CountRange::exactly(size),
            Range::Offset(range) => {
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                let signed = if range.min < 0 { -size } else { size };
                *range = Offset { min: signed, max: signed };
            }
            Range::Drift(range) => {
                let signed = libm::copysign(size as f64, range.min_ppm);
                *range = DriftRate { min_ppm: signed, max_ppm: signed };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_sign_and_takes_its_size() {
        let mut behind = Offset { min: -2_000, max: -2_000 };
        assert_eq!(Range::Offset(&mut behind).size(), 2_000);
        Range::Offset(&mut behind).resize(500);
        assert_eq!(behind, Offset { min: -500, max: -500 });

        let mut slow = DriftRate { min_ppm: -300.5, max_ppm: -300.5 };
        assert_eq!(Range::Drift(&mut slow).size(), 300);
        Range::Drift(&mut slow).resize(10);
        assert_eq!(slow, DriftRate { min_ppm: -10.0, max_ppm: -10.0 });

        let mut long = DurationRange::exactly(Duration::from_secs(3));
        Range::Duration(&mut long).resize(1_000_000);
        assert_eq!(long, DurationRange::exactly(Duration::from_millis(1)));
    }

    #[test]
    fn what_is_drawn_lies_in_the_range_and_is_its_only_number() {
        let mut stream = Stream::new(1, "test", "");
        for _ in 0..100 {
            let mut range = CountRange { min: 3, max: 5 };
            Range::Count(&mut range).draw(&mut stream);
            assert!(range.min == range.max && (3..=5).contains(&range.min));
        }
    }
}
