//! Worker processes: this same executable, re-entered, doing one run after another for a parent.
//!
//! Code under test can do anything to its process: loop for ever, abort, overflow its stack, call `exit`, fill the memory, close descriptors.
//! In a worker that costs one run. The parent (`Worker`) watches the clock, the process and the socket, blames the run that was under way,
//! and starts another worker.
//!
//! The parent sends `Job`s over a socket, and gets `Reply`s over it, as frames: each names the run it is about, and the parent
//! takes none for another's. A worker is started with the socket as its standard input, and moves it out of the way before anything
//! else: what code under test reads is empty, and what it prints goes to the parent by a pipe of its own, of which the tail is
//! kept, per run.
//!
//! A worker ends when its parent does, even in the middle of a run, and with it whatever it has started.

// Uses: confine, history, language, log, plan, record, run, run_id, spec, system.

use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use self::wire::{Foreign, Frame, Key, Mark};
use crate::{
    history::Record,
    log::Logged,
    plan::RunId,
    record::{self, Followed, Follower},
    run::{self, ExecuteOptions, RunReport},
    spec::Spec,
    system::{Call, Registry},
};

mod memory;
mod output;
mod process;
mod question;
mod signals;
mod wire;

pub(crate) use self::{
    memory::fair_share,
    process::{Gone, Silence, Unanswered, Worker, executable},
    question::{Question, Step, Stepped},
};

/// Set to 1 in a worker's environment.
const MARK: &str = "SQUALL_WORKER";

/// The exit code of a worker that cannot reach its parent any more, though the parent is there: code under test has closed, or read
/// from, descriptors that are not its own.
const CUT_OFF: i32 = 117;

/// A worker's own descriptors are numbered from here on, out of the way of those that code under test opens, closes and counts on.
const HIGH: i32 = 200;

/// How long a worker waits for a parent to say that it is one, and for a dying parent to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a worker is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order<Q = Question> {
    Runs(Box<Job>),
    /// To answer this. It has the number that the next run would have.
    Ask(Q),
    /// To take a step of what was asked for last.
    Step(Step),
}

/// Runs to do. The first has the number of the frame, those after it the numbers after it.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    /// The spec; none if it is the one of the job before.
    spec: Option<Spec>,
    runs: Vec<RunId>,
    options: ExecuteOptions,
}

/// What a worker says of a run, or of a question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// The run begins.
    Start,
    /// This was recorded, of a run that is to be followed.
    Recorded(Record),
    /// This was logged, in such a run.
    Logged(Logged),
    /// The code of this node keeps the thread of such a run for long.
    Polled(String),
    /// It came to its end.
    Done(Box<RunReport>),
    /// To answer the question, this is called.
    Calling(Call),
    /// The answer, as JSON.
    Answer(String),
    /// There is none, as code that was called for it panicked.
    Panicked { message: String, location: String },
    /// There is none, as code that was called for it asked for what cannot be simulated.
    Refused(String),
}

/// Turns this process into a worker if that is what its parent started it for, and then does not return.
///
/// [`cli::main`](crate::cli::main) and [`testing::main`](crate::testing::main) call it first thing. Call it yourself only in a `main` of your
/// own that explores by other means.
pub fn enter_if_worker(registry: &Registry) {
    if std::env::var_os(MARK).is_none_or(|mark| mark != "1") {
        return;
    }
    record::take_logger();
    let code = match Seat::take() {
        Ok(seat) => {
            let parent = std::os::unix::process::parent_id();
            match serve(registry, &Arc::new(seat), parent) {
                Ok(()) => 0,
                // Somebody here has closed it.
                Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::BADF) => {
                    CUT_OFF
                }
                Err(_) => end_with(parent),
            }
        }
        Err(why) => {
            eprintln!(
                "error: {MARK}=1 makes this process a worker of squall, and there is no parent for it to work for: {why}\n  \
                 squall sets it for the processes it starts; unset it to run anything yourself"
            );
            2
        }
    };
    std::process::exit(code);
}

/// What a worker holds on to, whatever code under test does to descriptors 0 to 2.
struct Seat {
    key: Key,
    socket: UnixStream,
    nothing: OwnedFd,
    printed: OwnedFd,
}

impl Seat {
    /// Takes the socket from standard input, once there is a parent at its other end.
    fn take() -> io::Result<Seat> {
        // Close-on-exec: no program that code under test starts has them.
        let high = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, HIGH);
        let socket = UnixStream::from(high(io::stdin().as_fd())?);
        socket.set_read_timeout(Some(PATIENCE))?;
        let greeted = Key::greeted(&socket)?;
        let (key, memory) =
            greeted.ok_or_else(|| io::Error::other("whoever is there speaks of something else"))?;
        socket.set_read_timeout(None)?;
        memory::keep_within(memory)?;
        let nothing = high(File::open("/dev/null")?.as_fd())?;
        let printed = high(io::stderr().as_fd())?;
        signals::tell_of_others(printed.as_raw_fd(), key.mark(&Mark::Struck));
        Ok(Seat { key, socket, nothing, printed })
    }

    /// Gives code under test its standard streams, whatever the run before did to them.
    fn set_streams(&self) -> io::Result<()> {
        rustix::stdio::dup2_stdin(&self.nothing)?;
        rustix::stdio::dup2_stdout(&self.printed)?;
        rustix::stdio::dup2_stderr(&self.printed)?;
        Ok(())
    }

    fn frame(&self, run: u64, reply: &Reply, out: &mut Vec<u8>) {
        let payload = serde_json::to_vec(reply).expect("replies serialise into memory");
        Frame { pid: std::process::id(), run, payload }.push(self.key, out);
    }

    /// Says one thing.
    fn say(&self, number: u64, reply: &Reply) -> io::Result<()> {
        let mut pending = Vec::new();
        self.frame(number, reply, &mut pending);
        self.send(&mut pending)
    }

    /// Says something among what code under test prints. If it cannot be said, neither can what it prints.
    fn mark(&self, mark: &Mark) {
        // Half a line was printed before this.
        let _ = io::stdout().flush();
        let _ = rustix::io::write(&self.printed, &self.key.mark(mark));
    }

    fn send(&self, pending: &mut Vec<u8>) -> io::Result<()> {
        (&self.socket).write_all(pending)?;
        pending.clear();
        Ok(())
    }
}

fn serve(registry: &Registry, seat: &Arc<Seat>, parent: u32) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(u64, Order)>();
    let listening = seat.clone();
    // A thread of its own, so that the end of the parent ends a run that would never end by itself.
    std::thread::spawn(move || {
        loop {
            let frame = match Frame::read(listening.key, &listening.socket) {
                Ok(Some(frame)) => frame,
                Ok(None) => end_with(parent),
                Err(Foreign) => std::process::exit(CUT_OFF),
            };
            let order = serde_json::from_slice(&frame.payload).expect("the parent is this same executable");
            if sender.send((frame.run, order)).is_err() {
                return;
            }
        }
    });
    let mut spec = None;
    // A report leaves together with the start of the next run: one system call, one wake-up of the parent.
    let mut pending = Vec::new();
    while let Ok((first, order)) = receiver.recv() {
        let job = match order {
            Order::Runs(job) => job,
            Order::Ask(question) => {
                question::answer(registry, seat, first, question, &mut receiver)?;
                continue;
            }
            // Of what was asked for before, which came to no answer.
            Order::Step(_) => continue,
        };
        spec = job.spec.or(spec);
        let spec = spec.as_ref().expect("the first job brings its spec");
        for (number, id) in (first..).zip(job.runs) {
            seat.set_streams()?;
            seat.frame(number, &Reply::Start, &mut pending);
            seat.send(&mut pending)?;
            let follower = job.options.follow.then(|| follower(seat, number));
            let report = run::execute_followed(registry, spec, id, job.options, follower);
            seat.mark(&Mark::Ended(number));
            seat.frame(number, &Reply::Done(Box::new(report)), &mut pending);
        }
        seat.send(&mut pending)?;
    }
    Ok(())
}

/// Sends the parent what is recorded in the run of this number.
fn follower(seat: &Arc<Seat>, number: u64) -> Follower {
    let seat = seat.clone();
    // Records and polls are told of by different threads.
    let one_at_a_time = Mutex::new(());
    Arc::new(move |followed| {
        let reply = match followed {
            Followed::Place(place) => return seat.mark(&Mark::Place(place.clone())),
            Followed::Record(record) => Reply::Recorded(record.clone()),
            Followed::Logged(line) => Reply::Logged(line.clone()),
            Followed::Polled(node) => Reply::Polled(node.to_owned()),
        };
        let mut frame = Vec::new();
        seat.frame(number, &reply, &mut frame);
        let _turn = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        // If it cannot be sent, neither can the report, which is soon enough.
        let _ = seat.send(&mut frame);
    })
}

/// Ends this process, as nothing comes from the parent any more: with everything it has started if the parent is gone.
fn end_with(parent: u32) -> ! {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if std::os::unix::process::parent_id() != parent {
            let me = rustix::process::getpid();
            // The parent has made it the first of a group of its own. Of another group it is not ours to dispose.
            if rustix::process::getpgrp() == me {
                let _ = rustix::process::kill_process_group(me, rustix::process::Signal::KILL);
            }
            std::process::exit(0);
        }
        wait(Duration::from_millis(10));
    }
    std::process::exit(CUT_OFF)
}

#[expect(clippy::disallowed_methods, reason = "this thread is not in the simulation")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
