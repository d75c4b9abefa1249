//! Error: disk calls fail with EIO.

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
        model::{Probability, Spanned, Target},
    },
};

/// Have disk calls fail with EIO. After a failed sync the data counts as clean, as on Linux: a later sync succeeds and does not write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "PostgreSQL, 2018 (fsyncgate): an error of fsync was reported once, and the retry that succeeded had written nothing."))]
pub struct DiskError {
    /// Whose disk.
    pub node: Spanned<Target>,
    /// The share of those calls. Default: 100%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Probability>,
    /// Which calls: `read`, `write`, `sync`. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops: Option<Vec<DiskOp>>,
}

impl Kind for DiskError {
    const TOUCHES: &str = "calls to its disks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        check_ops(self.ops.as_ref(), at, context);
        if let Some(rate) = self.rate {
            context.share(rate, &at.key("rate"), "errors of nothing", "write what share, as `rate: 10%`");
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let rate = self.rate.unwrap_or(Probability(1.0));
        let effect = DiskEffect::Error { probability: rate.0, ops: ops(self.ops.as_ref()) };
        on_disks(strike, &self.node, effect, &format!("errors of {rate}{}", told(self.ops.as_ref())))
    }
}
