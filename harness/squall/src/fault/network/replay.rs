//! Replay: an attacker on the way sends again what was sent before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::{
    net::LinkEffect,
    rpc::{CallFate, CallFault},
};

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{DurationRange, Link, Probability, Spanned},
    },
};

/// Send messages again that an attacker has recorded: datagrams as they were, and requests of `squall_rt::rpc` as a new
/// connection would bring them, executed once more while nobody waits for the reply. (Replayed TCP segments are old data, which
/// TCP discards.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Key fobs, contactless cards, signed webhooks without a timestamp: what was valid once is valid \
    again, unless someone remembers."))]
pub struct Replay {
    /// Which links.
    pub link: Spanned<Link>,
    /// The share of messages that is sent again.
    pub rate: Probability,
    /// How much later: for datagrams drawn each time, for requests once a strike.
    pub after: DurationRange,
}

impl Kind for Replay {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.share(self.rate, &at.key("rate"), "a replay of nothing", "write what share, as `rate: 10%`");
        context.not_on_netsim("`replay`", at);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let links = strike.links(&self.link);
        let DurationRange { min, max } = self.after;
        let effect = LinkEffect::Replay { probability: self.rate.0, min, max };
        let what = format!("replay of {} after {} on {}", self.rate, self.after, strike.link_names(&links));
        let mut hold = strike.impose(&links, effect, what)?;
        let after = strike.draws.duration(min, max);
        for &(from, to) in &links {
            let fault = CallFault {
                to: [to].into(),
                from: Some([from].into()),
                method: None,
                calls: 1..=u64::MAX,
                probability: self.rate.0,
                fate: CallFate::Duplicated(after),
            };
            let entity = format!("calls {} -> {}", strike.cluster.name(from), strike.cluster.name(to));
            let id = strike.cluster.world().calls().impose(fault, strike.stream(&entity));
            hold.part([from, to], move |cluster| cluster.world().calls().lift(id));
        }
        Some(hold)
    }
}
