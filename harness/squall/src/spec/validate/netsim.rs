//! What madsim's own network cannot do for a system that runs over it, refused by name.

use super::{Context, Place};
use crate::{
    Transport,
    spec::{
        Code, Spec,
        model::{Link, Target},
    },
};

impl Context<'_> {
    fn is_on_netsim(&self) -> bool {
        self.system.as_ref().is_some_and(|system| system.transport == Transport::NetSim)
    }

    /// Refuses what acts on `squall_rt::net` alone.
    pub(crate) fn not_on_netsim(&mut self, what: &str, at: &Place<'_>) {
        if self.is_on_netsim() {
            let name = self.system.as_ref().map_or("", |system| system.name);
            let message = format!("`{name}` runs over madsim's NetSim, which has no way to do this: {what}");
            let help = "there, partitions that drop, process, disk and clock faults, and `delay` and `loss` on \
                        `all <-> all` are honoured";
            self.report(at.key_error(Code::Transport, message, help));
        }
    }

    /// Refuses an effect on some links, which NetSim knows for all of them only.
    pub(crate) fn everywhere_on_netsim(&mut self, what: &str, link: &Link, at: &Place<'_>) {
        let everywhere = link.from == Target::Everyone && link.to == Target::Everyone;
        if !everywhere {
            self.not_on_netsim(&format!("{what} on some links only"), at);
        }
    }

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
        use crate::spec::model::{Latency, Losses};
        if !matches!(spec.network.default.latency, None | Some(Latency::Uniform(_))) {
            self.not_on_netsim("a latency that is not uniform", &default.key("latency"));
        }
        if matches!(spec.network.default.loss, Some(Losses::Burst { .. })) {
            self.not_on_netsim("losses in bursts", &default.key("loss"));
        }
    }
}
