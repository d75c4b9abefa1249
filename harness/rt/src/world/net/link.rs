//! One direction of the path between two nodes: its policy, the effects that faults put on it, and what it is holding.
//!
//! Every packet makes exactly two draws from the link's own stream, whatever the policy, and exactly one from the
//! stream of each effect that draws at all, whatever becomes of the packet. So an effect shifts no draw but its own.

use std::time::Duration;

use super::{BlockMode, EffectId, Latency, LinkEffect, LinkPolicy};
use crate::world::Stream;

/// What becomes of a packet as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It arrives then.
    Arrives(u64),
    /// It is lost on the way.
    Lost,
    /// A block swallowed it.
    Blocked,
    /// A block turned it down; it would have arrived then.
    Rejected(u64),
}

struct Imposed {
    id: EffectId,
    effect: LinkEffect,
    stream: Stream,
    touched: u64,
}

pub(super) struct Link {
    stream: Stream,
    own: Option<LinkPolicy>,
    /// When the last byte of the last packet has left, for links with a bandwidth.
    busy_until: u64,
    effects: Vec<Imposed>,
    /// Packets stopped by a [`BlockMode::Hold`]: slots in the packet table.
    pub(super) held: Vec<u32>,
}

impl Link {
    pub(super) fn new(stream: Stream) -> Self {
        Link { stream, own: None, busy_until: 0, effects: Vec::new(), held: Vec::new() }
    }

    pub(super) fn set_policy(&mut self, policy: LinkPolicy) {
        self.own = Some(policy);
    }

    pub(super) fn impose(&mut self, id: EffectId, effect: LinkEffect, stream: Stream) {
        self.effects.push(Imposed { id, effect, stream, touched: 0 });
    }

    /// Takes an effect off and says how many packets it touched.
    pub(super) fn lift(&mut self, id: EffectId) -> u64 {
        let at = self.effects.iter().position(|e| e.id == id);
        at.map_or(0, |at| self.effects.remove(at).touched)
    }

    pub(super) fn touched(&self, id: EffectId) -> u64 {
        self.effects.iter().find(|e| e.id == id).map_or(0, |e| e.touched)
    }

    /// Sends a packet of `size` bytes, headers included.
    #[inline]
    pub(super) fn send(&mut self, now: u64, size: usize, default: &LinkPolicy) -> Verdict {
        let policy = self.own.as_ref().unwrap_or(default);
        let lost = self.stream.unit() < policy.loss;
        let latency = sample(&policy.latency, &mut self.stream);
        let mut leaves = now;
        if let Some(bandwidth) = policy.bandwidth {
            let transmission = size as u64 * 1_000_000_000 / bandwidth.max(1);
            self.busy_until = self.busy_until.max(now) + transmission;
            leaves = self.busy_until;
        }
        // At least a nanosecond: a packet never arrives at the instant it was sent.
        let arrives = leaves + latency.max(1);
        if self.effects.is_empty() {
            return if lost { Verdict::Lost } else { Verdict::Arrives(arrives) };
        }
        self.send_through_effects(lost, arrives)
    }

    #[cold]
    fn send_through_effects(&mut self, lost: bool, arrives: u64) -> Verdict {
        let mut delay = 0;
        let mut lost_by = None;
        let mut blocked_by = None;
        for (i, imposed) in self.effects.iter_mut().enumerate() {
            match imposed.effect {
                LinkEffect::Block(BlockMode::Hold) => {} // Tested on arrival.
                LinkEffect::Block(mode) => {
                    blocked_by.get_or_insert((i, mode));
                }
                LinkEffect::Delay { by, jitter } => {
                    delay += nanos(by) + imposed.stream.range(0..nanos(jitter).saturating_add(1));
                }
                LinkEffect::Loss { probability } => {
                    if imposed.stream.chance(probability) {
                        lost_by.get_or_insert(i);
                    }
                }
            }
        }
        if lost {
            return Verdict::Lost;
        }
        if let Some((i, mode)) = blocked_by {
            self.effects[i].touched += 1;
            return match mode {
                BlockMode::Reject => Verdict::Rejected(arrives),
                BlockMode::Drop | BlockMode::Hold => Verdict::Blocked,
            };
        }
        if let Some(i) = lost_by {
            self.effects[i].touched += 1;
            return Verdict::Lost;
        }
        if delay > 0 {
            for imposed in &mut self.effects {
                if matches!(imposed.effect, LinkEffect::Delay { .. }) {
                    imposed.touched += 1;
                }
            }
        }
        Verdict::Arrives(arrives + delay)
    }

    /// Whether a block that came up in the meantime stops a packet as it arrives.
    #[inline]
    pub(super) fn stops(&mut self) -> Option<BlockMode> {
        if self.effects.is_empty() { None } else { self.stopped_by_effect() }
    }

    #[cold]
    fn stopped_by_effect(&mut self) -> Option<BlockMode> {
        self.effects.iter_mut().find_map(|imposed| match imposed.effect {
            LinkEffect::Block(mode) => {
                imposed.touched += 1;
                Some(mode)
            }
            _ => None,
        })
    }
}

/// One draw of the latency, in nanoseconds. Always exactly one, so that a change of policy shifts no other draw.
#[inline]
fn sample(latency: &Latency, stream: &mut Stream) -> u64 {
    match *latency {
        Latency::Constant(latency) => {
            stream.next_u64();
            nanos(latency)
        }
        Latency::Uniform { min, max } => stream.range(nanos(min)..nanos(max).saturating_add(1)),
        Latency::Exponential { min, mean } => {
            let rest = nanos(mean.saturating_sub(min)) as f64;
            nanos(min) + (-libm::log(1.0 - stream.unit()) * rest) as u64
        }
    }
}

/// A duration in nanoseconds, up to 584 years.
#[inline]
pub(super) const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}
