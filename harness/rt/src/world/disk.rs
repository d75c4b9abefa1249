//! The simulated disks (contract; the implementation replaces this file).

use super::{Life, NodeId};

/// What a crash leaves on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFate {
    /// Everything that was written, synced or not.
    Keep,
    /// What was synced.
    LoseUnsynced,
    /// What was synced, and of the rest any part: writes are torn at block boundaries.
    Torn,
    /// Nothing.
    Wipe,
}

/// The disks of all nodes.
#[derive(Default)]
pub struct Disks {}

impl Disks {
    pub(super) fn add_node(&self, _node: NodeId, _seed: u64) {}
    pub(super) fn node_up(&self, _life: Life) {}
    pub(super) fn node_down(&self, _node: NodeId, _fate: DiskFate) {}
}
