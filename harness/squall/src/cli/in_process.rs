//! `--in-process`: code under test that ends the process must not end the command as if all were well.
//!
//! So the command is done by a child, where code under test runs, and the process that was started waits for the child's last word: the
//! code with which it means to end. A child that ends without one was ended by code under test. Under a debugger there is no child:
//! whoever looks at a process sees how it ends, and wants to look at this one.

use std::{
    env,
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            net::UnixStream,
            process::{CommandExt, parent_id},
        },
    },
    process::{self, Command, ExitStatus},
    sync::OnceLock,
};

use super::Exit;
use crate::screen;
use crate::worker::executable;

/// Set in a child's environment, to the number of the process that watches it.
const MARK: &str = "SQUALL_WATCHED_BY";

/// From where on a child's own descriptors are: where its last word goes, and what it prints. Out of the way of the descriptors that code under test counts on.
const HIGH: i32 = 200;

/// How a second Ctrl-C ends a campaign.
const INTERRUPTED: i32 = 130;

static WATCHER: OnceLock<OwnedFd> = OnceLock::new();

/// Has the command done by a child, and gives its exit code. None if it is to be done here: this is the child, or is debugged.
pub(super) fn watched() -> Option<Exit> {
    let by = env::var(MARK).ok().and_then(|by| by.parse().ok());
    if by == Some(parent_id()) {
        if let Err(error) = take_watcher() {
            screen::say(format_args!(
                "error: whoever watches over --in-process cannot be told how it ends: {error}"
            ));
            return Some(Exit::Internal);
        }
        return None;
    }
    if is_debugged() {
        return None;
    }
    Some(watch().unwrap_or_else(|error| {
        screen::say(format_args!("error: no process could be started to run in: {error}"));
        Exit::Internal
    }))
}

/// Says with which code this process is about to end, if anybody waits for it.
pub(super) fn last_word(exit: Exit) {
    if let Some(watcher) = WATCHER.get() {
        // Where it does not arrive, it is missed.
        let _ = rustix::io::write(watcher, word(exit).as_bytes());
    }
}

fn word(exit: Exit) -> String {
    format!("ends with {}\n", exit as u8)
}

/// Takes the way to the watcher from standard input, which becomes empty, as it is in a worker.
fn take_watcher() -> io::Result<()> {
    let watcher = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), HIGH)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    screen::keep(HIGH)?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let _ = WATCHER.set(watcher);
    Ok(())
}

fn watch() -> io::Result<Exit> {
    let (mut ours, its) = UnixStream::pair()?;
    let mut args = env::args_os();
    let mut command = Command::new(executable()?);
    if let Some(program) = args.next() {
        command.arg0(program);
    }
    // Ctrl-C is for the child, which ends with what it has.
    let _ = ctrlc::set_handler(|| {});
    let mut child =
        command.args(args).env(MARK, process::id().to_string()).stdin(OwnedFd::from(its)).spawn()?;
    drop(command);
    let status = child.wait()?;
    // A process that it has forked may hold the other end.
    ours.set_nonblocking(true)?;
    let mut said = Vec::new();
    let mut chunk = [0; 64];
    while let Ok(n @ 1..) = ours.read(&mut chunk) {
        said.extend_from_slice(&chunk[..n]);
    }
    if let Some(exit) = Exit::ALL.into_iter().find(|exit| said == word(*exit).as_bytes()) {
        return Ok(exit);
    }
    if status.code() == Some(INTERRUPTED) {
        process::exit(INTERRUPTED);
    }
    screen::say(format_args!(
        "error: code under test ended the process ({}) before there was a verdict: nothing can be said of these runs\n  \
         --in-process runs it in squall's own process. Leave it out: then only the run that does so is lost, and its seed is told",
        shown(status)
    ));
    Ok(Exit::Internal)
}

fn shown(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// Whether somebody traces this process.
fn is_debugged() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}
