//! Hold: packets wait, and all arrive at the heal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::{BlockMode, LinkEffect};

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Link, Spanned},
    },
};

/// Keep what is sent and deliver all of it, in order, at the heal: old messages arrive long after they meant something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "GitHub, 2012: a switch's aggregation failed over and delivered what it had queued; both file \
    servers of a pair believed the other dead."))]
pub struct HoldPackets {
    /// Which links.
    pub link: Spanned<Link>,
}

impl Kind for HoldPackets {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`hold`", at);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        strike.on_links(&self.link, LinkEffect::Block(BlockMode::Hold), "hold")
    }
}
