//! Durations, fixed and drawn.

use std::{fmt, time::Duration};

use super::{BadLeaf, Number, TextLeaf, split_range, text_leaf};
use crate::language::model::{Dur, DurationRange};

/// Units of time and their nanoseconds, longest first.
const TIME_UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];
/// What people write for them elsewhere.
const OTHER_TIME_UNITS: [(&str, &str); 19] = [
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("S", "s"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("MS", "ms"),
    ("usec", "us"),
    ("µs", "us"),
    ("μs", "us"),
];
const TIME_HELP: &str = "units are ns, us, ms, s, m, h, as in `400ms`";
/// Longer than any run, and far from where sums of durations overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

pub(super) fn read_duration(text: &str) -> Result<Duration, BadLeaf> {
    let text = text.trim();
    let bad = |help: String| BadLeaf::new(format!("bad duration `{text}`"), help);
    if text.starts_with('-') {
        return Err(bad("a duration cannot be negative".into()));
    }
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.trim_start();
    if number.is_empty() {
        return Err(bad(format!("write a number and a unit: {TIME_HELP}")));
    }
    if unit.is_empty() {
        return Err(bad(format!("a duration needs a unit, as in `{number}s` or `{number}ms`")));
    }
    let Some((_, unit_nanos)) = TIME_UNITS.into_iter().find(|(name, _)| *name == unit) else {
        let meant = OTHER_TIME_UNITS.into_iter().find(|(name, _)| *name == unit);
        return Err(bad(match meant {
            Some((_, meant)) => format!("did you mean `{number}{meant}`? {TIME_HELP}"),
            None if unit.contains(|c: char| c.is_ascii_digit()) => {
                format!("write one number and one unit, as `90s` for a minute and a half: {TIME_HELP}")
            }
            None => TIME_HELP.into(),
        }));
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(bad("write the number as `2` or `1.5`".into()));
    }
    let too_long = || bad("the longest duration is a year (8784h)".into());
    // Exact decimal arithmetic: 0.1s is 100 ms on every machine.
    let (Ok(whole), true) = (whole.parse::<u64>(), fraction.len() <= 15) else { return Err(too_long()) };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).expect("at most 15 digits"));
    let fraction: u128 = fraction.parse().expect("at most 15 digits");
    let scaled = (u128::from(whole) * scale + fraction) * u128::from(unit_nanos);
    if !scaled.is_multiple_of(scale) {
        return Err(bad("it is finer than a nanosecond, the least unit of time".into()));
    }
    let nanos = u64::try_from(scaled / scale).map_err(|_| too_long())?;
    let duration = Duration::from_nanos(nanos);
    if duration > LONGEST { Err(too_long()) } else { Ok(duration) }
}

fn no_unit(number: Number) -> BadLeaf {
    let help = match number {
        Number::Whole(n) if n < 0 => "a duration cannot be negative".to_owned(),
        _ => format!("write `{number}s` or `{number}ms`: units are ns, us, ms, s, m, h"),
    };
    BadLeaf::new(format!("the duration `{number}` has no unit"), help)
}

/// Shows a duration exactly: as a whole number of the longest unit that allows it, or, where that has too many digits to
/// be read at a glance (a drawn time), with decimals.
struct Shown(Duration);

/// From here on a whole number is harder to read than one with decimals.
const TOO_MANY: u128 = 100_000;

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        let (unit, unit_nanos) = TIME_UNITS
            .into_iter()
            .find(|(_, unit)| nanos.is_multiple_of(u128::from(*unit)))
            .expect("a nanosecond divides everything");
        let whole = nanos / u128::from(unit_nanos);
        if whole < TOO_MANY {
            return write!(f, "{whole}{unit}");
        }
        // Seconds at the longest: a fraction of an hour is not a decimal one to most.
        let (unit, unit_nanos) = TIME_UNITS
            .into_iter()
            .skip_while(|(name, _)| *name != "s")
            .find(|(_, unit)| nanos >= u128::from(*unit))
            .expect("it is at least a nanosecond");
        let (whole, fraction) = (nanos / u128::from(unit_nanos), nanos % u128::from(unit_nanos));
        let digits = unit_nanos.ilog10() as usize;
        let fraction = format!("{fraction:0digits$}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}{unit}"),
            fraction => write!(f, "{whole}.{fraction}{unit}"),
        }
    }
}

impl TextLeaf for Dur {
    const WHAT: &'static str = "a duration, as `400ms`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        if text.contains("..") {
            return Err(BadLeaf::new(
                format!("`{text}` is a range, and this duration is fixed"),
                "write one duration, as `400ms`",
            ));
        }
        read_duration(text).map(Dur)
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(no_unit(number))
    }
}

impl fmt::Display for Dur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.0).fmt(f)
    }
}

text_leaf!(Dur, schema: {
    "type": "string",
    "description": "A duration: a number and a unit (ns, us, ms, s, m, h).",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ns|us|ms|s|m|h)\s*$",
    "examples": ["400ms", "1.5s"],
});

impl TextLeaf for DurationRange {
    const WHAT: &'static str = "a duration, as `2s`, or a range, as `1s..3s`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let (min_text, max_text) = split_range("duration", "1s..3s", text)?;
        let read = |text: &str| {
            read_duration(text).map_err(|bad| match text.split_once('-') {
                Some((a, b)) if read_duration(a).is_ok() && read_duration(b).is_ok() => {
                    BadLeaf::new(bad.message, format!("a range is written `{}..{}`", a.trim(), b.trim()))
                }
                _ => bad,
            })
        };
        let max = read(max_text)?;
        // The commonest slip: `1..3s`.
        if !min_text.is_empty() && min_text.bytes().all(|b| b.is_ascii_digit()) {
            let unit = max_text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim_start();
            return Err(BadLeaf::new(
                format!("bad duration `{text}`"),
                format!("both ends need a unit: `{min_text}{unit}..{max_text}`"),
            ));
        }
        let min = read(min_text)?;
        if min > max {
            return Err(BadLeaf::new(
                format!("the range `{text}` is empty"),
                format!("put the shorter duration first: `{max_text}..{min_text}`"),
            ));
        }
        Ok(DurationRange { min, max })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(no_unit(number))
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.min).fmt(f)?;
        if self.min != self.max {
            write!(f, "..{}", Shown(self.max))?;
        }
        Ok(())
    }
}

text_leaf!(DurationRange, schema: {
    "type": "string",
    "description": "A duration (`2s`), or a range that is drawn anew for each seed, both ends included (`1s..3s`). \
        Units: ns, us, ms, s, m, h.",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ns|us|ms|s|m|h)\s*(\.\.\s*[0-9]+(\.[0-9]+)?\s*(ns|us|ms|s|m|h)\s*)?$",
    "examples": ["2s", "1s..3s", "0ms..50ms"],
});
