//! Limits that the system puts on this process, and what whoever started it left it without.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::consts::SIGXFSZ;

/// Has a file that grows beyond `ulimit -f` be an error of the write, as a full disk is, rather than the death of the process.
pub(crate) fn survive() {
    // A signal that is caught does not kill; that it came is said by the write. Where it cannot be caught, things are as they were.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Whether standard output was closed when this process began. By the time of `main` std has put /dev/null there, to which all can be written.
pub(crate) fn has_no_output() -> bool {
    start::HAS_NO_OUTPUT.load(Ordering::Relaxed)
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "only what is run before std can see it")]
mod start {
    use std::sync::atomic::{AtomicBool, Ordering};

    pub(super) static HAS_NO_OUTPUT: AtomicBool = AtomicBool::new(false);

    #[used]
    // SAFETY: what stands there is called before `main`, with arguments that need not be taken. It uses nothing of std's that needs a start.
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;

    extern "C" fn look() {
        // SAFETY: it accesses no memory.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        HAS_NO_OUTPUT.store(flags == -1, Ordering::Relaxed);
    }
}

#[cfg(not(target_os = "linux"))]
mod start {
    use std::sync::atomic::AtomicBool;

    /// Here it is not seen.
    pub(super) static HAS_NO_OUTPUT: AtomicBool = AtomicBool::new(false);
}
