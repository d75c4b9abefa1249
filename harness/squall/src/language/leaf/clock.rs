//! How far a clock is off, and how fast it runs.

use std::{fmt, time::Duration};

use squall_rt::world::Stream;

use super::{BadLeaf, Number, TextLeaf, duration, split_range, text_leaf};
use crate::language::model::{DriftRate, Dur, Offset};

const OFFSET_HELP: &str =
    "write a duration with or without a sign, as `300ms` (ahead), `-2s` (behind) or `-2s..2s`";

fn read_offset(text: &str) -> Result<i64, BadLeaf> {
    let (negative, length) = match text.strip_prefix('-') {
        Some(length) => (true, length),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let nanos = duration::read_duration(length)?.as_nanos();
    // A duration is a year at most.
    let nanos = i64::try_from(nanos).expect("a year fits");
    Ok(if negative { -nanos } else { nanos })
}

fn show_offset(nanos: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let length = Dur(Duration::from_nanos(nanos.unsigned_abs()));
    write!(f, "{}{length}", if nanos < 0 { "-" } else { "" })
}

impl TextLeaf for Offset {
    const WHAT: &'static str = "an offset, as `300ms`, `-2s` or `-2s..2s`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let (min, max) = split_range("offset", "-2s..2s", text)?;
        let (min, max) = (read_offset(min)?, read_offset(max)?);
        if min > max {
            let help = "put the lesser offset first, as `-2s..2s`";
            return Err(BadLeaf::new(format!("the range `{text}` is empty"), help));
        }
        Ok(Offset { min, max })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(BadLeaf::new(format!("the offset `{number}` has no unit"), OFFSET_HELP))
    }
}

impl Offset {
    /// Draws one, in nanoseconds.
    pub(crate) fn draw(&self, stream: &mut Stream) -> i64 {
        let width = self.max.abs_diff(self.min);
        self.min.saturating_add_unsigned(stream.range(0..width + 1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_offset(self.min, f)?;
        if self.min != self.max {
            f.write_str("..")?;
            show_offset(self.max, f)?;
        }
        Ok(())
    }
}

text_leaf!(Offset, schema: {
    "type": "string",
    "description": "How far off: ahead (`300ms`), behind (`-2s`), or a range that is drawn anew for each seed (`-2s..2s`). \
        Units: ns, us, ms, s, m, h.",
    "pattern": r"^\s*[-+]?[0-9]+(\.[0-9]+)?\s*(ns|us|ms|s|m|h)\s*(\.\.\s*[-+]?[0-9]+(\.[0-9]+)?\s*(ns|us|ms|s|m|h)\s*)?$",
    "examples": ["300ms", "-2s", "-2s..2s"],
});

const DRIFT_HELP: &str = "write how much faster it runs, as `200ppm`, `-5%` or `-5%..5%`";
/// A clock that runs at twice the speed or stands still is as wrong as any test needs.
const MOST_PPM: f64 = 1_000_000.0;

fn read_drift(text: &str) -> Result<f64, BadLeaf> {
    let bad = || BadLeaf::new(format!("bad drift `{text}`"), DRIFT_HELP);
    let (number, scale) = match (text.strip_suffix("ppm"), text.strip_suffix('%')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 10_000.0),
        (None, None) => return Err(bad()),
    };
    let number = number.trim();
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let ppm = number.parse::<f64>().ok().filter(|_| plain).ok_or_else(bad)? * scale;
    if ppm.abs() > MOST_PPM {
        let message = format!("a drift of `{text}` is more than a clock can have");
        return Err(BadLeaf::new(message, "write -100% (it stands still) to 100% (twice as fast)"));
    }
    Ok(ppm)
}

impl TextLeaf for DriftRate {
    const WHAT: &'static str = "a drift, as `200ppm` or `-5%..5%`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let (min, max) = split_range("drift", "-5%..5%", text)?;
        let (min_ppm, max_ppm) = (read_drift(min)?, read_drift(max)?);
        if min_ppm > max_ppm {
            let help = "put the slower rate first, as `-5%..5%`";
            return Err(BadLeaf::new(format!("the range `{text}` is empty"), help));
        }
        Ok(DriftRate { min_ppm, max_ppm })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(BadLeaf::new(format!("the drift `{number}` has no unit"), DRIFT_HELP))
    }
}

impl fmt::Display for DriftRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ppm", self.min_ppm)?;
        if self.min_ppm.to_bits() != self.max_ppm.to_bits() {
            write!(f, "..{}ppm", self.max_ppm)?;
        }
        Ok(())
    }
}

text_leaf!(DriftRate, schema: {
    "type": "string",
    "description": "How much faster than true time a clock runs: `200ppm`, `-5%`, or a range that is drawn anew for each seed.",
    "pattern": r"^\s*[-+]?[0-9]+(\.[0-9]+)?\s*(ppm|%)\s*(\.\.\s*[-+]?[0-9]+(\.[0-9]+)?\s*(ppm|%)\s*)?$",
    "examples": ["200ppm", "-5%..5%"],
});
