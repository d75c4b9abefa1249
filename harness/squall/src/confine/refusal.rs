//! What cannot be simulated, told in one line: what was called, from where, and what to do instead.
//!
//! Whoever calls it sees an error or a panic, and may go on; the run is not judged either way.

use std::{cell::RefCell, panic::PanicHookInfo};

use squall_rt::world::{self, refusal::Refused};

use super::stack::Stack;

/// Something that cannot be had in a run.
struct Unavailable {
    /// What is on the stack when it is asked for: functions, by the beginnings of their paths.
    functions: &'static [&'static str],
    what: &'static str,
    instead: &'static str,
}

/// Whoever starts a thread, those first that others are made of.
const THREADS: &[Unavailable] = &[
    Unavailable {
        functions: &["futures_timer::"],
        what: "used a timer of futures-timer, which keeps a thread of its own",
        instead: "use squall_rt::time or tokio::time, or the feature of the dependency that makes it use tokio",
    },
    Unavailable {
        functions: &["async_io::", "smol::", "async_global_executor::", "blocking::"],
        what: "used smol's or async-std's runtime, which keeps threads of its own",
        instead: "build the dependency with its tokio feature",
    },
    Unavailable {
        functions: &["quanta::"],
        what: "used quanta's upkeep thread",
        instead: "use std::time::Instant, whose time is the run's",
    },
    Unavailable {
        functions: &["rayon_core::", "rayon::"],
        what: "used rayon's thread pool",
        instead: "compute in the task itself; in a run that takes no virtual time",
    },
    Unavailable {
        functions: &[
            "tokio::runtime::builder::Builder::build_threaded_runtime",
            "tokio::runtime::scheduler::multi_thread",
        ],
        what: "built a multi-thread tokio runtime",
        instead: "spawn with squall_rt::task::spawn: a run is one thread, and its tasks are on it",
    },
    Unavailable {
        functions: &["tokio::fs::", "tokio::io::blocking", "tokio::io::stdio_common"],
        what: "used tokio's files or standard streams, which work on threads",
        instead: "use squall_rt::disk",
    },
    Unavailable {
        functions: &["tokio::runtime::blocking", "tokio::task::blocking::spawn_blocking"],
        what: "called the real tokio::task::spawn_blocking",
        instead: "call the function directly, or in a task of squall_rt::task::spawn: a run is one thread",
    },
    Unavailable {
        functions: &["std::thread::scoped", "std::thread::scope"],
        what: "started a thread (std::thread::scope)",
        instead: "compute in the task itself, or join futures: a run is one thread",
    },
];

/// Any other.
const THREAD: Unavailable = Unavailable {
    functions: &[],
    what: "started a thread",
    instead: "spawn a task with squall_rt::task::spawn instead: a run is one thread, so that it can be repeated",
};

/// Whoever opens a socket.
const SOCKETS: &[Unavailable] = &[Unavailable {
    functions: &["tokio::net::", "tokio::io::poll_evented"],
    what: "used a socket of the real tokio",
    instead: "use squall_rt::net, or madsim-tokio in place of tokio",
}];

/// Any other.
const SOCKET: Unavailable = Unavailable {
    functions: &[],
    what: "opened a socket of the operating system, or looked up a name over one (std::net, or a library's own)",
    instead: "use squall_rt::net: what goes over the machine's own network is in no run, and no fault acts there",
};

/// Whoever starts a process.
const PROCESS: Unavailable = Unavailable {
    functions: &[],
    what: "started another process (std::process::Command, fork)",
    instead: "do its work in the task itself, or put it behind a trait of which a run gets another implementation: \
              no seed repeats what another process does, and no fault acts on it",
};

/// Messages of panics that mean something else in a run than they say.
const MESSAGES: &[(&str, &str, &str)] = &[
    (
        "timers are disabled. Call `enable_time`",
        "used a timer of the real tokio, whose time does not pass in a run",
        "use squall_rt::time, or madsim-tokio in place of tokio",
    ),
    (
        "IO is disabled. Call `enable_io`",
        "used a socket, a child process or a signal of the real tokio",
        "use squall_rt::net and squall_rt::process, or madsim-tokio in place of tokio",
    ),
    (
        "Cannot start a runtime from within a runtime",
        "blocked on a tokio runtime of its own",
        "await the future, or spawn it with squall_rt::task::spawn",
    ),
];

/// Where std's own threads fail, for want of attributes.
fn is_of_std_threads(file: &str, message: &str) -> bool {
    file.contains("library/std/src/sys")
        && file.contains("thread")
        && message.contains("left: -1")
        && message.contains("right: 0")
}

/// Whoever ends a run that is not to be judged.
type End = Box<dyn Fn(&str)>;

#[derive(Default)]
struct Refusals {
    first: Option<String>,
    name: Option<Box<dyn Fn(world::NodeId) -> String>>,
    end: Option<End>,
}

thread_local! {
    static REFUSALS: RefCell<Refusals> = RefCell::default();
}

/// From now on on this thread: `end` is told the first refusal, in which nodes are named by `name`.
pub(crate) fn listen(name: impl Fn(world::NodeId) -> String + 'static, end: impl Fn(&str) + 'static) {
    REFUSALS.with(|refusals| {
        let mut refusals = refusals.borrow_mut();
        refusals.name = Some(Box::new(name));
        refusals.end = Some(Box::new(end));
    });
    world::refusal::on_refusal(|refused| match refused {
        Refused::Thread => refuse_thread(&Stack::here()),
        Refused::Socket => refuse_one_of(SOCKETS, &SOCKET, &Stack::here()),
        Refused::Process => refuse_one_of(&[], &PROCESS, &Stack::here()),
        Refused::Task(at) => {
            let stack = Stack::here();
            refuse(
                &stack,
                &format!(
                    "spawned a task on the real tokio runtime ({}:{}:{})",
                    at.file(),
                    at.line(),
                    at.column()
                ),
                "nothing runs it there: spawn with squall_rt::task::spawn, or put madsim-tokio in place of tokio \
                 (`tokio = { package = \"madsim-tokio\" }`)",
            );
        }
    });
}

/// The first refusal on this thread, which is then forgotten.
pub(crate) fn take_refused() -> Option<String> {
    REFUSALS.with(|refusals| std::mem::take(&mut *refusals.borrow_mut()).first)
}

/// Looks whether a panic is a refusal.
pub(super) fn look_at(info: &PanicHookInfo<'_>, message: &str) {
    if info.location().is_some_and(|location| is_of_std_threads(location.file(), message)) {
        refuse_thread(&Stack::here());
    } else if let Some((_, what, instead)) = MESSAGES.iter().find(|(part, ..)| message.contains(part)) {
        refuse(&Stack::here(), what, instead);
    }
}

fn refuse_thread(stack: &Stack) {
    refuse_one_of(THREADS, &THREAD, stack);
}

fn refuse_one_of(known: &[Unavailable], any_other: &Unavailable, stack: &Stack) {
    let on_stack = |known: &&Unavailable| known.functions.iter().any(|function| stack.has(function));
    let found = known.iter().find(on_stack).unwrap_or(any_other);
    refuse(stack, found.what, found.instead);
}

fn refuse(stack: &Stack, what: &str, instead: &str) {
    let (node, _) = world::whereabouts();
    let who = REFUSALS.with(|refusals| {
        let refusals = refusals.try_borrow().ok()?;
        node.zip(refusals.name.as_ref()).map(|(node, name)| name(node))
    });
    let mut told = what.to_owned();
    if let Some(package) = stack.package() {
        told += &format!(", in {package}");
    }
    if let Some(place) = stack.users_place() {
        told += &format!(", at {place}");
    }
    refuse_by(who.as_deref(), &told, instead);
}

/// Notes that a node, or other code of the system, did what leaves a run without judgement, and ends it. The first time counts.
pub(crate) fn refuse_by(who: Option<&str>, what: &str, instead: &str) {
    REFUSALS.with(|refusals| {
        let Ok(mut refusals) = refusals.try_borrow_mut() else { return };
        if refusals.first.is_none() {
            let told = format!("{} {what}: {instead}", who.unwrap_or("code under test"));
            if let Some(end) = &refusals.end {
                end(&told);
            }
            refusals.first = Some(told);
        }
    });
}

/// A tracing subscriber was made on this thread. One that is to be the process's cannot be: squall's is. But if it is for the thread, nothing is
/// seen from here on.
pub(crate) fn look_at_new_subscriber(instead: &str) {
    let stack = Stack::here();
    let for_the_process =
        ["tracing_core::dispatcher::set_global_default", "tracing::subscriber::set_global_default"];
    let harmless = for_the_process.iter().any(|function| stack.has(function))
        || ["set_global_default", "try_init"].iter().any(|function| stack.has_part(function));
    if !harmless {
        refuse(&stack, "put a tracing subscriber of its own in place", instead);
    }
}
