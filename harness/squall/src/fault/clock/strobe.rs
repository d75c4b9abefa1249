//! Strobe: clocks jump ahead and back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::clock::ClockEffect;

use super::{
    super::{Hold, Kind, Range, Strike},
    on_clocks,
};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Dur, DurationRange, Spanned, Target},
    },
};

/// Have clocks jump ahead and back in turns, as two time sources that disagree do to a daemon that believes both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Jepsen's clock nemesis does it: leases and timestamps that survive one jump fail under many."))]
pub struct ClockStrobe {
    /// Whose.
    pub node: Spanned<Target>,
    /// How far ahead, drawn once a strike.
    pub by: DurationRange,
    /// How long it stays, each time.
    pub every: Dur,
}

impl Kind for ClockStrobe {
    const TOUCHES: &str = "reads of its clocks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if self.by.max.is_zero() {
            context.does_nothing(&at.key("by"), "a strobe of nothing", "write how far, as `by: 200ms`");
        }
        if self.every.0.is_zero() {
            context.does_nothing(
                &at.key("every"),
                "no time between jumps",
                "write how long, as `every: 10ms`",
            );
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        each(Range::Duration(&mut self.by));
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let effect = ClockEffect::Strobe { by: self.by.min, every: self.every.0 };
        let told = format!("{} ahead and back every {}", self.by, self.every);
        on_clocks(strike, &self.node, "strobe", |_, _| (effect, told.clone()))
    }
}
