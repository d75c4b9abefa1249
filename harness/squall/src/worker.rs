//! Worker processes: this same executable, re-entered, doing one run after another for a parent.
//!
//! Code under test can do anything to its process: loop for ever, abort, overflow its stack, call `exit`. In a worker that costs one
//! run. The parent (`Worker`) watches the clock and the pipe, blames the run that was under way, and starts another worker.
//!
//! The parent writes `Job`s to the worker's standard input and reads `Reply`s from its standard output, one JSON object a
//! line. Before anything else the worker moves both away: what code under test prints goes to standard error, and what it
//! reads is empty. The parent keeps the end of standard error for the report of a death.
//!
//! A worker ends when its standard input does, even in the middle of a run, so none outlives its parent.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    sync::mpsc,
};

use serde::{Deserialize, Serialize};

use crate::{
    plan::RunId,
    run::{self, ExecuteOptions, RunReport},
    spec::Spec,
    system::Registry,
};

mod process;
mod tail;

pub(crate) use self::process::{Died, Prints, Worker, executable};

/// Set to 1 in a worker's environment.
const MARK: &str = "SQUALL_WORKER";

/// Runs to do.
#[derive(Debug, Deserialize)]
struct Job {
    /// The spec; none if it is the one of the job before.
    spec: Option<Spec>,
    runs: Vec<RunId>,
    options: ExecuteOptions,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// This run begins.
    Start(RunId),
    /// It came to its end.
    Done(Box<RunReport>),
}

/// Turns this process into a worker if that is what its parent started it for, and then does not return.
///
/// [`cli::main`](crate::cli::main) and [`testing::main`](crate::testing::main) call it first thing. Call it yourself only in a `main` of your
/// own that explores by other means.
pub fn enter_if_worker(registry: &Registry) {
    if std::env::var_os(MARK).is_none_or(|mark| mark != "1") {
        return;
    }
    let (jobs, replies) = take_over_stdio().expect("a worker is started with its standard streams open");
    let code = match serve(registry, jobs, replies) {
        Ok(()) => 0,
        // The parent is gone, or in the way of going: nobody is left to tell.
        Err(_) => 1,
    };
    std::process::exit(code);
}

/// Moves the protocol off file descriptors 0 and 1, which code under test shares, and puts nothing and standard error there.
fn take_over_stdio() -> std::io::Result<(File, File)> {
    use std::os::fd::AsFd;
    // Clones are close-on-exec: a child of code under test cannot hold the pipes open.
    let jobs = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let replies = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    Ok((jobs, replies))
}

fn serve(registry: &Registry, jobs: File, mut replies: File) -> std::io::Result<()> {
    let (sender, receiver) = mpsc::channel::<Job>();
    // A thread of its own, so that the end of the parent ends a run that would never end by itself.
    std::thread::spawn(move || {
        for line in BufReader::new(jobs).lines() {
            let Ok(line) = line else { break };
            let job = serde_json::from_str(&line).expect("the parent is this same executable");
            if sender.send(job).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    let mut spec = None;
    // A report leaves together with the start of the next run: one system call, one wake-up of the parent.
    let mut pending = Vec::new();
    for job in receiver {
        spec = job.spec.or(spec);
        let spec = spec.as_ref().expect("the first job brings its spec");
        for id in job.runs {
            push(&mut pending, &Reply::Start(id.clone()));
            tail::mark_start();
            replies.write_all(&pending)?;
            pending.clear();
            let report = run::execute(registry, spec, id, job.options);
            // Half a line that it printed is its own, and not the next run's.
            let _ = std::io::stdout().flush();
            push(&mut pending, &Reply::Done(Box::new(report)));
        }
        replies.write_all(&pending)?;
        pending.clear();
    }
    Ok(())
}

fn push(pending: &mut Vec<u8>, reply: &Reply) {
    serde_json::to_writer(&mut *pending, reply).expect("replies serialise into memory");
    pending.push(b'\n');
}
