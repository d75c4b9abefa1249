//! Corrupt: bits flip on the way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::LinkEffect;

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Link, Probability, Spanned},
    },
};

/// Flip bits of packets. Datagrams arrive changed; for TCP the checksum makes it a loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Amazon S3, July 2008: one flipped bit in a gossip message, which had no checksum, took the service down for hours."))]
pub struct Corrupt {
    /// Which links.
    pub link: Spanned<Link>,
    /// The share of packets that is damaged.
    pub rate: Probability,
}

impl Kind for Corrupt {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`corrupt`", at);
        context.share(
            self.rate,
            &at.key("rate"),
            "a corruption of nothing",
            "write what share, as `rate: 1%`",
        );
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let effect = LinkEffect::Corrupt { probability: self.rate.0 };
        strike.on_links(&self.link, effect, &format!("corruption of {}", self.rate))
    }
}
