//! Clock faults: the wall clock of a node is wrong. Monotonic time never is.

use std::time::Duration;

use squall_rt::world::{NodeId, clock::ClockEffect};

use super::{Hold, Strike};
use crate::language::model::{Dur, Target};

mod drift;
mod jump;
mod skew;
mod strobe;

pub use self::{drift::ClockDrift, jump::ClockJump, skew::ClockSkew, strobe::ClockStrobe};

/// Puts effects on the clocks of nodes; `effect` gives each its own, and what to tell of it.
fn on_clocks(
    strike: &mut Strike<'_>,
    target: &Target,
    what: &str,
    effect: impl Fn(&Strike<'_>, NodeId) -> (ClockEffect, String),
) -> Option<Hold> {
    let nodes = strike.nodes(target);
    if nodes.is_empty() {
        return strike.nothing(format!("clock {what}: no such node now"));
    }
    let effects: Vec<_> = nodes.into_iter().map(|node| (node, effect(strike, node))).collect();
    let told: Vec<_> =
        effects.iter().map(|(node, (_, told))| format!("{} {told}", strike.cluster.name(*node))).collect();
    strike.announce(format!("clock {what}: {}", told.join(", ")));
    let mut hold = Hold::new(format!("clock {what}: right again"));
    for (node, (effect, _)) in effects {
        let id = strike.cluster.world().clocks().impose(node, effect);
        hold.part([node], move |cluster| cluster.world().clocks().lift(id));
    }
    Some(hold)
}

/// An offset for a person, to the millisecond where it is that large.
fn shown(ahead: i64) -> String {
    const MILLISECOND: u64 = 1_000_000;
    let nanos = ahead.unsigned_abs();
    let rounded =
        if nanos < MILLISECOND { nanos } else { (nanos + MILLISECOND / 2) / MILLISECOND * MILLISECOND };
    let by = Dur(Duration::from_nanos(rounded));
    if ahead < 0 { format!("{by} behind") } else { format!("{by} ahead") }
}
