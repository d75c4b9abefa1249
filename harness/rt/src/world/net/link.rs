//! One direction of the path between two nodes: its policy, the effects that faults put on it, and what it is holding.
//!
//! Every packet makes exactly four draws from the link's own stream, whatever the policy, and a fixed number from the
//! stream of each effect, whatever becomes of the packet. So an effect shifts no draw but its own.
//!
//! What a packet meets, in this order: the queue and the losses of the link itself, blocks, the bandwidths of
//! effects, their losses. An effect has *touched* a packet if its fate or its time of arrival is another than it would
//! have been: of several that would have lost it, the first to meet it.

use self::effect::{Imposed, Intent, change_bytes, flip_bits};
pub(in crate::world) use self::policy::nanos;
pub use self::{
    effect::{BlockMode, LinkEffect, MessageOutcome},
    policy::{Latency, LinkPolicy, LossModel},
};
use self::{
    loss::Loss,
    policy::{between, unit},
    shaper::Shaper,
};
use super::{
    EffectId,
    packet::{IP_HEADER, Packet},
};
use crate::world::{Stream, watch::PacketKind};

mod effect;
mod loss;
mod policy;
mod shaper;

/// How much later than its original the copy of a packet comes that a link's policy has duplicated, at most.
const COPY_WITHIN: f64 = 1_000_000.0;

/// What becomes of a packet as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It arrives then.
    Arrives(u64),
    /// It arrives, but not just that.
    ArrivesChanged(Box<Change>),
    /// It is lost on the way.
    Lost,
    /// An effect loses it.
    LostToFault,
    /// A block swallowed it.
    Blocked,
    /// A block turned it down; it would have arrived then.
    Rejected(u64),
}

/// How a packet arrives that is held back or copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// When it is due, and no packet behind it on the same connection may come earlier.
    pub(super) due: u64,
    /// How much later it arrives.
    pub(super) held_back: u64,
    /// How much later than it each of its copies arrives.
    pub(super) copies: Vec<u64>,
}

pub(super) struct Link {
    stream: Stream,
    /// How many packets of each kind were sent.
    sent: [u32; PacketKind::ALL.len()],
    own: Option<LinkPolicy>,
    loss: Loss,
    shaper: Shaper,
    effects: Vec<Imposed>,
    /// Packets stopped by a [`BlockMode::Hold`]: slots in the packet table.
    pub(super) held: Vec<u32>,
}

/// What the link itself makes of a packet.
struct Passage {
    now: u64,
    /// Bytes on the wire.
    size: usize,
    frames: u32,
    lost: bool,
    /// When the packet has left.
    leaves: u64,
    /// How long it takes then.
    latency: u64,
    copy: Option<u64>,
}

impl Link {
    pub(super) fn new(stream: Stream) -> Self {
        Link {
            stream,
            sent: [0; PacketKind::ALL.len()],
            own: None,
            loss: Loss::default(),
            shaper: Shaper::default(),
            effects: Vec::new(),
            held: Vec::new(),
        }
    }

    pub(super) fn redraw(&mut self, key: u64) {
        self.stream.redraw(key);
        self.effects.iter_mut().for_each(|imposed| imposed.redraw(key));
    }

    pub(super) fn set_policy(&mut self, policy: LinkPolicy) {
        self.own = Some(policy);
    }

    /// What the link does without effects.
    pub(super) fn policy<'a>(&'a self, default: &'a LinkPolicy) -> &'a LinkPolicy {
        self.own.as_ref().unwrap_or(default)
    }

    pub(super) fn impose(&mut self, id: EffectId, effect: LinkEffect, stream: Stream) {
        self.effects.push(Imposed::new(id, effect, stream));
    }

    /// Takes an effect off and says how many packets it touched.
    pub(super) fn lift(&mut self, id: EffectId) -> u64 {
        let at = self.effects.iter().position(|e| e.id == id);
        at.map_or(0, |at| self.effects.remove(at).touched)
    }

    pub(super) fn touched(&self, id: EffectId) -> u64 {
        self.effects.iter().find(|e| e.id == id).map_or(0, |e| e.touched)
    }

    /// Gives a packet its number.
    #[inline]
    pub(super) fn number(&mut self, packet: &mut Packet) {
        let sent = &mut self.sent[packet.kind() as usize];
        *sent += 1;
        packet.number = *sent;
    }

    /// Sends a packet, which may be changed by it.
    #[inline]
    pub(super) fn send(&mut self, now: u64, packet: &mut Packet, default: &LinkPolicy) -> Verdict {
        if packet.number == 0 {
            self.number(packet);
        }
        let policy = self.own.as_ref().unwrap_or(default);
        let [loss, latency, jitter, duplicate] = std::array::from_fn(|_| self.stream.next_u64());
        let mut size = packet.size();
        let mut frames = 1;
        if size > policy.mtu {
            (frames, size) = fragments(size, policy.mtu);
        }
        let mut lost = self.loss.takes(&policy.loss, loss, frames);
        let mut leaves = now;
        if let Some(bandwidth) = policy.bandwidth {
            match self.shaper.take(now, size, bandwidth, policy.queue) {
                Some(left) => leaves = left,
                None => lost = true,
            }
        }
        let mut latency = policy.latency.sample(latency);
        if !policy.jitter.is_zero() {
            latency = latency.saturating_add(between(jitter, std::time::Duration::ZERO, policy.jitter));
        }
        // At least a nanosecond: a packet never arrives at the instant it was sent.
        let latency = latency.max(1);
        let duplicate = unit(duplicate);
        // Given that it is less, where it is below the probability is uniform.
        let copy =
            (duplicate < policy.duplicate).then(|| (duplicate / policy.duplicate * COPY_WITHIN) as u64);
        if self.effects.is_empty() && copy.is_none() {
            return if lost { Verdict::Lost } else { Verdict::Arrives(leaves.saturating_add(latency)) };
        }
        self.send_through_effects(packet, Passage { now, size, frames, lost, leaves, latency, copy })
    }

    #[cold]
    fn send_through_effects(&mut self, packet: &mut Packet, passage: Passage) -> Verdict {
        let Passage { now, size, frames, lost, mut leaves, latency, copy } = passage;
        for imposed in &mut self.effects {
            imposed.draw(frames, packet);
        }
        if lost {
            return Verdict::Lost;
        }
        for imposed in &mut self.effects {
            if let Intent::Block(mode) = imposed.intent {
                imposed.touched += 1;
                return match mode {
                    BlockMode::Reject => Verdict::Rejected(leaves.saturating_add(latency)),
                    BlockMode::Drop | BlockMode::Hold => Verdict::Blocked,
                };
            }
        }
        let left_link = leaves;
        for imposed in &mut self.effects {
            if imposed.intent != Intent::Shape {
                continue;
            }
            let Some(left) = imposed.shape(now, size) else {
                imposed.touched += 1;
                return Verdict::LostToFault;
            };
            if left <= left_link {
                imposed.intent = Intent::Nothing;
            }
            leaves = leaves.max(left);
        }
        let is_datagram = packet.kind() == PacketKind::Datagram;
        for imposed in &mut self.effects {
            let checksum_fails = matches!(imposed.intent, Intent::Corrupt(_)) && !is_datagram;
            if imposed.intent == Intent::Lose || checksum_fails {
                imposed.touched += 1;
                return Verdict::LostToFault;
            }
        }
        let mut change = Change { due: leaves.saturating_add(latency), ..Change::default() };
        change.copies.extend(copy);
        for imposed in &mut self.effects {
            imposed.touched += u64::from(apply(imposed.intent, packet, &mut change));
        }
        if change.held_back == 0 && change.copies.is_empty() {
            return Verdict::Arrives(change.due);
        }
        Verdict::ArrivesChanged(Box::new(change))
    }

    /// Whether a block that came up in the meantime stops a packet as it arrives.
    #[inline]
    pub(super) fn stops(&mut self) -> Option<BlockMode> {
        if self.effects.is_empty() { None } else { self.stopped_by_effect() }
    }

    #[cold]
    fn stopped_by_effect(&mut self) -> Option<BlockMode> {
        self.effects.iter_mut().find_map(|imposed| {
            let mode = imposed.block()?;
            imposed.touched += 1;
            Some(mode)
        })
    }
}

/// Does to a packet that gets through what an effect has drawn for it; false if that is nothing.
fn apply(intent: Intent, packet: &mut Packet, change: &mut Change) -> bool {
    match intent {
        Intent::Nothing | Intent::Block(_) | Intent::Lose => false,
        // `leaves` has it.
        Intent::Shape => true,
        Intent::Delay(by) => {
            change.due = change.due.saturating_add(by);
            by > 0
        }
        Intent::HoldBack(by) => {
            change.held_back = change.held_back.saturating_add(by);
            by > 0
        }
        Intent::Copy(later) => {
            change.copies.push(later);
            true
        }
        Intent::Corrupt(key) => {
            flip_bits(&mut packet.data, key);
            !packet.data.is_empty()
        }
        Intent::Tamper(key) => {
            change_bytes(&mut packet.data, key);
            !packet.data.is_empty()
        }
    }
}

/// Into how many frames a packet of `size` bytes is cut, and what they take together (RFC 791: each has a header of its
/// own, and all but the last carry a multiple of eight bytes).
#[cold]
fn fragments(size: usize, mtu: usize) -> (u32, usize) {
    let in_each = (mtu.saturating_sub(IP_HEADER) & !7).max(8);
    let count = (size - IP_HEADER).div_ceil(in_each);
    (count as u32, size + (count - 1) * IP_HEADER)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{
            address::{Address, Endpoint},
            packet::Body,
        },
        *,
    };

    #[test]
    fn every_packet_makes_four_draws_whatever_the_policy_and_the_effects() {
        const MS: Duration = Duration::from_millis(1);
        let drawn = |policy: LinkPolicy, effects: &[LinkEffect]| {
            let mut link = Link::new(Stream::new(1, "link", ""));
            for (id, &effect) in effects.iter().enumerate() {
                link.impose(EffectId(id as u64), effect, Stream::new(1, "effect", ""));
            }
            for length in 0..100 {
                let end = Endpoint { node: 0, port: 0 };
                let data = vec![0; length * 100];
                let body = Body::Datagram;
                let mut packet = Packet {
                    from: end,
                    to: end,
                    address: Address::Own,
                    from_address: Address::Own,
                    body,
                    data,
                    sent: 0,
                    order: 0,
                    number: 0,
                };
                link.send(0, &mut packet, &policy);
            }
            link.stream.next_u64()
        };
        let plain = LinkPolicy { latency: Latency::Constant(MS), ..LinkPolicy::default() };
        let policies = [
            LinkPolicy { latency: Latency::Normal { mean: MS, deviation: MS }, ..plain },
            LinkPolicy { latency: Latency::Exponential { min: MS, mean: 2 * MS }, ..plain },
            LinkPolicy { latency: Latency::Pareto { min: MS, shape: 1.5 }, ..plain },
            LinkPolicy { latency: Latency::Bimodal { fast: (MS, MS), slow: (MS, MS), share: 0.5 }, ..plain },
            LinkPolicy { jitter: MS, duplicate: 0.5, ..plain },
            LinkPolicy { loss: LossModel::Burst { rate: 0.5, length: 3.0 }, ..plain },
            LinkPolicy { bandwidth: Some(1_000), queue: Some(5_000), mtu: 100, ..plain },
        ];
        let effects = [
            LinkEffect::Block(BlockMode::Drop),
            LinkEffect::Loss { model: LossModel::Independent(0.5) },
            LinkEffect::Tamper { probability: 1.0 },
        ];
        let expected = drawn(plain, &[]);
        assert!(policies.iter().all(|&policy| drawn(policy, &[]) == expected));
        assert!(policies.iter().all(|&policy| drawn(policy, &effects) == expected));
        assert!(effects.iter().all(|&effect| drawn(plain, &[effect]) == expected));
    }

    #[test]
    fn a_datagram_is_cut_as_ethernet_has_it() {
        // 1,472 bytes of payload fit; of the longest datagram, 45 frames are made.
        assert_eq!(fragments(1_473 + 28, 1_500), (2, 1_473 + 28 + 20));
        assert_eq!(fragments(65_507 + 28, 1_500), (45, 65_507 + 28 + 44 * 20));
        assert_eq!(fragments(100, 0), (10, 280), "a nonsensical limit still carries something");
    }
}
