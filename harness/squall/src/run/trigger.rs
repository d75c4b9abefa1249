//! Faults that wait for an event: which of them an event sets off, and how.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    check::pattern::Pattern,
    history::Fields,
    record::{Listener, Sequel},
};

/// A fault that waits for an event.
pub(crate) struct ArmedTrigger {
    /// Which planned fault.
    pub fault: usize,
    pub pattern: Pattern,
    /// How many more matches it takes.
    pub remaining: u64,
    /// Lets it strike, if it strikes right at the event.
    pub strike: Option<Box<dyn FnOnce() + Send>>,
    /// Tells the fault's task when the event was.
    pub fire: Option<oneshot::Sender<Duration>>,
}

/// Faults that wait.
#[derive(Default)]
pub(crate) struct Triggers(Mutex<Vec<ArmedTrigger>>);

impl Triggers {
    fn armed(&self) -> MutexGuard<'_, Vec<ArmedTrigger>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has these wait.
    pub fn arm(&self, triggers: Vec<ArmedTrigger>) {
        *self.armed() = triggers;
    }

    /// Puts others in the place of those that wait.
    pub fn rearm(&self, change: impl FnMut(ArmedTrigger) -> ArmedTrigger) {
        let mut armed = self.armed();
        *armed = std::mem::take(&mut *armed).into_iter().map(change).collect();
    }

    /// Counts an event for those whose pattern matches, and takes out those that it sets off, if any.
    pub fn due(&self, mut matches: impl FnMut(&Pattern) -> bool) -> Option<Due> {
        let mut due = Vec::new();
        let mut armed = self.armed();
        for trigger in &mut *armed {
            if trigger.remaining > 0 && matches(&trigger.pattern) {
                trigger.remaining -= 1;
                if trigger.remaining == 0 {
                    due.push((trigger.strike.take(), trigger.fire.take()));
                }
            }
        }
        if due.is_empty() {
            return None;
        }
        armed.retain(|trigger| trigger.remaining > 0);
        Some(Due(due))
    }
}

/// Those that wait for what nodes report.
impl Listener for Triggers {
    fn event(&self, name: &str, fields: &Fields) -> Option<Sequel> {
        let due = self.due(|pattern| pattern.matches(name, fields))?;
        Some(Box::new(|seen_at| due.strike(seen_at)))
    }
}

/// Faults that an event has set off.
pub(crate) struct Due(Vec<Fired>);

/// Lets a fault strike at once, if it is to; and tells its task when the event was.
type Fired = (Option<Box<dyn FnOnce() + Send>>, Option<oneshot::Sender<Duration>>);

impl Due {
    /// Has them strike, at once or so long after `seen_at` as they are to.
    pub fn strike(self, seen_at: Duration) {
        for (strike, fire) in self.0 {
            if let Some(strike) = strike {
                strike();
            }
            if let Some(fire) = fire {
                // The fault's task is gone only when the run is over.
                let _ = fire.send(seen_at);
            }
        }
    }
}
