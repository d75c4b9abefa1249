//! What madsim's own network cannot do for a system that runs over it, refused by name.

use super::Context;
use crate::{
    language::{
        Code, Place,
        model::{Link, Target},
    },
    system::Transport,
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
}
