//! What a caller needs of a breaker, so that the production one and the flawed ones can take each other's place.

use squall_patterns::circuit_breaker::{CircuitBreaker, Outcome, Permit};

/// A circuit breaker.
pub trait Guard: Send + Sync {
    /// Leave to make one call, or `None`.
    fn acquire(&self) -> Option<Box<dyn Ticket>>;
}

/// Leave to make one call. Dropped unused, it is given back.
pub trait Ticket: Send {
    /// Its number, unique for its breaker.
    fn id(&self) -> u64;
    /// Says how the call ended.
    fn record(self: Box<Self>, outcome: Outcome);
}

impl Guard for CircuitBreaker {
    fn acquire(&self) -> Option<Box<dyn Ticket>> {
        Some(Box::new(self.try_acquire().ok()?))
    }
}

impl Ticket for Permit {
    fn id(&self) -> u64 {
        Permit::id(self)
    }

    fn record(self: Box<Self>, outcome: Outcome) {
        Permit::record(*self, outcome);
    }
}
