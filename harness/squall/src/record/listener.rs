//! Who is told of a run while it is under way: whoever follows it from outside, and what in the run waits for something to happen.

use std::{sync::Arc, time::Duration};

use crate::{
    history::{Fields, Record},
    log::{Logged, Place},
};

/// Is shown what comes of a run while it is under way.
pub(crate) type Follower = Arc<dyn Fn(Followed<'_>) + Send + Sync>;

/// What a follower is shown.
pub(crate) enum Followed<'a> {
    /// This was recorded.
    Record(&'a Record),
    /// This was said.
    Logged(&'a Logged),
    /// What is said from now on is said here.
    Place(&'a Place),
    /// The code of this node runs, and has not let go of its thread for a while.
    Polled(&'a str),
}

/// Listens to what is recorded, as it is recorded.
pub(crate) trait Listener: Send + Sync {
    /// There is one more node, the next in order of creation.
    fn node(&self, _name: &Arc<str>) {}

    /// A node reports something, which is not in the history yet. Returns what follows when it is.
    fn event(&self, _name: &str, _fields: &Fields) -> Option<Sequel> {
        None
    }

    /// The history has one more record.
    fn recorded(&self) {}
}

/// What follows an event. It is given the time, and called after the event was recorded and judged, before its node takes its next step.
pub(crate) type Sequel = Box<dyn FnOnce(Duration)>;
