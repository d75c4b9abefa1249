//! The table of verdicts, and the line under it.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::{SpecReport, Style, Tally, word};
use crate::{
    explore::{SpecVerdict, count},
    run::Coverage,
};

/// How wide the table may be, in columns.
const WIDTH: u16 = 100;

/// The table: spec, runs, verdict, what was injected, what was reached.
pub(crate) fn table(reports: &[SpecReport<'_>]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .enforce_styling()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table.set_header(
        ["spec", "runs", "verdict", "injected: strikes (touched)", "reached"]
            .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
    );
    for report in reports {
        let verdict = &report.outcome.verdict;
        let colour = match Style::of(verdict) {
            Style::Good => Color::Green,
            Style::Bad => Color::Red,
            _ => Color::Yellow,
        };
        table.add_row([
            Cell::new(report.path.display()),
            Cell::new(report.outcome.runs),
            Cell::new(verdict_cell(report)).fg(colour),
            Cell::new(injected(&report.outcome.coverage)),
            Cell::new(reached(&report.outcome.coverage)),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(runs) = table.column_mut(1) {
        runs.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(6)));
    }
    table.lines().map(|line| without_padding(&line)).collect::<Vec<_>>().join("\n")
}

/// Without the blanks at the end of a line, which may be styled.
fn without_padding(line: &str) -> String {
    const RESET: &str = "\x1b[0m";
    match line.trim_end().strip_suffix(RESET) {
        Some(styled) => styled.trim_end().to_owned() + RESET,
        None => line.trim_end().to_owned(),
    }
}

fn verdict_cell(report: &SpecReport<'_>) -> String {
    match (&report.outcome.verdict, &report.outcome.caught) {
        (SpecVerdict::Passed, Some(caught)) => format!("passed\n(by seed {})", caught.seed),
        (SpecVerdict::Nondeterministic(_), _) => "NOT DETERMINISTIC".to_owned(),
        (verdict @ SpecVerdict::Passed, None) => word(verdict).to_owned(),
        (verdict, _) => word(verdict).to_uppercase(),
    }
}

fn injected(coverage: &Coverage) -> String {
    let faults: Vec<_> = coverage
        .faults
        .iter()
        .map(|(id, count)| format!("{id} {} ({})", short(count.struck), short(count.touched)))
        .collect();
    if faults.is_empty() { "nothing".to_owned() } else { faults.join("\n") }
}

fn reached(coverage: &Coverage) -> String {
    let [ok, failed, unknown] = coverage.ops.map(short);
    let mut lines = vec![format!("ops: {ok} ok, {failed} failed, {unknown} unknown")];
    lines.extend(coverage.sometimes.iter().map(|(pattern, n)| format!("{pattern} {}", short(*n))));
    lines.join("\n")
}

/// A number in at most four characters or so: `950`, `1.2k`, `34k`, `5.6M`.
fn short(n: u64) -> String {
    let scaled = |unit: u64, letter: char| {
        let tenths = n / (unit / 10);
        if tenths < 100 {
            format!("{}.{}{letter}", tenths / 10, tenths % 10)
        } else {
            format!("{}{letter}", n / unit)
        }
    };
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => scaled(1_000, 'k'),
        1_000_000..1_000_000_000 => scaled(1_000_000, 'M'),
        _ => scaled(1_000_000_000, 'G'),
    }
}

/// The line under the table.
pub(crate) fn summary(tally: Tally, seconds: f64) -> String {
    let mut parts = vec![Style::Good.paint(format!("{} passed", tally.passed)).to_string()];
    let mut part = |style: Style, n: usize, word: &str| {
        if n > 0 {
            parts.push(style.paint(format!("{n} {word}")).to_string());
        }
    };
    part(Style::Bad, tally.failed - tally.nondeterministic, "failed");
    part(Style::Bad, tally.nondeterministic, "not deterministic");
    part(Style::Doubtful, tally.vacuous, "vacuous");
    part(Style::Doubtful, tally.undecided, "undecided");
    let per_second = tally.runs as f64 / seconds.max(0.001);
    format!(
        "{}: {}; {} in {seconds:.1} s ({per_second:.0} runs/s)",
        count(tally.specs() as u64, "spec"),
        parts.join(", "),
        count(tally.runs, "run")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown: Vec<_> =
            [0, 999, 1_000, 1_250, 9_999, 34_567, 999_999, 5_600_000, 7_000_000_000].map(short).to_vec();
        assert_eq!(shown, ["0", "999", "1.0k", "1.2k", "9.9k", "34k", "999k", "5.6M", "7.0G"]);
    }
}
