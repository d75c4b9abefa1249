//! Skew: clocks disagree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::clock::ClockEffect;

use super::{
    super::{Hold, Kind, Strike},
    on_clocks, shown,
};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Offset, Spanned, Target},
    },
};

/// Have clocks disagree: each node's is off by an amount of its own while the fault lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Cassandra and every other store where the last write wins: the node whose clock is ahead wins, whatever came last."))]
pub struct ClockSkew {
    /// Whose.
    pub node: Spanned<Target>,
    /// How far off, drawn for each node.
    pub by: Offset,
}

impl Kind for ClockSkew {
    const TOUCHES: &str = "reads of its clocks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if self.by.min == 0 && self.by.max == 0 {
            context.does_nothing(&at.key("by"), "a skew of nothing", "write how far, as `by: -2s..2s`");
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let by = self.by;
        on_clocks(strike, &self.node, "skew", |strike, node| {
            let ahead = by.draw(&mut strike.stream(&strike.cluster.name(node)));
            (ClockEffect::Skew { ahead }, shown(ahead))
        })
    }
}
