//! A record of the history in a line: time, node, event.

use std::{fmt, time::Duration};

use super::Style;
use crate::{
    history::{Fields, Kind, Lifecycle, Operation, Phase, Record},
    log::Logged,
};

/// The line of a record.
pub(crate) struct Line<'a>(pub &'a Record);

/// Virtual time as seconds to the microsecond, right-aligned.
pub(crate) struct At(pub Duration);

/// A line of a run's log, as records are shown: time, node, level, where it is from.
pub(crate) struct LogLine<'a>(pub &'a Logged);

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.0;
        let place = match line.incarnation {
            0 | 1 => line.node.clone(),
            again => format!("{}#{again}", line.node),
        };
        let level = Style::Doubtful.paint(line.level.name());
        write!(f, "{}  {place:<16} {level} ", Style::Faint.paint(At(line.at)))?;
        if !line.target.is_empty() {
            write!(f, "{}: ", Style::Faint.paint(printable(&line.target)))?;
        }
        f.write_str(&printable(&line.text))?;
        if !line.spans.is_empty() {
            write!(f, " {}", Style::Faint.paint(format_args!("in {}", printable(&line.spans))))?;
        }
        Ok(())
    }
}

/// How much of a text is shown, in bytes.
const SHOWN: usize = 8 << 10;

/// A text in one line, without what would command a terminal.
fn printable(text: &str) -> String {
    let mut shown = SHOWN.min(text.len());
    while !text.is_char_boundary(shown) {
        shown -= 1;
    }
    if shown < text.len() {
        return format!("{} .. ({} bytes more)", printable(&text[..shown]), text.len() - shown);
    }
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => printable.push(' '),
            c if c.is_control() => printable.extend(c.escape_default()),
            c => printable.push(c),
        }
    }
    printable
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:06}s", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// The node a record is about, as in specs; none for faults and phases.
pub(crate) fn node(record: &Record) -> Option<String> {
    match &record.kind {
        Kind::Invoke(op, _) | Kind::Ok(op, _) | Kind::Fail(op, _) | Kind::Info(op, _) => {
            Some(format!("clients[{}]", op.client))
        }
        Kind::Event { node, .. } | Kind::Node { node, .. } => Some(node.to_string()),
        Kind::FaultStart { .. } | Kind::FaultHeal { .. } | Kind::Phase(_) => None,
    }
}

/// The name of what happened: an event's name; `invoke`, `ok`, `fail` or `info` and the operation's name; `fault`; `node`; `phase`.
pub(crate) fn event(record: &Record) -> String {
    match &record.kind {
        Kind::Invoke(op, _) => format!("invoke {}", op.name),
        Kind::Ok(op, _) => format!("ok {}", op.name),
        Kind::Fail(op, _) => format!("fail {}", op.name),
        Kind::Info(op, _) => format!("info {}", op.name),
        Kind::Event { name, .. } => name.to_string(),
        Kind::FaultStart { fault, .. } | Kind::FaultHeal { fault, .. } => format!("fault {fault}"),
        Kind::Node { .. } => "node".to_owned(),
        Kind::Phase(_) => "phase".to_owned(),
    }
}

impl fmt::Display for Line<'_> {
    /// A line break in a value would look like the next record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Parts(self.0).to_string().replace('\n', "\\n"))
    }
}

/// The parts of a line as they are.
struct Parts<'a>(&'a Record);

impl fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        let place = match &record.kind {
            Kind::Event { node, incarnation, .. } | Kind::Node { node, incarnation, .. }
                if *incarnation > 1 =>
            {
                format!("{node}#{incarnation}")
            }
            Kind::FaultStart { .. } | Kind::FaultHeal { .. } => "fault".to_owned(),
            _ => node(record).unwrap_or_default(),
        };
        write!(f, "{}  {place:<16} ", Style::Faint.paint(At(record.at)))?;
        match &record.kind {
            Kind::Invoke(op, fields) => operation(f, "invoke", op, fields),
            Kind::Ok(op, fields) => operation(f, "ok", op, fields),
            Kind::Fail(op, fields) => operation(f, "fail", op, fields),
            Kind::Info(op, fields) => operation(f, "info", op, fields),
            Kind::Event { name, fields, .. } => {
                write!(f, "{}", Style::Strong.paint(name))?;
                rest(f, fields)
            }
            Kind::FaultStart { fault, what } => {
                write!(f, "{}", Style::Fault.paint(format_args!("{fault} strikes: {what}")))
            }
            Kind::FaultHeal { fault, what } => {
                write!(f, "{}", Style::Fault.paint(format_args!("{fault} heals: {what}")))
            }
            Kind::Node { incarnation, change, .. } => match change {
                Lifecycle::Started if *incarnation > 1 => {
                    write!(f, "started again, incarnation {incarnation}")
                }
                Lifecycle::Started => f.write_str("started"),
                Lifecycle::Crashed => f.write_str("crashed"),
                Lifecycle::Exited(error) => write!(f, "ended by itself: {error}"),
                Lifecycle::Paused => f.write_str("paused"),
                Lifecycle::Resumed => f.write_str("resumed"),
                Lifecycle::Stopping => f.write_str("asked to end"),
                Lifecycle::DiskLied { bytes, names } => {
                    let lost = format_args!(
                        "its disk lied: {bytes} bytes and {names} names that were synced are lost"
                    );
                    write!(f, "{}", Style::Fault.paint(lost))
                }
            },
            Kind::Phase(phase) => {
                let name = match phase {
                    Phase::Warmup => "warmup begins",
                    Phase::Chaos => "chaos begins",
                    Phase::Settle => "settle begins: faults heal",
                    Phase::End => "the end",
                };
                write!(f, "{}", Style::Faint.paint(name))
            }
        }
    }
}

fn operation(f: &mut fmt::Formatter<'_>, word: &str, op: &Operation, fields: &Fields) -> fmt::Result {
    write!(f, "{word:<6} {} op={}", Style::Strong.paint(&op.name), op.id)?;
    rest(f, fields)
}

fn rest(f: &mut fmt::Formatter<'_>, fields: &Fields) -> fmt::Result {
    if fields.is_empty() { Ok(()) } else { write!(f, " {fields}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred megabytes of one line would take the terminal with them.
    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let text = "ß".repeat(SHOWN);
        let shown = printable(&text);
        assert!(shown.starts_with("ßß") && shown.ends_with(&format!("ß .. ({SHOWN} bytes more)")));
        assert!(shown.len() < SHOWN + 40, "{} bytes", shown.len());
        let whole = &text[..SHOWN];
        assert_eq!(printable(whole), whole);
        let odd = format!("x{text}");
        assert!(
            printable(&odd).ends_with(&format!("ß .. ({} bytes more)", SHOWN + 2)),
            "not within a letter"
        );
    }
}
