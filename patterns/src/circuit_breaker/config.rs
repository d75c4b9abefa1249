//! What a breaker is told: thresholds, windows, waits.

use std::fmt;

use squall_rt::time::Duration;

/// How a circuit breaker decides. The default is that of Resilience4j where it has one, with a window of 100 calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Which calls the rates are taken over.
    pub window: Window,
    /// With fewer calls than this in the window the breaker stays closed. For a count-based window at most its size.
    pub minimum_calls: u32,
    /// The share of failed calls that opens the breaker, above 0 and up to 1. Reaching it is enough.
    pub failure_rate: f64,
    /// When calls that succeed slowly count against the upstream; `None` for never.
    pub slow_calls: Option<SlowCalls>,
    /// How long the breaker stays open before it probes.
    pub wait: Duration,
    /// How the wait grows when probes fail; `None` for not at all.
    pub backoff: Option<Backoff>,
    /// How it probes.
    pub half_open: HalfOpen,
}

/// Which calls the rates are taken over. A window starts empty with each generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many calls.
    Calls(u32),
    /// The calls of about the last `span`. Time is cut into slots of `span / slots`, the first of which starts with the
    /// generation; the window is the current slot and the `slots - 1` before it. Memory is one counter a slot.
    Time {
        /// How far back it reaches.
        span: Duration,
        /// Into how many slots it is cut.
        slots: u32,
    },
}

/// When calls that succeed slowly count against the upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCalls {
    /// A call that takes longer is slow.
    pub longer_than: Duration,
    /// The share of slow calls that opens the breaker, above 0 and up to 1. Reaching it is enough.
    pub rate: f64,
}

/// How the wait grows: with each opening since the breaker was last closed it is multiplied by `factor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// By how much, at least 1.
    pub factor: u32,
    /// Up to how much.
    pub max: Duration,
}

/// How a breaker probes. It closes once `successes` probes have succeeded, and opens as soon as that many no longer can.
/// With slow calls configured, a slow success is a failed probe: it has not shown that the upstream is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfOpen {
    /// How many probes may be in flight or have ended, in all, until the breaker decides. A probe that was cancelled or
    /// ignored gives its place to another.
    pub probes: u32,
    /// How many of them must succeed, at most `probes`.
    pub successes: u32,
    /// If the probes have not decided by then, the breaker opens; `None` for no limit.
    pub max_wait: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            window: Window::Calls(100),
            minimum_calls: 100,
            failure_rate: 0.5,
            slow_calls: None,
            wait: Duration::from_secs(60),
            backoff: None,
            half_open: HalfOpen { probes: 10, successes: 6, max_wait: Some(Duration::from_secs(60)) },
        }
    }
}

impl Config {
    /// Checks that the numbers make sense together.
    ///
    /// # Errors
    /// Names the first field that does not, and what it must be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let rate = |rate: f64| rate > 0.0 && rate <= 1.0;
        let require =
            |holds: bool, field, must| if holds { Ok(()) } else { Err(ConfigError { field, must }) };
        match self.window {
            Window::Calls(n) => {
                require(n >= 1, "window", "hold at least one call")?;
                require(self.minimum_calls <= n, "minimum_calls", "be no more than the window holds")?;
            }
            Window::Time { span, slots } => {
                require(slots >= 1, "window.slots", "be at least 1")?;
                require(span / slots >= Duration::from_nanos(1), "window.span", "give each slot some time")?;
            }
        }
        require(self.minimum_calls >= 1, "minimum_calls", "be at least 1")?;
        require(rate(self.failure_rate), "failure_rate", "be above 0 and at most 1")?;
        if let Some(slow) = self.slow_calls {
            require(rate(slow.rate), "slow_calls.rate", "be above 0 and at most 1")?;
        }
        require(!self.wait.is_zero(), "wait", "be longer than 0")?;
        if let Some(backoff) = self.backoff {
            require(backoff.factor >= 1, "backoff.factor", "be at least 1")?;
            require(backoff.max >= self.wait, "backoff.max", "be at least `wait`")?;
        }
        let HalfOpen { probes, successes, max_wait } = self.half_open;
        require(probes >= 1, "half_open.probes", "be at least 1")?;
        require((1..=probes).contains(&successes), "half_open.successes", "be from 1 to `half_open.probes`")?;
        require(max_wait != Some(Duration::ZERO), "half_open.max_wait", "be longer than 0")
    }

    /// How long the breaker stays open when it opens for the `trips`-th time, from 1, since it was last closed.
    pub fn wait_after(&self, trips: u32) -> Duration {
        let Some(Backoff { factor, max }) = self.backoff else { return self.wait };
        let mut wait = self.wait;
        for _ in 1..trips {
            if factor == 1 || wait >= max {
                break;
            }
            wait = wait.saturating_mul(factor);
        }
        wait.min(max)
    }
}

/// A field of a [`Config`] that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Which.
    pub field: &'static str,
    /// What it must do or be.
    pub must: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circuit breaker: `{}` must {}", self.field, self.must)
    }
}

impl std::error::Error for ConfigError {}
