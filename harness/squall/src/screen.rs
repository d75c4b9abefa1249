//! The way out to people: whatever is printed goes through here, and nothing in it can act on a terminal.
//!
//! Names, messages and values come from specs and from code under test, and may hold anything: a sequence that clears the screen or
//! sets the clipboard, a carriage return that hides a line, marks that turn text round. Escaping them where they are written would be
//! forgotten in one place. So it is done on the way out, for all characters that are not shown as themselves, and only the
//! [styles](crate::report::Style) that this program sets get through: they carry a mark that nobody outside of this process knows.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io::{self, IsTerminal, StderrLock, StdoutLock, Write},
    os::fd::{AsFd, OwnedFd},
    sync::OnceLock,
};

use anstream::AutoStream;

/// What an escape sequence begins with.
const ESCAPE: char = '\x1b';

/// What a sequence of this program begins with instead, until it is on its way out: four characters for private use.
fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        let random = RandomState::new().hash_one("mark").to_be_bytes();
        let private = |two: &[u8]| {
            char::from_u32(0xf_0000 + u32::from(u16::from_be_bytes([two[0], two[1]]) & 0x7fff))
                .expect("plane 15")
        };
        random.chunks(2).map(private).collect()
    })
}

/// Marks the styles in a text as this program's own. All else in the text must have been [`escaped`].
pub(crate) fn ours(text: &str) -> String {
    text.replace(ESCAPE, mark())
}

/// The text with what is not shown as itself written out. Line breaks and tabs stay.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut out, c));
    out
}

/// The text in one line: line breaks are written out, too.
pub(crate) fn in_a_line(text: &str) -> String {
    escaped(text).replace('\n', "\\n")
}

/// A report without its styles, for streams that are not this module's.
pub(crate) fn plain(report: &str) -> String {
    let mut out = String::with_capacity(report.len());
    decode(report, &mut out, false);
    out
}

/// A text of this program as it is written to a terminal.
fn decode(text: &str, out: &mut String, styled: bool) {
    let mut rest = text;
    while let Some(at) = rest.find(mark()) {
        out.push_str(&escaped(&rest[..at]));
        rest = &rest[at + mark().len()..];
        let end = rest.find('m').map_or(rest.len(), |end| end + 1);
        if styled {
            out.push(ESCAPE);
            out.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out.push_str(&escaped(rest));
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' | '\t' => out.push(c),
        c if is_hidden(c) => out.extend(c.escape_default()),
        c => out.push(c),
    }
}

/// Whether a terminal does something else with it than to show it: controls (Cc), and what formats text without being seen (Cf, Zl, Zp).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// Standard output, for people.
pub(crate) fn out() -> Screen<AutoStream<StdoutLock<'static>>> {
    Screen { to: AutoStream::auto(io::stdout()).lock(), held: Vec::new() }
}

/// Standard error, for people.
pub(crate) fn err() -> Screen<AutoStream<StderrLock<'static>>> {
    Screen { to: AutoStream::auto(io::stderr()).lock(), held: Vec::new() }
}

/// Says something in a line on standard error. Nobody is left to hear if that fails.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(err(), "{what}");
}

/// Writes a JSON object in a line on standard output: valid JSON, and harmless on a terminal.
pub(crate) fn json(object: &impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", json_escaped(&object.to_string()))
}

/// Writes a document on standard output: to the letter into a file or a pipe, and harmless on a terminal.
pub(crate) fn document(text: &str) -> io::Result<()> {
    if io::stdout().is_terminal() { write!(out(), "{text}") } else { write!(io::stdout().lock(), "{text}") }
}

/// JSON in which hidden characters are written as `\u`: they can stand nowhere but in its texts.
pub(crate) fn json_escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if is_hidden(c) && c != '\n' {
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// A way out beside descriptors 1 and 2, with which code under test may do as it likes where it runs in this process.
static KEPT: OnceLock<[OwnedFd; 2]> = OnceLock::new();

/// Keeps the way out under descriptors from `high` on.
///
/// # Errors
/// The system gives us none.
pub(crate) fn keep(high: i32) -> io::Result<()> {
    let out = rustix::io::fcntl_dupfd_cloexec(io::stdout().as_fd(), high)?;
    let err = rustix::io::fcntl_dupfd_cloexec(io::stderr().as_fd(), high)?;
    let _ = KEPT.set([out, err]);
    Ok(())
}

/// Takes the way out again that was kept, if one was. Where that is gone as well, what is written fails, or is missed.
pub(crate) fn retake() {
    if let Some([out, err]) = KEPT.get() {
        let _ = rustix::stdio::dup2_stdout(out);
        let _ = rustix::stdio::dup2_stderr(err);
    }
}

/// A stream to people.
pub(crate) struct Screen<S> {
    to: S,
    /// The beginning of a character of which the rest has yet to come.
    held: Vec<u8>,
}

impl<S: Write> Write for Screen<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        // A character has four bytes at most.
        let begun = |n: &usize| matches!(str::from_utf8(&self.held[self.held.len() - n..]), Err(error) if error.error_len().is_none() && error.valid_up_to() == 0);
        let held = (1..=self.held.len().min(3)).rev().find(begun).unwrap_or(0);
        let whole = self.held.len() - held;
        let text = String::from_utf8_lossy(&self.held[..whole]).into_owned();
        self.held.drain(..whole);
        write!(self, "{text}")?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// The whole text at once: a mark must not be cut in two.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let mut out = String::new();
        decode(&text.to_string(), &mut out, true);
        self.to.write_all(out.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Style;

    const HOSTILE: &str =
        "\u{1b}]0;title\u{7}\u{9b}31m\r\u{7f}\u{202e}\u{2028}\u{2066}\u{200b}\u{feff}\u{e0041}\u{8}\0";

    #[test]
    fn nothing_acts_on_a_terminal_but_our_own_styles() {
        let text = format!("{}\n\tplain ß 漢\n", Style::Bad.paint(HOSTILE));
        let mut shown = String::new();
        decode(&text, &mut shown, true);
        let without = shown.replace("\x1b[1m", "").replace("\x1b[31m", "").replace("\x1b[0m", "");
        assert_ne!(without, shown, "the style is there");
        assert!(!without.contains(|c| is_hidden(c) && c != '\n' && c != '\t'), "{without:?}");
        assert!(without.contains("\\u{1b}]0;title\\u{7}\\u{9b}31m\\r"), "{without:?}");
        assert_eq!(plain(&text), without);
        assert!(plain(&text).ends_with("\n\tplain ß 漢\n"));
    }

    #[test]
    fn a_style_that_is_not_ours_is_shown() {
        // What another process would have marked.
        assert_eq!(plain("\x1b[31m \u{f0000}\u{f0001}[31m"), "\\u{1b}[31m \u{f0000}\u{f0001}[31m");
    }

    #[test]
    fn what_comes_in_pieces_is_shown_as_a_whole() {
        let text = format!("ß漢😀{HOSTILE}\u{fffd}");
        let mut screen = Screen { to: Vec::new(), held: Vec::new() };
        for byte in text.as_bytes() {
            screen.write_all(&[*byte]).expect("memory");
        }
        screen.write_all(b"\xff!\xe6").expect("memory");
        assert_eq!(String::from_utf8(screen.to).expect("UTF-8"), escaped(&text) + "\u{fffd}!");
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ HOSTILE: HOSTILE });
        let text = json_escaped(&value.to_string());
        assert!(!text.contains(is_hidden), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }
}
