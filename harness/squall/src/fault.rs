//! Faults: what each kind does to the world, and how it is undone.
//!
//! A fault *strikes*: its targets are resolved, it takes hold and is logged. It lasts for its time, and *heals*: exactly what
//! it did is undone, whatever other faults do meanwhile. Overlapping faults stack: a link is cut while any partition
//! cuts it, a node is down while any crash holds it down.
//!
//! Each kind is a file that implements [`Hold`]; [`strike`] is the one place that lists them.

use squall_rt::world::Stream;

use crate::{
    plan::{Action, PlannedFault},
    run::cluster::Cluster,
};

mod network;
mod process;
pub(crate) mod target;

/// Takes the line of the history that tells what was done, before its consequences are.
pub(crate) type Announce<'a> = &'a dyn Fn(String);

/// A fault's grip on the world, from strike to heal.
pub(crate) trait Hold: Send {
    /// Undoes it. Returns what it touched in all: packets or processes.
    fn heal(self: Box<Self>, cluster: &Cluster, announce: Announce<'_>) -> u64;
}

/// Lets a fault strike now. Returns its grip; none if it found nothing to strike.
pub(crate) fn strike(
    planned: &PlannedFault,
    cluster: &Cluster,
    announce: Announce<'_>,
) -> Option<Box<dyn Hold>> {
    let mut draws = Stream::new(cluster.seed(), "target", &planned.name());
    let draws = &mut draws;
    match &planned.action {
        Action::Partition { cut, mode } => network::partition(cluster, planned, cut, *mode, draws, announce),
        Action::Delay { link, by, jitter } => {
            network::delay(cluster, planned, link, by.0, jitter.0, draws, announce)
        }
        Action::Loss { link, rate } => network::loss(cluster, planned, link, rate.0, draws, announce),
        Action::Crash { node, disk } => process::crash(cluster, node, *disk, draws, announce),
        Action::Pause { node } => process::pause(cluster, node, draws, announce),
    }
}
