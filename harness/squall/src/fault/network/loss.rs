//! Loss: packets vanish, one by one or in bursts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::LinkEffect;

use super::super::{Hold, Kind, Strike};
use crate::{
    cluster::loss_model,
    context::{Context, Use},
    language::{
        Place,
        model::{Link, Losses, Spanned},
    },
};

/// Lose packets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A bad cable or a dying switch port: everything works, and every hundredth packet is sent \
    twice. Amazon calls it a grey failure."))]
pub struct Loss {
    /// Which links.
    pub link: Spanned<Link>,
    /// The share of packets that is lost, each by itself or in bursts.
    pub rate: Losses,
}

impl Kind for Loss {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.everywhere_on_netsim("a loss", &self.link, &at.key("link"));
        if matches!(self.rate, Losses::Burst { .. }) {
            context.not_on_netsim("losses in bursts", &at.key("rate"));
        }
        context.share(
            self.rate.rate(),
            &at.key("rate"),
            "a loss of nothing",
            "write what share is lost, as `rate: 10%`",
        );
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let effect = LinkEffect::Loss { model: loss_model(self.rate) };
        strike.on_links(&self.link, effect, &format!("loss of {}", self.rate))
    }
}
