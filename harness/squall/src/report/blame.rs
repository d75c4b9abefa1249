//! What is to blame for the failure of a run, for a person or a program: the faults it takes, the moment that settled it.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};

use super::{
    Style, failure,
    record::{At, Line},
};
use crate::{
    blame::{Blame, Effect, End, Enough, Moment, Share, Strike, Suspect, Turn},
    explore::count,
    history::{Kind, Record},
    plan::{Branch, RunId},
    reproduce::Reproduce,
    screen,
    spec::title,
};

/// How many faults are listed, and how many moments.
const FAULTS: usize = 16;
const MOMENTS: usize = 14;
/// The longest part of a line that tells what happened.
const WHAT: usize = 46;
/// How long a bar is that stands for all futures.
const BAR: u64 = 12;

/// What is to blame, and how its runs are shown again.
pub(crate) struct Told<'a> {
    pub blame: &'a Blame,
    pub spec: &'a Path,
    pub case: Option<&'a str>,
    pub reproduce: &'a Reproduce,
}

impl Told<'_> {
    fn record(&self, moment: &Moment) -> &Record {
        &self.blame.report.history[moment.next]
    }

    fn future(&self, moment: &Moment, future: u64) -> RunId {
        self.blame.report.run.branched(Branch::Redrawn { from: moment.from, future })
    }

    fn replay(&self, run: &RunId) -> String {
        self.reproduce.replay(self.spec, self.case, run)
    }

    /// A future that fails and one that passes: from after the turn and from before it, where there are such.
    fn examples(&self) -> (Option<RunId>, Option<RunId>) {
        let moments = &self.blame.moments;
        let Some(turn) = &self.blame.turn else {
            let fails = moments.iter().find_map(|m| Some(self.future(m, *m.failing.first()?)));
            return (fails, None);
        };
        let before = &moments[turn.before];
        let after = turn.after.map(|after| &moments[after]);
        let failing = after.and_then(|m| Some(self.future(m, *m.failing.first()?)));
        let failing = failing.or_else(|| Some(self.future(before, *before.failing.first()?)));
        (failing, before.passing.first().map(|future| self.future(before, *future)))
    }

    /// For a program.
    pub(crate) fn json(&self) -> Value {
        let Blame { report, suspects, enough: all_enough, together, cut_short, moments, turn, futures, runs } =
            self.blame;
        let (fails, passes) = self.examples();
        let suspect = |suspect: &Suspect| {
            let otherwise = match &suspect.without {
                End::Otherwise(how) => Some(how),
                _ => None,
            };
            let strike = |strike: &Strike| json!({ "name": strike.name, "at_ns": strike.at.as_nanos() as u64, "what": strike.what });
            json!({
                "fault": suspect.fault,
                "strikes": suspect.strikes.iter().map(strike).collect::<Vec<_>>(),
                "effect": word(suspect.effect()),
                "otherwise": otherwise,
                "futures_failing_without": suspect.futures.map(|share| share.failing),
                "futures_without": suspect.futures.map(|share| share.of),
            })
        };
        let enough = |enough: &Enough| json!({ "strikes": enough.strikes, "run": enough.run });
        let moment = |moment: &Moment| {
            json!({
                "from_ns": moment.from.as_nanos() as u64,
                "failing": moment.failing.len(),
                "passing": moment.passing.len(),
                "next": self.record(moment),
            })
        };
        json!({
            "kind": "blame",
            "spec": self.spec.display().to_string(),
            "case": self.case,
            "seed": report.run,
            "what": report.verdict.headline(),
            "faults": suspects.iter().map(suspect).collect::<Vec<_>>(),
            "enough": all_enough.iter().map(enough).collect::<Vec<_>>(),
            "needed_together": together,
            "cut_short": cut_short,
            "futures": futures,
            "moments": moments.iter().map(moment).collect::<Vec<_>>(),
            "turn": turn.as_ref().map(|turn| json!({
                "next": self.record(&moments[turn.before]),
                "failing_before": moments[turn.before].failing.len(),
                "failing_after": turn.after_failing,
                "exact": turn.exact,
            })),
            "failing_future": fails,
            "passing_future": passes,
            "runs": runs,
        })
    }

    /// For a person.
    pub(crate) fn human(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("writing to memory does not fail");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let report = &self.blame.report;
        let headline = Style::Bad.paint(report.verdict.headline());
        writeln!(
            out,
            "{}, seed {}: {headline}",
            Style::Strong.paint(title(self.spec, self.case)),
            report.run
        )?;
        for line in failure::details(&report.verdict).lines() {
            writeln!(out, "  {line}")?;
        }
        self.faults(out)?;
        self.moments(out)?;
        self.verdict(out)?;
        let (fails, passes) = self.examples();
        if let Some(run) = fails {
            writeln!(out, "  a future that fails:  {}", self.replay(&run))?;
        }
        if let Some(run) = passes {
            writeln!(out, "  one that passes:      {}", self.replay(&run))?;
        }
        Ok(())
    }

    fn faults(&self, out: &mut String) -> std::fmt::Result {
        let suspects = &self.blame.suspects;
        if suspects.is_empty() {
            return writeln!(out, "\nNo fault had struck.");
        }
        writeln!(out, "\nWhich faults it takes: the same run, without all strikes of each of them")?;
        // What is needed is what matters, however much else struck.
        let mut shown: Vec<&Suspect> = suspects.iter().collect();
        shown.sort_by_key(|suspect| (suspect.effect() != Effect::Needed, suspect.first().map(|s| s.at)));
        shown.truncate(FAULTS);
        shown.sort_by_key(|suspect| suspect.first().map(|strike| strike.at));
        let width = shown.iter().map(|suspect| suspect.fault.chars().count()).max().unwrap_or(0);
        for suspect in &shown {
            let Some(first) = suspect.first() else { continue };
            let (style, effect) = (style(suspect.effect()), word(suspect.effect()));
            let mut then = Vec::new();
            if let n @ 1.. = suspect.strikes.len() - 1 {
                then.push(format!("it struck {} before the failure", count(n as u64 + 1, "time")));
            }
            match (&suspect.without, suspect.futures) {
                (End::Otherwise(how), _) => then.push(format!("without it: {how}")),
                (_, Some(Share { failing, of })) => {
                    then.push(format!("without it {failing} of {of} futures fail"));
                }
                _ => {}
            }
            let line = format!("{} {:<width$}  {}", At(first.at), suspect.fault, first.what);
            writeln!(out, "  {:<16}{line}", style.paint(effect))?;
            if !then.is_empty() {
                writeln!(out, "  {:<16}{:>12} {}", "", "", Style::Faint.paint(then.join("; ")))?;
            }
        }
        if suspects.len() > shown.len() {
            writeln!(out, "  ... and {} more that are not needed", suspects.len() - shown.len())?;
        }
        Ok(())
    }

    fn moments(&self, out: &mut String) -> std::fmt::Result {
        let Blame { moments, turn, futures, .. } = self.blame;
        if moments.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "\nWhen it was settled: of {futures} futures drawn anew from each moment, how many fail"
        )?;
        let rows = rows(moments, turn.as_ref());
        for (i, row) in rows.iter().enumerate() {
            let moment = &moments[*row];
            if i > 0 && rows[i - 1] + 1 < *row {
                writeln!(out, "  {:>12}", Style::Faint.paint("..."))?;
            }
            let failing = moment.failing.len() as u64;
            let full = usize::try_from((failing * BAR).div_ceil(*futures)).unwrap_or_default();
            let bar = format!("{:<width$}", "#".repeat(full), width = BAR as usize);
            let turns = turn.as_ref().is_some_and(|turn| turn.before == *row);
            let mark = if turns { Style::Bad.paint(">") } else { Style::Faint.paint(" ") };
            let record = self.record(moment);
            writeln!(
                out,
                "{mark} {} {:>3} {}  before {}",
                At(moment.from),
                failing,
                Style::Bad.paint(bar),
                cut(&happening(record))
            )?;
        }
        Ok(())
    }

    /// Which faults it takes, in words.
    fn answer(&self) -> String {
        let Blame { suspects, enough, together, .. } = self.blame;
        let with = |effect: Effect| -> Vec<&str> {
            suspects.iter().filter(|s| s.effect() == effect).map(|s| s.fault.as_str()).collect()
        };
        let together =
            together.as_ref().map(|set| set.iter().map(String::as_str).collect::<Vec<_>>().join(" and "));
        let nothing_is_enough = enough.first().is_some_and(|enough| enough.strikes.is_empty());
        let mut faults = match (&with(Effect::Needed)[..], &together) {
            ([], _) if suspects.is_empty() => "It takes no fault.".to_owned(),
            ([], _) if nothing_is_enough => {
                "It takes none of the faults: without all of them it still fails.".to_owned()
            }
            ([], Some(set)) => format!("Each fault alone can be spared; without {set} together it passes."),
            ([], None) => "No fault alone is needed, and no set of them was found that is.".to_owned(),
            ([one], _) => format!("It takes {one}: without it the run passes."),
            (all, _) => format!("It takes {}: without any one of them the run passes.", all.join(" and ")),
        };
        if let Some(set) = together.filter(|_| !with(Effect::Needed).is_empty()) {
            faults += &format!(" So it does without {set} together.");
        }
        let here = with(Effect::NeededHere);
        if !here.is_empty() && !nothing_is_enough {
            faults += &format!(
                " Without {} this run passes, but most futures without {} fail all the same.",
                here.join(" or "),
                if here.len() == 1 { "it" } else { "one of them" }
            );
        }
        faults
    }

    /// What is enough, and the runs that show it.
    fn enough(&self, out: &mut String) -> std::fmt::Result {
        let Blame { enough, cut_short, suspects, .. } = self.blame;
        if !suspects.is_empty() {
            let several = enough.len() > 1;
            for (nth, enough) in enough.iter().enumerate().filter(|(_, enough)| !enough.strikes.is_empty()) {
                let strikes = enough.strikes.join(" and ");
                let which = match nth {
                    0 if several => "  one or another is enough, all else left out:",
                    0 => "  enough, all else left out:",
                    _ => "  or",
                };
                writeln!(out, "{which} {strikes}")?;
                writeln!(out, "    {}", self.replay(&enough.run))?;
            }
        }
        match cut_short {
            true => writeln!(
                out,
                "  the search for what is enough ended at its limit: there may be smaller sets, or more (--max-runs)"
            ),
            false => Ok(()),
        }
    }

    /// The answer, in words.
    fn verdict(&self, out: &mut String) -> std::fmt::Result {
        let Blame { moments, turn, futures, .. } = self.blame;
        writeln!(out, "\n{}", Style::Strong.paint(self.answer()))?;
        self.enough(out)?;
        let Some(turn) = turn else {
            let all = moments.iter().all(|moment| moment.failing.len() as u64 == *futures);
            return match all {
                true => writeln!(out, "No moment settled it: it fails whatever is drawn."),
                false => writeln!(out, "No moment settled it."),
            };
        };
        let before = &moments[turn.before];
        let rise = turn.after_failing - before.failing.len() as u64;
        let record = self.record(before);
        let place = format!("{} at {}", happening(record), At(record.at).to_string().trim());
        let between = match turn.after.map(|after| &moments[after]) {
            Some(after) if !turn.exact => {
                format!(
                    "between {} and {}",
                    At(before.from).to_string().trim(),
                    At(after.from).to_string().trim()
                )
            }
            _ => place,
        };
        let failing = before.failing.len() as u64;
        let after = match turn.after {
            None => "and it is the failure".to_owned(),
            Some(_) => format!("after it {} of {futures}", turn.after_failing),
        };
        // A share of a few futures more or less is chance.
        let settled = match rise * 3 >= *futures {
            true => format!("Settled by: {between}"),
            false => format!("No one moment settled it. It became likelier with: {between}"),
        };
        writeln!(out, "{}", Style::Strong.paint(settled))?;
        writeln!(out, "  before it {failing} of {futures} futures fail the same way, {after}")
    }
}

/// The moments that are shown: those where the share changes, and the last.
fn rows(moments: &[Moment], turn: Option<&Turn>) -> Vec<usize> {
    let failing = |i: usize| moments[i].failing.len();
    let last = moments.len() - 1;
    let around: Vec<usize> = turn.iter().flat_map(|turn| [turn.before, turn.before + 1]).collect();
    let mut rows: Vec<usize> = (0..=last)
        .filter(|i| {
            let changes =
                *i == 0 || *i == last || failing(*i) != failing(i - 1) || failing(*i) != failing(i + 1);
            changes || around.contains(i)
        })
        .collect();
    // Where there are too many, those farthest from the turn say least.
    let middle = turn.map_or(0, |turn| turn.before);
    while rows.len() > MOMENTS {
        let farthest = (1..rows.len() - 1).max_by_key(|i| rows[*i].abs_diff(middle)).unwrap_or(1);
        rows.remove(farthest);
    }
    rows
}

/// A record, in words and without its time.
fn happening(record: &Record) -> String {
    match &record.kind {
        Kind::FaultStart { fault, what } => format!("{fault} strikes: {what}"),
        Kind::FaultHeal { fault, what } => format!("{fault} heals: {what}"),
        _ => {
            let line = screen::plain(&Line(record).to_string());
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            words.join(" ")
        }
    }
}

fn cut(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(WHAT).collect();
    if chars.next().is_some() { format!("{start}...") } else { start }
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Needed => "needed",
        Effect::NeededHere => "needed here",
        Effect::NotNeeded => "not needed",
        Effect::FailsOtherwise => "fails otherwise",
    }
}

fn style(effect: Effect) -> Style {
    match effect {
        Effect::Needed => Style::Bad,
        Effect::NotNeeded => Style::Faint,
        Effect::NeededHere | Effect::FailsOtherwise => Style::Doubtful,
    }
}
