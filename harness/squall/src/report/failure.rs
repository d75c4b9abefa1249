//! What went wrong with a spec, for a person: the failure, how it came about, and the line that shows it again.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    SpecReport, Style,
    record::{Line, LogLine},
    telling::{Told, tell},
    word,
};
use crate::{
    explore::{Divergence, SpecVerdict, count},
    inquiry::Unread,
    log::{Level, Logged},
    reproduce::Reproduce,
    run::{RunReport, Verdict},
    shrink::{self, Shrunk},
    spec::model::Size,
};

/// How many failures of one spec are told in full.
const TOLD: usize = 3;

/// The block of a spec that did not pass, or of which there is something to note; empty for others.
pub(crate) fn block(report: &SpecReport<'_>, reproduce: &Reproduce) -> String {
    blocks(std::slice::from_ref(report), reproduce).concat()
}

/// The block of a spec that its system's code let nobody read.
pub(crate) fn unread(spec: &Unread) -> String {
    let title = Style::Doubtful.paint("UNDECIDED");
    let path = Style::Strong.paint(spec.path.display());
    format!("{title} {path}: {spec}\n")
}

/// The block of each spec that did not pass. A failure that several of them show is told once, with all the places.
pub(crate) fn blocks(reports: &[SpecReport<'_>], reproduce: &Reproduce) -> Vec<String> {
    let mut places = Places::new();
    for (nth, report) in reports.iter().enumerate() {
        for failure in report.distinct_failures() {
            let Some(key) = failure.key(report) else { continue };
            let place = format!("{}, seed {}", report.title(), failure.runs[0].run);
            places.entry(key).or_default().push((nth, place));
        }
    }
    let block = |(nth, report): (usize, &SpecReport<'_>)| {
        let mut out = String::new();
        write_block(&mut out, (nth, report), &places, reproduce).expect("writing to memory does not fail");
        out
    };
    reports.iter().enumerate().map(block).filter(|block| !block.is_empty()).collect()
}

/// By failure: which specs show it, and with which seeds.
type Places = BTreeMap<String, Vec<(usize, String)>>;

fn write_block(
    out: &mut String,
    (nth, report): (usize, &SpecReport<'_>),
    places: &Places,
    reproduce: &Reproduce,
) -> std::fmt::Result {
    let verdict = &report.outcome.verdict;
    let title = Style::of(verdict).paint(word(verdict).to_uppercase());
    let path = Style::Strong.paint(report.title());
    match verdict {
        SpecVerdict::Passed if report.outcome.notes.is_empty() => return Ok(()),
        SpecVerdict::Passed => writeln!(out, "{} {path}", Style::of(verdict).paint(word(verdict)))?,
        SpecVerdict::Failed(why) => {
            writeln!(out, "{title} {path}: {why}")?;
            failures(out, (nth, report), places, reproduce)?;
        }
        SpecVerdict::Vacuous(vacuities) => {
            writeln!(out, "{title} {path}: every run passed, and yet they prove less than the spec says")?;
            for vacuity in vacuities {
                let (file, line) = report.loaded.sources.line(vacuity.span);
                // The spec itself is called as the report calls it, which may be another way than it was found.
                let file =
                    if vacuity.span.file == 0 { report.path.display().to_string() } else { file.to_owned() };
                writeln!(out, "  {file}:{line}: {vacuity}")?;
            }
        }
        SpecVerdict::Undecided(why) => writeln!(out, "{title} {path}: {why}")?,
        SpecVerdict::Nondeterministic(divergence) => {
            writeln!(out, "{title} {path}: {divergence}")?;
            fork(out, divergence)?;
            writeln!(out, "  {USUAL_CAUSES}")?;
            writeln!(out, "  replay: {}", report.replay(reproduce, &divergence.run))?;
        }
    }
    for note in &report.outcome.notes {
        writeln!(out, "  note: {note}")?;
    }
    Ok(())
}

/// What makes two runs of one seed, where nothing of the world does.
const USUAL_CAUSES: &str = "look for what outlives a run (a static, a cache, the real disk, real sockets, the environment), the machine's own time \
                            (the counter of the processor, as quanta and minstant read it), addresses (a pointer in an event, a hash of one), \
                            and random numbers of the machine (/dev/urandom)";

/// How many faults and operations of a shrunk run are shown.
const SMALL: usize = 12;

/// Each distinct failure once, with the runs that show it too.
fn failures(
    out: &mut String,
    (nth, report): (usize, &SpecReport<'_>),
    places: &Places,
    reproduce: &Reproduce,
) -> std::fmt::Result {
    let distinct = report.distinct_failures();
    for failure in distinct.iter().take(TOLD) {
        let first = failure.runs[0];
        let same = failure.key(report).and_then(|key| places.get(&key)).map_or(&[][..], Vec::as_slice);
        if let Some((_, place)) = same.first().filter(|(told, _)| *told < nth) {
            writeln!(out, "  seed {}: {}", first.run, Style::Bad.paint(first.verdict.headline()))?;
            writeln!(out, "    the same failure as in {place}, which is told above")?;
            writeln!(out, "    replay: {}", report.replay(reproduce, &first.run))?;
            continue;
        }
        let small = failure.runs.iter().find_map(|run| {
            let (_, shrunk) = report.shrunk.iter().find(|(of, _)| *of == run.run)?;
            Some((*run, shrunk.as_ref().ok()?))
        });
        match small {
            Some((of, shrunk)) => small_run(out, report, reproduce, of, shrunk)?,
            None => {
                run(out, first)?;
                let not = report.shrunk.iter().find(|(of, _)| *of == first.run);
                if let Some((_, Err(why))) = not {
                    writeln!(out, "    not shrunk: {why}")?;
                }
                writeln!(out, "    replay: {}", report.replay(reproduce, &first.run))?;
            }
        }
        let told = small.map_or(&first.run, |(of, _)| &of.run);
        let others: Vec<_> =
            failure.runs.iter().filter(|run| run.run != *told).map(|run| run.run.to_string()).collect();
        if !others.is_empty() {
            writeln!(out, "    the same: seed {}", others.join(", "))?;
        }
        for form in failure.forms.iter().skip(1) {
            writeln!(out, "    also with: {form}")?;
        }
        for (_, place) in same.iter().filter(|(other, _)| *other > nth) {
            writeln!(out, "    the same in: {place}")?;
        }
    }
    for failure in distinct.iter().skip(TOLD) {
        let first = failure.runs[0];
        let more = match failure.runs.len() - 1 {
            0 => String::new(),
            n => format!(", and {} more", count(n as u64, "run")),
        };
        writeln!(out, "  seed {}{more}: {}", first.run, first.verdict.headline())?;
    }
    Ok(())
}

/// A failing run as it was made small: what it takes, and what happens then.
fn small_run(
    out: &mut String,
    report: &SpecReport<'_>,
    reproduce: &Reproduce,
    of: &RunReport,
    shrunk: &Shrunk,
) -> std::fmt::Result {
    let small = &shrunk.report;
    writeln!(out, "  seed {}: {}", of.run, Style::Bad.paint(small.verdict.headline()))?;
    for line in details(&small.verdict).lines() {
        writeln!(out, "    {line}")?;
    }
    let ((faults, operations), (were_faults, were_operations)) = (shrunk.after(), shrunk.before);
    writeln!(
        out,
        "    shrunk to {} ({faults} of {were_faults} strikes of faults, {operations} of {were_operations} operations) in {} runs:",
        shrunk.form(),
        shrunk.runs
    )?;
    let lines = shrink::lines(shrunk);
    for line in lines.iter().take(SMALL) {
        writeln!(out, "      {line}")?;
    }
    if lines.len() > SMALL {
        writeln!(out, "      ... {} more", lines.len() - SMALL)?;
    }
    if let Some(why) = &shrunk.hindered {
        writeln!(out, "      not everything could be made simpler: {why}")?;
    }
    if let Some(stopped) = &shrunk.stopped {
        writeln!(out, "      there may be less: {stopped}")?;
    }
    writeln!(out, "    what happens then:")?;
    excerpt(out, small)?;
    writeln!(out, "    replay: {}", report.replay(reproduce, &of.run))?;
    writeln!(out, "    keep it: {}", report.keep(reproduce, &of.run))
}

/// What two failures have in common that are the same failure.
pub(super) fn way(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Violated(violation) => format!("{} {}", violation.invariant, violation.class),
        Verdict::Panicked { location, .. } => location.clone(),
        Verdict::Died { how } => how.lines().next().unwrap_or_default().to_owned(),
        Verdict::Hung { .. } => "hung".to_owned(),
        Verdict::OutOfMemory { .. } => "out of memory".to_owned(),
        Verdict::Passed | Verdict::Undecided { .. } | Verdict::Interrupted { .. } => String::new(),
    }
}

/// A failing run: what, why, and how it came about.
pub(crate) fn run(out: &mut String, report: &RunReport) -> std::fmt::Result {
    writeln!(out, "  seed {}: {}", report.run, Style::Bad.paint(report.verdict.headline()))?;
    for line in details(&report.verdict).lines().chain(polled(report).as_deref()) {
        writeln!(out, "    {line}")?;
    }
    excerpt(out, report)
}

/// How it came about.
fn excerpt(out: &mut String, report: &RunReport) -> std::fmt::Result {
    for told in tell(report) {
        match told {
            Told::Evidence(record) => writeln!(out, "  {} {}", Style::Bad.paint(">"), Line(record))?,
            Told::Context(record) => writeln!(out, "    {}", Line(record))?,
            Told::Elided(n) => {
                let dots = format!("... {n} more records ...");
                writeln!(out, "    {:>12}  {}", "", Style::Faint.paint(dots))?;
            }
        }
    }
    log(out, report)?;
    if !report.backtrace.is_empty() && wants_backtrace(false) {
        writeln!(out, "    backtrace of the panic:")?;
        for line in report.backtrace.to_string().lines() {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

/// How many lines of a failing run's log are shown.
const LOGGED: usize = 6;

/// The last that the service said at warn and above, or printed, before it failed; and of how many lines.
pub(crate) fn last_said(report: &RunReport) -> (Vec<&Logged>, usize) {
    let lines: Vec<_> = report.log.lines.iter().filter(|line| line.level <= Level::Warn).collect();
    (lines[lines.len().saturating_sub(LOGGED)..].to_vec(), lines.len())
}

fn log(out: &mut String, report: &RunReport) -> std::fmt::Result {
    let (last, all) = last_said(report);
    if last.is_empty() {
        return Ok(());
    }
    let of = if last.len() < all { format!(", the last {} of {all}", last.len()) } else { String::new() };
    writeln!(out, "    its log at warn and above{of}:")?;
    for line in last {
        writeln!(out, "    {}", LogLine(line))?;
    }
    Ok(())
}

/// Whether backtraces are shown: `asked` for here, or in the environment, as everywhere.
pub(crate) fn wants_backtrace(asked: bool) -> bool {
    asked || std::env::var_os("RUST_BACKTRACE").is_some_and(|wanted| !wanted.is_empty() && wanted != "0")
}

/// Whose code it was that did not come back.
pub(crate) fn polled(report: &RunReport) -> Option<String> {
    report.polled.as_ref().map(|node| format!("it was killed in the code of {node}"))
}

/// What else there is to say of it.
pub(crate) fn details(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Violated(violation) => violation.message.clone(),
        Verdict::Panicked { message, .. } => message.clone(),
        Verdict::Died { how } => {
            how.split_once('\n').map_or(String::new(), |(_, printed)| printed.to_owned())
        }
        Verdict::Undecided { reason: why } | Verdict::Interrupted { why } => why.clone(),
        Verdict::OutOfMemory { limit, .. } => {
            format!(
                "a run may have {}; --memory, or SQUALL_MEMORY under cargo test, says how much",
                Size { bytes: *limit }
            )
        }
        Verdict::Passed | Verdict::Hung { .. } => String::new(),
    }
}

fn fork(out: &mut String, divergence: &Divergence) -> std::fmt::Result {
    let Some(fork) = &divergence.first else {
        if divergence.recurred == Some(false) {
            return writeln!(
                out,
                "  no two histories of it were seen that differ: look for what happens once in a while, or but once"
            );
        }
        return writeln!(
            out,
            "  no two histories of it differ in a record: what differs is how it ended, its packets, or what it left on its disks"
        );
    };
    if let Some(common) = &fork.last_common {
        writeln!(out, "  both up to    {}", Line(common))?;
    }
    for (which, record) in [("then one has", &fork.one), ("and one has ", &fork.other)] {
        match record {
            Some(record) => writeln!(out, "  {which}  {}", Line(record))?,
            None => writeln!(out, "  {which}  nothing: it ends there")?,
        }
    }
    writeln!(out, "  the first difference is record {}", fork.seq)
}
