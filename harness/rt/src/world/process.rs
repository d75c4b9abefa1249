//! Processes that stand still, and how they come to their end of their own accord.
//!
//! A process stands still while anything holds it: each [`pause`](World::pause) does until its
//! [`resume`](World::resume), and a call that the disk stalls does for a time. Pauses are of the machine: they outlast the
//! process, and the next one that is started stands still as well. A stall is of one call, and dies with the process
//! that made it.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
    time::Duration,
};

use madsim::runtime::Handle;
use real_tokio::sync::watch;

use super::{Death, DiskFate, Life, NodeId, World};

/// How a process that ends of itself is seen by its peers.
const EXIT: Death = Death::Exit;

/// What one node's process is told and held by.
pub(super) struct Control {
    pauses: u32,
    /// Since the start of the run.
    stalled_until: Option<Duration>,
    /// Whether it was asked to end. One for each life.
    terminated: watch::Sender<bool>,
    /// Whether it has ever waited to be asked.
    listens: bool,
}

impl Default for Control {
    fn default() -> Self {
        Control { pauses: 0, stalled_until: None, terminated: watch::Sender::new(false), listens: false }
    }
}

impl Control {
    /// A new process starts, or the old one has died.
    pub(super) fn renew(&mut self) {
        *self = Control { pauses: self.pauses, ..Control::default() };
    }

    pub(super) fn is_still(&self) -> bool {
        self.pauses > 0 || self.stalled_until.is_some()
    }
}

impl World {
    /// Stops a node's tasks from running, as SIGSTOP does. Its kernel lives on: connections stay, packets queue. So many
    /// pauses need as many [`resume`](World::resume)s, and a process that is started in between stands still too.
    pub fn pause(&self, node: NodeId) {
        self.control(node, |control| control.pauses += 1);
    }

    /// Takes back one [`pause`](World::pause): the node's tasks go on unless something else holds them. Does nothing to a node
    /// that is not paused.
    pub fn resume(&self, node: NodeId) {
        self.control(node, |control| control.pauses = control.pauses.saturating_sub(1));
    }

    /// Changes what holds a node, and has its tasks go on or stop accordingly.
    fn control(&self, node: NodeId, change: impl FnOnce(&mut Control)) {
        let (madsim, was_still, is_still) = {
            let mut nodes = self.nodes.lock();
            let node = &mut nodes[node];
            let was_still = node.control.is_still();
            change(&mut node.control);
            (node.madsim, was_still, node.control.is_still())
        };
        match (was_still, is_still) {
            (false, true) => Handle::current().pause(madsim),
            (true, false) => Handle::current().resume(madsim),
            _ => {}
        }
    }

    /// The process is in a call that takes so long: from the end of its current poll on it stands still. Several calls in
    /// one poll follow each other.
    pub(super) fn stall(&self, life: Life, duration: Duration) {
        if !self.is_alive(life) {
            return;
        }
        let mut until = self.now() + duration;
        self.control(life.node, |control| {
            // One that has not ended was made in this poll: nothing else of the process runs in the meantime.
            until = control.stalled_until.map_or(until, |earlier| earlier + duration);
            control.stalled_until = Some(until);
        });
        let mut sleep = pin!(self.time.sleep(Duration::ZERO));
        sleep.as_mut().reset(self.time.now_instant() + (until - self.now()));
        let end = Waker::from(Arc::new(StallEnd { life, until }));
        if sleep.poll(&mut Context::from_waker(&end)).is_ready() {
            end.wake();
        }
    }

    /// Asks the process on a node to end, as SIGTERM does: [`shutdown_requested`](crate::process::shutdown_requested)
    /// completes in it. What it makes of that is its own affair; a supervisor waits as long as it sees fit and then
    /// [crashes](World::crash) it. Returns whether the process listens, which is whether it has ever waited to be asked: one
    /// that does not would have died of the signal at once.
    pub fn terminate(&self, node: NodeId) -> bool {
        let (terminated, listens) = {
            let nodes = self.nodes.lock();
            let node = &nodes[node];
            if !node.up {
                return false;
            }
            (node.control.terminated.clone(), node.control.listens)
        };
        terminated.send_replace(true);
        listens
    }

    /// Ends the process on a node as if it had returned from its `main`: its kernel closes what it left open, and its disk
    /// keeps everything. Returns false if no process was running.
    pub fn exit(&self, node: NodeId) -> bool {
        self.crash(node, EXIT, DiskFate::Keep)
    }

    /// What tells the calling process to end. `None` if it is dead, or none.
    pub(crate) fn termination(&self) -> Option<watch::Receiver<bool>> {
        let life = self.here()?;
        let control = &mut self.nodes.lock()[life.node].control;
        control.listens = true;
        Some(control.terminated.subscribe())
    }
}

/// Ends a stall when it is woken, as a timer's waker.
struct StallEnd {
    life: Life,
    until: Duration,
}

impl Wake for StallEnd {
    fn wake(self: Arc<Self>) {
        let world = World::current();
        // A dead process has nothing to go on with, and its node may be paused for another reason.
        if world.is_alive(self.life) {
            world.control(self.life.node, |control| {
                // A later call in the same poll has a timer of its own.
                control.stalled_until = control.stalled_until.filter(|until| *until != self.until);
            });
        }
    }
}
