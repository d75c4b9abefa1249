//! Drift: clocks run at the wrong speed.

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
        model::{DriftRate, Spanned, Target},
    },
};

/// Have clocks run fast or slow; at the heal the error that has built up is gone in one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Virtual machines that lose ticks under load, and quartz in a hot rack: without time synchronisation, seconds a day."))]
pub struct ClockDrift {
    /// Whose.
    pub node: Spanned<Target>,
    /// How much faster than true time, drawn once a strike; negative is slow.
    pub rate: DriftRate,
}

impl Kind for ClockDrift {
    const TOUCHES: &str = "reads of its clocks while it lasts";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if self.rate.min_ppm == 0.0 && self.rate.max_ppm == 0.0 {
            context.does_nothing(&at.key("rate"), "a drift of nothing", "write how much, as `rate: -5%..5%`");
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        each(Range::Drift(&mut self.rate));
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let ppm = self.rate.min_ppm;
        on_clocks(strike, &self.node, "drift", |_, _| {
            (ClockEffect::Drift { ppm }, format!("by {} ppm", (ppm * 10.0).round() / 10.0))
        })
    }
}
