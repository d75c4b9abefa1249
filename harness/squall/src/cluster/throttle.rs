//! A node that gets a fraction of its processor: it stands still and runs in turns.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use squall_rt::world::{NodeId, World};

/// A node that stands still and runs in turns.
#[derive(Clone)]
pub(crate) struct Throttle {
    world: Arc<World>,
    node: NodeId,
    state: Arc<Mutex<Throttled>>,
}

#[derive(Default)]
struct Throttled {
    still: bool,
    lifted: bool,
    /// How often it was made to stand still.
    stops: u64,
}

impl Throttle {
    pub fn new(world: Arc<World>, node: NodeId) -> Self {
        Throttle { world, node, state: Arc::default() }
    }

    /// Has the node stand still for so long, then run for so long, in turns, until it is lifted.
    pub async fn drive(self, still: Duration, runs: Duration) {
        loop {
            {
                let mut state = self.state();
                if state.lifted {
                    return;
                }
                state.still = true;
                state.stops += 1;
                self.world.pause(self.node);
            }
            self.world.sleep(still).await;
            {
                let mut state = self.state();
                if !std::mem::take(&mut state.still) {
                    return;
                }
                self.world.resume(self.node);
            }
            self.world.sleep(runs).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, Throttled> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the node run again. Says how often it was made to stand still.
    pub fn lift(&self) -> u64 {
        let mut state = self.state();
        state.lifted = true;
        if std::mem::take(&mut state.still) {
            self.world.resume(self.node);
        }
        state.stops
    }
}
