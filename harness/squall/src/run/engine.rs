//! Lets the planned faults strike and heal, each at its time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use squall_rt::{task::JoinHandle, world::World};
use tokio::sync::oneshot;

use super::{
    FaultCount,
    cluster::Cluster,
    record::{ArmedTrigger, Recorder},
};
use crate::{
    check::pattern::Pattern,
    fault::{self, Hold},
    history::Kind,
    plan::{PlannedFault, Start},
};

/// Where a planned fault stands.
enum Stage {
    Waiting,
    Active(Box<dyn Hold>),
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
    state: Mutex<State>,
}

impl Engine {
    /// Arms the faults. The tasks returned drive them, and end with the run.
    pub fn start(
        cluster: Arc<Cluster>,
        recorder: Arc<Recorder>,
        faults: Vec<PlannedFault>,
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
            faults,
        });
        let mut triggers = Vec::new();
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
                    triggers.push(ArmedTrigger {
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
        (engine, tasks)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a fault strike now, unless the run has settled.
    pub fn strike(&self, i: usize) {
        {
            let state = self.state();
            if state.settled || !matches!(state.stages[i], Stage::Waiting) {
                return;
            }
        }
        let planned = &self.faults[i];
        // What the strike itself makes happen (a crash) is told after it.
        let struck = {
            let name = planned.name();
            let recorder = &self.recorder;
            fault::strike(planned, &self.cluster, &|what| {
                recorder.record(Kind::FaultStart { fault: name.clone().into(), what });
            })
        };
        let mut state = self.state();
        state.counts.entry(planned.fault.clone()).or_default().struck += 1;
        state.stages[i] = struck.map_or(Stage::Over, Stage::Active);
    }

    /// Heals a fault now, if it is active.
    fn heal(&self, i: usize) {
        let stage = std::mem::replace(&mut self.state().stages[i], Stage::Over);
        let Stage::Active(hold) = stage else { return };
        let planned = &self.faults[i];
        let name = planned.name();
        let touched = hold.heal(&self.cluster, &|what| {
            self.recorder.record(Kind::FaultHeal { fault: name.clone().into(), what });
        });
        self.state().counts.entry(planned.fault.clone()).or_default().touched += touched;
    }

    async fn heal_in_time(&self, i: usize, struck_at: Duration) {
        if let Some(lasts) = self.faults[i].lasts {
            self.world.sleep_until(struck_at + lasts.0).await;
            self.heal(i);
        }
    }

    /// Heals whatever is active, and lets nothing strike from here on.
    pub fn settle(&self) {
        self.state().settled = true;
        for i in 0..self.faults.len() {
            self.heal(i);
        }
    }

    /// What each fault of the spec did.
    pub fn counts(&self) -> BTreeMap<String, FaultCount> {
        self.state().counts.clone()
    }
}
