//! Tamper: an attacker on the way changes what is sent.

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

/// Change bytes of packets on the way, checksums included, as an attacker can who sits on the link. What is not authenticated is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Any network you do not own: in 2014 an access provider was seen rewriting mail servers' STARTTLS, and mail went unencrypted."))]
pub struct Tamper {
    /// Which links.
    pub link: Spanned<Link>,
    /// The share of packets with data that is changed.
    pub rate: Probability,
}

impl Kind for Tamper {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`tamper`", at);
        context.share(
            self.rate,
            &at.key("rate"),
            "tampering with nothing",
            "write what share, as `rate: 1%`",
        );
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let effect = LinkEffect::Tamper { probability: self.rate.0 };
        strike.on_links(&self.link, effect, &format!("tampering with {}", self.rate))
    }
}
