//! `squall run`.

use std::{
    io::{self, Write},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use self::campaign::{Campaign, campaign};
use super::{Exit, Format, RunArgs, exit};
use crate::{
    explore::{
        Options, Pool, Progress, SpecVerdict, explore_on,
        journal::{self, Journal},
    },
    inquiry::{Inquiry, Unread},
    plan::RunId,
    report::{SpecReport, Tally, failure, json, progress::Bar, table},
    reproduce::Reproduce,
    screen,
    shrink::{self, Limits, Shrunk, Stop},
    spec::Loaded,
    system::Registry,
};

mod campaign;

/// How many runs that fail the same way are made small, to see whether they are the same when they are, and how many runs each may
/// take.
const SHRUNK: usize = 4;
const SHRINK_RUNS: u64 = 400;

pub(super) fn run(inquiry: &Inquiry, registry: &Registry, args: &RunArgs) -> io::Result<Exit> {
    let started = Instant::now();
    let Campaign { specs, unread, asked, mut journal } = match campaign(inquiry, args)? {
        Ok(campaign) => campaign,
        Err(exit) => return Ok(exit),
    };
    let options = asked.options(args.max_time.map(|time| started + time));
    let jobs = args.jobs.map_or_else(|| if args.in_process { 1 } else { Pool::default_jobs() }, usize::from);
    let reproduce = Reproduce::detect();
    if args.in_process {
        screen::say(format_args!(
            "note: with --in-process no run is executed again in a fresh process: what outlives a run, and what differs from process \
             to process, may go unseen"
        ));
    }
    let seeds: Vec<u64> = specs.iter().map(|spec| options.seeds_for(&spec.spec).count()).collect();
    let mut session = Session {
        inquiry,
        pool: if args.in_process { Pool::in_process(registry, jobs) } else { Pool::new(jobs) }
            .with_memory(args.worker.memory),
        options,
        stop: stop_on_interrupt(),
        bar: if args.format == Format::Human { Bar::new(&seeds) } else { Bar::hidden() },
        format: args.format,
        shrink: asked.shrink,
    };
    let mut reports = Vec::new();
    let mut tally = Tally::default();
    // What is left of a spec that is stopped comes before the specs after it.
    let mut stopped = false;
    let mut not_kept = None;
    for (nth, loaded) in specs.iter().enumerate() {
        let kept = journal.as_mut().filter(|_| !stopped);
        let report = match session.one(nth, loaded, kept)? {
            Ok((report, done)) => {
                stopped |= !done;
                report
            }
            Err(error) => {
                not_kept = Some(error);
                break;
            }
        };
        tally.add(&report.outcome);
        if args.format == Format::Json {
            screen::json(&json::spec(&report, &reproduce))?;
        }
        reports.push(report);
    }
    // What is in the journal is good, and what is not in it is not decided.
    tally.undecided += specs.len() - reports.len() + unread.len();
    if args.format == Format::Json {
        for spec in &unread {
            screen::json(&json::unread(spec))?;
        }
    }
    session.bar.clear();
    // Workers end before the last word is said.
    drop(session);
    let elapsed = journal.as_ref().map_or_else(|| started.elapsed(), Journal::elapsed);
    report(args.format, &reports, &unread, tally, elapsed, &reproduce)?;
    if let Some(mut journal) = journal {
        // A sync that fails at the end may take the last runs with it, as a write that fails before it does.
        match not_kept.or_else(|| journal.sync().err()) {
            Some(error) => {
                screen::say(format_args!("{error}"));
                tally.undecided = tally.undecided.max(1);
            }
            None if stopped => screen::say(format_args!("resume: {}", reproduce.resume(journal.path()))),
            None => {}
        }
    }
    Ok(exit::of(tally))
}

/// Tells what came out of all specs.
fn report(
    format: Format,
    reports: &[SpecReport<'_>],
    unread: &[Unread],
    tally: Tally,
    elapsed: Duration,
    reproduce: &Reproduce,
) -> io::Result<()> {
    let seconds = elapsed.as_secs_f64();
    if format == Format::Json {
        return screen::json(&json::summary(tally, seconds));
    }
    let mut out = screen::out();
    writeln!(out, "{}\n", table::table(reports))?;
    let covered = table::statements(reports);
    if !covered.is_empty() {
        writeln!(out, "{covered}")?;
    }
    for block in failure::blocks(reports, reproduce) {
        writeln!(out, "{block}")?;
    }
    for spec in unread {
        writeln!(out, "{}", failure::unread(spec))?;
    }
    writeln!(out, "{}", table::summary(tally, seconds))
}

/// What all specs of a campaign share.
struct Session<'a> {
    inquiry: &'a Inquiry,
    pool: Pool,
    options: Options,
    stop: Arc<AtomicBool>,
    bar: Bar,
    format: Format,
    shrink: bool,
}

impl Session<'_> {
    /// Explores one spec, tells of it as it goes, and makes its failures small. Says also whether that is all there is to do for it.
    fn one<'s>(
        &mut self,
        nth: usize,
        loaded: &'s Loaded,
        mut journal: Option<&mut Journal>,
    ) -> io::Result<Result<(SpecReport<'s>, bool), journal::Error>> {
        let started = Instant::now();
        let mut written = Ok(());
        let explored = self.explore(nth, loaded, journal.as_deref_mut(), &mut written);
        written?;
        let (mut report, complete) = match explored {
            Ok((report, complete)) => (report, complete),
            Err(error) => return Ok(Err(error)),
        };
        if journal.is_none() {
            report.elapsed = started.elapsed();
        }
        Ok(self.make_small(&mut report, journal.as_deref_mut()).and_then(|small| {
            let done = complete && small;
            if let Some(journal) = journal.filter(|_| done) {
                journal.done()?;
            }
            Ok((report, done))
        }))
    }

    /// Explores one spec, and says whether its exploration came to its end.
    fn explore<'s>(
        &mut self,
        nth: usize,
        loaded: &'s Loaded,
        mut journal: Option<&mut Journal>,
        written: &mut io::Result<()>,
    ) -> Result<(SpecReport<'s>, bool), journal::Error> {
        let mut began = Duration::ZERO;
        if let Some(journal) = &mut journal {
            journal.begin(nth, &self.options.strategies_for(&loaded.spec))?;
            began = journal.time();
        }
        self.bar.begin(nth, &loaded.path);
        let outcome = explore_on(
            &self.pool,
            &loaded.spec,
            &self.options,
            &self.stop,
            journal.as_deref_mut(),
            &mut |progress| {
                if let (Format::Json, Progress::Run { report, .. }) = (self.format, progress)
                    && written.is_ok()
                {
                    *written = screen::json(&json::run(loaded, report));
                }
                self.bar.tell(progress);
            },
        )?;
        self.bar.end(outcome.runs);
        let (elapsed, complete) =
            journal.map_or((Duration::ZERO, true), |journal| (journal.time() - began, journal.is_explored()));
        let report = SpecReport { loaded, path: loaded.path.clone(), outcome, elapsed, shrunk: Vec::new() };
        Ok((report, complete))
    }

    /// Makes the first runs of each failure small, and says whether there was time for it.
    fn make_small(
        &self,
        report: &mut SpecReport<'_>,
        mut journal: Option<&mut Journal>,
    ) -> Result<bool, journal::Error> {
        if !self.shrink || !matches!(report.outcome.verdict, SpecVerdict::Failed(_)) {
            return Ok(true);
        }
        let limits = Limits {
            runs: SHRINK_RUNS,
            deadline: self.options.deadline,
            run_timeout: self.options.run_timeout,
        };
        let distinct = report.distinct_failures();
        let runs: Vec<RunId> = distinct
            .iter()
            .flat_map(|failure| failure.runs.iter().take(SHRUNK).map(|run| run.run.clone()))
            .collect();
        for run in runs {
            let past = match &mut journal {
                Some(journal) => journal.past_shrunk(&run)?,
                None => None,
            };
            let shrunk = match past {
                Some(shrunk) => shrunk,
                None if self.is_up() => return Ok(false),
                None => {
                    let (pool, loaded) = (&self.pool, report.loaded);
                    let shrunk = shrink::shrink(self.inquiry, pool, loaded, &run, limits, &mut |_, _| {});
                    if let Some(journal) = &mut journal {
                        // With more time there may be less of it.
                        if matches!(&shrunk, Ok(Shrunk { stopped: Some(Stop::Time), .. })) {
                            return Ok(false);
                        }
                        journal.shrunk(&run, &shrunk)?;
                    }
                    shrunk
                }
            };
            report.shrunk.push((run, shrunk));
        }
        Ok(true)
    }

    /// Whether it is time to end.
    fn is_up(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.options.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The first Ctrl-C ends the exploration with what it has, the second one ends the process.
pub(super) fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let installed = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            process::exit(130);
        }
    });
    if let Err(error) = installed {
        screen::say(format_args!("warning: Ctrl-C will not wait for a summary: {error}"));
    }
    stop
}
