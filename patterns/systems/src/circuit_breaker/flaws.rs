//! Circuit breakers as they are commonly got wrong. Each is right but for one thing, and reports honestly what it does.
//!
//! This is the pattern written the plain way, with all results in a list and a few `if`s for the flaws. It has nothing of
//! the production breaker but the configuration, the names of its events, and [`Outcome`].

use std::sync::{Arc, Mutex, MutexGuard};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::Flaws;
use squall_patterns::circuit_breaker::{Config, Outcome, Window};
use squall_rt::{
    task,
    time::{self, Instant},
};

use super::guard::{Guard, Ticket};

/// What is wrong with a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum FlawedBreaker {
    /// Half-open admits every call.
    #[violates("breaker_correctness")]
    UnlimitedProbes,
    /// One success in half-open zeroes the failure count, and the next failures leave it half-open.
    #[violates("breaker_correctness")]
    SuccessForgivesFailures,
    /// A failure that comes in late prolongs the wait in open.
    #[violates("breaker_correctness")]
    LateFailureExtendsOpen,
    /// A success that comes in late closes the open breaker.
    #[violates("breaker_correctness")]
    LateSuccessCloses,
    /// Reset timers of earlier failures force the breaker half-open.
    #[violates("breaker_correctness")]
    StaleTimers,
    /// The breaker closes when the wait is over, without a probe.
    #[violates("breaker_correctness")]
    NoHalfOpen,
    /// A call that is cancelled never returns its permit.
    #[violates("permits_balanced")]
    LeakedProbe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
        }
    }
}

/// A breaker with a flaw.
#[derive(Clone)]
pub(super) struct Flawed(Arc<Shared>);

struct Shared {
    name: String,
    config: Config,
    flaw: FlawedBreaker,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    generation: u64,
    since: Instant,
    trips: u32,
    /// Results of this generation: when, and whether they failed and were slow.
    results: Vec<(Instant, bool, bool)>,
    /// Permits of this generation that are out.
    out: u32,
    permits: u64,
}

struct FlawedTicket {
    breaker: Flawed,
    generation: u64,
    id: u64,
    since: Instant,
    recorded: bool,
}

impl Flawed {
    pub(super) fn new(name: &str, config: Config, flaw: FlawedBreaker) -> Self {
        tracing::debug!(target: "breaker", breaker = name, "created");
        let inner = Inner {
            state: State::Closed,
            generation: 0,
            since: Instant::now(),
            trips: 0,
            results: Vec::new(),
            out: 0,
            permits: 0,
        };
        Flawed(Arc::new(Shared { name: name.to_owned(), config, flaw, inner: Mutex::new(inner) }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().expect("nothing panics under this lock")
    }

    fn change(&self, inner: &mut Inner, at: Instant, to: State, reason: &'static str) {
        let (calls, failures, slow) = inner.tally(&self.0.config, at);
        inner.generation += 1;
        tracing::info!(
            target: "breaker",
            breaker = self.0.name,
            from = inner.state.as_str(),
            to = to.as_str(),
            generation = inner.generation,
            reason,
            calls,
            failures,
            slow,
            "transition"
        );
        inner.trips = match to {
            State::Closed => 0,
            State::Open => inner.trips + 1,
            State::HalfOpen => inner.trips,
        };
        (inner.state, inner.since, inner.out) = (to, at, 0);
        inner.results.clear();
        if to == State::Open {
            self.start_timer(inner);
        }
    }

    fn start_timer(&self, inner: &Inner) {
        if self.0.flaw != FlawedBreaker::StaleTimers {
            return;
        }
        let (breaker, wait) = (self.clone(), self.0.config.wait_after(inner.trips));
        task::spawn(async move {
            time::sleep(wait).await;
            let mut inner = breaker.lock();
            if inner.state != State::HalfOpen {
                breaker.change(&mut inner, Instant::now(), State::HalfOpen, "wait_over");
            }
        });
    }

    /// Ends a half-open period that took too long.
    fn advance(&self, inner: &mut Inner, now: Instant) {
        if let Some(limit) = self.0.config.half_open.max_wait
            && inner.state == State::HalfOpen
            && now - inner.since >= limit
        {
            self.change(inner, inner.since + limit, State::Open, "probes_took_too_long");
        }
    }

    fn may_pass(&self, inner: &mut Inner, now: Instant) -> bool {
        self.advance(inner, now);
        if inner.state == State::Open && now - inner.since >= self.0.config.wait_after(inner.trips) {
            let next = if self.0.flaw == FlawedBreaker::NoHalfOpen { State::Closed } else { State::HalfOpen };
            self.change(inner, now, next, "wait_over");
        }
        match inner.state {
            State::Closed => true,
            State::Open => false,
            State::HalfOpen => {
                self.0.flaw == FlawedBreaker::UnlimitedProbes
                    || inner.out + (inner.results.len() as u32) < self.0.config.half_open.probes
            }
        }
    }

    fn count(&self, inner: &mut Inner, now: Instant, failed: bool, slow: bool) {
        inner.results.push((now, failed, slow));
        let (calls, failures, slow) = inner.tally(&self.0.config, now);
        let reaches = |n: u32, rate: f64| f64::from(n) / f64::from(calls) >= rate;
        let config = &self.0.config;
        match inner.state {
            State::Closed if calls >= config.minimum_calls => {
                if reaches(failures, config.failure_rate) {
                    self.change(inner, now, State::Open, "failure_rate");
                } else if config.slow_calls.is_some_and(|limit| reaches(slow, limit.rate)) {
                    self.change(inner, now, State::Open, "slow_call_rate");
                }
            }
            State::HalfOpen => {
                let good = inner.results.iter().filter(|(_, failed, slow)| !failed && !slow).count() as u32;
                let forgiven = self.0.flaw == FlawedBreaker::SuccessForgivesFailures && good > 0;
                if good >= config.half_open.successes {
                    self.change(inner, now, State::Closed, "probes_succeeded");
                } else if calls - good > config.half_open.probes - config.half_open.successes && !forgiven {
                    self.change(inner, now, State::Open, "probes_failed");
                }
            }
            State::Closed | State::Open => {}
        }
    }

    /// What it makes of a result that comes after a transition: it should be nothing.
    fn count_late(&self, inner: &mut Inner, now: Instant, failed: bool) {
        match (self.0.flaw, inner.state) {
            (FlawedBreaker::LateFailureExtendsOpen, State::Open) if failed => inner.since = now,
            (FlawedBreaker::LateSuccessCloses, State::Open) if !failed => {
                self.change(inner, now, State::Closed, "probes_succeeded");
            }
            (FlawedBreaker::StaleTimers, State::Open) if failed => self.start_timer(inner),
            _ => {}
        }
    }
}

impl Inner {
    /// Calls in the window (in half-open: all), how many failed, how many were slow.
    fn tally(&self, config: &Config, now: Instant) -> (u32, u32, u32) {
        let counts = |age: usize, at: Instant| match config.window {
            _ if self.state == State::HalfOpen => true,
            Window::Calls(n) => age < n as usize,
            Window::Time { span, slots } => {
                let slot = |t: Instant| (t - self.since).as_nanos() / (span / slots).as_nanos();
                slot(at) + u128::from(slots) > slot(now)
            }
        };
        let mut tally = (0, 0, 0);
        for (age, &(at, failed, slow)) in self.results.iter().rev().enumerate() {
            if counts(age, at) {
                tally = (tally.0 + 1, tally.1 + u32::from(failed), tally.2 + u32::from(slow));
            }
        }
        tally
    }
}

impl Guard for Flawed {
    fn acquire(&self) -> Option<Box<dyn Ticket>> {
        let (mut inner, now) = (self.lock(), Instant::now());
        let passes = self.may_pass(&mut inner, now);
        let (generation, state) = (inner.generation, inner.state.as_str());
        if !passes {
            tracing::debug!(target: "breaker", breaker = self.0.name, generation, state, "rejected");
            return None;
        }
        inner.permits += 1;
        inner.out += 1;
        let permit = inner.permits;
        tracing::debug!(target: "breaker", breaker = self.0.name, generation, permit, state, "admitted");
        Some(Box::new(FlawedTicket {
            breaker: self.clone(),
            generation,
            id: permit,
            since: now,
            recorded: false,
        }))
    }
}

impl FlawedTicket {
    /// Gives the permit back unused.
    fn give_back(&self, reason: &'static str) {
        let breaker = &self.breaker;
        let mut inner = breaker.lock();
        breaker.advance(&mut inner, Instant::now());
        let late = self.generation != inner.generation;
        if !late {
            inner.out -= 1;
        }
        let (breaker, generation, permit) = (&breaker.0.name, self.generation, self.id);
        tracing::debug!(target: "breaker", breaker, generation, permit, reason, late, "returned");
    }
}

impl Ticket for FlawedTicket {
    fn id(&self) -> u64 {
        self.id
    }

    fn record(mut self: Box<Self>, outcome: Outcome) {
        self.recorded = true;
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Ignored => return self.give_back("ignored"),
        };
        let breaker = &self.breaker;
        let (mut inner, now) = (breaker.lock(), Instant::now());
        breaker.advance(&mut inner, now);
        let (generation, permit) = (self.generation, self.id);
        let late = generation != inner.generation;
        let slow = breaker.0.config.slow_calls.is_some_and(|slow| now - self.since > slow.longer_than);
        let outcome = if failed { "failure" } else { "success" };
        let name = &breaker.0.name;
        let state = inner.state.as_str();
        tracing::debug!(target: "breaker", breaker = name, generation, permit, state, outcome, slow, late, "result");
        if late {
            breaker.count_late(&mut inner, now, failed);
        } else {
            inner.out -= 1;
            breaker.count(&mut inner, now, failed, slow);
        }
    }
}

impl Drop for FlawedTicket {
    fn drop(&mut self) {
        if !self.recorded && self.breaker.0.flaw != FlawedBreaker::LeakedProbe {
            self.give_back("dropped");
        }
    }
}
