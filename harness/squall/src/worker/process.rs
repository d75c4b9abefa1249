//! The parent's side of a worker: starts it, hands it jobs, watches the clock, tells how it died.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

use super::{MARK, Reply, tail::Tail};
use crate::{
    plan::RunId,
    run::{ExecuteOptions, RunReport, Verdict},
};

/// How often the parent looks up from waiting, to see whether anybody still wants the result.
const TICK: Duration = Duration::from_millis(50);

/// What becomes of what code under test prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prints {
    /// The end of it is kept for the report of a death.
    Keep,
    /// It goes to our standard error too.
    PassOn,
}

/// A worker process that waits for jobs, or does one.
pub(crate) struct Worker {
    child: Child,
    jobs: ChildStdin,
    replies: Receiver<String>,
    tail: Tail,
}

/// The worker is dead, or was told to die; there will be no more of it.
#[derive(Debug)]
pub(crate) struct Died;

impl Worker {
    /// Starts one.
    ///
    /// # Errors
    /// When the operating system gives us no process.
    ///
    /// # Panics
    /// In a worker: its `main` did not call [`enter_if_worker`](super::enter_if_worker).
    pub(crate) fn start(prints: Prints) -> std::io::Result<Worker> {
        assert!(
            std::env::var_os(MARK).is_none_or(|mark| mark != "1"),
            "a worker starts no workers: call squall::worker::enter_if_worker first thing in main"
        );
        let mut child = Command::new(executable()?)
            .arg0("squall-worker")
            .env(MARK, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the parent, which ends with what it has.
            .process_group(0)
            .spawn()?;
        let jobs = child.stdin.take().expect("it was asked for");
        let stdout = child.stdout.take().expect("it was asked for");
        let stderr = child.stderr.take().expect("it was asked for");
        // Bounded: a parent that falls behind slows its workers down rather than grow.
        let (sender, replies) = sync_channel(64);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Worker { child, jobs, replies, tail: Tail::of(stderr, prints == Prints::PassOn) })
    }

    /// Has these runs executed. `spec` is its JSON; none stands for the one of the job before. Each report goes to `deliver` as
    /// soon as it is there; the run that kills the worker, or takes longer than `limit`, is the last of them. Once `wanted`
    /// says no, the worker is killed in the middle of it.
    ///
    /// # Errors
    /// [`Died`] when the worker is no more. Runs that were not delivered did not come to their end.
    pub(crate) fn run(
        &mut self,
        spec: Option<&str>,
        runs: &[RunId],
        options: ExecuteOptions,
        limit: Duration,
        wanted: &dyn Fn() -> bool,
        mut deliver: impl FnMut(RunReport),
    ) -> Result<(), Died> {
        let job = format!(
            "{{\"spec\":{},\"runs\":{},\"options\":{}}}\n",
            spec.unwrap_or("null"),
            serde_json::to_string(runs).expect("names serialise"),
            serde_json::to_string(&options).expect("flags serialise"),
        );
        // If it is dead already, the pipe of replies says so below, and the first run is blamed.
        let _ = self.jobs.write_all(job.as_bytes());
        let mut running = runs[0].clone();
        let mut since = Instant::now();
        let mut left = runs.len();
        while left > 0 {
            match self.replies.recv_timeout(TICK) {
                Ok(line) => {
                    match serde_json::from_str(&line) {
                        Ok(Reply::Start(id)) => {
                            running = id;
                            since = Instant::now();
                            continue;
                        }
                        Ok(Reply::Done(report)) => deliver(*report),
                        Err(error) => {
                            let reason =
                                format!("its report did not survive the way from the worker: {error}");
                            deliver(lost(&running, since, Verdict::Undecided { reason }));
                        }
                    }
                    left -= 1;
                    if left > 0 && !wanted() {
                        self.kill();
                        return Err(Died);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !wanted() {
                        self.kill();
                        return Err(Died);
                    }
                    if since.elapsed() > limit {
                        self.kill();
                        deliver(lost(&running, since, Verdict::Hung { after: limit }));
                        return Err(Died);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.kill();
                    deliver(lost(&running, since, Verdict::Died { how: self.how_it_died() }));
                    return Err(Died);
                }
            }
        }
        Ok(())
    }

    fn kill(&mut self) {
        // It may be dead already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn how_it_died(&mut self) -> String {
        let status = self.child.wait().map_or_else(|error| error.to_string(), describe);
        let last = self.tail.last_lines();
        if last.is_empty() { status } else { format!("{status}\n{last}") }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        // What it printed last is not lost if we are the next to end.
        self.tail.finish();
    }
}

/// This very executable, even if the file has been replaced since: a campaign goes on while its program is built again, and with what it began.
///
/// # Errors
/// The operating system does not know where it is.
pub(crate) fn executable() -> std::io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        Ok(running.to_owned())
    } else {
        std::env::current_exe()
    }
}

fn lost(run: &RunId, since: Instant, verdict: Verdict) -> RunReport {
    let wall_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    RunReport { wall_us, ..RunReport::lost(run.clone(), verdict) }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match name(signal) {
            Some(name) => format!("signal {signal} ({name})"),
            None => format!("signal {signal}"),
        },
        (None, Some(code)) => format!("exit code {code}, in the middle of the run"),
        (None, None) => "for an unknown reason".to_owned(),
    }
}

/// The signals that end a process by its own fault, or the operator's. Their numbers are the same on Linux and macOS, but for SIGBUS.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 if cfg!(target_os = "linux") => "SIGBUS",
        10 if cfg!(target_os = "macos") => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return None,
    })
}
