//! Torn: writes stop part-way.

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
        model::{Probability, Spanned, Target},
    },
};

/// Have writes stop part-way: some of it is written, from the start, and the caller gets EIO. (What a crash tears is `crash: { disk: torn }`.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A database page of 16 KiB on a disk that writes 4: the reason for InnoDB's doublewrite buffer."))]
pub struct DiskTorn {
    /// Whose disk.
    pub node: Spanned<Target>,
    /// The share of writes. Default: 100%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Probability>,
}

impl Kind for DiskTorn {
    const TOUCHES: &str = "writes to its disks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if let Some(rate) = self.rate {
            context.share(
                rate,
                &at.key("rate"),
                "torn writes of nothing",
                "write what share, as `rate: 10%`",
            );
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let rate = self.rate.unwrap_or(Probability(1.0));
        on_disks(
            strike,
            &self.node,
            DiskEffect::Torn { probability: rate.0 },
            &format!("torn writes of {rate}"),
        )
    }
}
