//! What a thread that does not come back is doing: another one has it write down its stack, by a signal. Linux only.

use super::stack::{Backtrace, Stack};

/// A thread that can be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight(imp::Id);

impl Sight {
    /// The calling thread.
    pub(crate) fn of_this_thread() -> Self {
        Sight(imp::this_thread())
    }

    /// What it is doing, in words to follow whose code it is; none if it cannot be known. It takes a moment, and longer the first time.
    pub(crate) fn look(self) -> Option<String> {
        let stack = Stack::of(&imp::backtrace(self.0)?);
        let place = stack.users_place()?;
        let Some(called) = stack.called() else { return Some(format!("at {place}")) };
        let waits = [
            "recv", "lock", "wait", "park", "sleep", "join", "block_on", "read", "write", "accept", "connect",
        ];
        let last = called.rsplit("::").next().unwrap_or(&called);
        let remedy = match waits.iter().any(|word| last.contains(word)) {
            true => {
                ": a run is one thread, on which nothing else happens while this waits; `.await` instead (tokio::sync, squall_rt::time)"
            }
            false => "",
        };
        Some(format!("in `{called}`, called at {place}{remedy}"))
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "there is no safe way to have another thread do something")]
mod imp {
    use std::{
        mem,
        sync::{
            Once,
            atomic::{AtomicUsize, Ordering},
        },
        time::{Duration, Instant},
    };

    use super::Backtrace;

    pub(super) type Id = libc::pid_t;

    /// How many frames are written down: the innermost.
    const FRAMES: usize = 128;
    /// How long a thread may take to write them.
    const PATIENCE: Duration = Duration::from_secs(1);

    static ADDRESSES: [AtomicUsize; FRAMES] = [const { AtomicUsize::new(0) }; FRAMES];
    /// How many there are, and one more; zero as long as they are being written.
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);

    /// Of the signals for the use of programs the last, which hardly any uses.
    fn signal() -> i32 {
        libc::SIGRTMAX()
    }

    pub(super) fn this_thread() -> Id {
        // SAFETY: it takes nothing and always works.
        unsafe { libc::gettid() }
    }

    /// Writes down the stack of the thread that it interrupts. Nothing here allocates.
    extern "C" fn write(_: libc::c_int) {
        let mut count = 0;
        // SAFETY: only one thread is asked at a time, and what is shared is atomic.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                ADDRESSES[count].store(frame.ip() as usize, Ordering::Relaxed);
                count += 1;
                count < FRAMES
            });
        }
        WRITTEN.store(count + 1, Ordering::Release);
    }

    pub(super) fn backtrace(thread: Id) -> Option<Backtrace> {
        static LISTEN: Once = Once::new();
        LISTEN.call_once(|| {
            // SAFETY: the action is whole: a handler of this type, calls that are interrupted go on, and no other signal is kept waiting.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction = write as extern "C" fn(libc::c_int) as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal(), &raw const action, std::ptr::null_mut());
            }
        });
        WRITTEN.store(0, Ordering::Relaxed);
        // SAFETY: nothing is pointed to. If the thread is gone by now, nothing happens.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal()) };
        let asked = Instant::now();
        while WRITTEN.load(Ordering::Acquire) == 0 {
            if asked.elapsed() > PATIENCE {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let count = WRITTEN.load(Ordering::Acquire) - 1;
        Some(Backtrace::of(ADDRESSES[..count].iter().map(|address| address.load(Ordering::Relaxed))))
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::Backtrace;

    pub(super) type Id = ();

    pub(super) fn this_thread() {}

    pub(super) fn backtrace((): ()) -> Option<Backtrace> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Of code here nothing is told, as it is squall's.
    #[test]
    fn a_thread_that_waits_is_seen() {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let waits = std::thread::spawn(move || {
            tell.send(Sight::of_this_thread()).expect("the test waits");
            let _ = ended.recv();
        });
        let Sight(thread) = told.recv().expect("it runs");
        let seen = imp::backtrace(thread);
        drop(end);
        waits.join().expect("it ends");
        assert!(seen.is_some_and(|stack| !stack.is_empty()), "its stack was written down");
    }

    #[test]
    fn a_thread_that_is_gone_is_not_seen() {
        let gone = std::thread::spawn(Sight::of_this_thread).join().expect("it ends");
        assert_eq!(gone.look(), None);
    }
}
