//! Slow: a process gets a fraction of its processor.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Dur, Spanned, Target},
    },
};

/// The period of Linux's CFS bandwidth control, unless the spec says otherwise.
const PERIOD: Dur = Dur(Duration::from_millis(100));

/// Let processes run a fraction of the time: of each period they stand still for all but one `factor`-th. Computing takes no time
/// in the simulation, so this is what slowness is in it, and what a container with too small a CPU quota sees: bursts of
/// work, and stalls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Containers throttled by their CPU quota: the median is fine, and the 99th percentile waits for \
    the next period."))]
pub struct Slow {
    /// Whose.
    pub node: Spanned<Target>,
    /// How many times slower, more than 1.
    pub factor: f64,
    /// The period. Default: 100ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Dur>,
}

impl Slow {
    fn period(&self) -> Duration {
        self.period.unwrap_or(PERIOD).0
    }
}

impl Kind for Slow {
    const TOUCHES: &str = "processes that run when it strikes";

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if !(self.factor > 1.0 && self.factor <= 1e6) {
            let help = "write how many times slower, as `factor: 10`; to stop it altogether there is `pause`";
            context.does_nothing(&at.key("factor"), &format!("a factor of {}", self.factor), help);
        }
        if self.period() < Duration::from_millis(1) {
            let help = "write 1ms at least; 100ms is what Linux does";
            context.does_nothing(&at.key("period"), "the period is too short", help);
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let nodes = strike.nodes(&self.node);
        let names = strike.cluster.names(&nodes);
        let period = self.period.map_or(String::new(), |period| format!(", in periods of {period}"));
        let what = format!("slow {names}, {} times{period}", self.factor);
        if nodes.is_empty() {
            return strike.nothing("slow: no such node now");
        }
        strike.announce(what.clone());
        let runs = self.period().div_f64(self.factor);
        let mut hold = Hold::new(what);
        for node in nodes {
            let slowed = strike.cluster.throttle(node, self.period() - runs, runs);
            hold.part([node], move |_| slowed.lift());
        }
        Some(hold)
    }
}
