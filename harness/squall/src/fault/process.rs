//! Process faults: crash and pause. A node is down while any crash holds it, and stands still while any pause does.

use std::{collections::BTreeSet, time::Duration};

use squall_rt::world::{Death, DiskFate, NodeId, Stream};

use super::{Announce, Hold, target};
use crate::{
    run::cluster::Cluster,
    spec::model::{self, Target},
};

/// A process cannot be back sooner: what is left of the dead one is dropped in the meantime.
const LEAST_DOWN_TIME: Duration = Duration::from_millis(1);

struct CrashHold {
    nodes: BTreeSet<NodeId>,
    killed: u64,
    since: Duration,
}

impl Hold for CrashHold {
    fn heal(self: Box<Self>, cluster: &Cluster, announce: Announce<'_>) -> u64 {
        announce(format!("restart {}", cluster.names(&self.nodes)));
        let not_before = self.since + LEAST_DOWN_TIME;
        for &node in &self.nodes {
            cluster.release_crash(node, not_before);
        }
        self.killed
    }
}

/// Ends processes. What the disk keeps tells which kind of death it was: an intact page cache means that the machine
/// lives on and its kernel resets the connections; anything else means that it is gone without a word.
pub(super) fn crash(
    cluster: &Cluster,
    node: &Target,
    disk: model::DiskFate,
    draws: &mut Stream,
    announce: Announce<'_>,
) -> Option<Box<dyn Hold>> {
    let nodes = target::nodes(node, cluster, &BTreeSet::new(), draws);
    let (fate, death, how) = match disk {
        model::DiskFate::Keep => (DiskFate::Keep, Death::Process, "disk kept"),
        model::DiskFate::LoseUnsynced => (DiskFate::LoseUnsynced, Death::Power, "unsynced writes lost"),
        model::DiskFate::Torn => (DiskFate::Torn, Death::Power, "unsynced writes torn"),
        model::DiskFate::Wiped => (DiskFate::Wipe, Death::Power, "disk wiped"),
    };
    if nodes.is_empty() {
        announce("crash: no such node now".to_owned());
        return None;
    }
    announce(format!("crash {} ({how})", cluster.names(&nodes)));
    let killed = nodes.iter().filter(|node| cluster.hold_crash(**node, death, fate)).count() as u64;
    Some(Box::new(CrashHold { nodes, killed, since: cluster.world().now() }))
}

struct PauseHold {
    nodes: BTreeSet<NodeId>,
    stopped: u64,
}

impl Hold for PauseHold {
    fn heal(self: Box<Self>, cluster: &Cluster, announce: Announce<'_>) -> u64 {
        announce(format!("resume {}", cluster.names(&self.nodes)));
        for &node in &self.nodes {
            cluster.release_pause(node);
        }
        self.stopped
    }
}

/// Stops processes.
pub(super) fn pause(
    cluster: &Cluster,
    node: &Target,
    draws: &mut Stream,
    announce: Announce<'_>,
) -> Option<Box<dyn Hold>> {
    let nodes = target::nodes(node, cluster, &BTreeSet::new(), draws);
    if nodes.is_empty() {
        announce("pause: no such node now".to_owned());
        return None;
    }
    announce(format!("pause {}", cluster.names(&nodes)));
    let stopped = nodes.iter().filter(|node| cluster.hold_pause(**node)).count() as u64;
    Some(Box::new(PauseHold { nodes, stopped }))
}
