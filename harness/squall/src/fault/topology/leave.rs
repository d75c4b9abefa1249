//! Leave: nodes are taken out of their group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{Hold, Kind, Strike},
    GRACE,
};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Dur, Spanned, Target},
    },
};

/// Take nodes out of their group: `Node::hosts` no longer lists them, they are asked to end, and killed after the grace period. With
/// `for` they join again, with the disk they had; without it they are gone for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Spot instances: two minutes of notice, and a third of the cluster is somewhere else."))]
pub struct Leave {
    /// Which nodes.
    pub node: Spanned<Target>,
    /// How long they have to end. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Dur>,
}

impl Kind for Leave {
    const TOUCHES: &str = "members that are there when it strikes";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let mut nodes = strike.nodes(&self.node);
        nodes.retain(|node| strike.cluster.is_member(*node));
        let names = strike.may_take_down(&nodes, "leave")?;
        let told = self.grace.map_or(String::new(), |grace| format!(": asked to end within {grace}"));
        strike.announce(format!("leave {names}{told}"));
        for node in &nodes {
            strike.cluster.leave(*node, self.grace.unwrap_or(GRACE).0);
        }
        if strike.lasts.is_none() {
            return Some(Hold::done(nodes.len() as u64));
        }
        let mut hold = Hold::new(format!("join {names}"));
        for node in nodes {
            hold.part([node], move |cluster| {
                cluster.rejoin(node);
                1
            });
        }
        Some(hold)
    }
}
