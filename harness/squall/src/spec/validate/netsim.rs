//! What `network:` asks of madsim's own network that it cannot do.

use super::Spec;
use crate::{
    context::Context,
    language::{
        Place,
        model::{Latency, Losses},
    },
};

impl Context<'_> {
    /// Refuses what `network:` asks of single links, and what a link of NetSim does not have.
    pub(super) fn network_on_netsim(&mut self, spec: &Spec, at: &Place<'_>) {
        // Zones that only say who belongs together are targets like others.
        let within = spec.network.zones.keys().map(|zone| at.key("zones").key(&zone.value).key("within"));
        for own in within.chain(["between_zones", "links"].map(|key| at.key(key))) {
            if own.is_written() {
                self.not_on_netsim("links that differ from each other", &own);
            }
        }
        let default = at.key("default");
        for key in ["jitter", "duplicate", "bandwidth", "queue", "mtu"] {
            if default.key(key).is_written() {
                self.not_on_netsim(&format!("`{key}` of a link"), &default.key(key));
            }
        }
        if !matches!(spec.network.default.latency, None | Some(Latency::Uniform(_))) {
            self.not_on_netsim("a latency that is not uniform", &default.key("latency"));
        }
        if matches!(spec.network.default.loss, Some(Losses::Burst { .. })) {
            self.not_on_netsim("losses in bursts", &default.key("loss"));
        }
    }
}
