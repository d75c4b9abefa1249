//! `squall run`.

use std::{
    io::{self, Write},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{Exit, Format, RunArgs, exit, load};
use crate::{
    explore::{Options, Pool, Progress, SpecVerdict, explore},
    plan::RunId,
    report::{Reproduce, SpecReport, Tally, failure, json, progress::Bar, table},
    shrink::{self, Limits},
    spec::Loaded,
    system::Registry,
};

/// How many runs that fail the same way are made small, to see whether they are the same when they are, and how many runs each may
/// take.
const SHRUNK: usize = 4;
const SHRINK_RUNS: u64 = 400;

pub(super) fn run(registry: &Registry, args: &RunArgs) -> io::Result<Exit> {
    let specs = match load::specs(registry, &args.paths, args.filter.as_deref()) {
        Ok(specs) => specs,
        Err(errors) => return load::complain(&errors),
    };
    let started = Instant::now();
    let options = Options {
        seeds: args.seeds,
        strategy: (!args.strategy.is_empty()).then(|| args.strategy.clone()),
        run_timeout: args.run_timeout,
        deadline: args.max_time.map(|time| started + time),
        max_failures: args.max_failures,
        recheck: true,
    };
    let seeds: u64 = specs.iter().map(|spec| options.seeds_for(&spec.spec).count()).sum();
    if seeds == 0 {
        let what = if specs.is_empty() { "no spec" } else { "no seed" };
        anstream::eprintln!(
            "error: {what} was selected: --filter and --seeds choose, `squall list` shows what there is"
        );
        return Ok(Exit::Nothing);
    }
    let jobs = args.jobs.map_or_else(|| if args.in_process { 1 } else { Pool::default_jobs() }, usize::from);
    let pool = Pool::new(registry, jobs, args.in_process);
    let stop = stop_on_interrupt();
    let reproduce = Reproduce::detect();
    let mut bar = if args.format == Format::Human { Bar::new(seeds) } else { Bar::hidden() };
    let mut reports = Vec::new();
    let mut tally = Tally::default();
    for loaded in &specs {
        let mut report = one(&pool, loaded, &options, &stop, &mut bar, args.format)?;
        if !args.no_shrink && !args.in_process {
            make_small(registry, &pool, &mut report, &options, &stop);
        }
        tally.add(&report.outcome);
        if args.format == Format::Json {
            writeln!(io::stdout().lock(), "{}", json::spec(&report, &reproduce))?;
        }
        reports.push(report);
    }
    bar.clear();
    // Workers end before the last word is said.
    drop(pool);
    let seconds = started.elapsed().as_secs_f64();
    if args.format == Format::Json {
        writeln!(io::stdout().lock(), "{}", json::summary(tally, seconds))?;
        return Ok(exit::of(tally));
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}\n", table::table(&reports))?;
    let covered = table::statements(&reports);
    if !covered.is_empty() {
        writeln!(out, "{covered}")?;
    }
    for report in &reports {
        let block = failure::block(report, &reproduce);
        if !block.is_empty() {
            writeln!(out, "{block}")?;
        }
    }
    writeln!(out, "{}", table::summary(tally, seconds))?;
    Ok(exit::of(tally))
}

/// Explores one spec, and tells of it as it goes.
fn one<'a>(
    pool: &Pool,
    loaded: &'a Loaded,
    options: &Options,
    stop: &AtomicBool,
    bar: &mut Bar,
    format: Format,
) -> io::Result<SpecReport<'a>> {
    let started = Instant::now();
    bar.begin(&loaded.path);
    let mut written = Ok(());
    let outcome = explore(pool, &loaded.spec, options, stop, &mut |progress| {
        if let (Format::Json, Progress::Run { report, .. }) = (format, progress)
            && written.is_ok()
        {
            written = writeln!(io::stdout().lock(), "{}", json::run(loaded, report));
        }
        bar.tell(&loaded.path, progress);
    });
    written?;
    bar.end(options.seeds_for(&loaded.spec).count());
    let elapsed = started.elapsed();
    Ok(SpecReport { loaded, path: loaded.path.clone(), outcome, elapsed, shrunk: Vec::new() })
}

/// Makes the first runs of each failure small, as far as there is time.
fn make_small(
    registry: &Registry,
    pool: &Pool,
    report: &mut SpecReport<'_>,
    options: &Options,
    stop: &AtomicBool,
) {
    if !matches!(report.outcome.verdict, SpecVerdict::Failed(_)) {
        return;
    }
    let limits = Limits { runs: SHRINK_RUNS, run_timeout: options.run_timeout };
    let distinct = report.distinct_failures();
    let runs: Vec<RunId> = distinct
        .iter()
        .flat_map(|failure| failure.runs.iter().take(SHRUNK).map(|run| run.run.clone()))
        .collect();
    for run in runs {
        let up = options.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if up || stop.load(Ordering::Relaxed) {
            return;
        }
        let shrunk = shrink::shrink(registry, pool, report.loaded, &run, limits, &mut |_, _| {});
        report.shrunk.push((run, shrunk));
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
        anstream::eprintln!("warning: Ctrl-C will not wait for a summary: {error}");
    }
    stop
}
