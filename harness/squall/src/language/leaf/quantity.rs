//! Quantities: counts, probabilities, rates, bandwidths.

use std::fmt;

use super::{BadLeaf, Number, TextLeaf, split_range, text_leaf};
use crate::language::model::{Bandwidth, CountRange, Probability, Rate, Size};

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
        n.map(CountRange::exactly).ok_or_else(|| {
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
const BANDWIDTH_HELP: &str = "units are B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s, GiB/s, as in `10MiB/s`";
const SIZE_HELP: &str = "units are B, kB, MB, GB, KiB, MiB, GiB, as in `64KiB`";

/// Reads `10MiB` and gives the bytes. The remedy of a bad one is `help`.
fn read_bytes(text: &str, help: &str) -> Result<f64, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit: String = unit.split_whitespace().collect();
    let Some((_, bytes)) = DATA_UNITS.into_iter().find(|(name, _)| *name == unit) else {
        let meant = DATA_UNITS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&unit));
        return Err(meant.map_or_else(
            || help.into(),
            |(name, _)| format!("did you mean `{}{name}`? {help}", number.trim()),
        ));
    };
    read_decimal(number).map(|number| number * bytes as f64).ok_or_else(|| help.into())
}

/// A number of bytes in the largest unit that divides it.
fn show_bytes(bytes: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (unit, size) = DATA_UNITS
        .into_iter()
        .find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size))
        .unwrap_or(("B", 1));
    write!(f, "{}{unit}", bytes / size)
}

/// Up to 2^53 a float counts bytes exactly.
const MOST_BYTES: f64 = 9_007_199_254_740_992.0;

impl TextLeaf for Bandwidth {
    const WHAT: &'static str = "a bandwidth, as `10MiB/s`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let bad = |help: String| BadLeaf::new(format!("bad bandwidth `{text}`"), help);
        let Some(size) = text.strip_suffix("/s") else { return Err(bad(BANDWIDTH_HELP.into())) };
        let total =
            read_bytes(size.trim_end(), BANDWIDTH_HELP).map_err(|help| bad(help.replace("`? ", "/s`? ")))?;
        // 9 PB/s is faster than any link.
        if !(1.0..=MOST_BYTES).contains(&total) {
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
        show_bytes(self.bytes_per_second, f)?;
        f.write_str("/s")
    }
}

text_leaf!(Bandwidth, schema: {
    "type": "string",
    "description": "Bytes a second: B/s, kB/s, MB/s, GB/s (powers of 1000), KiB/s, MiB/s, GiB/s (powers of 1024).",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|MB|GB|KiB|MiB|GiB)\s*/\s*s\s*$",
    "examples": ["10MiB/s", "125kB/s"],
});

impl TextLeaf for Size {
    const WHAT: &'static str = "an amount of data, as `64KiB`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let text = text.trim();
        let bad = |help: String| BadLeaf::new(format!("bad size `{text}`"), help);
        let total = read_bytes(text, SIZE_HELP).map_err(bad)?;
        if !(0.0..=MOST_BYTES).contains(&total) {
            return Err(bad("at most 9000000GB".into()));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..=2^53, see above")]
        Ok(Size { bytes: total.round() as u64 })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(BadLeaf::new(
            format!("the size `{number}` has no unit"),
            format!("write `{number}B`, `{number}kB` or `{number}MiB`"),
        ))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_bytes(self.bytes, f)
    }
}

text_leaf!(Size, schema: {
    "type": "string",
    "description": "An amount of data: a number and a unit (B, kB, MB, GB, KiB, MiB, GiB).",
    "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|MB|GB|KiB|MiB|GiB)\s*$",
    "examples": ["64KiB", "10MB"],
});
