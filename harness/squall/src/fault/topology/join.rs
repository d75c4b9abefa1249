//! Join: nodes are added to a group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{Hold, Kind, Range, Strike},
    GRACE,
};
use crate::{
    context::{Context, Use},
    language::{
        Code, Place,
        model::{CountRange, Spanned, Target},
    },
};

/// The most nodes of one strike.
const MOST: u64 = 100;

/// Add nodes to a group: new machines with empty disks, named on from the last. `Node::hosts` of all nodes lists them from then on.
/// With `for` they leave again; without it they stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "An autoscaler at noon: twenty cold caches join, and every key hashes to somewhere else."))]
pub struct Join {
    /// The group.
    pub group: Spanned<String>,
    /// How many. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Spanned<CountRange>>,
}

impl Kind for Join {
    const TOUCHES: &str = "nodes that it adds";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        let group = at.key("group");
        if *self.group.value == *crate::system::CLIENTS {
            let help = "write `workload: { clients: 5 }`; clients do not join";
            context.report(group.error(Code::UnknownGroup, "clients are not a node group", help));
        } else {
            context.target(&Target::Group(self.group.value.clone()), &group, Use::Struck);
        }
        if self.count.as_ref().is_some_and(|count| count.min == 0 || count.max > MOST) {
            let help = format!("write 1 to {MOST}");
            context.does_nothing(&at.key("count"), "no such number of nodes can join", &help);
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        if let Some(count) = &mut self.count {
            each(Range::Count(&mut count.value));
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let count = self.count.as_ref().map_or(1, |count| count.min);
        strike.announce(format!("join: {count} more of {}", *self.group));
        let joined: Vec<_> = (0..count).map(|_| strike.cluster.join(&self.group)).collect();
        if strike.lasts.is_none() {
            return Some(Hold::done(count));
        }
        let mut hold = Hold::new(format!("leave: {count} of {}", *self.group));
        for node in joined {
            hold.part([node], move |cluster| {
                cluster.leave(node, GRACE.0);
                1
            });
        }
        Some(hold)
    }
}
