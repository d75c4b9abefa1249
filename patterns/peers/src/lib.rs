//! `outside-breakers`: the callers and the upstream of the system [`circuit-breaker`](squall_systems::circuit_breaker), with circuit breakers
//! that other people have published in the callers. `variant` says whose:
//!
//! | variant | crate | how it takes the time |
//! |---|---|---|
//! | `hardened` | `squall-patterns` | `squall_rt::time` |
//! | `failsafe` | `failsafe` 1.3 | `std::time::Instant`, which is virtual in a run; with jitter, `rand`, which follows the seed |
//! | `recloser` | `recloser` 1.4 | `std::time::Instant` |
//! | `tower_resilience` | `tower-resilience-circuitbreaker` 0.14 | `std::time::Instant`; with `backpressure`, and where two tasks contend for its lock, tokio's timer, which is not there in a run. It is used without, and one call at a time asks |
//!
//! An adapter reports what can be seen from outside: whether a call is let through, and how it ends. The law is
//! [`breaker_from_outside`](squall_invariants::circuit_breaker::FromOutside), which needs no more. Of `tower_resilience` the window is one of
//! time: its window of calls does not slide, but counts all calls since the last transition.
//!
//! What is found, by the specs beside this crate:
//!
//! - As long as no call outlasts the wait, all of them keep the law (`no_late_results`). Of `recloser` one more probe decides than it is told:
//!   its window of one call has a rate from the second result on.
//! - Where calls do, each of the three lets what comes of a call that was begun before it opened decide what becomes of the half-open state: a
//!   late success closes it, a late failure opens it again, whatever the probe says.

// Where the simulation is switched off, squall says so.
#![cfg(madsim)]

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, EventKind, Flaw, Flaws, Group, Invariant, Node, Operations, Outcome, System, spec::model::Dur,
};
use squall_invariants::circuit_breaker as laws;
use squall_systems::circuit_breaker::{self as cast, GuardedUpstream, Op, WindowParam};

mod breakers;
mod driven;
mod report;

use self::report::Reported;

/// The system. See the [module](self).
pub struct OutsideBreakers;

/// `params:` of `outside-breakers`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How long a breaker stays open.
    pub wait: Dur,
    /// How long a caller waits for the upstream.
    pub call_timeout: Dur,
    /// How often a caller reads from the upstream on its own.
    pub refresh_every: Dur,
    /// Whose breaker: none for that of squall-patterns. Set by `variant`.
    pub whose: Option<Whose>,
}

/// Whose breaker, and what is found of it: of each of them the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// A result of a call that was begun before it opened decides what becomes of the half-open state.
    #[violates("breaker_from_outside")]
    Failsafe,
    /// A result of a call that was begun before it opened decides what becomes of the half-open state.
    #[violates("breaker_from_outside")]
    Recloser,
    /// A result of a call that was begun before it opened decides what becomes of the half-open state.
    #[violates("breaker_from_outside")]
    TowerResilience,
}

impl Default for Params {
    fn default() -> Self {
        let ms = |ms| Dur(Duration::from_millis(ms));
        Params { wait: ms(300), call_timeout: ms(200), refresh_every: ms(100), whose: None }
    }
}

impl Params {
    /// How many probes decide: of `recloser` the second, though one is asked for.
    fn probes(&self) -> u32 {
        if self.whose == Some(Whose::Recloser) { 2 } else { 1 }
    }

    /// Those of the cast: half of four calls open a breaker, and one probe decides.
    fn cast(&self) -> cast::Params {
        cast::Params {
            window: WindowParam::Calls(4),
            minimum_calls: 4,
            failure_rate: 0.5,
            // No call takes so long.
            slow_after: Dur(Duration::from_secs(3600)),
            wait: self.wait,
            backoff: 1,
            max_wait: self.wait,
            probes: 1,
            successes: 1,
            max_half_open: None,
            call_timeout: self.call_timeout,
            refresh_every: self.refresh_every,
            ..cast::Params::default()
        }
    }
}

impl System for OutsideBreakers {
    const NAME: &'static str = "outside-breakers";
    const ABOUT: &'static str =
        "callers behind circuit breakers that others have published, and an upstream that fails and vanishes";
    type Params = Params;
    type Op = Op;
    type Session = cast::Session;

    fn groups(params: &Params) -> Vec<Group> {
        GuardedUpstream::groups(&params.cast())
    }

    fn operations(params: &Params) -> Operations<Op> {
        GuardedUpstream::operations(&params.cast())
    }

    fn events() -> &'static [EventKind] {
        GuardedUpstream::events()
    }

    fn invariants(params: &Params) -> Vec<Box<dyn Invariant>> {
        vec![Box::new(laws::FromOutside::new(params.wait.0, params.probes()))]
    }

    fn methods() -> &'static [&'static str] {
        GuardedUpstream::methods()
    }

    fn flaws() -> &'static [Flaw] {
        Whose::ALL
    }

    fn apply_variant(params: &mut Params, variant: &'static str) {
        params.whose = Whose::named(variant);
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        let cast = params.cast();
        match (node.group(), params.whose) {
            ("callers", Some(whose)) => {
                let guard = |host: &str| {
                    let breaker = breakers::new(whose, params.wait.0)?;
                    Ok(Arc::new(Reported::new(host, breaker)) as Arc<dyn cast::Guard>)
                };
                cast::run_caller(node, cast, guard).await
            }
            _ => GuardedUpstream::run_node(node, cast).await,
        }
    }

    async fn open_session(client: Node, params: Params) -> cast::Session {
        GuardedUpstream::open_session(client, params.cast()).await
    }

    async fn perform(session: &mut cast::Session, op: Op) -> Outcome {
        GuardedUpstream::perform(session, op).await
    }
}

/// The systems of this crate.
pub fn registry() -> squall::Registry {
    squall::Registry::new().with::<OutsideBreakers>()
}
