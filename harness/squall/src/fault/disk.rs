//! Disk faults. It is the machine's disk that is bad: they outlast the process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::disk::{DiskEffect, DiskOps};

use super::{Hold, Strike};
use crate::{
    context::Context,
    language::{Place, model::Target},
};

mod corrupt;
mod error;
mod full;
mod lying_sync;
mod short_read;
mod stall;
mod torn;

pub use self::{
    corrupt::DiskCorrupt, error::DiskError, full::DiskFull, lying_sync::DiskLyingSync,
    short_read::DiskShortRead, stall::DiskStall, torn::DiskTorn,
};

/// A kind of disk call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskOp {
    /// Reading a file, listing a directory, opening a file that is there.
    Read,
    /// Writing, cutting off, extending, creating, renaming, removing.
    Write,
    /// Syncing a file or a directory.
    Sync,
}

/// The calls that an effect concerns: all if none are named.
fn ops(named: Option<&Vec<DiskOp>>) -> DiskOps {
    named.map_or(DiskOps::ALL, |named| DiskOps {
        read: named.contains(&DiskOp::Read),
        write: named.contains(&DiskOp::Write),
        sync: named.contains(&DiskOp::Sync),
    })
}

/// Which calls those are, if some are named.
fn told(named: Option<&Vec<DiskOp>>) -> String {
    let name = |op: &DiskOp| match op {
        DiskOp::Read => "read",
        DiskOp::Write => "write",
        DiskOp::Sync => "sync",
    };
    named.map_or(String::new(), |ops| {
        format!(" at {}", ops.iter().map(name).collect::<Vec<_>>().join(" and "))
    })
}

/// Reports a list of no calls.
fn check_ops(named: Option<&Vec<DiskOp>>, at: &Place<'_>, context: &mut Context<'_>) {
    let at = at.key("ops");
    if named.is_some_and(Vec::is_empty) && !at.is_damaged() {
        context.does_nothing(
            &at,
            "no calls at all",
            "name some, as `ops: [sync]`, or leave it out: then it is all",
        );
    }
}

/// Puts an effect on the disks of nodes.
fn on_disks(strike: &mut Strike<'_>, target: &Target, effect: DiskEffect, what: &str) -> Option<Hold> {
    let nodes = strike.nodes(target);
    let what = format!("disk: {what} on {}", strike.cluster.names(&nodes));
    if nodes.is_empty() {
        return strike.nothing(format!("{what}: no such node now"));
    }
    strike.announce(what.clone());
    let mut hold = Hold::new(what);
    for node in nodes {
        let stream = strike.stream(&strike.cluster.name(node));
        let id = strike.cluster.world().disks().impose(node, effect, stream);
        hold.part([node], move |cluster| cluster.world().disks().lift(id));
    }
    Some(hold)
}
