//! Faults: what each kind is in a spec, what it does to the world, and how that is undone.
//!
//! A fault *strikes*: its targets are resolved, it takes hold and is logged. It lasts for its time, and *heals*: exactly what
//! it did is undone, whatever other faults do meanwhile. Overlapping faults stack: a link is cut while any partition
//! cuts it, a node is down while any fault holds it down.
//!
//! Each kind is a file: a struct, which is its entry in a spec and, with its ranges drawn, its entry in a plan; and its
//! [`Kind`], which says how it is checked, drawn and struck. [`kinds`] is the one place that lists them.

// Uses: cluster, context, language, system, trace.

use crate::{
    context::Context,
    language::{
        Place,
        model::{Dur, DurationRange, Spanned},
    },
};

mod clock;
mod disk;
mod hold;
pub mod kinds;
mod network;
mod one_of;
mod process;
mod range;
mod strike;
mod topology;

pub use self::{
    clock::*,
    disk::*,
    kinds::{Action, Fault, KINDS},
    network::*,
    process::*,
    topology::*,
};
pub(crate) use self::{hold::Hold, range::Range, strike::Strike};

/// A kind of fault.
pub(crate) trait Kind {
    /// Whether it is over the moment it has struck, so that it has no `for`.
    const INSTANT: bool = false;
    /// Whether it may do without a schedule: it is there from the start of chaos then.
    const MAY_STAND: bool = false;
    /// What it counts as touched.
    const TOUCHES: &str = "packets that are sent there while it lasts";
    /// The key of its own entry that says how long it lasts, if there is one.
    const END_KEY: Option<&'static str> = None;

    /// Reports what the types do not say: targets without nodes, numbers that make it do nothing. `at` is its entry.
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>);

    /// Shows its ranges, if it has some, always in the same order. Each is drawn from the fault's stream for a strike.
    fn ranges(&mut self, _each: &mut dyn FnMut(Range<'_>)) {}

    /// How long it lasts, if that is said in its own entry rather than by `for`. After its ranges were drawn.
    fn own_end(&self) -> Option<Dur> {
        None
    }

    /// Takes hold of the world. None if there is nothing to strike now, or nothing to undo.
    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold>;
}

/// The one duration of an optional range that was drawn.
fn fixed(range: Option<&Spanned<DurationRange>>) -> Option<Dur> {
    range.map(|range| Dur(range.min))
}
