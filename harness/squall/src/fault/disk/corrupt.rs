//! Corrupt: bits rot.

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

/// Flip bits of what is read, on the medium and for good. Nobody is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "CERN, 2007: over six months and 97 petabytes some 128 megabytes were silently wrong, somewhere between network and disk."))]
pub struct DiskCorrupt {
    /// Whose disk.
    pub node: Spanned<Target>,
    /// The share of reads that find a flipped bit.
    pub rate: Probability,
}

impl Kind for DiskCorrupt {
    const TOUCHES: &str = "reads from its disks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        context.share(
            self.rate,
            &at.key("rate"),
            "a corruption of nothing",
            "write what share, as `rate: 1%`",
        );
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let effect = DiskEffect::Corrupt { probability: self.rate.0 };
        on_disks(strike, &self.node, effect, &format!("bit rot in {} of reads", self.rate))
    }
}
