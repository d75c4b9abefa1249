//! What code of the system under test does to the thread that runs it: it panics, and asks for what cannot be simulated. Each is
//! told with whose code it was, where that stands, and what to do about it.

// Uses: nothing.

mod panics;
mod refusal;
mod sight;
mod stack;

pub use self::stack::Backtrace;
pub(crate) use self::{
    panics::{By, Panicked, as_part, catch},
    refusal::{listen, look_at_new_subscriber, refuse_by, take_refused},
    sight::Sight,
};
