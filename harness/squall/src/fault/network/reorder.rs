//! Reorder: packets overtake each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::LinkEffect;

use super::super::{Hold, Kind, Range, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{DurationRange, Link, Probability, Spanned},
    },
};

/// Hold some packets back, so that later ones overtake them. Datagrams arrive out of order; TCP keeps the order and waits, with all that follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Equal-cost routes of unequal length, and a load balancer that sprays packets over them."))]
pub struct Reorder {
    /// Which links.
    pub link: Spanned<Link>,
    /// The share of packets that is held back.
    pub rate: Probability,
    /// How long, drawn once a strike.
    pub by: DurationRange,
}

impl Kind for Reorder {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`reorder`", at);
        context.share(
            self.rate,
            &at.key("rate"),
            "a reordering of nothing",
            "write what share, as `rate: 10%`",
        );
        if self.by.max.is_zero() {
            context.does_nothing(&at.key("by"), "held back by nothing", "write how long, as `by: 5ms..20ms`");
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        each(Range::Duration(&mut self.by));
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let effect = LinkEffect::Reorder { probability: self.rate.0, by: self.by.min };
        strike.on_links(&self.link, effect, &format!("reordering of {} by {:?}", self.rate, self.by.min))
    }
}
