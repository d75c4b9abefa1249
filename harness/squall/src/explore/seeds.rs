//! Which seeds: a count, or a range.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A half-open range of seeds: `a..b` is `a` up to, and without, `b`; `n` is `0..n`, so that `n` is how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    /// The first.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

impl Seeds {
    /// The first `n`.
    pub fn first(n: u64) -> Self {
        Seeds { start: 0, end: n }
    }

    /// This one alone.
    pub fn only(seed: u64) -> Self {
        Seeds { start: seed, end: seed.saturating_add(1) }
    }

    /// How many.
    pub fn count(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let digits = part.trim().replace('_', "");
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(format!(
                    "`{text}` is no choice of seeds: write a count (200), or a range without its end (100..300)"
                ));
            }
            digits.parse().map_err(|_| format!("{digits} is too large for a seed: 64 bits"))
        };
        match text.split_once("..") {
            None => Ok(Seeds::first(number(text)?)),
            Some((start, end)) => {
                let (start, end) = (number(start)?, number(end)?);
                if start > end {
                    return Err(format!("the range {text} ends before it begins"));
                }
                Ok(Seeds { start, end })
            }
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_and_a_range() {
        assert_eq!("200".parse(), Ok(Seeds { start: 0, end: 200 }));
        assert_eq!("1_000".parse(), Ok(Seeds { start: 0, end: 1000 }));
        assert_eq!("17..42".parse(), Ok(Seeds { start: 17, end: 42 }));
        assert_eq!("5..5".parse::<Seeds>().map(Seeds::count), Ok(0));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for bad in ["", "x", "-1", "1..", "..3", "1..2..3", "3..1", "1.5", "99999999999999999999"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
        }
    }
}
