//! `circuit-breaker`: callers, each behind a circuit breaker, and an upstream that fails, slows down and vanishes.
//!
//! ```text
//!   clients --call--> callers --[breaker]--serve-> upstream (counts what it did, in redb)
//!      \---------------degrade, restore---------------^
//! ```
//!
//! Each caller has one breaker for each upstream. Besides the clients' calls a caller reads from the upstream on
//! its own, every `refresh_every`, so that there is always traffic and a breaker can be held to close again. Faults take the
//! upstream away; clients make it fail or slow with `degrade`, which it remembers through a crash.
//!
//! The breaker is the one of [`squall_patterns::circuit_breaker`], or one of the flawed ones beside it.
//!
//! A third of it are flawed breakers: what is wrong with a breaker is wrong in its middle, so they are one whole breaker of their own, written the plain way.

use std::time::Duration;

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Flaws, Group, Invariant, Node, Operations, Outcome, System,
    check::Mapping, spec::model::Dur,
};
use squall_invariants::{circuit_breaker as laws, every_pattern::WritesSurvive};
use squall_patterns::circuit_breaker::{Backoff, Config, ConfigError, HalfOpen, SlowCalls, Window};

mod caller;
mod client;
mod flaws;
mod guard;
mod upstream;
mod wire;

pub use self::{
    caller::run as run_caller,
    client::Session,
    flaws::FlawedBreaker,
    guard::{Guard, Ticket},
    upstream::FlawedUpstream,
};

/// The system. See the [module](self).
pub struct GuardedUpstream;

/// Its parameters. The default opens at half of at least 4 calls failed, waits a second (at most two), and closes after two
/// successful probes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which calls the rates are taken over.
    pub window: WindowParam,
    /// With fewer calls in the window the breaker stays closed.
    pub minimum_calls: u32,
    /// The share of failed calls that opens it.
    pub failure_rate: f64,
    /// A call that takes longer is slow.
    pub slow_after: Dur,
    /// The share of slow calls that opens it.
    pub slow_rate: f64,
    /// How long it stays open.
    pub wait: Dur,
    /// By how much the wait grows with each opening since it was last closed.
    pub backoff: u32,
    /// Up to how much the wait grows.
    pub max_wait: Dur,
    /// How many probes a half-open breaker lets through.
    pub probes: u32,
    /// How many of them must succeed.
    pub successes: u32,
    /// How long it may stay half-open; null for no limit.
    pub max_half_open: Option<Dur>,
    /// How long a caller waits for the upstream.
    pub call_timeout: Dur,
    /// How often a caller reads from the upstream on its own.
    pub refresh_every: Dur,
    /// Which breaker: none for the production one. Set by `variant`.
    pub flaw: Option<FlawedBreaker>,
    /// What is wrong with the upstream: nothing in the good implementation. Set by `variant`.
    pub flawed_upstream: Option<FlawedUpstream>,
}

/// Which calls the rates are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WindowParam {
    /// The last so many calls.
    Calls(u32),
    /// The calls of about the last `span`, forgotten slot by slot.
    Time {
        /// How far back it reaches.
        span: Dur,
        /// Into how many slots it is cut.
        slots: u32,
    },
}

impl Default for Params {
    fn default() -> Self {
        let ms = |n| Dur(Duration::from_millis(n));
        Params {
            window: WindowParam::Calls(8),
            minimum_calls: 4,
            failure_rate: 0.5,
            slow_after: ms(150),
            slow_rate: 0.75,
            wait: ms(1000),
            backoff: 2,
            max_wait: ms(2000),
            probes: 2,
            successes: 2,
            max_half_open: Some(ms(2500)),
            call_timeout: ms(300),
            refresh_every: ms(1000),
            flaw: None,
            flawed_upstream: None,
        }
    }
}

impl Params {
    /// The breakers' configuration.
    fn breaker(&self) -> Config {
        Config {
            window: match self.window {
                WindowParam::Calls(n) => Window::Calls(n),
                WindowParam::Time { span, slots } => Window::Time { span: span.0, slots },
            },
            minimum_calls: self.minimum_calls,
            failure_rate: self.failure_rate,
            slow_calls: Some(SlowCalls { longer_than: self.slow_after.0, rate: self.slow_rate }),
            wait: self.wait.0,
            backoff: Some(Backoff { factor: self.backoff, max: self.max_wait.0 }),
            half_open: HalfOpen {
                probes: self.probes,
                successes: self.successes,
                max_wait: self.max_half_open.map(|limit| limit.0),
            },
        }
    }

    /// The breakers' configuration, checked.
    fn checked_breaker(&self) -> Result<Config, ConfigError> {
        let config = self.breaker();
        config.validate().map(|()| config)
    }

    /// What the laws hold the breakers to: the same, in their terms.
    fn rules(&self) -> laws::Rules {
        laws::Rules {
            window: match self.window {
                WindowParam::Calls(n) => laws::Window::Calls(n),
                WindowParam::Time { span, slots } => laws::Window::Time { span: span.0, slots },
            },
            minimum_calls: self.minimum_calls,
            failure_rate: self.failure_rate,
            slow_calls: Some(laws::SlowCalls { longer_than: self.slow_after.0, rate: self.slow_rate }),
            wait: self.wait.0,
            backoff: Some(laws::Backoff { factor: self.backoff, max: self.max_wait.0 }),
            half_open: laws::HalfOpen {
                probes: self.probes,
                successes: self.successes,
                max_wait: self.max_half_open.map(|limit| limit.0),
            },
        }
    }

    fn timeout_ms(&self) -> u64 {
        (self.call_timeout.0.as_millis() as u64).max(4)
    }

    /// How long a call may take, with what is done about it once its time is over.
    fn longest_call(&self) -> Duration {
        self.call_timeout.0 + Duration::from_millis(2)
    }

    /// How long after the upstream is well again, and the network too, every breaker must be closed.
    fn recovery_time(&self) -> Duration {
        /// How long a caller may hang on to an attempt to connect that was begun before the heal.
        const STALE_CONNECTION: Duration = Duration::from_secs(1);
        // Until then calls may fail. One of them may be the one that opens the breaker again.
        let quiet = STALE_CONNECTION + self.call_timeout.0;
        let probing = (self.refresh_every.0 + self.call_timeout.0) * (self.successes + 1);
        let half_open = self.max_half_open.map_or(Duration::ZERO, |limit| limit.0);
        quiet + half_open + self.max_wait.0.max(self.wait.0) + probing
    }
}

/// What clients do. Callers and upstreams are given by position, modulo how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Operations)]
#[serde(rename_all = "snake_case")]
#[operations(params = Params)]
pub enum Op {
    /// Have a caller call an upstream.
    #[operation(weight = 10, returns(counter, count))]
    Call {
        /// Which caller.
        #[strategy(0..8u32)]
        caller: u32,
        /// Which upstream.
        #[strategy(0..8u32)]
        upstream: u32,
    },
    /// The same, but lose patience and cancel the call.
    #[operation(weight = 3, returns(counter, count))]
    HurriedCall {
        /// Which caller.
        #[strategy(0..8u32)]
        caller: u32,
        /// Which upstream.
        #[strategy(0..8u32)]
        upstream: u32,
        /// When, in milliseconds.
        #[strategy(2..params.timeout_ms())]
        patience: u64,
    },
    /// Several calls at once.
    #[operation(weight = 4, returns(done, failed, unknown))]
    Burst {
        /// Which caller.
        #[strategy(0..8u32)]
        caller: u32,
        /// Which upstream.
        #[strategy(0..8u32)]
        upstream: u32,
        /// How many.
        #[strategy(2..=5u32)]
        calls: u32,
    },
    /// A call that asks for nonsense, which says nothing about the upstream's health.
    #[operation(weight = 1)]
    BadCall {
        /// Which caller.
        #[strategy(0..8u32)]
        caller: u32,
        /// Which upstream.
        #[strategy(0..8u32)]
        upstream: u32,
    },
    /// Make an upstream fail or slow, for a while.
    #[operation(weight = 3, strategy = degradations(params.timeout_ms()))]
    Degrade {
        /// Which upstream.
        upstream: u32,
        /// The share of calls that fail, in percent.
        errors: u32,
        /// How long each takes, in milliseconds.
        slow: u64,
        /// For how long, in milliseconds.
        lasting: u64,
    },
    /// End that.
    #[operation(weight = 2)]
    Restore {
        /// Which upstream.
        #[strategy(0..8u32)]
        upstream: u32,
    },
}

/// A failing share, a slowness within the time-out, or one beyond it; never two that cancel each other out.
fn degradations(timeout: u64) -> impl Strategy<Value = Op> {
    let degradation = prop_oneof![2 => (50..=100u32, Just(0)), 1 => (Just(0), timeout / 2 + 1..timeout), 1 => (Just(0), timeout..2 * timeout)];
    (0..8u32, degradation, 1_000..=4_000u64).prop_map(|(upstream, (errors, slow), lasting)| Op::Degrade {
        upstream,
        errors,
        slow,
        lasting,
    })
}

/// What only this system reports.
const OWN_EVENTS: [EventKind; 1] = [EventKind {
    name: "effect.counted",
    fields: &["caller", "count"],
    about: "the upstream did its work for the count-th time for this caller, and committed it",
}];

impl System for GuardedUpstream {
    const NAME: &'static str = "circuit-breaker";
    const ABOUT: &'static str =
        "callers behind circuit breakers, and an upstream that fails, slows and vanishes";
    type Params = Params;
    type Op = Op;
    type Session = Session;

    fn groups(_params: &Params) -> Vec<Group> {
        vec![Group { name: "callers", size: 2 }, Group { name: "upstream", size: 1 }]
    }

    fn operations(params: &Params) -> Operations<Op> {
        Op::operations(params)
    }

    fn events() -> &'static [EventKind] {
        squall::events![laws::EVENTS, OWN_EVENTS]
    }

    fn invariants(params: &Params) -> Vec<Box<dyn Invariant>> {
        let mut all = laws::laws(params.rules(), params.longest_call(), params.recovery_time());
        // An upstream counts one by one, for each caller.
        let counted = Mapping::new().event("write.stored", "effect.counted");
        let counted = counted.field("key", "caller").field("version", "count");
        all.push(counted.invariant(Box::new(WritesSurvive::new(true))));
        all
    }

    fn conditions(_params: &Params) -> Vec<Box<dyn Condition>> {
        laws::conditions()
    }

    fn methods() -> &'static [&'static str] {
        &["relay", "serve", "degrade"]
    }

    fn flaws() -> &'static [Flaw] {
        squall::flaws![FlawedBreaker, FlawedUpstream]
    }

    fn apply_variant(params: &mut Params, flaw: &'static str) {
        (params.flaw, params.flawed_upstream) = (FlawedBreaker::named(flaw), FlawedUpstream::named(flaw));
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        match node.group() {
            "callers" => {
                let guard = caller::guards(&params)?;
                caller::run(node, params, guard).await
            }
            "upstream" => upstream::run(node, params.flawed_upstream).await,
            group => Err(format!("no node of group {group:?} here").into()),
        }
    }

    async fn open_session(client: Node, params: Params) -> Session {
        Session::new(&client, &params)
    }

    async fn perform(session: &mut Session, op: Op) -> Outcome {
        session.perform(op).await
    }
}
