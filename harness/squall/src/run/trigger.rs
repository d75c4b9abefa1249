//! Faults that wait for an event: which of them an event sets off, and how.

use std::{
    sync::{OnceLock, Weak},
    time::Duration,
};

use tokio::sync::oneshot;

use super::engine::Engine;
use crate::check::pattern::Pattern;

/// A fault that waits for an event.
pub(crate) struct ArmedTrigger {
    /// Which planned fault.
    pub fault: usize,
    pub pattern: Pattern,
    /// How many more matches it takes.
    pub remaining: u64,
    /// Whether it strikes right at the event.
    pub at_once: bool,
    /// Tells the fault's task when the event was.
    pub fire: Option<oneshot::Sender<Duration>>,
}

/// Faults that wait.
#[derive(Default)]
pub(crate) struct Triggers(pub Vec<ArmedTrigger>);

impl Triggers {
    /// Puts others in the place of those that wait.
    pub fn rearm(&mut self, change: impl FnMut(ArmedTrigger) -> ArmedTrigger) {
        self.0 = std::mem::take(&mut self.0).into_iter().map(change).collect();
    }

    /// Counts an event for those whose pattern matches, and takes out those that it sets off.
    pub fn due(&mut self, mut matches: impl FnMut(&Pattern) -> bool) -> Due {
        let mut due = Vec::new();
        for trigger in &mut self.0 {
            if trigger.remaining > 0 && matches(&trigger.pattern) {
                trigger.remaining -= 1;
                if trigger.remaining == 0 {
                    due.push((trigger.fault, trigger.at_once, trigger.fire.take()));
                }
            }
        }
        if !due.is_empty() {
            self.0.retain(|trigger| trigger.remaining > 0);
        }
        Due(due)
    }
}

/// Faults that an event has set off.
pub(crate) struct Due(Vec<(usize, bool, Option<oneshot::Sender<Duration>>)>);

impl Due {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has them strike, at once or so long after `seen_at` as they are to.
    pub fn strike(self, engine: &OnceLock<Weak<Engine>>, seen_at: Duration) {
        for (fault, at_once, fire) in self.0 {
            if at_once && let Some(engine) = engine.get().and_then(Weak::upgrade) {
                engine.strike(fault);
            }
            if let Some(fire) = fire {
                // The fault's task is gone only when the run is over.
                let _ = fire.send(seen_at);
            }
        }
    }
}
