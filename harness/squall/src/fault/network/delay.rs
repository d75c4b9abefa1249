//! Delay: packets take longer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::LinkEffect;

use super::super::{Hold, Kind, Range, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Dur, DurationRange, Link, Spanned},
    },
};

/// Slow links down. Packets may overtake each other with `jitter`; the bytes of a stream stay in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Google Cloud, June 2019: congestion in the US East for four hours; services that were up \
    were too slow to use."))]
pub struct Delay {
    /// Which links.
    pub link: Spanned<Link>,
    /// By how much, drawn once a strike.
    pub by: DurationRange,
    /// Up to how much more, drawn for each packet. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Dur>,
}

impl Kind for Delay {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.everywhere_on_netsim("a delay", &self.link, &at.key("link"));
        if self.by.max.is_zero() && self.jitter.is_none_or(|jitter| jitter.0.is_zero()) {
            context.does_nothing(
                &at.key("by"),
                "a delay of nothing",
                "write how long, as `by: 100ms..300ms`",
            );
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        each(Range::Duration(&mut self.by));
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let by = self.by.min;
        let jitter = self.jitter.unwrap_or_default();
        let varying = if jitter.0.is_zero() { String::new() } else { format!(" and up to {jitter} more") };
        let effect = LinkEffect::Delay { by, jitter: jitter.0 };
        strike.on_links(&self.link, effect, &format!("delay of {by:?}{varying}"))
    }
}
