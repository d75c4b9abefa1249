//! Quantities: durations, counts, probabilities, rates, bandwidths.

use std::{fmt, time::Duration};

use super::{BadLeaf, Number, TextLeaf, text_leaf};
use crate::spec::model::{Bandwidth, CountRange, Dur, DurationRange, Probability, Rate};

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

fn read_duration(text: &str) -> Result<Duration, BadLeaf> {
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

/// Splits `a..b`. Both ends are the same text when there is no range.
fn split_range<'a>(what: &str, example: &str, text: &'a str) -> Result<(&'a str, &'a str), BadLeaf> {
    let Some((min, max)) = text.split_once("..") else { return Ok((text, text)) };
    let (min, max) = (min.trim(), max.trim());
    let bad = |help: String| BadLeaf::new(format!("bad {what} `{text}`"), help);
    if let Some(max) = max.strip_prefix('=') {
        return Err(bad(format!("both ends of a range are included: write `{min}..{max}`")));
    }
    if min.is_empty() || max.is_empty() {
        return Err(bad(format!("a range needs both ends, as in `{example}`")));
    }
    Ok((min, max))
}

fn no_unit(number: Number) -> BadLeaf {
    let help = match number {
        Number::Whole(n) if n < 0 => "a duration cannot be negative".to_owned(),
        _ => format!("write `{number}s` or `{number}ms`: units are ns, us, ms, s, m, h"),
    };
    BadLeaf::new(format!("the duration `{number}` has no unit"), help)
}

/// Shows a duration in the longest unit that gives a whole number, so that nothing is lost.
struct Shown(Duration);

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
        write!(f, "{}{unit}", nanos / u128::from(unit_nanos))
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

impl TextLeaf for CountRange {
    const WHAT: &'static str = "a count, as `2`, or a range, as `1..3`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let (min_text, max_text) = split_range("count", "1..3", text)?;
        let read = |part: &str| {
            part.parse::<u64>().map_err(|_| {
                BadLeaf::new(
                    format!("bad count `{text}`"),
                    "write a whole number, as `2`, or a range, as `1..3`",
                )
            })
        };
        let (min, max) = (read(min_text)?, read(max_text)?);
        if min > max {
            return Err(BadLeaf::new(
                format!("the range `{text}` is empty"),
                format!("put the smaller count first: `{max_text}..{min_text}`"),
            ));
        }
        Ok(CountRange { min, max })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        let n = match number {
            Number::Whole(n) => u64::try_from(n).ok(),
            Number::Float(_) => None,
        };
        n.map(|n| CountRange { min: n, max: n }).ok_or_else(|| {
            BadLeaf::new(
                format!("bad count `{number}`"),
                "write a whole number, as `2`, or a range, as `1..3`",
            )
        })
    }
    fn as_number(&self) -> Option<u64> {
        (self.min == self.max).then_some(self.min)
    }
}

impl fmt::Display for CountRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.min.fmt(f)?;
        if self.min != self.max {
            write!(f, "..{}", self.max)?;
        }
        Ok(())
    }
}

text_leaf!(CountRange, schema: {
    "type": ["integer", "string"],
    "minimum": 0,
    "description": "A count (`2`), or a range that is drawn anew for each seed, both ends included (`1..3`).",
    "pattern": r"^\s*[0-9]+\s*(\.\.\s*[0-9]+\s*)?$",
    "examples": [2, "1..3"],
});

impl Probability {
    fn checked(p: f64, text: &str) -> Result<Self, BadLeaf> {
        if (0.0..=1.0).contains(&p) {
            // Not -0: it would be shown with its sign.
            return Ok(Probability(p.abs()));
        }
        let help = if p > 1.0 && p <= 100.0 && !text.ends_with('%') {
            format!("a bare number goes from 0 to 1: for percent write `{text}%`")
        } else {
            "write 0% to 100%, or a number from 0 to 1".to_owned()
        };
        Err(BadLeaf::new(format!("`{text}` is not a probability"), help))
    }
}

/// A number in plain decimal notation: `12`, `0.5`. (Rust would also take `inf`, `nan` and `1e9`.)
fn read_decimal(text: &str) -> Option<f64> {
    let decimal = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.')
        && !text.ends_with('.');
    decimal.then(|| text.parse().ok()).flatten().filter(|x: &f64| x.is_finite())
}

impl TextLeaf for Probability {
    const WHAT: &'static str = "a probability, as `0.1%`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let p = match text.strip_suffix('%') {
            Some(percent) => read_decimal(percent.trim_end()).map(|p| p / 100.0),
            None => read_decimal(text),
        };
        let bad = || {
            BadLeaf::new(
                format!("`{text}` is not a probability"),
                "write 0% to 100%, or a number from 0 to 1",
            )
        };
        Probability::checked(p.ok_or_else(bad)?, text)
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        let p = match number {
            Number::Whole(0) => 0.0,
            Number::Whole(1) => 1.0,
            Number::Whole(n) if n > 1 && n <= 100 => 100.0,
            Number::Whole(_) => -1.0,
            Number::Float(x) => x,
        };
        Probability::checked(p, &number.to_string())
    }
}

impl fmt::Display for Probability {
    /// In percent where that reads back as the same number, else as the number itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        for shown in [format!("{percent}"), format!("{percent:.9}")] {
            let shown =
                if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.') } else { &shown };
            #[allow(clippy::float_cmp, reason = "the question is whether it is the very same number")]
            if shown.len() <= 10 && shown.parse::<f64>().is_ok_and(|p| p / 100.0 == self.0) {
                return write!(f, "{shown}%");
            }
        }
        write!(f, "{}", self.0)
    }
}

text_leaf!(Probability, schema: {
    "type": ["number", "string"],
    "minimum": 0,
    "maximum": 1,
    "description": "A probability: in percent (`0.1%`), or a number from 0 to 1.",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*%?\s*$",
    "examples": ["0.1%", 0.25],
});

/// Units of a rate and their seconds.
const RATE_UNITS: [(&str, f64); 3] = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl TextLeaf for Rate {
    const WHAT: &'static str = "a rate, as `20/s`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let bad = |help: &str| BadLeaf::new(format!("bad rate `{text}`"), help);
        let Some((number, unit)) = text.split_once('/') else {
            return Err(bad("write a number and a unit of time: `20/s`, `90/m`, `5/h`"));
        };
        let seconds =
            RATE_UNITS.into_iter().find(|(name, _)| *name == unit.trim()).map(|(_, seconds)| seconds);
        let (Some(number), Some(seconds)) = (read_decimal(number.trim()), seconds) else {
            return Err(bad("write a number and a unit of time: `20/s`, `90/m`, `5/h`"));
        };
        if number <= 0.0 {
            return Err(bad("a rate is more than zero; for no operations at all write `ops: 0`"));
        }
        Ok(Rate { per_second: number / seconds })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(BadLeaf::new(
            format!("the rate `{number}` has no unit"),
            format!("write `{number}/s`, `{number}/m` or `{number}/h`"),
        ))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

text_leaf!(Rate, schema: {
    "type": "string",
    "description": "So many a second, minute or hour.",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*(s|m|h)\s*$",
    "examples": ["20/s", "90/m"],
});

/// Units of data and their bytes, largest first; of equal rank the binary unit comes first.
const DATA_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];
const DATA_HELP: &str = "units are B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s, GiB/s, as in `10MiB/s`";

impl TextLeaf for Bandwidth {
    const WHAT: &'static str = "a bandwidth, as `10MiB/s`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let bad = |help: String| BadLeaf::new(format!("bad bandwidth `{text}`"), help);
        let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let unit: String = unit.split_whitespace().collect();
        let Some(size) = unit.strip_suffix("/s") else { return Err(bad(DATA_HELP.into())) };
        let Some((_, bytes)) = DATA_UNITS.into_iter().find(|(name, _)| *name == size) else {
            let meant = DATA_UNITS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(size));
            return Err(bad(meant.map_or_else(
                || DATA_HELP.into(),
                |(name, _)| format!("did you mean `{number}{name}/s`? {DATA_HELP}"),
            )));
        };
        let Some(number) = read_decimal(number) else { return Err(bad(DATA_HELP.into())) };
        let total = number * bytes as f64;
        // Up to 2^53 a float counts bytes exactly, and 9 PB/s is faster than any link.
        if !(1.0..=9_007_199_254_740_992.0).contains(&total) {
            return Err(bad(
                "at least 1B/s, and at most 9000000GB/s; leave it out for an unlimited link".into()
            ));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 1..=2^53, see above")]
        Ok(Bandwidth { bytes_per_second: total.round() as u64 })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(BadLeaf::new(
            format!("the bandwidth `{number}` has no unit"),
            format!("write `{number}B/s`, `{number}kB/s` or `{number}MB/s`"),
        ))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.bytes_per_second;
        let (unit, bytes) = DATA_UNITS
            .into_iter()
            .find(|(_, bytes)| n >= *bytes && n.is_multiple_of(*bytes))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}/s", n / bytes)
    }
}

text_leaf!(Bandwidth, schema: {
    "type": "string",
    "description": "Bytes a second: B/s, kB/s, MB/s, GB/s (powers of 1000), KiB/s, MiB/s, GiB/s (powers of 1024).",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|MB|GB|KiB|MiB|GiB)\s*/\s*s\s*$",
    "examples": ["10MiB/s", "125kB/s"],
});
