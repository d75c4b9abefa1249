//! `squall bugs`: how well each strategy finds each flaw.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    BugsArgs, BugsFormat, Exit,
    load::{self, Specs},
    run::stop_on_interrupt,
};
use crate::{
    bugs::{self, Asked, Found, Measured},
    inquiry::Inquiry,
    pool::Pool,
    report, screen,
    spec::{self, model::Strategy},
};

/// How many explorations are under way at once, for each worker: so that none is idle while one waits for its strategy.
const AT_ONCE: usize = 2;

pub(super) fn bugs(inquiry: &Inquiry, args: &BugsArgs) -> io::Result<Exit> {
    let Specs { loaded, wrong, mut unread } = load::specs(inquiry, &args.paths, args.filter.as_deref());
    if !wrong.is_empty() {
        return load::complain(&wrong, &unread);
    }
    let flaws = if args.across { bugs::across(inquiry, &loaded, &mut unread) } else { bugs::flaws(&loaded) };
    // The others are measured all the same.
    load::complain(&[], &unread)?;
    if flaws.is_empty() && unread.is_empty() {
        screen::say(format_args!(
            "error: none of these specs has a flaw to be caught: `squall list` shows what there is"
        ));
        return Ok(Exit::Nothing);
    }
    let asked = Asked {
        strategies: if args.strategy.is_empty() { Strategy::ALL.to_vec() } else { args.strategy.clone() },
        bases: args.bases,
        runs: args.runs,
        run_timeout: args.run_timeout,
        shrink: !args.no_shrink,
        across: args.across,
    };
    let jobs = args.jobs.map_or_else(Pool::default_jobs, usize::from);
    let pool = Pool::new(jobs).with_memory(args.worker.memory);
    let stop = stop_on_interrupt();
    let bar = ProgressBar::new((flaws.len() * asked.strategies.len()) as u64 * asked.bases);
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} searches, {eta} left");
    bar.set_style(style.expect("the template is well-formed").progress_chars("=> "));
    let measured = bugs::measure(inquiry, &pool, &flaws, &asked, jobs * AT_ONCE, &stop, &|| bar.inc(1));
    bar.finish_and_clear();
    drop(pool);
    let Some(measured) = measured else {
        screen::say(format_args!("interrupted: nothing is reported of a part"));
        return Ok(Exit::Undecided);
    };
    let mut out = screen::out();
    match args.format {
        BugsFormat::Human => write!(out, "{}", text(&measured, &asked))?,
        BugsFormat::Markdown => write!(out, "{}", markdown(&measured, &asked))?,
        BugsFormat::Json => {
            for one in &measured {
                screen::json(&as_json(one))?;
            }
        }
    }
    // What no spec was made for may well be missed.
    let missed =
        !asked.across && measured.iter().any(|one| one.by.iter().all(|found| found.median().is_none()));
    Ok(match missed {
        true => Exit::Failed,
        false if !unread.is_empty() => Exit::Undecided,
        false => Exit::AsExpected,
    })
}

fn title(one: &Measured<'_>, asked: &Asked) -> String {
    let title = spec::title(&report::short_path(&one.loaded.path), one.loaded.case.as_deref());
    if asked.across { format!("{title}: {}", one.flaw) } else { title }
}

/// `3`, or `120 (27/30)` if it was not found from every base seed, or `-`.
fn cell(found: &Found) -> String {
    let (times, of) = (found.times(), found.runs.len());
    match found.median() {
        Some(median) if times == of => median.to_string(),
        Some(median) => format!("{median} ({times}/{of})"),
        None if times > 0 => format!("({times}/{of})"),
        None => "-".to_owned(),
    }
}

/// The smallest run that a strategy led to: faults and operations, and the runs it took.
fn smallest(one: &Measured<'_>) -> String {
    let small = one.by.iter().filter_map(|found| found.shrunk);
    small
        .min_by_key(|small| (small.faults + small.operations, small.runs))
        .map_or("-".to_owned(), |small| format!("{}f {}o in {}", small.faults, small.operations, small.runs))
}

fn header(asked: &Asked) -> Vec<String> {
    let strategies = asked.strategies.iter().map(|strategy| strategy.name().to_owned());
    let mut header: Vec<_> = std::iter::once("flaw".to_owned()).chain(strategies).collect();
    if asked.shrink {
        header.push("shrunk".to_owned());
    }
    header
}

fn rows(measured: &[Measured<'_>], asked: &Asked) -> Vec<Vec<String>> {
    let row = |one: &Measured<'_>| {
        let mut row: Vec<_> = std::iter::once(title(one, asked)).chain(one.by.iter().map(cell)).collect();
        if asked.shrink {
            row.push(smallest(one));
        }
        row
    };
    measured.iter().map(row).collect()
}

fn legend(asked: &Asked) -> String {
    format!(
        "median number of runs to the first detection from {} base seeds with {} runs each; (n/{0}) where it was not found from each",
        asked.bases, asked.runs
    )
}

/// For each strategy: how many flaws it found from every base seed, from most, and the median of the medians.
fn sums(measured: &[Measured<'_>], asked: &Asked) -> Vec<(Strategy, usize, usize, Option<u64>)> {
    let of = |(nth, strategy): (usize, &Strategy)| {
        let found: Vec<&Found> = measured.iter().map(|one| &one.by[nth]).collect();
        let always = found.iter().filter(|found| found.times() == found.runs.len()).count();
        let mut medians: Vec<u64> = found.iter().filter_map(|found| found.median()).collect();
        medians.sort_unstable();
        let middle = medians.get(medians.len().saturating_sub(1) / 2).copied();
        (*strategy, always, medians.len(), middle)
    };
    asked.strategies.iter().enumerate().map(of).collect()
}

fn sum_line((strategy, always, mostly, middle): &(Strategy, usize, usize, Option<u64>), of: usize) -> String {
    let middle = middle.map_or(String::new(), |middle| format!("; median of medians {middle}"));
    format!(
        "{strategy}: {mostly} of {of} found from half of the base seeds at least, {always} from every one{middle}"
    )
}

/// Median shrunk size and runs, over all that were shrunk.
fn shrinking(measured: &[Measured<'_>]) -> Option<String> {
    let small: Vec<_> =
        measured.iter().flat_map(|one| one.by.iter().filter_map(|found| found.shrunk)).collect();
    let median = |mut values: Vec<u64>| {
        values.sort_unstable();
        values.get(values.len().saturating_sub(1) / 2).copied()
    };
    let size = median(small.iter().map(|small| (small.faults + small.operations) as u64).collect())?;
    let runs = median(small.iter().map(|small| small.runs).collect())?;
    let minimal = small.iter().filter(|small| small.minimal).count();
    Some(format!(
        "shrunk: {} runs, to a median of {size} faults and operations in a median of {runs} runs; {minimal} are 1-minimal",
        small.len()
    ))
}

fn text(measured: &[Measured<'_>], asked: &Asked) -> String {
    let mut all = vec![header(asked)];
    all.extend(rows(measured, asked));
    let widths: Vec<usize> = (0..all[0].len())
        .map(|column| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in &all {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out += &format!("\n{}\n", legend(asked));
    for sum in sums(measured, asked) {
        out += &format!("{}\n", sum_line(&sum, measured.len()));
    }
    out + &shrinking(measured).map_or(String::new(), |line| line + "\n")
}

fn markdown(measured: &[Measured<'_>], asked: &Asked) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let header = header(asked);
    let rule: Vec<String> = header.iter().map(|_| "---".to_owned()).collect();
    let mut out = line(&header) + &line(&rule);
    for row in rows(measured, asked) {
        out += &line(&row);
    }
    out += &format!("\n{}.\n\n", legend(asked));
    for sum in sums(measured, asked) {
        out += &format!("- {}\n", sum_line(&sum, measured.len()));
    }
    out + &shrinking(measured).map_or(String::new(), |line| format!("- {line}\n"))
}

fn as_json(one: &Measured<'_>) -> serde_json::Value {
    let by: BTreeMap<_, _> = one
        .by
        .iter()
        .map(|found| {
            let shrunk = found.shrunk.map(|small| {
                json!({
                    "faults": small.faults,
                    "operations": small.operations,
                    "runs": small.runs,
                    "minimal": small.minimal,
                })
            });
            let of = json!({
                "median": found.median(),
                "found": found.times(),
                "of": found.runs.len(),
                "runs": found.runs,
                "shrunk": shrunk,
            });
            (found.strategy.name(), of)
        })
        .collect();
    json!({
        "kind": "flaw",
        "system": one.loaded.spec.system.value,
        "flaw": one.flaw,
        "violates": one.violates,
        "spec": one.loaded.path.display().to_string(),
        "case": one.loaded.case,
        "strategies": by,
    })
}
