//! Lets the planned faults strike and heal, each at its time.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use squall_rt::{
    task::JoinHandle,
    world::{NodeId, World},
};
use tokio::sync::oneshot;

use super::{
    FaultCount,
    trigger::{ArmedTrigger, Triggers},
    watch::Watch,
};
use crate::{
    cluster::Cluster,
    fault::{Hold, Strike},
    history::Kind,
    plan::{LeftOut, Plan, PlannedFault, PlannedTrigger, Start},
    record::Recorder,
    trace,
};

/// Where a planned fault stands.
enum Stage {
    Waiting,
    Active(Hold),
    Over,
}

struct State {
    stages: Vec<Stage>,
    counts: BTreeMap<String, FaultCount>,
    /// Settle has begun: nothing strikes any more.
    settled: bool,
}

/// The faults of one run.
pub(crate) struct Engine {
    cluster: Arc<Cluster>,
    recorder: Arc<Recorder>,
    world: Arc<World>,
    /// Those of the plan, then those of its futures.
    faults: Vec<PlannedFault>,
    /// When each future begins, and which faults are its own.
    futures: Vec<(Duration, Range<usize>)>,
    /// What does not strike after all.
    left_out: LeftOut,
    max_concurrent: Option<u32>,
    /// What waits for events of nodes.
    triggers: Arc<Triggers>,
    /// It has what waits for events of the world.
    watch: Option<Arc<Watch>>,
    state: Mutex<State>,
}

impl Engine {
    /// Arms the faults of a plan. The tasks returned drive them, and end with the run.
    pub fn start(
        cluster: Arc<Cluster>,
        recorder: Arc<Recorder>,
        triggers: Arc<Triggers>,
        watch: Option<Arc<Watch>>,
        plan: Plan,
        max_concurrent: Option<u32>,
        ids: impl Iterator<Item = String>,
    ) -> (Arc<Engine>, Vec<JoinHandle<()>>) {
        let mut faults = plan.faults;
        let first = faults.len();
        let mut futures = Vec::new();
        for future in plan.futures {
            let from = faults.len();
            faults.extend(future.faults);
            futures.push((future.from.0, from..faults.len()));
        }
        let stages = faults.iter().enumerate().map(|(i, fault)| {
            let there = i < first && !plan.left_out.has_strike(&fault.name());
            if there { Stage::Waiting } else { Stage::Over }
        });
        let engine = Arc::new(Engine {
            world: cluster.world().clone(),
            cluster,
            recorder,
            state: Mutex::new(State {
                stages: stages.collect(),
                counts: ids.map(|id| (id, FaultCount::default())).collect(),
                settled: false,
            }),
            max_concurrent,
            triggers,
            watch,
            faults,
            futures,
            left_out: plan.left_out,
        });
        let mut of_nodes = Vec::new();
        let mut of_world = Vec::new();
        let mut tasks = Vec::new();
        for i in 0..first {
            match &engine.faults[i].start {
                Start::At(at) if at.0.is_zero() => {}
                Start::At(at) => tasks.push(engine.strike_at(i, at.0)),
                Start::When(trigger) => {
                    let (armed, task) = engine.await_event(i, trigger, trigger.nth);
                    let is_of_world = trace::world_event(&trigger.event).is_some();
                    let among = if is_of_world { &mut of_world } else { &mut of_nodes };
                    among.push(armed);
                    tasks.push(task);
                }
            }
        }
        engine.triggers.arm(of_nodes);
        if let Some(watch) = &engine.watch {
            watch.triggers.arm(of_world);
        }
        (engine, tasks)
    }

    /// Lets those strike that strike at the start of the run, before any node takes its first step: a task of theirs might come second to a
    /// node, and the node's first packet would get away.
    pub fn strike_first(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        for (i, fault) in self.faults.iter().enumerate() {
            if matches!(fault.start, Start::At(at) if at.0.is_zero()) {
                self.strike(i);
                if fault.lasts.is_some() {
                    let engine = self.clone();
                    tasks.push(squall_rt::task::spawn(async move {
                        engine.heal_in_time(i, Duration::ZERO).await;
                    }));
                }
            }
        }
        tasks
    }

    /// Lets a fault strike at a time and heal after its.
    fn strike_at(self: &Arc<Self>, i: usize, at: Duration) -> JoinHandle<()> {
        let engine = self.clone();
        squall_rt::task::spawn(async move {
            engine.world.sleep_until(at).await;
            engine.strike(i);
            engine.heal_in_time(i, at).await;
        })
    }

    /// Lets a fault strike after the `nth` event that it waits for from now on, and heal after its time.
    fn await_event(
        self: &Arc<Self>,
        i: usize,
        trigger: &PlannedTrigger,
        nth: u64,
    ) -> (ArmedTrigger, JoinHandle<()>) {
        let engine = self.clone();
        let (fire, fired) = oneshot::channel();
        let after = trigger.after.0;
        let weak = Arc::downgrade(self);
        let at_once: Box<dyn FnOnce() + Send> = Box::new(move || {
            if let Some(engine) = weak.upgrade() {
                engine.strike(i);
            }
        });
        let armed = ArmedTrigger {
            fault: i,
            pattern: trigger.pattern(),
            remaining: nth,
            strike: after.is_zero().then_some(at_once),
            fire: Some(fire),
        };
        let task = squall_rt::task::spawn(async move {
            let Ok(seen_at) = fired.await else { return };
            if !after.is_zero() {
                engine.world.sleep_until(seen_at + after).await;
                engine.strike(i);
            }
            engine.heal_in_time(i, seen_at + after).await;
        });
        (armed, task)
    }

    /// A future of the plan begins: faults that have not struck make way for its own. One that has seen the event it waits for, and is
    /// about to strike, strikes; so does one that waits for an event of which no draw is still to come.
    pub fn redraw(self: &Arc<Self>, nth: usize) -> Vec<JoinHandle<()>> {
        let (from, own) = self.futures[nth].clone();
        let mut tasks = Vec::new();
        {
            let mut state = self.state();
            for (fault, stage) in self.faults.iter().zip(&mut state.stages) {
                let due = matches!(fault.start, Start::At(at) if at.0 > from);
                if due && matches!(stage, Stage::Waiting) {
                    *stage = Stage::Over;
                }
            }
            for i in own.clone() {
                if !self.left_out.has_strike(&self.faults[i].name()) {
                    state.stages[i] = Stage::Waiting;
                }
            }
        }
        for i in own.clone() {
            if let Start::At(at) = self.faults[i].start {
                tasks.push(self.strike_at(i, at.0));
            }
        }
        // The strikes of a fault that wait are all of one draw, so that no two of them come at the same event. The first of them
        // waits for the earliest, and chooses.
        let mut draws: BTreeMap<&str, Range<usize>> = BTreeMap::new();
        let mut change = |armed: ArmedTrigger| {
            let waiting = &self.faults[armed.fault];
            let Start::When(trigger) = &waiting.start else { return armed };
            let seen = trigger.nth - armed.remaining;
            let still_to_come = |i: &usize| {
                let drawn = &self.faults[*i];
                let to_come = matches!(&drawn.start, Start::When(trigger) if trigger.nth > seen);
                to_come && drawn.fault == waiting.fault && drawn.strike == waiting.strike
            };
            let draw = draws.entry(&waiting.fault).or_insert_with(|| {
                own.clone().find(still_to_come).map_or(0..0, |i| self.draw_from(i, own.end))
            });
            let drawn = draw.clone().find(still_to_come).and_then(|i| match &self.faults[i].start {
                Start::When(trigger) => Some(self.await_event(i, trigger, trigger.nth - seen)),
                Start::At(_) => None,
            });
            // Dropping what was armed ends its task.
            drawn.map_or(armed, |(armed, task)| {
                tasks.push(task);
                armed
            })
        };
        self.triggers.rearm(&mut change);
        if let Some(watch) = &self.watch {
            watch.triggers.rearm(&mut change);
        }
        tasks
    }

    /// The strikes of the same fault from one on, up to the next draw of it.
    fn draw_from(&self, first: usize, end: usize) -> Range<usize> {
        let goes_on = |i: &usize| {
            let [before, this] = [&self.faults[i - 1], &self.faults[*i]];
            this.fault == before.fault && this.strike > before.strike
        };
        first..(first + 1..end).find(|i| !goes_on(i)).unwrap_or(end)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a fault strike now, unless the run has settled.
    pub fn strike(&self, i: usize) {
        let active = {
            let state = self.state();
            if state.settled || !matches!(state.stages[i], Stage::Waiting) {
                return;
            }
            state.stages.iter().filter(|stage| matches!(stage, Stage::Active(_))).count()
        };
        let planned = &self.faults[i];
        let name = planned.name();
        // What the strike itself makes happen (a crash) is told after it.
        let announce = |what: String| {
            self.recorder.record(Kind::FaultStart { fault: name.clone().into(), what });
        };
        let action = &planned.action;
        let crowded = self.max_concurrent.is_some_and(|most| active >= most as usize);
        let struck = if crowded && !action.is_instant() {
            announce(format!(
                "{}: left out, {active} faults are active (limits.max_concurrent)",
                action.name()
            ));
            None
        } else {
            action.strike(&mut Strike::new(&self.cluster, name.clone(), planned.lasts, &announce))
        };
        let mut state = self.state();
        let count = state.counts.entry(planned.fault.clone()).or_default();
        count.struck += 1;
        state.stages[i] = match struck {
            Some(mut hold) if hold.is_done() => {
                // What it touched is told at once, and there is nothing to undo.
                drop(state);
                let touched = hold.heal(&self.cluster, None, &|_| {});
                state = self.state();
                state.counts.entry(planned.fault.clone()).or_default().touched += touched;
                Stage::Over
            }
            Some(hold) => Stage::Active(hold),
            None => Stage::Over,
        };
    }

    /// Heals what lies within `core` of a fault, or all of it, if it is active.
    fn heal(&self, i: usize, core: Option<&BTreeSet<NodeId>>) {
        let stage = std::mem::replace(&mut self.state().stages[i], Stage::Over);
        let mut hold = match stage {
            Stage::Active(hold) => hold,
            other => {
                self.state().stages[i] = other;
                return;
            }
        };
        let planned = &self.faults[i];
        let name = planned.name();
        let touched = hold.heal(&self.cluster, core, &|what| {
            self.recorder.record(Kind::FaultHeal { fault: name.clone().into(), what });
        });
        let mut state = self.state();
        state.counts.entry(planned.fault.clone()).or_default().touched += touched;
        if !hold.is_over() {
            state.stages[i] = Stage::Active(hold);
        }
    }

    async fn heal_in_time(&self, i: usize, struck_at: Duration) {
        if let Some(lasts) = self.faults[i].lasts {
            self.world.sleep_until(struck_at + lasts.0).await;
            self.heal(i, None);
        }
    }

    /// Heals what lies within `core` of all that is active, or all of it, and lets nothing strike from here on.
    pub fn settle(&self, core: Option<&BTreeSet<NodeId>>) {
        self.state().settled = true;
        for i in 0..self.faults.len() {
            self.heal(i, core);
        }
    }

    /// The run is over: what is still broken is let go of, so that what it touched counts.
    pub fn close(&self) {
        self.settle(None);
    }

    /// All strikes that were planned, those of the plan's futures too.
    pub fn planned(&self) -> &[PlannedFault] {
        &self.faults
    }

    /// What each fault of the spec did.
    pub fn counts(&self) -> BTreeMap<String, FaultCount> {
        self.state().counts.clone()
    }
}
