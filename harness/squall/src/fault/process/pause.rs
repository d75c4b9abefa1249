//! Pause: a process stands still, and knows nothing of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Spanned, Target},
    },
};

/// Stop processes for a while, as a long garbage collection or a stalled hypervisor does. The kernel lives on: connections stay,
/// packets queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "HBase: a region server paused for a minute by garbage collection woke up believing it still \
    held its lease, and wrote."))]
pub struct Pause {
    /// Whose.
    pub node: Spanned<Target>,
}

impl Kind for Pause {
    const TOUCHES: &str = "processes that run when it strikes";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let nodes = strike.nodes(&self.node);
        let names = strike.may_take_down(&nodes, "pause")?;
        strike.announce(format!("pause {names}"));
        let mut hold = Hold::new(format!("resume {names}"));
        for node in nodes {
            let stopped = u64::from(strike.cluster.hold_pause(node));
            hold.part([node], move |cluster| {
                cluster.release_pause(node);
                stopped
            });
        }
        Some(hold)
    }
}
