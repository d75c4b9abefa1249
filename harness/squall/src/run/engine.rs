//! Lets the planned faults strike and heal, each at its time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use squall_rt::{
    task::JoinHandle,
    world::{NodeId, World},
};
use tokio::sync::oneshot;

use super::{FaultCount, cluster::Cluster, record::Recorder, trigger::ArmedTrigger, watch::Watch};
use crate::{
    check::pattern::Pattern,
    fault::{Hold, Strike},
    history::Kind,
    plan::{PlannedFault, Start},
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
    faults: Vec<PlannedFault>,
    max_concurrent: Option<u32>,
    state: Mutex<State>,
}

impl Engine {
    /// Arms the faults. The tasks returned drive them, and end with the run.
    pub fn start(
        cluster: Arc<Cluster>,
        recorder: Arc<Recorder>,
        watch: Option<&Watch>,
        faults: Vec<PlannedFault>,
        max_concurrent: Option<u32>,
        ids: impl Iterator<Item = String>,
    ) -> (Arc<Engine>, Vec<JoinHandle<()>>) {
        let engine = Arc::new(Engine {
            world: cluster.world().clone(),
            cluster,
            recorder: recorder.clone(),
            state: Mutex::new(State {
                stages: faults.iter().map(|_| Stage::Waiting).collect(),
                counts: ids.map(|id| (id, FaultCount::default())).collect(),
                settled: false,
            }),
            max_concurrent,
            faults,
        });
        let mut triggers = Vec::new();
        // Of these the recorder knows nothing.
        let mut on_world = Vec::new();
        let mut tasks = Vec::new();
        for (i, planned) in engine.faults.iter().enumerate() {
            let engine = engine.clone();
            tasks.push(match &planned.start {
                Start::At(at) => {
                    let at = at.0;
                    squall_rt::task::spawn(async move {
                        engine.world.sleep_until(at).await;
                        engine.strike(i);
                        engine.heal_in_time(i, at).await;
                    })
                }
                Start::When(trigger) => {
                    let (fire, fired) = oneshot::channel();
                    let after = trigger.after.0;
                    let of_world = trace::world_event(&trigger.event).is_some();
                    let among = if of_world { &mut on_world } else { &mut triggers };
                    among.push(ArmedTrigger {
                        fault: i,
                        pattern: Pattern::planned(trigger),
                        remaining: trigger.nth,
                        at_once: after.is_zero(),
                        fire: Some(fire),
                    });
                    squall_rt::task::spawn(async move {
                        let Ok(seen_at) = fired.await else { return };
                        if !after.is_zero() {
                            engine.world.sleep_until(seen_at + after).await;
                            engine.strike(i);
                        }
                        engine.heal_in_time(i, seen_at + after).await;
                    })
                }
            });
        }
        recorder.arm(&engine, triggers);
        if let Some(watch) = watch {
            watch.arm(&engine, on_world);
        }
        (engine, tasks)
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
            action.strike(&mut Strike::new(&self.cluster, planned, &announce))
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

    /// What each fault of the spec did.
    pub fn counts(&self) -> BTreeMap<String, FaultCount> {
        self.state().counts.clone()
    }
}
