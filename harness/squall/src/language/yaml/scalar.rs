//! What a plain scalar is: nothing, a truth value, a number, or text.

use super::Node;

/// The core schema of YAML 1.2.2, section 10.3.2.
pub(super) fn plain(text: &str) -> Node {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Node::Null,
        "true" | "True" | "TRUE" => return Node::Bool(true),
        "false" | "False" | "FALSE" => return Node::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Node::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Node::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Node::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Node::Text(text.to_owned());
    }
    let based =
        |prefix, base| text.strip_prefix(prefix).filter(|t| !t.starts_with(['+', '-'])).map(|t| (t, base));
    if let Some((digits, base)) = based("0o", 8).or_else(|| based("0x", 16)) {
        return match u64::from_str_radix(digits, base) {
            Ok(n) => Node::Int(n.into()),
            Err(_) => Node::Text(text.to_owned()),
        };
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse::<i128>() {
            Ok(n) if i64::try_from(n).is_ok() || u64::try_from(n).is_ok() => Node::Int(n),
            _ => text.parse().map_or_else(|_| Node::Text(text.to_owned()), Node::Float),
        };
    }
    // [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, of which Rust's numbers are a superset.
    let number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(x) if number => Node::Float(x),
        _ => Node::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_typed_as_the_core_schema_says() {
        for (text, node) in [
            ("", Node::Null),
            ("~", Node::Null),
            ("null", Node::Null),
            ("true", Node::Bool(true)),
            ("FALSE", Node::Bool(false)),
            ("0", Node::Int(0)),
            ("007", Node::Int(7)),
            ("-12", Node::Int(-12)),
            ("+12", Node::Int(12)),
            ("0x1F", Node::Int(31)),
            ("0o17", Node::Int(15)),
            ("18446744073709551615", Node::Int(u64::MAX.into())),
            ("18446744073709551616", Node::Float(18_446_744_073_709_551_616.0)),
            ("1.5", Node::Float(1.5)),
            (".5", Node::Float(0.5)),
            ("1e3", Node::Float(1000.0)),
            ("-.inf", Node::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(plain(text), node, "{text:?}");
        }
    }

    /// What other readers of YAML, or of numbers, take for something else.
    #[test]
    fn all_else_is_text() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "nUll",
            "tRUE",
            "inf",
            "nan",
            "infinity",
            "-",
            "+",
            ".",
            "-.",
            "1_000",
            "0x",
            "0xG",
            "0o8",
            "0b1",
            "-0x1",
            "1:30",
            "1..3",
            "1s",
            "2024-01-01",
            "1e",
            "e3",
            "0x+1",
        ] {
            assert_eq!(plain(text), Node::Text(text.to_owned()));
        }
    }
}
