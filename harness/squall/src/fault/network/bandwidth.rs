//! Bandwidth: a link is narrow, and what does not fit waits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::LinkEffect;

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Bandwidth, Link, Size, Spanned},
    },
};

/// Let so many bytes a second through; the rest queues, and beyond the queue is dropped. Each directed link has the limit to itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A backup that starts at noon; a link that fell back from 10 Gbit/s to 100 Mbit/s after a firmware update."))]
pub struct NarrowLink {
    /// Which links.
    pub link: Spanned<Link>,
    /// Bytes a second.
    pub limit: Bandwidth,
    /// What may wait, at most. Default: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Size>,
}

impl Kind for NarrowLink {
    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`bandwidth`", at);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let queue = self.queue.map(|queue| queue.bytes);
        let effect = LinkEffect::Bandwidth { bytes_per_second: self.limit.bytes_per_second, queue };
        let room = self.queue.map_or(String::new(), |queue| format!(" with room for {queue} to wait"));
        strike.on_links(&self.link, effect, &format!("bandwidth of {}{room}", self.limit))
    }
}
