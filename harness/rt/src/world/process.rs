//! Processes that stand still, and how they come to their end of their own accord.
//!
//! A process stands still while anything holds it: each [`pause`](World::pause) does until its
//! [`resume`](World::resume), and a call that the disk stalls does for a time. Pauses are of the machine: they outlast the
//! process, and the next one that is started stands still as well. A stall is of one call, and dies with the process
//! that made it.

use std::sync::Arc;

use madsim::runtime::Handle;
use real_tokio::sync::watch;

use super::{Death, DiskFate, NodeId, World, thread::Thread};

/// How a process that ends of itself is seen by its peers.
const EXIT: Death = Death::Exit;

/// What one node's process is told and held by.
pub(super) struct Control {
    pauses: u32,
    /// How many calls hold it up.
    pub(super) stalls: u32,
    thread: Arc<Thread>,
    /// Whether it was asked to end. One for each life.
    terminated: watch::Sender<bool>,
    /// Whether it has ever waited to be asked.
    listens: bool,
}

impl Default for Control {
    fn default() -> Self {
        Control {
            pauses: 0,
            stalls: 0,
            thread: Arc::default(),
            terminated: watch::Sender::new(false),
            listens: false,
        }
    }
}

impl Control {
    /// A new process starts, or the old one has died.
    pub(super) fn renew(&mut self) {
        *self = Control { pauses: self.pauses, ..Control::default() };
    }

    pub(super) fn is_still(&self) -> bool {
        self.pauses > 0 || self.stalls > 0
    }

    pub(super) fn thread(&self) -> Arc<Thread> {
        self.thread.clone()
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
    pub(super) fn control(&self, node: NodeId, change: impl FnOnce(&mut Control)) {
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
