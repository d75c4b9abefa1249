//! The state machine, without clock, lock or reports: time is passed in, counted from the breaker's creation, and must
//! never step back.

use std::{fmt, mem};

use squall_rt::time::Duration;

use super::{
    config::Config,
    window::{Sliding, Tally},
};

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls go through and are counted.
    Closed,
    /// Calls are rejected until the wait is over.
    Open,
    /// A few calls go through as probes.
    HalfOpen,
    /// Calls are rejected until someone resets the breaker.
    ForcedOpen,
    /// Calls go through, nothing is counted.
    Disabled,
    /// Calls go through and are counted, and the breaker never opens.
    MetricsOnly,
}

impl State {
    /// Its name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
            State::ForcedOpen => "forced_open",
            State::Disabled => "disabled",
            State::MetricsOnly => "metrics_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Too many calls failed: closed to open.
    FailureRate,
    /// Too many calls were slow: closed to open.
    SlowCallRate,
    /// The wait is over and a call came: open to half-open.
    WaitOver,
    /// Enough probes succeeded: half-open to closed.
    ProbesSucceeded,
    /// Too few probes can still succeed: half-open to open.
    ProbesFailed,
    /// The probes did not decide in time: half-open to open, as of that time.
    ProbesTookTooLong,
    /// Someone asked for it.
    Manual,
}

impl Reason {
    /// Its name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::FailureRate => "failure_rate",
            Reason::SlowCallRate => "slow_call_rate",
            Reason::WaitOver => "wait_over",
            Reason::ProbesSucceeded => "probes_succeeded",
            Reason::ProbesFailed => "probes_failed",
            Reason::ProbesTookTooLong => "probes_took_too_long",
            Reason::Manual => "manual",
        }
    }
}

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The generation that begins with it.
    pub generation: u64,
    /// Why.
    pub reason: Reason,
    /// Calls that were counted when the old generation ended.
    pub calls: u32,
    /// How many of them had failed.
    pub failures: u32,
    /// How many of them were slow.
    pub slow: u32,
}

enum Phase {
    Closed(Sliding),
    Open { until: Duration },
    HalfOpen(Probing),
    ForcedOpen,
    Disabled,
    MetricsOnly(Sliding),
}

struct Probing {
    /// When it ends undecided.
    until: Option<Duration>,
    /// Permits of this generation that are out, or whose result was recorded.
    taken: u32,
    tally: Tally,
    /// Results that were neither failed nor slow.
    succeeded: u32,
}

pub(super) enum Admission {
    Admitted { generation: u64, permit: u64, state: State },
    Rejected { generation: u64, state: State, retry_after: Option<Duration> },
}

pub(super) struct Recorded {
    /// What it was in when the result came.
    pub(super) state: State,
    pub(super) slow: bool,
    /// The permit was of an older generation, so the result changed nothing.
    pub(super) late: bool,
}

pub(super) struct Machine {
    config: Config,
    phase: Phase,
    generation: u64,
    /// How often it opened since it was last closed.
    trips: u32,
    /// Permits given so far, and permits that came back.
    permits: u64,
    ended: u64,
    changes: Vec<Transition>,
}

impl Machine {
    pub(super) fn new(config: Config) -> Self {
        Machine {
            config,
            phase: Phase::Closed(Sliding::new(config.window, Duration::ZERO)),
            generation: 0,
            trips: 0,
            permits: 0,
            ended: 0,
            changes: Vec::new(),
        }
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen(_) => State::HalfOpen,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::Disabled => State::Disabled,
            Phase::MetricsOnly(_) => State::MetricsOnly,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.permits - self.ended
    }

    pub(super) fn tally(&self, now: Duration) -> Tally {
        match &self.phase {
            Phase::Closed(window) | Phase::MetricsOnly(window) => window.tally(now),
            Phase::HalfOpen(probing) => probing.tally,
            Phase::Open { .. } | Phase::ForcedOpen | Phase::Disabled => Tally::default(),
        }
    }

    /// The transitions made since the last time it was asked, oldest first.
    pub(super) fn take_changes(&mut self) -> Vec<Transition> {
        mem::take(&mut self.changes)
    }

    /// Does what time alone brings about: ends a half-open period that took too long.
    pub(super) fn advance(&mut self, now: Duration) {
        if let Phase::HalfOpen(Probing { until: Some(until), .. }) = self.phase
            && now >= until
        {
            // As of then, not as of now: that no one looked must not prolong the wait.
            self.change(until, State::Open, Reason::ProbesTookTooLong);
        }
    }

    pub(super) fn admit(&mut self, now: Duration) -> Admission {
        self.advance(now);
        if let Phase::Open { until } = self.phase
            && now >= until
        {
            self.change(now, State::HalfOpen, Reason::WaitOver);
        }
        let generation = self.generation;
        let state = self.state();
        let retry_after = match &mut self.phase {
            Phase::Closed(_) | Phase::Disabled | Phase::MetricsOnly(_) => {
                return self.admitted(state);
            }
            Phase::HalfOpen(probing) if probing.taken < self.config.half_open.probes => {
                probing.taken += 1;
                return self.admitted(state);
            }
            Phase::Open { until } => Some(until.saturating_sub(now)),
            Phase::HalfOpen(_) | Phase::ForcedOpen => None,
        };
        Admission::Rejected { generation, state, retry_after }
    }

    fn admitted(&mut self, state: State) -> Admission {
        self.permits += 1;
        Admission::Admitted { generation: self.generation, permit: self.permits, state }
    }

    /// Takes the result of a call that was admitted in `generation` and ran for `took`. [Advance](Machine::advance) first:
    /// what time brought about before the result is not of its making.
    pub(super) fn record(
        &mut self,
        now: Duration,
        generation: u64,
        failed: bool,
        took: Duration,
    ) -> Recorded {
        self.ended += 1;
        let slow = self.config.slow_calls.is_some_and(|slow| took > slow.longer_than);
        let (state, late) = (self.state(), generation != self.generation);
        if !late {
            self.count(now, failed, slow);
        }
        Recorded { state, slow, late }
    }

    fn count(&mut self, now: Duration, failed: bool, slow: bool) {
        match &mut self.phase {
            Phase::Closed(window) => {
                window.add(now, failed, slow);
                let tally = window.tally(now);
                if tally.calls < self.config.minimum_calls {
                    return;
                }
                if tally.failure_rate() >= self.config.failure_rate {
                    self.change(now, State::Open, Reason::FailureRate);
                } else if self.config.slow_calls.is_some_and(|slow| tally.slow_rate() >= slow.rate) {
                    self.change(now, State::Open, Reason::SlowCallRate);
                }
            }
            Phase::MetricsOnly(window) => window.add(now, failed, slow),
            Phase::HalfOpen(probing) => {
                probing.tally.add(Tally::of(failed, slow));
                if !failed && !slow {
                    probing.succeeded += 1;
                }
                let wanted = self.config.half_open.successes;
                let in_vain = probing.tally.calls - probing.succeeded;
                if probing.succeeded >= wanted {
                    self.change(now, State::Closed, Reason::ProbesSucceeded);
                } else if in_vain > self.config.half_open.probes - wanted {
                    self.change(now, State::Open, Reason::ProbesFailed);
                }
            }
            // Open phases give no permits, so a result of their generation cannot be; a disabled breaker counts nothing.
            Phase::Open { .. } | Phase::ForcedOpen | Phase::Disabled => {}
        }
    }

    /// Takes back a permit of `generation` that was not used; returns whether that was late.
    pub(super) fn give_back(&mut self, now: Duration, generation: u64) -> bool {
        self.advance(now);
        self.ended += 1;
        let late = generation != self.generation;
        if let Phase::HalfOpen(probing) = &mut self.phase
            && !late
        {
            probing.taken -= 1;
        }
        late
    }

    pub(super) fn force(&mut self, now: Duration, to: State) {
        self.advance(now);
        self.change(now, to, Reason::Manual);
    }

    fn change(&mut self, at: Duration, to: State, reason: Reason) {
        let from = self.state();
        let Tally { calls, failures, slow } = self.tally(at);
        self.phase = match to {
            State::Closed => {
                self.trips = 0;
                Phase::Closed(Sliding::new(self.config.window, at))
            }
            State::Open => {
                self.trips = self.trips.saturating_add(1);
                Phase::Open { until: at.saturating_add(self.config.wait_after(self.trips)) }
            }
            State::HalfOpen => Phase::HalfOpen(Probing {
                until: self.config.half_open.max_wait.map(|wait| at.saturating_add(wait)),
                taken: 0,
                tally: Tally::default(),
                succeeded: 0,
            }),
            State::ForcedOpen => Phase::ForcedOpen,
            State::Disabled => Phase::Disabled,
            State::MetricsOnly => Phase::MetricsOnly(Sliding::new(self.config.window, at)),
        };
        self.generation += 1;
        self.changes.push(Transition {
            from,
            to,
            generation: self.generation,
            reason,
            calls,
            failures,
            slow,
        });
    }
}
