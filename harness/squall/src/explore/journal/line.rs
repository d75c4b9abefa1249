//! A journal's lines: `checksum JSON`. The checksum is 16 hexadecimal digits of XXH3 over the JSON, seeded with the line's number from 1,
//! so that a line that is torn, damaged, missing or there twice is told from a whole one in its place.

use std::io::{self, BufRead};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many bytes come before the JSON.
const PREFIX: usize = 17;

/// The longest line. One that is longer was not written by a campaign, and is not kept in memory to find that out.
const LONGEST: u64 = 64 << 20;

/// Reads a line, or the first part of one that is too long to be any, and gives its length.
pub(super) fn next(input: impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    input.take(LONGEST).read_until(b'\n', line)
}

/// The line of this number, with its end.
pub(super) fn seal(number: u64, json: &str) -> String {
    debug_assert!(!json.contains('\n'), "JSON in a line has no line breaks");
    format!("{:016x} {json}\n", xxh3_64_with_seed(json.as_bytes(), number))
}

/// The JSON in a line, if it is whole and the one of this number.
pub(super) fn open(number: u64, line: &[u8]) -> Option<&str> {
    let line = str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (prefix, json) = line.split_at_checked(PREFIX)?;
    let sum = format!("{:016x} ", xxh3_64_with_seed(json.as_bytes(), number));
    (prefix == sum).then_some(json)
}

/// How much of a journal is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The length of its whole lines, in bytes.
    pub whole: u64,
    /// How many they are.
    pub lines: u64,
    /// Whether there is more after them: a line that was not written to its end.
    pub torn: bool,
    /// The JSON of the last whole line.
    pub last: String,
}

/// Reads a journal through. Gives the number of a line instead that is not whole though others follow.
pub(super) fn scan(mut input: impl BufRead) -> io::Result<Result<Extent, u64>> {
    let mut extent = Extent { whole: 0, lines: 0, torn: false, last: String::new() };
    let mut line = Vec::new();
    loop {
        line.clear();
        if next(&mut input, &mut line)? == 0 {
            return Ok(Ok(extent));
        }
        if extent.torn {
            return Ok(Err(extent.lines + 1));
        }
        match open(extent.lines + 1, &line) {
            Some(json) => {
                extent.lines += 1;
                extent.whole += line.len() as u64;
                json.clone_into(&mut extent.last);
            }
            None => extent.torn = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> String {
        (1..).zip(lines).map(|(number, json)| seal(number, json)).collect()
    }

    #[test]
    fn a_line_is_whole_in_its_own_place_only() {
        let line = seal(3, "[1]");
        assert_eq!(open(3, line.as_bytes()), Some("[1]"));
        assert_eq!(open(4, line.as_bytes()), None);
        assert_eq!(
            open(3, line.trim_end().as_bytes()),
            None,
            "without its end it may be the part of a longer one"
        );
    }

    #[test]
    fn every_cut_of_the_last_line_is_found() {
        let whole = text(&["{}", "[1]"]);
        let all = whole.clone() + &seal(3, "[\"é\"]");
        for cut in whole.len()..=all.len() {
            let extent = scan(&all.as_bytes()[..cut]).expect("memory").expect("no damage before the end");
            let (whole, lines) = if cut == all.len() { (cut, 3) } else { (whole.len(), 2) };
            assert_eq!((extent.whole, extent.lines), (whole as u64, lines), "cut at {cut}");
            assert_eq!(extent.torn, cut != whole, "cut at {cut}");
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let all = text(&["{}", "[1,{\"a\":2}]", "[2]", "[3]"]);
        let second = seal(1, "{}").len()..all.len() - 2 * seal(3, "[2]").len();
        for at in second {
            let mut bytes = all.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(scan(&bytes[..]).expect("memory"), Err(2), "changed at {at}");
        }
    }

    #[test]
    fn a_line_that_is_missing_or_twice_there_is_found() {
        let lines = ["{}", "[1]", "[2]", "[3]"].into_iter().zip(1..);
        let [a, b, c, d]: [String; 4] =
            lines.map(|(json, number)| seal(number, json)).collect::<Vec<_>>().try_into().expect("four");
        let scanned = |lines: &[&String]| {
            scan(lines.iter().map(|line| line.as_str()).collect::<String>().as_bytes()).expect("memory")
        };
        assert_eq!(scanned(&[&a, &c, &d]), Err(2));
        assert_eq!(scanned(&[&a, &b, &b, &c]), Err(3));
        assert!(scanned(&[&a, &b, &c, &d]).is_ok_and(|extent| !extent.torn && extent.lines == 4));
    }
}
