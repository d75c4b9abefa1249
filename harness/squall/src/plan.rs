//! From a spec and a seed to a plan: every client operation and every fault with its time.
//!
//! A plan has no randomness left but the keyed streams that a run draws from as it goes (which member `one(orders)` is,
//! how long a packet takes). Each fault draws from a stream of its own, keyed by its id, and so does each client:
//! adding or removing one leaves the others as they were.

// Uses: check, fault, language, run_id, spec, system, trace.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use squall_rt::world::Stream;

mod branch;
mod injection;
mod mutation;
mod operations;
mod swarm;

pub use self::branch::{Future, LeftOut};
pub(crate) use self::operations::Drawn;
pub(crate) use crate::run_id::fault_of;
use crate::{
    check::pattern::Pattern,
    spec::{
        Spec, draws,
        model::{CountRange, Dur, DurationRange, Every, Fault, Heal, Scalar},
    },
    system::AnySystem,
};
pub use crate::{
    fault::Action,
    language::model::PlannedOperation,
    run_id::{Branch, Harm, Injection, Part, Point, RunId, Variation},
};

/// Whether the guided strategy draws for this seed as swarm does.
fn guided_draws_swarm(seed: u64) -> bool {
    seed % 2 == 1
}

/// What a run will do. See the [module](self).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The seed it was drawn from; it also keys what the run itself draws.
    pub seed: u64,
    /// The system's parameters that were drawn, by the way to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, serde_json::Value>,
    /// The phases' ends, since the start of the run.
    pub phases: PhaseEnds,
    /// What clients do, by time.
    pub operations: Vec<PlannedOperation>,
    /// What breaks, in the order of the spec.
    pub faults: Vec<PlannedFault>,
    /// What heals when settle begins.
    pub heal: Heal,
    /// What of this does not happen after all.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// From when on the rest is drawn anew, by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub futures: Vec<Future>,
}

/// When each phase ends, since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseEnds {
    /// The end of warmup and start of chaos.
    pub warmup: Dur,
    /// The end of chaos and start of settle.
    pub chaos: Dur,
    /// The end of the run.
    pub settle: Dur,
}

/// One strike of a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// The fault's id in the spec.
    pub fault: String,
    /// Which of its strikes this is, from 1.
    pub strike: u32,
    /// When it strikes.
    pub start: Start,
    /// What it does.
    pub action: Action,
    /// How long it lasts; until settle begins if not given.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Dur>,
}

impl PlannedFault {
    /// The name of this strike in histories: the fault's id, with `#n` from the second on.
    pub fn name(&self) -> String {
        if self.strike == 1 { self.fault.clone() } else { format!("{}#{}", self.fault, self.strike) }
    }
}

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At this time since the start of the run.
    At(Dur),
    /// After the n-th such event.
    When(PlannedTrigger),
}

/// An event to wait for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTrigger {
    /// The event's name.
    pub event: String,
    /// Fields that must have these values.
    #[serde(rename = "where", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Scalar>,
    /// Which occurrence, from 1.
    pub nth: u64,
    /// How long after it.
    pub after: Dur,
}

impl PlannedTrigger {
    /// Which events it waits for.
    pub(crate) fn pattern(&self) -> Pattern {
        Pattern::of(&self.event, &self.fields)
    }
}

impl Plan {
    /// Makes the plan of a run. The spec must be valid for the system; `params` gives the parameters of a seed, complete and with the
    /// variant applied.
    ///
    /// It must run in a world of its own, in a thread of its own: a strategy that iterates over a `HashMap` is deterministic only there.
    /// Not in the run's: each `HashMap` that is made shifts the order of the next, and how a plan was drawn is nothing that
    /// code under test should be able to tell.
    pub(crate) fn of_run(
        system: &dyn AnySystem,
        params: &dyn Fn(u64) -> serde_json::Value,
        spec: &Spec,
        run: &RunId,
    ) -> Plan {
        Plan::drawn(system, params, spec, run, None)
    }

    /// The plan of a run, or, with a key, one that is drawn in the same way from other seeds.
    fn drawn(
        system: &dyn AnySystem,
        params: &dyn Fn(u64) -> serde_json::Value,
        spec: &Spec,
        run: &RunId,
        anew: Option<u64>,
    ) -> Plan {
        let draw = |spec: &Spec, seed: u64| {
            let other = |key| Stream::new(key, "anew", &seed.to_string()).next_u64();
            Plan::draw(system, &params(seed), spec, anew.map_or(seed, other))
        };
        match &run.variation {
            Variation::None => draw(spec, run.seed),
            Variation::Swarm => draw(&swarm::varied(spec, system, run.seed), run.seed),
            Variation::Sweep(injections) => {
                let mut plan = draw(spec, run.seed);
                plan.faults.clear();
                plan.inject(injections, spec);
                plan
            }
            Variation::Pct(injections) => {
                let mut plan = draw(spec, run.seed);
                plan.inject(injections, spec);
                plan
            }
            Variation::Guided(steps) => {
                // Every other one is drawn as swarm does, which reaches what everything together hides.
                let draw = |seed| match guided_draws_swarm(seed) {
                    true => draw(&swarm::varied(spec, system, seed), seed),
                    false => draw(spec, seed),
                };
                steps.iter().fold(draw(run.seed), |plan, step| mutation::mutated(plan, *step, &draw))
            }
            Variation::Branched(of, branch) => {
                let of = RunId { seed: run.seed, variation: (**of).clone() };
                let plan = Plan::drawn(system, params, spec, &of, anew);
                branch.taken(plan, spec, &|spec, key| Plan::drawn(system, params, spec, &of, Some(key)))
            }
        }
    }

    /// The operations that the plan of a run was drawn with, as proptest values: each can be made simpler. In order; the plan may
    /// have changed their times since, or left some out. As [`of_run`](Plan::of_run), it must run in a world of its own.
    pub(crate) fn drawn_operations(
        system: &dyn AnySystem,
        params: &dyn Fn(u64) -> serde_json::Value,
        spec: &Spec,
        run: &RunId,
        plan: &Plan,
    ) -> Vec<Drawn> {
        let swarmed = match &run.variation {
            Variation::Swarm => true,
            Variation::Guided(_) => guided_draws_swarm(plan.seed),
            _ => false,
        };
        let varied = swarmed.then(|| swarm::varied(spec, system, plan.seed));
        let spec = varied.as_ref().unwrap_or(spec);
        // What is written out was not drawn.
        if spec.plan.is_some() {
            return Vec::new();
        }
        operations::draw(system, &params(plan.seed), spec, plan.seed).collect()
    }

    /// Has these strike, too. A fault of the spec's own strikes even if it may stay away.
    fn inject(&mut self, injections: &[Injection], spec: &Spec) {
        let (warmup, chaos) = (self.phases.warmup.0, self.phases.chaos.0);
        let seed = self.seed;
        let own = |id: &str| {
            let faults = spec.faults.iter().filter(|fault| fault.id.value == id);
            faults.flat_map(|fault| draw_fault(fault, seed, warmup, chaos)).collect()
        };
        for (what, nth) in injections.iter().zip(1..) {
            for mut planned in what.planned(&own, nth) {
                let same = self.faults.iter().filter(|other| other.fault == planned.fault);
                let last = same.map(|other| other.strike).max().unwrap_or(0);
                planned.strike = planned.strike.max(last.saturating_add(1));
                self.faults.push(planned);
            }
        }
    }

    fn draw(system: &dyn AnySystem, params: &serde_json::Value, spec: &Spec, seed: u64) -> Plan {
        let warmup = spec.phases.warmup.0;
        let chaos = warmup + spec.phases.chaos.0;
        let settle = chaos + spec.phases.settle.0;
        Plan {
            seed,
            params: draws::resolve(&spec.params.value, seed).1.into_iter().collect(),
            phases: PhaseEnds { warmup: Dur(warmup), chaos: Dur(chaos), settle: Dur(settle) },
            operations: match &spec.plan {
                Some(plan) => plan.operations.clone(),
                None => operations::draw(system, params, spec, seed).map(|drawn| drawn.planned()).collect(),
            },
            faults: spec.faults.iter().flat_map(|fault| draw_likely(fault, seed, warmup, chaos)).collect(),
            heal: spec.phases.heal.value.clone(),
            left_out: LeftOut::default(),
            futures: Vec::new(),
        }
    }
}

/// The strikes of a fault that do not stay away.
fn draw_likely(fault: &Fault, seed: u64, warmup: Duration, chaos: Duration) -> Vec<PlannedFault> {
    let mut planned = draw_fault(fault, seed, warmup, chaos);
    if let Some(probability) = &fault.probability {
        let mut chances = Stream::new(seed, "probability", &fault.id.value);
        planned.retain(|_| chances.chance(probability.0));
    }
    planned
}

fn draw_fault(fault: &Fault, seed: u64, warmup: Duration, chaos: Duration) -> Vec<PlannedFault> {
    let mut stream = Stream::new(seed, "fault", &fault.id.value);
    starts(fault, &mut stream, warmup, chaos)
        .into_iter()
        .zip(1..)
        .map(|(start, strike)| {
            let mut action = fault.actions().next().expect("a valid fault has exactly one kind");
            action.ranges(&mut |range| range.draw(&mut stream));
            let lasts =
                action.own_end().or_else(|| fault.lasts.as_ref().map(|range| draw(range, &mut stream)));
            PlannedFault { fault: fault.id.value.clone(), strike, start, action, lasts }
        })
        .collect()
}

fn draw(range: &DurationRange, stream: &mut Stream) -> Dur {
    Dur(stream.duration(range.min, range.max))
}

fn draw_count(range: CountRange, stream: &mut Stream) -> u64 {
    stream.range(range.min..range.max + 1)
}

/// When the fault strikes.
fn starts(fault: &Fault, stream: &mut Stream, warmup: Duration, chaos: Duration) -> Vec<Start> {
    if let Some(at) = &fault.at {
        return vec![Start::At(draw(at, stream))];
    }
    if let Some(trigger) = &fault.when {
        let nth = trigger.nth.map_or(1, |range| draw_count(range, stream));
        let times = fault.times.as_ref().map_or(1, |times| times.value);
        return (0..u64::from(times))
            .map(|i| {
                let after = trigger.after.map_or(Dur(Duration::ZERO), |range| draw(&range, stream));
                Start::When(PlannedTrigger {
                    event: trigger.event.value.clone(),
                    fields: trigger.fields.iter().map(|(k, v)| (k.value.clone(), v.clone())).collect(),
                    nth: nth + i,
                    after,
                })
            })
            .collect();
    }
    // Without a schedule it stands there for the whole of chaos.
    let Some(every) = &fault.every else { return vec![Start::At(Dur(warmup))] };
    let (first, last) = fault.between.as_ref().map_or((warmup, chaos), |between| (between.0.0, between.1.0));
    let most = fault.times.as_ref().map_or(usize::MAX, |times| times.value as usize);
    let mut at = first;
    let mut starts = Vec::new();
    loop {
        at += match &every.value {
            Every::Interval(range) => draw(range, stream).0,
            Every::Poisson(mean) => stream.exponential(*mean),
        }
        .max(Duration::from_millis(1));
        if at > last || starts.len() >= most {
            return starts;
        }
        starts.push(Start::At(Dur(at)));
    }
}
