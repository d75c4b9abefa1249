//! Specs as they are while someone writes them: pieces deleted, repeated, swapped. Whatever the text, reading it ends, quickly and
//! with an answer, and each error has a place within the text and a remedy.

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*, sample::Index};
use squall::spec::parse_cases;

use crate::{
    shop::registry,
    valid::{FULL, KINDS},
};

/// What may come in the place of something else.
const PIECES: &[&str] = &[
    "",
    " ",
    "\n",
    "\t",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "!x ",
    "|",
    ">",
    "#",
    "?",
    "~",
    "null",
    "true",
    "0",
    "-1",
    "1e400",
    "99999999999999999999",
    ".nan",
    "1s..3s",
    "3s..1s",
    "..",
    "1s",
    "100%",
    "a -> b",
    "rest",
    "one(",
    "orders[9]",
    "role(x)",
    "<<",
    "---",
    "...",
    "\u{feff}",
    "ß",
    "数",
    "\u{0}",
    "\r\n",
    "%YAML 1.1\n",
    "on",
    "id",
    "at",
    "every",
    "clock_skew",
    "rpc",
    "-5%..5%",
    "-2s",
    "64KiB",
    "0",
    "zone(x)",
    "{ draw: 1..3 }",
    "params.window",
    "{ core: [] }",
    "include: [x.yaml]\n",
];

#[derive(Clone, Debug)]
enum Edit {
    DeleteLine(Index),
    RepeatLine(Index),
    SwapLines(Index, Index),
    DeleteWord(Index),
    ReplaceWord(Index, &'static str),
    Insert(Index, &'static str),
    Truncate(Index),
    Indent(Index, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let index = any::<Index>;
    let piece = || prop::sample::select(PIECES);
    let edit = prop_oneof![
        index().prop_map(Edit::DeleteLine),
        index().prop_map(Edit::RepeatLine),
        (index(), index()).prop_map(|(a, b)| Edit::SwapLines(a, b)),
        index().prop_map(Edit::DeleteWord),
        (index(), piece()).prop_map(|(at, piece)| Edit::ReplaceWord(at, piece)),
        (index(), piece()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        index().prop_map(Edit::Truncate),
        (index(), 0..8_usize).prop_map(|(at, by)| Edit::Indent(at, by)),
    ];
    vec(edit, 1..6)
}

/// The words of a text, where they are.
fn words(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_alphanumeric() || matches!(c, '_' | '.' | '%' | '/');
        match (inside, start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                words.push(from..i);
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn apply(text: &str, edit: &Edit) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let words = words(text);
    let replace = |at: &Index, piece: &str| {
        let mut text = text.to_owned();
        if !words.is_empty() {
            text.replace_range(at.get(&words).clone(), piece);
        }
        text
    };
    let boundary = |at: &Index| {
        let at = at.index(text.len() + 1);
        (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
    };
    match edit {
        Edit::DeleteLine(at) => {
            lines.remove(at.index(lines.len()));
        }
        Edit::RepeatLine(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
        }
        Edit::SwapLines(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
        }
        Edit::Indent(at, by) => {
            let at = at.index(lines.len());
            let line = format!("{}{}", " ".repeat(*by), lines[at].trim_start());
            lines[at] = &line;
            return lines.join("\n");
        }
        Edit::DeleteWord(at) => return replace(at, ""),
        Edit::ReplaceWord(at, piece) => return replace(at, piece),
        Edit::Insert(at, piece) => {
            let mut text = text.to_owned();
            text.insert_str(boundary(at), piece);
            return text;
        }
        Edit::Truncate(at) => return text[..boundary(at)].to_owned(),
    }
    lines.join("\n")
}

fn reads(text: &str) -> Result<(), TestCaseError> {
    let start = Instant::now();
    if let Err(errors) = parse_cases("x.yaml", text, &registry()) {
        prop_assert!(!errors.is_empty());
        for error in errors.iter() {
            prop_assert!(error.span.start <= error.span.end, "{error:?}");
            prop_assert!(error.span.end as usize <= text.len() + 1, "{error:?}");
            prop_assert!(!error.help.is_empty() && !error.message.is_empty(), "{error:?}");
        }
        let shown = errors.render(false);
        prop_assert_eq!(shown.matches("= help: ").count(), errors.len(), "{}", shown);
        prop_assert_eq!(errors.to_json().len(), errors.len());
    }
    prop_assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_specs_are_read_or_explained(edits in edits()) {
        let text = edits.iter().fold(FULL.to_owned(), |text, edit| apply(&text, edit));
        reads(&text)?;
    }

    #[test]
    fn edited_faults_of_every_kind_are_read_or_explained(edits in edits()) {
        // A case for each of the matrix takes its time: mostly without.
        let plain: String = KINDS.lines().filter(|line| !line.starts_with("matrix:")).map(|line| format!("{line}\n")).collect();
        let text = edits.iter().fold(plain, |text, edit| apply(&text, edit));
        reads(&text)?;
    }

    #[test]
    fn an_edited_matrix_is_read_or_explained(edits in edits()) {
        let head: String = KINDS.lines().take(15).chain(KINDS.lines().filter(|line| line.contains("id: skew"))).map(|line| format!("{line}\n")).collect();
        let text = edits.iter().fold(head, |text, edit| apply(&text, edit));
        reads(&text)?;
    }

    #[test]
    fn any_text_is_read_or_explained(text in "[ -~\n\té]{0,200}") {
        reads(&text)?;
    }
}
