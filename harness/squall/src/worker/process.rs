//! The parent's side of a worker: starts it, hands it jobs, watches the clock, tells how it died.

use std::{
    collections::VecDeque,
    io::{self, BufReader, Write},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, waitid, waitpid};

mod ask;

pub(crate) use self::ask::{Silence, Unanswered};
use super::{
    CUT_OFF, MARK, Reply,
    memory::{failed_allocation, resident},
    output::Tail,
    wire::{Foreign, Frame, Key},
};
use crate::{
    history::Record,
    log::{Log, Logged},
    plan::RunId,
    run::{ExecuteOptions, RunReport, Verdict},
};

/// How often the parent looks up from waiting: whether anybody still wants the result, whether the worker lives.
const TICK: Duration = Duration::from_millis(50);

/// How long a worker whose socket is closed may take to die, and what a dead one has said may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How many records, and how many lines, are kept of a run that is followed: one that hangs may make them for ever.
const KEPT: usize = 20_000;

/// A worker process that waits for jobs, or does one.
pub(crate) struct Worker {
    child: Child,
    key: Key,
    socket: UnixStream,
    frames: Receiver<Result<Frame, Foreign>>,
    tail: Tail,
    /// The number of the next run it is given.
    next: u64,
    /// How many bytes of memory it may have.
    memory: u64,
    /// How many it had when that was last seen, and when that was.
    has: (u64, Instant),
    /// It has been waited for, so that its process group may be another's now.
    ended: bool,
}

/// The worker is dead; there will be no more of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The run that was under way has its report, or is wanted no more.
    Done,
    /// It has too much memory, and the run that was under way, if there is one, need not be the one that took it: there were others
    /// before it. It has no report.
    Swollen,
    /// It was not the doing of the run that was under way, as far as one can know: that run has no report. How it came.
    FromOutside(String),
}

/// What became of a worker that said nothing more.
enum Heard {
    Frame(Frame),
    /// Nobody wants to know any more.
    Unwanted,
    TooLong,
    TooMuchMemory,
    /// What came was not written by it.
    Foreign,
    /// It is dead, or has closed its end.
    Silence,
}

impl Worker {
    /// Starts one that may have so many bytes of memory.
    ///
    /// # Errors
    /// When the operating system gives us no process.
    ///
    /// # Panics
    /// In a worker: its `main` did not call [`enter_if_worker`](super::enter_if_worker).
    pub(crate) fn start(memory: u64) -> io::Result<Worker> {
        assert!(
            std::env::var_os(MARK).is_none_or(|mark| mark != "1"),
            "a worker starts no workers: call squall::worker::enter_if_worker first thing in main"
        );
        let key = Key::new();
        let (socket, its_end) = UnixStream::pair()?;
        key.greet(memory, &socket)?;
        let (printed, prints_to) = io::pipe()?;
        let mut child = Command::new(executable()?)
            .arg0("squall-worker")
            .env(MARK, "1")
            .stdin(OwnedFd::from(its_end))
            .stdout(prints_to.try_clone()?)
            .stderr(prints_to)
            // What it starts goes with it. And Ctrl-C is for the parent, which ends with what it has.
            .process_group(0)
            .spawn()?;
        // Bounded: a parent that falls behind slows its workers down rather than grow.
        let (sender, frames) = sync_channel(64);
        let mut incoming = BufReader::new(socket.try_clone().inspect_err(|_| kill(&mut child))?);
        std::thread::spawn(move || {
            loop {
                let frame = Frame::read(key, &mut incoming).transpose();
                let Some(frame) = frame else { break };
                let last = frame.is_err();
                if sender.send(frame).is_err() || last {
                    break;
                }
            }
        });
        let tail = Tail::of(printed, key);
        Ok(Worker {
            child,
            key,
            socket,
            frames,
            tail,
            next: 0,
            memory,
            has: (0, Instant::now()),
            ended: false,
        })
    }

    /// Has these runs executed. `spec` is its JSON; none stands for the one of the job before. Each report goes to `deliver` as
    /// soon as it is there; the run that kills the worker, or takes longer than `limit` or too much memory, is the last of them. Once `wanted`
    /// says no, the worker is killed in the middle of it.
    ///
    /// # Errors
    /// [`Gone`] when the worker is no more. Runs that were not delivered did not come to their end.
    pub(crate) fn run(
        &mut self,
        spec: Option<&str>,
        runs: &[RunId],
        options: ExecuteOptions,
        limit: Duration,
        wanted: &dyn Fn() -> bool,
        mut deliver: impl FnMut(RunReport),
    ) -> Result<(), Gone> {
        let job = format!(
            "{{\"runs\":{{\"spec\":{},\"runs\":{},\"options\":{}}}}}",
            spec.unwrap_or("null"),
            serde_json::to_string(runs).expect("names serialise"),
            serde_json::to_string(&options).expect("flags serialise"),
        );
        self.send(job);
        let mut runs = runs.iter();
        let mut running = runs.next();
        let mut since = Instant::now();
        let mut started = false;
        let mut so_far = SoFar::default();
        while let Some(run) = running {
            let number = self.next;
            let mut end = |worker: &Worker, so_far: SoFar, verdict| {
                let wall_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                let mut report = so_far.report(run.clone(), verdict);
                if options.follow {
                    worker.add_printed(&mut report, number);
                }
                deliver(RunReport { wall_us, ..report });
                Err(Gone::Done)
            };
            match self.hear(since + limit, wanted) {
                Heard::Frame(frame) => match self.about(&frame, run) {
                    Ok(Reply::Start) => {
                        started = true;
                        since = Instant::now();
                    }
                    Ok(reply @ (Reply::Polled(_) | Reply::Recorded(_) | Reply::Logged(_))) => {
                        so_far.add(reply);
                        // One that records for ever is never silent.
                        if since.elapsed() > limit || !wanted() {
                            self.kill();
                            return if wanted() {
                                end(self, so_far, Verdict::Hung { after: limit })
                            } else {
                                Err(Gone::Done)
                            };
                        }
                    }
                    Ok(Reply::Done(mut report)) => {
                        so_far = SoFar::default();
                        if options.follow {
                            self.add_printed(&mut report, number);
                        }
                        deliver(*report);
                        self.next += 1;
                        started = false;
                        running = runs.next();
                        // Freed memory need not go back to the system, and what runs leave behind adds up.
                        if self.has.0 > self.memory / 2 {
                            self.kill();
                            return Err(Gone::Swollen);
                        }
                        if running.is_some() && !wanted() {
                            self.kill();
                            return Err(Gone::Done);
                        }
                    }
                    Ok(Reply::Calling(_) | Reply::Answer(_) | Reply::Panicked { .. } | Reply::Refused(_)) => {
                        unreachable!("these are not about a run")
                    }
                    Err(reason) => {
                        self.kill();
                        return end(self, so_far, Verdict::Undecided { reason });
                    }
                },
                Heard::Unwanted => {
                    self.kill();
                    return Err(Gone::Done);
                }
                Heard::TooLong => {
                    self.kill();
                    return end(self, so_far, Verdict::Hung { after: limit });
                }
                Heard::TooMuchMemory => {
                    self.kill();
                    if self.next > 0 {
                        return Err(Gone::Swollen);
                    }
                    let limit = self.memory;
                    return end(self, so_far, Verdict::OutOfMemory { limit, asked: None });
                }
                Heard::Foreign => {
                    self.kill();
                    let what =
                        "it wrote to a descriptor that is not its own: the one its worker reports over";
                    let how = self.with_last_lines(what.to_owned());
                    return end(self, so_far, Verdict::Died { how });
                }
                Heard::Silence => {
                    let death = self.death();
                    if let Some(asked) = self.failed_allocation() {
                        if self.next > 0 {
                            return Err(Gone::Swollen);
                        }
                        let limit = self.memory;
                        return end(self, so_far, Verdict::OutOfMemory { limit, asked: Some(asked) });
                    }
                    let when = if death.exited { ", in the middle of the run" } else { "" };
                    let how = self.with_last_lines(death.how + when);
                    if death.from_outside || !started {
                        return Err(Gone::FromOutside(how));
                    }
                    return end(self, so_far, Verdict::Died { how });
                }
            }
        }
        Ok(())
    }

    /// Sends a message about the next run. If the worker is dead already, that shows when its answer is waited for.
    fn send(&mut self, job: String) {
        let mut out = Vec::new();
        Frame { pid: std::process::id(), run: self.next, payload: job.into_bytes() }.push(self.key, &mut out);
        let _ = self.socket.write_all(&out);
    }

    /// Waits for the worker to say something.
    fn hear(&mut self, until: Instant, wanted: &dyn Fn() -> bool) -> Heard {
        // Since when it is dead, and silent only as long as nothing more arrives.
        let mut dead = None;
        loop {
            if self.has.1.elapsed() >= TICK {
                // Where that is not known, it is not limited either.
                self.has = (resident(self.child.id()).unwrap_or(0), Instant::now());
                if self.has.0 > self.memory {
                    return Heard::TooMuchMemory;
                }
            }
            match self.frames.recv_timeout(TICK) {
                Ok(Ok(frame)) if frame.pid == self.child.id() => return Heard::Frame(frame),
                // A process that it has forked goes on with the run, as if it were the worker.
                Ok(Ok(_)) => {}
                Ok(Err(Foreign)) => return Heard::Foreign,
                Err(RecvTimeoutError::Disconnected) => return Heard::Silence,
                Err(RecvTimeoutError::Timeout) if dead.is_some() => return Heard::Silence,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !wanted() {
                return Heard::Unwanted;
            }
            let now = Instant::now();
            if dead.is_some_and(|since| now > since + LAST_WORDS) {
                return Heard::Silence;
            }
            // Something that it has forked may hold the socket open.
            if dead.is_none() && self.is_dead() {
                dead = Some(now);
            } else if now > until {
                return Heard::TooLong;
            }
        }
    }

    /// What a frame says of `run`, which is the one under way; why not, if it is not about that.
    fn about(&self, frame: &Frame, run: &RunId) -> Result<Reply, String> {
        let reply = serde_json::from_slice(&frame.payload)
            .map_err(|error| format!("its report did not survive the way from the worker: {error}"))?;
        let answered = match &reply {
            Reply::Done(report) if report.run != *run => format!("run {}", report.run),
            Reply::Calling(_) | Reply::Answer(_) | Reply::Panicked { .. } | Reply::Refused(_) => {
                "a question".to_owned()
            }
            _ if frame.run != self.next => format!("the run numbered {}", frame.run),
            _ => return Ok(reply),
        };
        let number = self.next;
        Err(format!(
            "an error of squall itself: a worker was asked for run {run}, numbered {number}, and answered for {answered}"
        ))
    }

    /// Whether it has died, though nobody has taken note yet.
    fn is_dead(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        waitid(WaitId::Pid(pid(&self.child)), options).is_ok_and(|status| status.is_some())
    }

    /// Ends it and all that it has started.
    fn kill(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        kill(&mut self.child);
        // A process that has left the group, and has the other end, would keep the reading thread from its end.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// How the worker died that has fallen silent. One that dies closes its socket first, so it is given time: to kill it at once
    /// would be to tell one death in two ways.
    fn death(&mut self) -> Death {
        let since = Instant::now();
        while !self.is_dead() && since.elapsed() < LAST_WORDS {
            super::wait(Duration::from_millis(2));
        }
        let alive = !self.is_dead();
        self.kill();
        if alive {
            let how = "it closed a descriptor that is not its own: the one its worker reports over";
            return Death { how: how.to_owned(), exited: false, from_outside: false };
        }
        self.child.wait().map_or_else(
            |error| Death { how: error.to_string(), exited: false, from_outside: true },
            |status| Death::of(status, || self.tail.was_struck()),
        )
    }

    /// How many bytes it asked for in vain, if that is what it died of. It must be dead.
    fn failed_allocation(&self) -> Option<u64> {
        failed_allocation(&self.tail.text())
    }

    /// Adds what was printed in the run of this number, which was followed. Unless that has ended, the worker must be dead.
    fn add_printed(&self, report: &mut RunReport, number: u64) {
        let (printed, dropped) = self.tail.lines(number);
        report.log.put_in(printed);
        report.log.dropped += dropped;
    }

    /// Adds the last lines that it printed. It must be dead.
    fn with_last_lines(&self, how: String) -> String {
        let last = self.tail.last_lines();
        if last.is_empty() { how } else { format!("{how}\n{last}") }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        // What it printed last is not lost if we are the next to end.
        self.tail.finish();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Ends a worker and everything in its process group. The group is its own for as long as nobody has waited for it.
fn kill(child: &mut Child) {
    // Where it is gone already there is nothing to end, as we want it.
    let _ = kill_process_group(pid(child), Signal::KILL);
    let since = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && since.elapsed() < LAST_WORDS {
        reap_threads(child);
        super::wait(Duration::from_millis(1));
    }
}

/// Takes note of the end of threads that we trace, where the worker's code asked for that (PTRACE_TRACEME): they are not gone before.
fn reap_threads(child: &Child) {
    /// Waits for children of any kind, threads among them (Linux).
    const WALL: u32 = 0x4000_0000;
    let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", child.id())) else { return };
    let ids = threads.filter_map(|thread| thread.ok()?.file_name().to_str()?.parse::<i32>().ok());
    // The process itself is waited for as a child.
    for thread in ids.filter(|id| i64::from(*id) != i64::from(child.id())).filter_map(Pid::from_raw) {
        let _ = waitpid(Some(thread), WaitOptions::NOHANG | WaitOptions::from_bits_retain(WALL));
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

/// What a run that is followed has told so far.
#[derive(Default)]
struct SoFar {
    history: VecDeque<Record>,
    log: VecDeque<Logged>,
    /// How many lines of the log are gone.
    dropped: u64,
    polled: Option<String>,
}

impl SoFar {
    fn add(&mut self, reply: Reply) {
        match reply {
            Reply::Polled(node) => self.polled = Some(node),
            Reply::Recorded(record) => {
                keep(&mut self.history, record);
            }
            Reply::Logged(line) => self.dropped += keep(&mut self.log, line),
            _ => unreachable!("others do not tell how far a run is"),
        }
    }

    /// The report of a run that came to no end.
    fn report(self, run: RunId, verdict: Verdict) -> RunReport {
        let tells = matches!(verdict, Verdict::Hung { .. } | Verdict::OutOfMemory { .. });
        let log = Log { lines: self.log.into(), unwanted: 0, dropped: self.dropped };
        RunReport {
            virtual_time: self.history.back().map_or(Duration::ZERO, |last| last.at),
            history: self.history.into(),
            log,
            polled: self.polled.filter(|_| tells),
            ..RunReport::lost(run, verdict)
        }
    }
}

/// Adds to what is kept, which is bounded: how many went for it.
fn keep<T>(kept: &mut VecDeque<T>, new: T) -> u64 {
    let full = kept.len() == KEPT;
    if full {
        kept.pop_front();
    }
    kept.push_back(new);
    u64::from(full)
}

/// How a worker died, of which nobody here is guilty.
struct Death {
    how: String,
    /// It called `exit`, or something that does.
    exited: bool,
    /// Somebody sent it a signal: another process, or one that no mistake of a program's own brings about.
    from_outside: bool,
}

impl Death {
    /// `was_struck` says whether another process has sent it the signal, where one may come from itself.
    fn of(status: ExitStatus, was_struck: impl FnOnce() -> bool) -> Death {
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => match name(signal) {
                Some(name) => format!("signal {signal} ({name})"),
                None => format!("signal {signal}"),
            },
            (None, Some(CUT_OFF)) => {
                format!(
                    "it closed or read descriptors that are not its own (exit code {CUT_OFF} of its worker)"
                )
            }
            (None, Some(code)) => format!("exit code {code}"),
            (None, None) => "for an unknown reason".to_owned(),
        };
        let exited = status.code().is_some_and(|code| code != CUT_OFF);
        let from_outside = match status.signal() {
            Some(1 | 2 | 3 | 9 | 15) => true,
            Some(_) => was_struck(),
            None => false,
        };
        Death { how, exited, from_outside }
    }
}

/// The signals that end a process by its own fault, or the operator's. Their numbers are the same on Linux and macOS, but for SIGBUS.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 if cfg!(target_os = "linux") => "SIGBUS",
        10 if cfg!(target_os = "macos") => "SIGBUS",
        10 if cfg!(target_os = "linux") => "SIGUSR1",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        12 if cfg!(target_os = "linux") => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        26 => "SIGVTALRM",
        27 => "SIGPROF",
        31 if cfg!(target_os = "linux") => "SIGSYS",
        _ => return None,
    })
}
