//! The table of verdicts, and the line under it.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::{SpecReport, Style, Tally, short_path, word};
use crate::{
    explore::{SpecVerdict, Statement, count},
    run::Coverage,
    screen,
};

/// How wide the table may be, in columns.
const WIDTH: u16 = 100;

/// The longest path that is not broken into lines.
const LONGEST: usize = 42;

/// The column that is broken into lines as needed.
const INJECTED: usize = 3;

/// How the cells are to be read.
const LEGEND: &str = "\
caught: the last run shows the violation that the spec expects
p<: after so many independent clean runs, the chance that a run fails is below it (95% confidence)
injected: fault, how often it struck (what it touched: packets, calls or processes)
reached: operations ok/failed/unknown, and how many of the events named by `sometimes`";

/// The table: spec, runs, verdict, what was injected, what was reached.
pub(crate) fn table(reports: &[SpecReport<'_>]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .enforce_styling()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table.set_header(
        ["spec", "runs", "verdict", "injected", "reached"]
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
            Cell::new(path_cell(report)),
            Cell::new(report.outcome.runs),
            Cell::new(verdict_cell(report)).fg(colour),
            Cell::new(screen::escaped(&injected(&report.outcome.coverage))),
            Cell::new(reached(&report.outcome.coverage)),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // A name, a number or a verdict that is broken in two cannot be searched for; what was injected takes the rest.
    let longest = reports.iter().map(|report| path_cell(report).chars().count()).max().unwrap_or(0);
    for column in 0..5 {
        let constraint = match column {
            0 if longest > LONGEST => ColumnConstraint::UpperBoundary(Width::Fixed(LONGEST as u16)),
            INJECTED => continue,
            _ => ColumnConstraint::ContentWidth,
        };
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(constraint);
        }
    }
    let lines = table.lines().map(|line| without_padding(&line) + "\n").collect::<String>();
    format!("{}{}", screen::ours(&lines), Style::Faint.paint(LEGEND))
}

/// The path without what goes without saying.
fn path_cell(report: &SpecReport<'_>) -> String {
    let path = screen::in_a_line(&short_path(&report.path).display().to_string());
    let case = report.loaded.case.as_deref().map(screen::in_a_line);
    case.map_or_else(|| path.clone(), |case| format!("{path}\n[{case}]"))
}

/// Without the blanks at the end of a line, which may be styled.
pub(crate) fn without_padding(line: &str) -> String {
    const RESET: &str = "\x1b[0m";
    match line.trim_end().strip_suffix(RESET) {
        Some(styled) => styled.trim_end().to_owned() + RESET,
        None => line.trim_end().to_owned(),
    }
}

fn verdict_cell(report: &SpecReport<'_>) -> String {
    match (&report.outcome.verdict, &report.outcome.caught) {
        (SpecVerdict::Passed, Some(_)) => "caught".to_owned(),
        (verdict @ SpecVerdict::Passed, None) => match report.outcome.bound() {
            Some(bound) if report.loaded.spec.plan.is_none() => {
                format!("{}\np<{}", word(verdict), percent(bound))
            }
            _ => word(verdict).to_owned(),
        },
        (verdict, _) => word(verdict).to_uppercase(),
    }
}

fn injected(coverage: &Coverage) -> String {
    let faults: Vec<_> = coverage
        .faults
        .iter()
        .map(|(id, count)| format!("{id} {} ({})", short(count.struck), short(count.touched)))
        .collect();
    if faults.is_empty() { "-".to_owned() } else { faults.join("\n") }
}

fn reached(coverage: &Coverage) -> String {
    let [ok, failed, unknown] = coverage.ops.map(short);
    let ops = format!("{ok}/{failed}/{unknown}");
    if coverage.sometimes.is_empty() {
        return ops;
    }
    let seen = coverage.sometimes.values().filter(|n| **n > 0).count();
    format!("{ops}\n{seen}/{}", count(coverage.sometimes.len() as u64, "event"))
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

/// A probability in per cent, with as many digits as it takes to be more than zero.
fn percent(p: f64) -> String {
    let percent = p * 100.0;
    let digits = if percent >= 10.0 {
        0
    } else if percent >= 1.0 {
        1
    } else {
        (1.0 - percent.log10().floor()) as usize
    };
    format!("{percent:.digits$}%")
}

/// What strategies say of what they covered, a line each.
pub(crate) fn statements(reports: &[SpecReport<'_>]) -> String {
    let of = |report: &SpecReport<'_>| {
        let title = report.title();
        let line =
            |said: &Statement| format!("{} {}: {}\n", Style::Strong.paint(&title), said.strategy, said.text);
        report.outcome.statements.iter().map(line).collect::<String>()
    };
    reports.iter().map(of).collect()
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
    fn a_bound_is_never_shown_as_nothing() {
        let shown = [1.0, 0.3, 0.015, 0.0003, 0.000_003].map(percent);
        assert_eq!(shown, ["100%", "30%", "1.5%", "0.030%", "0.00030%"]);
    }

    #[test]
    fn numbers_are_short() {
        let shown: Vec<_> =
            [0, 999, 1_000, 1_250, 9_999, 34_567, 999_999, 5_600_000, 7_000_000_000].map(short).to_vec();
        assert_eq!(shown, ["0", "999", "1.0k", "1.2k", "9.9k", "34k", "999k", "5.6M", "7.0G"]);
    }
}
