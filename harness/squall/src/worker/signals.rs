//! Signals that somebody sends to a worker from outside are not its run's doing. Of what a process died its parent is told the signal's
//! number alone; who sent it is told to the process. So the worker says that, as the last thing it does.
//!
//! Signals of which nobody dies by a mistake of his own (SIGKILL, SIGTERM, SIGINT and their like) come from outside whoever sends them.

/// Those that a program's mistake, or a clock that it set, may bring about as well. SIGPIPE is ignored, as std has it, and SIGXFSZ
/// [survived](crate::limits).
#[cfg(target_os = "linux")]
const AMBIGUOUS: [i32; 15] = [
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGUSR1,
    libc::SIGSEGV,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGSYS,
];

pub(super) use self::imp::tell_of_others;

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "only a handler of its own is told who sent a signal")]
mod imp {
    use std::{
        array,
        ffi::{c_int, c_void},
        mem,
        os::fd::RawFd,
        ptr,
        sync::OnceLock,
    };

    use super::AMBIGUOUS;

    /// What a handler may use: set before there is one, and never again.
    struct Words {
        /// Where to say it.
        to: RawFd,
        what: Vec<u8>,
        /// What was done about each signal before.
        before: [libc::sigaction; AMBIGUOUS.len()],
    }

    static WORDS: OnceLock<Words> = OnceLock::new();

    /// Says `what` to `to` when a signal comes from another process. What the signal does is what it did before.
    pub(in crate::worker) fn tell_of_others(to: RawFd, what: Vec<u8>) {
        let before = array::from_fn(|nth| {
            // SAFETY: there is room for it, and nothing is changed.
            unsafe {
                let mut before = mem::zeroed();
                libc::sigaction(AMBIGUOUS[nth], ptr::null(), &raw mut before);
                before
            }
        });
        if WORDS.set(Words { to, what, before }).is_err() {
            return;
        }
        for signal in AMBIGUOUS {
            // SAFETY: the action is whole: a handler of this type, on the stack for signals where the thread has one, as after an overflow
            // there is no room on any other.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction =
                    told as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    }

    /// Calls nothing but what may be called in a handler.
    extern "C" fn told(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        let Some(words) = WORDS.get() else { return };
        // SAFETY: the system gives a whole one. Only of a signal that was sent it is asked who sent it.
        let (was_sent, by_another) = unsafe {
            let was_sent = matches!((*info).si_code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL);
            (was_sent, was_sent && (*info).si_pid() != libc::getpid())
        };
        if by_another {
            // SAFETY: the buffer is as long as is said. If it cannot be said, the run is blamed, as it would be without this.
            unsafe { libc::write(words.to, words.what.as_ptr().cast(), words.what.len()) };
        }
        match AMBIGUOUS.iter().position(|one| *one == signal) {
            // Rust's own handler of faults waits for the instruction to bring about once more what it had nothing to say of: what was
            // sent would be lost on it.
            // SAFETY: the default takes no handler.
            _ if was_sent => unsafe {
                libc::signal(signal, libc::SIG_DFL);
            },
            // SAFETY: it is what was there before.
            Some(nth) => unsafe {
                libc::sigaction(signal, &raw const words.before[nth], ptr::null_mut());
            },
            None => {}
        }
        // What an instruction has brought about it brings about again, once this returns.
        let comes_again =
            !was_sent && matches!(signal, libc::SIGILL | libc::SIGBUS | libc::SIGFPE | libc::SIGSEGV);
        if !comes_again {
            // SAFETY: it accesses no memory. It waits until this returns.
            unsafe { libc::raise(signal) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::os::fd::RawFd;

    /// Here they are not told apart.
    pub(in crate::worker) fn tell_of_others(_to: RawFd, _what: Vec<u8>) {}
}
