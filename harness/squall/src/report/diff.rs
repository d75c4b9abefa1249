//! Two runs side by side, for a person or a program.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Style, record::Line};
use crate::{diff::Difference, history::Record, plan::Part, run::RunReport};

/// How many records that both share are shown, and how many of each after that.
const SHARED: usize = 4;
const NEXT: usize = 8;
/// How many differences of plans are shown.
const DIFFERENCES: usize = 8;

/// Two runs, and how they differ.
pub(crate) struct Diff<'a> {
    /// The spec of each, as a person would type it, with its case.
    pub specs: [&'a str; 2],
    pub one: &'a RunReport,
    pub other: &'a RunReport,
    /// How many records from the start they share: no more than either has.
    pub shared: usize,
    pub differences: Vec<Difference>,
    /// What the other lacks, if it was looked for.
    pub without: Option<&'a [Part]>,
}

impl Diff<'_> {
    /// What a run has after what both share.
    fn rest<'r>(&self, report: &'r RunReport) -> &'r [Record] {
        &report.history[self.shared..]
    }

    /// For a program.
    pub(crate) fn json(&self) -> Value {
        let side = |i: usize, report: &RunReport| {
            json!({
                "spec": self.specs[i],
                "seed": report.run,
                "what": report.verdict.headline(),
                "passed": report.passed(),
                "digest": report.digest.to_string(),
                "records": report.history.len(),
                "next": self.rest(report).iter().take(NEXT).collect::<Vec<_>>(),
            })
        };
        let plans = self.differences.iter();
        json!({
            "kind": "diff",
            "one": side(0, self.one),
            "other": side(1, self.other),
            "without": self.without,
            "shared": self.shared,
            "plans": plans.map(|d| json!({ "what": d.what, "one": d.one, "other": d.other })).collect::<Vec<_>>(),
        })
    }

    /// For a person.
    pub(crate) fn human(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("writing to memory does not fail");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let [a, b] = [self.one, self.other];
        let same_spec = self.specs[0] == self.specs[1];
        let name = |i: usize, report: &RunReport| match same_spec {
            true => format!("seed {}", report.run),
            false => format!("{}, seed {}", self.specs[i], report.run),
        };
        if same_spec {
            writeln!(out, "{}", Style::Strong.paint(self.specs[0]))?;
        }
        for (mark, name, report) in [("A", name(0, a), a), ("B", name(1, b), b)] {
            let style = if report.passed() { Style::Good } else { Style::Bad };
            let end = report.verdict.headline();
            writeln!(out, "{mark}  {name}: {}, digest {}", style.paint(end), report.digest)?;
        }
        if let Some(parts) = self.without {
            let without: Vec<String> = parts.iter().map(called).collect();
            writeln!(out, "   the nearest run that passes: A without {}", without.join(" and "))?;
        }
        self.histories(out)?;
        self.plans(out)
    }

    fn histories(&self, out: &mut String) -> std::fmt::Result {
        let [a, b] = [&self.one.history, &self.other.history];
        let of =
            if a.len() == b.len() { a.len().to_string() } else { format!("{} and {}", a.len(), b.len()) };
        if self.shared == a.len() && self.shared == b.len() {
            return writeln!(out, "\nThe histories are the same, all {of} records.");
        }
        writeln!(
            out,
            "\nBoth have the first {} of {of} records{}",
            self.shared,
            if self.shared > 0 { ":" } else { "." }
        )?;
        let first = self.shared.saturating_sub(SHARED);
        if first > 0 {
            writeln!(out, "   {:>12}  {}", "", Style::Faint.paint(format!("... {first} more")))?;
        }
        for record in &a[first..self.shared] {
            writeln!(out, "   {}", Line(record))?;
        }
        for (mark, style, report) in [("A", Style::Bad, self.one), ("B", Style::Good, self.other)] {
            writeln!(out, "then {mark} has")?;
            let rest = self.rest(report);
            for record in rest.iter().take(NEXT) {
                writeln!(out, "{}  {}", style.paint(mark), Line(record))?;
            }
            match rest.len() {
                0 => writeln!(out, "{}  {:>12}  nothing: it ends there", style.paint(mark), "")?,
                n if n > NEXT => {
                    writeln!(out, "   {:>12}  {}", "", Style::Faint.paint(format!("... {} more", n - NEXT)))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn plans(&self, out: &mut String) -> std::fmt::Result {
        if self.differences.is_empty() {
            return writeln!(out, "\nTheir plans are the same.");
        }
        writeln!(out, "\nTheir plans differ:")?;
        for Difference { what, one, other } in self.differences.iter().take(DIFFERENCES) {
            let what = Style::Fault.paint(what);
            match (one, other) {
                (Some(one), Some(other)) => writeln!(out, "   {what}: {one} in A, {other} in B")?,
                (Some(one), None) => writeln!(out, "   {what} only in A: {one}")?,
                (None, Some(other)) => writeln!(out, "   {what} only in B: {other}")?,
                (None, None) => {}
            }
        }
        if let Some(more @ 1..) = self.differences.len().checked_sub(DIFFERENCES) {
            writeln!(out, "   ... {more} more: `squall explain` prints a plan")?;
        }
        Ok(())
    }
}

fn called(part: &Part) -> String {
    match part {
        Part::Fault(name) => format!("fault {name} with all of its strikes"),
        Part::Strike(name) => format!("fault {name}"),
        Part::Operation(id) => format!("operation {id}"),
    }
}
