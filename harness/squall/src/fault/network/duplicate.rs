//! Duplicate: packets arrive twice.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::LinkEffect;

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Dur, Link, Probability, Spanned},
    },
};

/// Have packets arrive twice. Datagrams reach the application twice; TCP discards what it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A spanning tree that loops for a second, a retransmitting radio link, a bonded interface: UDP promises nothing."))]
pub struct Duplicate {
    /// Which links.
    pub link: Spanned<Link>,
    /// The share of packets that arrives twice.
    pub rate: Probability,
    /// How long after the first the second may come. Default: 10ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Dur>,
}

impl Kind for Duplicate {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`duplicate`", at);
        context.share(
            self.rate,
            &at.key("rate"),
            "duplicates of nothing",
            "write what share, as `rate: 10%`",
        );
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let within = self.within.map_or(Duration::from_millis(10), |within| within.0);
        let effect = LinkEffect::Duplicate { probability: self.rate.0, within };
        let told = self.within.map_or(String::new(), |within| format!(" within {within}"));
        strike.on_links(&self.link, effect, &format!("duplicates of {}{told}", self.rate))
    }
}
