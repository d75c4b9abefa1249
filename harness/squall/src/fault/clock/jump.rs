//! Jump: clocks are set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::clock::ClockEffect;

use super::{
    super::{Hold, Kind, Range, Strike},
    on_clocks, shown,
};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Offset, Spanned, Target},
    },
};

/// Set clocks ahead or back in one step, all by the same amount, and back again at the heal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Cloudflare, New Year 2017: the leap second made time run backwards, a difference of times was negative, and DNS panicked."))]
pub struct ClockJump {
    /// Whose.
    pub node: Spanned<Target>,
    /// How far, drawn once a strike.
    pub by: Offset,
}

impl Kind for ClockJump {
    const TOUCHES: &str = "reads of its clocks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if self.by.min == 0 && self.by.max == 0 {
            context.does_nothing(&at.key("by"), "a jump of nothing", "write how far, as `by: -1h`");
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        each(Range::Offset(&mut self.by));
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let ahead = self.by.min;
        on_clocks(strike, &self.node, "jump", |_, _| (ClockEffect::Skew { ahead }, shown(ahead)))
    }
}
