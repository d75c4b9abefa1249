//! Full: the disk has no room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::disk::DiskEffect;

use super::{
    super::{Hold, Kind, Strike},
    on_disks,
};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Size, Spanned, Target},
    },
};

/// Leave so much room on the disk; writing more fails with ENOSPC, after what still fitted. Removing makes room again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A log that was never rotated, a snapshot nobody deleted: the service is up, and every write fails."))]
pub struct DiskFull {
    /// Whose disk.
    pub node: Spanned<Target>,
    /// How much room is left. Default: 0B.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<Size>,
}

impl Kind for DiskFull {
    const TOUCHES: &str = "writes to its disks while it lasts that take more room";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let free = self.free.unwrap_or_default();
        on_disks(strike, &self.node, DiskEffect::Full { free: free.bytes }, &format!("full but for {free}"))
    }
}
