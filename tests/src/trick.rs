//! What ordinary code does without meaning harm, and what it finds out in a simulation: it starts threads, uses the tokio that is not
//! simulated, puts hooks and subscribers of its own in place, catches panics, logs and prints.

use std::{panic, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node may play; see the page of this module.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trick {
    /// `std::thread::spawn`.
    Thread,
    /// `std::thread::scope`.
    Scope,
    /// `pthread_create`, without attributes, and no look at what it says; then a strike.
    Pthread,
    /// The real `tokio::spawn`.
    RealSpawn,
    /// The real `tokio::task::spawn_blocking`.
    RealSpawnBlocking,
    /// The real `tokio::time::sleep`.
    RealSleep,
    /// The real `tokio::net::UdpSocket`.
    RealSocket,
    /// `std::net::UdpSocket`.
    StdSocket,
    /// A name looked up by `std::net`.
    Lookup,
    /// Another process, by `std::process::Command`.
    Command,
    /// Another process, by `fork`.
    Fork,
    /// Another process, by a shell.
    Shell,
    /// An event in the invariant.
    InvariantReports,
    /// That the invariant has looked at as much as can be counted.
    Boundless,
    /// A panic in a function that cannot unwind.
    CannotUnwind,
    /// `PTRACE_TRACEME`, and then a strike.
    Traced,
    /// A signal that comes a second later.
    Alarm,
    /// The real `tokio::task::yield_now`, and then a strike.
    RealYield,
    /// What the simulated tokio has for `consume_budget`, and then a strike.
    ConsumeBudget,
    /// A panic hook that does nothing, and then a panic.
    Hook,
    /// A panic that is caught, and then another.
    CaughtAndPanic,
    /// A panic in the invariant.
    InvariantPanics,
    /// A panic in the condition.
    ConditionPanics,
    /// A panic in the strategy of the operation.
    StrategyPanics,
    /// A subscriber of its own for the thread, kept in force, and then a strike.
    Subscriber,
    /// A subscriber of its own within one poll, in which it strikes.
    ScopedSubscriber,
    /// A subscriber that was made for nothing, and is in force from one poll to the next, in which it strikes.
    NoSubscriber,
    /// A subscriber for the whole process, which cannot be had, and then a strike.
    GlobalSubscriber,
    /// Log lines through `tracing` and `log`, at all levels and within spans, and then a strike.
    Log,
    /// The same, without the strike.
    LogAndPass,
    /// A wait for a message of std's that never comes.
    Receive,
    /// The same in a task of its own.
    ReceiveInTask,
    /// Two tasks that wait for what nobody can bring about any more.
    Forgotten,
    /// A random number of the kernel's, past libc's functions.
    Kernel,
}

/// Does it.
///
/// # Errors
/// What the trick came to, if it was to fail.
pub async fn play(trick: Trick) -> std::io::Result<()> {
    match trick {
        Trick::Thread => drop(std::thread::spawn(|| ())),
        Trick::Scope => std::thread::scope(|scope| drop(scope.spawn(|| ()))),
        Trick::Pthread => {
            start_thread();
            strike();
        }
        Trick::RealSpawn => drop(real_tokio::spawn(async {})),
        Trick::RealSpawnBlocking => drop(real_tokio::task::spawn_blocking(|| ())),
        Trick::RealSleep => real_tokio::time::sleep(Duration::from_millis(1)).await,
        Trick::RealSocket => drop(real_tokio::net::UdpSocket::bind("127.0.0.1:0").await?),
        Trick::StdSocket => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        Trick::Lookup => drop(std::net::ToSocketAddrs::to_socket_addrs("localhost:80")),
        Trick::Command => drop(std::process::Command::new("true").status()),
        Trick::Fork => fork(),
        Trick::Shell => shell(),
        Trick::InvariantReports => tracing::info!(target: "gremlin", beat = -2, "struck"),
        Trick::Boundless => tracing::info!(target: "gremlin", beat = -3, "struck"),
        Trick::CannotUnwind => cannot_unwind(),
        Trick::Traced => {
            be_traced();
            strike();
        }
        Trick::Alarm => ring(),
        Trick::RealYield => {
            real_tokio::task::yield_now().await;
            strike();
        }
        Trick::ConsumeBudget => {
            tokio::task::consume_budget().await;
            strike();
        }
        Trick::Hook => {
            panic::set_hook(Box::new(|_| {}));
            panic!("under a hook");
        }
        Trick::CaughtAndPanic => {
            let caught = panic::catch_unwind(|| panic!("the first is caught"));
            assert!(caught.is_err());
            panic!("the second is not");
        }
        Trick::Subscriber => {
            std::mem::forget(tracing::subscriber::set_default(Deaf));
            strike();
        }
        Trick::ScopedSubscriber => tracing::subscriber::with_default(Deaf, strike),
        Trick::NoSubscriber => {
            std::mem::forget(tracing::dispatcher::set_default(&tracing::Dispatch::none()));
            squall_rt::task::yield_now().await;
            strike();
        }
        Trick::GlobalSubscriber => {
            assert!(tracing::subscriber::set_global_default(Deaf).is_err(), "squall's is there");
            strike();
        }
        Trick::Log | Trick::LogAndPass => {
            say();
            if trick == Trick::Log {
                strike();
            }
        }
        Trick::InvariantPanics => tracing::info!(target: "gremlin", beat = -1, "struck"),
        Trick::Receive => drop(std::sync::mpsc::channel::<()>().1.recv()),
        Trick::ReceiveInTask => drop(squall_rt::task::spawn(async {
            let _ = std::sync::mpsc::channel::<()>().1.recv();
        })),
        Trick::Forgotten => (0..2).for_each(|_| drop(squall_rt::task::spawn(std::future::pending::<()>()))),
        Trick::Kernel => tracing::info!(target: "gremlin", number = random(), "leaked"),
        Trick::ConditionPanics | Trick::StrategyPanics => {}
    }
    Ok(())
}

fn strike() {
    tracing::info!(target: "gremlin", beat = 5, "struck");
}

/// As a library in C does.
#[allow(unsafe_code, reason = "there is no safe way to start a thread so")]
fn start_thread() {
    extern "C" fn main(_: *mut libc::c_void) -> *mut libc::c_void {
        std::ptr::null_mut()
    }
    let mut thread = 0;
    // SAFETY: the function takes no argument, and nothing is expected of the thread.
    unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), main, std::ptr::null_mut()) };
}

extern "C" fn cannot_unwind() {
    panic!("it has to unwind");
}

#[allow(unsafe_code, reason = "there is no safe way to start a process so")]
fn fork() {
    // SAFETY: the child, if there is one, calls nothing else.
    unsafe {
        if libc::fork() == 0 {
            libc::_exit(0);
        }
    }
}

#[allow(unsafe_code, reason = "there is no safe way to start a process so")]
fn shell() {
    // SAFETY: the text ends in a zero byte.
    unsafe { libc::system(c"true".as_ptr()) };
}

#[allow(unsafe_code, reason = "there is no safe way to ask for it")]
fn be_traced() {
    // SAFETY: the other arguments are not looked at.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
}

#[allow(unsafe_code, reason = "there is no safe way to ask for it")]
fn ring() {
    // SAFETY: nothing is pointed to.
    unsafe { libc::alarm(1) };
}

/// As getrandom 0.2 does.
#[allow(unsafe_code, reason = "there is no safe way to call the kernel")]
fn random() -> i64 {
    let mut bytes = [0; 8];
    // SAFETY: there is as much room as it says.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), 0) };
    assert_eq!(got, 8);
    i64::from_le_bytes(bytes)
}

fn say() {
    let error = "no lease\u{9b}";
    let _request = tracing::warn_span!("request", id = 3).entered();
    tracing::trace!(target: "shop", "quietly");
    tracing::info!("in passing");
    let _step = tracing::error_span!("step", name = "charge").entered();
    tracing::warn!(%error, attempt = 2, "cannot charge");
    drop(_step);
    log::error!(target: "shop::cart", "the cart is {}", "empty");
}

/// A subscriber that hears nothing.
struct Deaf;

impl tracing::Subscriber for Deaf {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        false
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
