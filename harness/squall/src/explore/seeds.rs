//! Which seeds: a count, or a range.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A range of seeds. `n` is the first `n`; `a..b` is `a` up to, and without, `b`; `a..=b` is that with `b`, so that the range of all
/// seeds has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    start: u64,
    /// How many. A last one, `start + count - 1`, is a seed too.
    count: u64,
}

impl Seeds {
    /// The first `n`.
    pub fn first(n: u64) -> Self {
        Seeds { start: 0, count: n }
    }

    /// This one alone.
    pub fn only(seed: u64) -> Self {
        Seeds { start: seed, count: 1 }
    }

    /// So many from `start` on; fewer, if there are not so many.
    pub fn from(start: u64, count: u64) -> Self {
        let most = (u64::MAX - start).saturating_add(1);
        Seeds { start, count: count.min(most) }
    }

    /// The first, if there is any.
    pub fn start(self) -> u64 {
        self.start
    }

    /// How many.
    pub fn count(self) -> u64 {
        self.count
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let digits = part.trim().replace('_', "");
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(format!(
                    "`{text}` is no choice of seeds: write a count (200), or a range without its end (100..300) or with it \
                     (100..=299)"
                ));
            }
            digits
                .parse::<u64>()
                .map_err(|_| format!("{digits} is too large for a seed: the last is {}", u64::MAX))
        };
        match text.split_once("..") {
            None => Ok(Seeds::first(number(text)?)),
            Some((start, end)) => {
                let (start, end) = match end.strip_prefix('=') {
                    Some(last) => (number(start)?, u128::from(number(last)?) + 1),
                    None => (number(start)?, u128::from(number(end)?)),
                };
                let Some(count) = end.checked_sub(start.into()) else {
                    return Err(format!("the range {text} ends before it begins"));
                };
                let count = u64::try_from(count).map_err(|_| {
                    format!("the range {text} holds more seeds than can be counted in 64 bits")
                })?;
                Ok(Seeds { start, count })
            }
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start.checked_add(self.count) {
            Some(end) => write!(f, "{}..{end}", self.start),
            None => write!(f, "{}..={}", self.start, u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, count: u64) -> Result<Seeds, String> {
        Ok(Seeds { start, count })
    }

    #[test]
    fn a_count_and_a_range() {
        assert_eq!("200".parse(), range(0, 200));
        assert_eq!("1_000".parse(), range(0, 1000));
        assert_eq!("17..42".parse(), range(17, 25));
        assert_eq!("17..=41".parse(), range(17, 25));
        assert_eq!("5..5".parse(), range(5, 0));
    }

    /// The last seed was in no range: `a..b` is without `b`, and one past it there is nothing.
    #[test]
    fn the_last_seed_is_one() {
        let last = u64::MAX;
        assert_eq!(format!("{last}..={last}").parse(), range(last, 1));
        assert_eq!(Seeds::only(last).count(), 1);
        assert_eq!(Seeds::from(last - 1, 1000), Seeds { start: last - 1, count: 2 });
        assert_eq!(Seeds::from(0, last), Seeds::first(last));
        for seeds in [Seeds::only(last), Seeds::only(0), Seeds::first(last), Seeds::from(last - 1, 2)] {
            assert_eq!(seeds.to_string().parse(), Ok(seeds), "{seeds}");
        }
        assert!(format!("0..={last}").parse::<Seeds>().is_err(), "one more than can be counted");
    }

    #[test]
    fn what_is_neither_is_refused() {
        for bad in [
            "",
            "x",
            "-1",
            "+1",
            "1..",
            "..3",
            "1..2..3",
            "3..1",
            "3..=1",
            "1.5",
            "1..=",
            "1..==2",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
        }
    }
}
