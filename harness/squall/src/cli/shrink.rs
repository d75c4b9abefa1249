//! `squall shrink`: a failing run made small, and written down.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::{Exit, ShrinkArgs, load};
use crate::{
    explore::{Options, Outcome, Pool, explore},
    inquiry::Inquiry,
    plan::RunId,
    report::Style,
    reproduce::Reproduce,
    screen,
    shrink::{self, Limits, NotShrunk, Shrunk, Stop},
    spec,
};

/// Where shrunk runs are kept.
const REGRESSIONS: &str = "specs/regressions";

pub(super) fn shrink(inquiry: &Inquiry, args: &ShrinkArgs) -> io::Result<Exit> {
    let loaded = match inquiry.case(&args.spec, args.case.as_deref()) {
        Ok(loaded) => loaded,
        Err(why) => return load::refuse(why),
    };
    let pool = Pool::new(Pool::default_jobs()).with_memory(args.worker.memory);
    if let Some(file) = &args.out
        && let Some(why) = not_to_be_written(file, &args.spec, args.force)
    {
        screen::say(format_args!("error: {why}"));
        return Ok(Exit::Usage);
    }
    let run = match args.seed.as_ref() {
        Some(run) => match load::which(&loaded.spec, Some(run)) {
            Some(run) => run,
            None => return Ok(Exit::Usage),
        },
        None => match first_failing(&pool, &loaded.spec, args) {
            Some(run) => run,
            None => {
                screen::say(format_args!(
                    "no run failed: there is nothing to shrink; `--seeds` tries others"
                ));
                return Ok(Exit::Nothing);
            }
        },
    };
    let limits = Limits { runs: args.max_runs, deadline: None, run_timeout: args.run_timeout };
    let terminal = io::stderr().is_terminal();
    let mut watch = |runs: u64, (faults, operations): (usize, usize)| {
        if terminal {
            eprint!("\rseed {run}: {runs} runs, {faults} faults, {operations} operations   ");
        }
    };
    let shrunk = shrink::shrink(inquiry, &pool, &loaded, &run, limits, &mut watch);
    if terminal {
        eprint!("\r{:60}\r", "");
    }
    let shrunk = match shrunk {
        Ok(shrunk) => shrunk,
        Err(why) => {
            screen::say(format_args!("seed {run} was not shrunk: {why}"));
            return Ok(match why {
                NotShrunk::Unanswered(_) => Exit::Undecided,
                _ => Exit::Nothing,
            });
        }
    };
    let yaml = match inquiry.defaults(&loaded.spec.system) {
        Ok(defaults) => shrink::yaml(&defaults, &loaded, &shrunk),
        Err(why) => return load::unanswered(&why),
    };
    let file = match (&args.out, args.save) {
        (Some(file), _) => Some(file.clone()),
        (None, true) => Some(Path::new(REGRESSIONS).join(shrink::file_name(&loaded, &shrunk))),
        (None, false) => None,
    };
    summary(&run, &shrunk)?;
    match file {
        None => screen::document(&yaml)?,
        Some(file) => {
            // One that is kept gets its name only now.
            if let Some(why) = not_to_be_written(&file, &args.spec, args.force) {
                screen::say(format_args!("error: {why}"));
                return Ok(Exit::Usage);
            }
            save(&file, &yaml)?;
        }
    }
    // There may be less, and nobody can say.
    Ok(if shrunk.hindered.is_some() { Exit::Undecided } else { Exit::AsExpected })
}

/// Looks for a run that fails, or that shows the violation that the spec expects.
fn first_failing(pool: &Pool, spec: &spec::Spec, args: &ShrinkArgs) -> Option<RunId> {
    let options =
        Options { seeds: args.seeds, run_timeout: args.run_timeout, max_failures: 1, ..Options::default() };
    let Outcome { caught, failures, .. } =
        explore(pool, spec, &options, &AtomicBool::new(false), &mut |_| {});
    caught.into_iter().chain(failures).map(|report| report.run).next()
}

fn summary(run: &RunId, shrunk: &Shrunk) -> io::Result<()> {
    let ((faults, operations), (were_faults, were_operations)) = (shrunk.after(), shrunk.before);
    let mut err = screen::err();
    writeln!(err, "seed {run}: {}", Style::Bad.paint(shrunk.report.verdict.headline()))?;
    writeln!(
        err,
        "{faults} of {were_faults} strikes of faults and {operations} of {were_operations} operations are left, after {} runs",
        shrunk.runs
    )?;
    if let Some(why) = &shrunk.hindered {
        writeln!(err, "not everything could be made simpler: {why}")?;
    }
    if let Some(stopped) = &shrunk.stopped {
        let remedy = if let Stop::Runs(_) = stopped { " (--max-runs)" } else { "" };
        writeln!(err, "there may be less: {stopped}{remedy}")?;
    }
    Ok(())
}

/// Why a file is not to be written, if it is not: in words, with the remedy.
fn not_to_be_written(file: &Path, spec: &Path, force: bool) -> Option<String> {
    let (name, remedy) = (file.display(), "name another file");
    if file.to_string_lossy().chars().any(char::is_control) {
        return Some(format!("{:?} holds a control character: {remedy}", file.to_string_lossy()));
    }
    let there = fs::metadata(file).ok()?;
    // By its inode: a link to the spec is the spec, too.
    let own = fs::metadata(spec).is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()));
    match (own, force) {
        (true, _) => Some(format!("{name} is the spec itself, which would be lost: {remedy}")),
        (false, false) => Some(format!("{name} exists: {remedy}, or say --force to have it replaced")),
        (false, true) if there.is_dir() => Some(format!("{name} is a directory: {remedy}")),
        (false, true) => None,
    }
}

/// Writes the file as a whole or not at all.
fn save(file: &PathBuf, yaml: &str) -> io::Result<()> {
    if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory)?;
    }
    let draft = file.with_extension("yaml.new");
    fs::write(&draft, yaml)?;
    fs::rename(&draft, file)?;
    let run = Reproduce::detect().run(file);
    screen::say(format_args!(
        "written to {}: `{run}` runs it, and `cargo test` does below specs",
        file.display()
    ));
    Ok(())
}
