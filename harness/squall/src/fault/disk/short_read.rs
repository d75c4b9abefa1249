//! Short read: reads give less than was asked for.

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

/// Have reads give fewer bytes than were asked for and are there, as read(2) may: a caller that does not loop misses the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Network file systems and interrupted reads: correct code loops, and the code that does not works on a laptop."))]
pub struct DiskShortRead {
    /// Whose disk.
    pub node: Spanned<Target>,
    /// The share of reads. Default: 100%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Probability>,
}

impl Kind for DiskShortRead {
    const TOUCHES: &str = "reads from its disks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if let Some(rate) = self.rate {
            context.share(
                rate,
                &at.key("rate"),
                "short reads of nothing",
                "write what share, as `rate: 10%`",
            );
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let rate = self.rate.unwrap_or(Probability(1.0));
        on_disks(
            strike,
            &self.node,
            DiskEffect::ShortRead { probability: rate.0 },
            &format!("short reads of {rate}"),
        )
    }
}
