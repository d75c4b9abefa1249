//! Limits that the system puts on this process.

use std::sync::{Arc, atomic::AtomicBool};

use signal_hook::consts::SIGXFSZ;

/// Has a file that grows beyond `ulimit -f` be an error of the write, as a full disk is, rather than the death of the process.
pub(crate) fn survive() {
    // A signal that is caught does not kill; that it came is said by the write. Where it cannot be caught, things are as they were.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}
