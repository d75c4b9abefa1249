//! What can be seen of a breaker from outside, reported in the words of [`squall_invariants::circuit_breaker`].

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use squall_patterns::circuit_breaker::Outcome;
use squall_systems::circuit_breaker::{Guard, Ticket};

use crate::{breakers::Begin, driven::Driven};

/// A breaker that is watched.
pub(crate) struct Reported {
    name: Arc<str>,
    begin: Begin,
    calls: AtomicU64,
}

impl Reported {
    pub(crate) fn new(name: &str, begin: Begin) -> Self {
        tracing::info!(target: "breaker", breaker = name, "created");
        Reported { name: name.into(), begin, calls: AtomicU64::new(0) }
    }
}

impl Guard for Reported {
    fn acquire(&self) -> Option<Box<dyn Ticket>> {
        let breaker = &*self.name;
        let Some(driven) = (self.begin)() else {
            tracing::info!(target: "breaker", breaker, "rejected");
            return None;
        };
        let permit = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::info!(target: "breaker", breaker, permit, "admitted");
        Some(Box::new(Watched { name: self.name.clone(), permit, driven: Some(driven) }))
    }
}

/// A call that was let through.
struct Watched {
    name: Arc<str>,
    permit: u64,
    /// Until it is told how it went.
    driven: Option<Driven>,
}

impl Ticket for Watched {
    fn id(&self) -> u64 {
        self.permit
    }

    fn record(mut self: Box<Self>, outcome: Outcome) {
        let good = match outcome {
            Outcome::Success => true,
            Outcome::Failure => false,
            // It says nothing of the upstream, and is dropped.
            Outcome::Ignored => return,
        };
        let outcome = if good { "success" } else { "failure" };
        tracing::info!(target: "breaker", breaker = &*self.name, permit = self.permit, outcome, "result");
        if let Some(driven) = self.driven.take() {
            driven.end(good);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.driven.take().is_some() {
            tracing::info!(target: "breaker", breaker = &*self.name, permit = self.permit, "returned");
        }
    }
}
