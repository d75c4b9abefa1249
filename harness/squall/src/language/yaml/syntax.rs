//! What is said of text that is not YAML.

/// The parser's words, and what to do.
pub(super) fn explain(info: &str, line: &str) -> (String, String) {
    let indent = &line[..line.len() - line.trim_start().len()];
    let flow = line.contains('{') || line.contains('[');
    let help = if indent.contains('\t') || info.contains("tab") {
        "indent with spaces: YAML does not allow tabs there"
    } else if info.contains("unknown anchor") {
        "define it before it is used, as `&name value`; text that begins with `*` must be quoted"
    } else if flow && has_index(line) {
        "within { } or [ ], text with brackets must be quoted: \"payments[1]\""
    } else if info.contains("quoted scalar") || info.contains("end of stream") {
        "close the quote"
    } else if info.contains("flow") || info.contains("',' or") {
        "separate entries with commas and close every { and [; quote text that contains brackets or commas"
    } else if info.contains("cannot start any token") {
        "quote text that begins with such a character"
    } else if line.contains(": ") && info.contains("mapping values") {
        "quote text that contains `: `, or put the entry on a line of its own"
    } else {
        "align the entries of a mapping and the items of a list under each other, and put a space after each `:` and `-`"
    };
    let message = if info.contains("unknown anchor") {
        "there is no anchor of that name".to_owned()
    } else {
        format!("not YAML: {info}")
    };
    (message, help.to_owned())
}

/// Whether a line has something like `payments[1]`.
fn has_index(line: &str) -> bool {
    line.match_indices('[').any(|(i, _)| {
        line[..i].ends_with(|c: char| c.is_ascii_alphanumeric())
            && line[i + 1..].trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(']')
    })
}
