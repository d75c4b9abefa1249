//! Crash: a process ends without a word, and its disk may lose what was not synced.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::{self, Death};

use super::super::{Hold, Kind, Range, Strike, fixed};
use crate::{
    context::{Context, Use},
    language::{
        Code, Place,
        model::{Dur, DurationRange, Spanned, Target},
    },
};

/// A process cannot be back sooner: what is left of the dead one is dropped in the meantime.
const LEAST_DOWN_TIME: Duration = Duration::from_millis(1);

/// End processes. What the disk keeps tells which kind of death it was: an intact page cache means that the machine
/// lives on and its kernel resets the connections; anything else means that it is gone without a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Every day: the out-of-memory killer, a kernel panic, a tripped breaker. Amazon, June 2012: a \
    storm took the power of a data centre, and the bugs were in the recovery."))]
pub struct Crash {
    /// Whose.
    pub node: Spanned<Target>,
    /// What the disk keeps. Default: lose_unsynced.
    #[serde(default)]
    pub disk: DiskFate,
    /// When it starts again. At least 1ms. Default: when settle begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Spanned<DurationRange>>,
}

/// What a crash leaves on the disk, and so what kind of crash it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskFate {
    /// Everything: the process died and the machine lives on, so peers see resets.
    Keep,
    /// What was synced: the machine lost power, so peers see silence.
    #[default]
    LoseUnsynced,
    /// What was synced, and torn parts of the rest: the machine lost power.
    Torn,
    /// Nothing: the machine was replaced.
    Wiped,
}

impl Kind for Crash {
    const TOUCHES: &str = "processes that run when it strikes";
    const END_KEY: Option<&'static str> = Some("restart_after");

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        let Some(after) = &self.restart_after else { return };
        if after.min < LEAST_DOWN_TIME {
            let message = format!("a restart after {} is too soon", Dur(after.min));
            let help = "write 1ms at least: a process takes time to die";
            context.report(at.key("restart_after").error(Code::OutOfRange, message, help));
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        if let Some(after) = &mut self.restart_after {
            each(Range::Duration(&mut after.value));
        }
    }

    fn own_end(&self) -> Option<Dur> {
        fixed(self.restart_after.as_ref())
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let nodes = strike.nodes(&self.node);
        let (fate, death, how) = match self.disk {
            DiskFate::Keep => (world::DiskFate::Keep, Death::Process, "disk kept"),
            DiskFate::LoseUnsynced => (world::DiskFate::LoseUnsynced, Death::Power, "unsynced writes lost"),
            DiskFate::Torn => (world::DiskFate::Torn, Death::Power, "unsynced writes torn"),
            DiskFate::Wiped => (world::DiskFate::Wipe, Death::Power, "disk wiped"),
        };
        let names = strike.may_take_down(&nodes, "crash")?;
        strike.announce(format!("crash {names} ({how})"));
        let not_before = strike.cluster.world().now() + LEAST_DOWN_TIME;
        let mut hold = Hold::new(format!("restart {names}"));
        for node in nodes {
            let killed = u64::from(strike.cluster.hold_crash(node, death, fate));
            hold.part([node], move |cluster| {
                cluster.release_down(node, not_before);
                killed
            });
        }
        Some(hold)
    }
}
