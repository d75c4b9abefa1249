//! Stall: disk calls take time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::disk::DiskEffect;

use super::{
    super::{Hold, Kind, Strike},
    DiskOp, check_ops, on_disks, ops, told,
};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{DurationRange, Spanned, Target},
    },
};

/// Have each disk call block the process for a time. The API is synchronous, as `std::fs` is, so all of the process stands still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Amazon EBS, April 2011: volumes in US East stuck for days; whatever synced to them stood still with them."))]
pub struct DiskStall {
    /// Whose disk.
    pub node: Spanned<Target>,
    /// How long each call takes, drawn for each.
    pub by: DurationRange,
    /// Which calls: `read`, `write`, `sync`. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops: Option<Vec<DiskOp>>,
}

impl Kind for DiskStall {
    const TOUCHES: &str = "calls to its disks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        check_ops(self.ops.as_ref(), at, context);
        if self.by.max.is_zero() {
            context.does_nothing(&at.key("by"), "a stall of nothing", "write how long, as `by: 20ms..200ms`");
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let effect = DiskEffect::Stall { min: self.by.min, max: self.by.max, ops: ops(self.ops.as_ref()) };
        on_disks(strike, &self.node, effect, &format!("stalls of {}{}", self.by, told(self.ops.as_ref())))
    }
}
