//! Reset: connections are torn down under both ends.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Link, Spanned},
    },
};

/// Reset every TCP connection between these nodes, at once and at both ends, whichever side opened it. New ones can be made
/// right away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A firewall or load balancer that is redeployed: every connection through it gets a reset, and \
    all clients reconnect in the same second."))]
pub struct Reset {
    /// Between which nodes; the direction does not matter.
    pub link: Spanned<Link>,
}

impl Kind for Reset {
    const TOUCHES: &str = "connections between its nodes that are open when it strikes";
    const INSTANT: bool = true;

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`reset`", at);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let pairs: BTreeSet<_> =
            strike.links(&self.link).into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        let names = strike.link_names(&pairs);
        let reset: u64 = pairs.iter().map(|&(a, b)| strike.cluster.world().net().reset(a, b)).sum();
        strike.announce(format!("connections reset between {}: {reset}", names.replace("->", "and")));
        Some(Hold::done(reset))
    }
}
