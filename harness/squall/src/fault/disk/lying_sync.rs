//! Lying sync: what was reported durable is not.

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
        model::{Spanned, Target},
    },
};

/// Have syncs report success and make nothing durable. With a crash that loses unsynced writes, the history tells how much of what was reported durable is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Drives that acknowledge a flush from their cache; in 2022 two of four consumer SSDs in a test lost flushed data."))]
pub struct DiskLyingSync {
    /// Whose disk.
    pub node: Spanned<Target>,
}

impl Kind for DiskLyingSync {
    const TOUCHES: &str = "syncs of its disks with something to make durable while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        on_disks(strike, &self.node, DiskEffect::LyingSync, "lying sync")
    }
}
