//! Restart: a process is asked to end, given time to do so, and started again.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Hold, Kind, Range, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Code, Place,
        model::{Dur, DurationRange, Spanned, Target},
    },
};

/// How long a process may take to end, unless the spec says otherwise.
const GRACE: Dur = Dur(Duration::from_secs(1));
/// How much later than its grace period it is started again, unless the spec says otherwise.
const PAUSE: Duration = Duration::from_millis(100);

/// Restart processes as a deployment does: ask them to end (SIGTERM), kill those that have not within the grace period, start
/// them again. A process that never waits for `squall_rt::process::shutdown_requested` ends at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Every deployment. Knight Capital, August 2012: a rolling one that left one of eight servers \
    behind cost 440 million dollars."))]
pub struct Restart {
    /// Whose.
    pub node: Spanned<Target>,
    /// How long they have to end. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Dur>,
    /// When they start again, counted from the request to end; longer than the grace period. Default: 100ms after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Spanned<DurationRange>>,
}

impl Restart {
    fn grace(&self) -> Duration {
        self.grace.unwrap_or(GRACE).0
    }
}

impl Kind for Restart {
    const TOUCHES: &str = "processes that run when it strikes";
    const END_KEY: Option<&'static str> = Some("restart_after");

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if let Some(after) = &self.restart_after
            && after.min <= self.grace()
        {
            let message = format!("a restart after {} is within the grace period", Dur(after.min));
            let help = format!("write more than {}, or a shorter `grace`", Dur(self.grace()));
            context.report(at.key("restart_after").error(Code::OutOfRange, message, help));
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        if let Some(after) = &mut self.restart_after {
            each(Range::Duration(&mut after.value));
        }
    }

    fn own_end(&self) -> Option<Dur> {
        let after = self.restart_after.as_ref().map(|after| after.min);
        Some(Dur(after.unwrap_or(self.grace() + PAUSE)))
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let nodes = strike.nodes(&self.node);
        let names = strike.may_take_down(&nodes, "restart")?;
        strike.announce(format!("restart {names}: asked to end within {}", Dur(self.grace())));
        let mut hold = Hold::new(format!("start {names}"));
        for node in nodes {
            let asked = u64::from(strike.cluster.hold_stop(node, self.grace()));
            hold.part([node], move |cluster| {
                cluster.release_down(node, cluster.world().now());
                asked
            });
        }
        Some(hold)
    }
}
