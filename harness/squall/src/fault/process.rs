//! Process faults. A node is down while any fault holds it down, and stands still while any fault stops it.

mod cancel;
mod crash;
mod pause;
mod restart;
mod slow;

pub use self::{
    cancel::Cancel,
    crash::{Crash, DiskFate},
    pause::Pause,
    restart::Restart,
    slow::Slow,
};
