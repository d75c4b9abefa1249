//! What faults do to a link, and what each of them has drawn for a packet.
//!
//! An effect makes a fixed number of draws for every packet from the stream it brought, whatever becomes of the packet,
//! so that it shifts no draw but its own, and what it does to the k-th packet does not depend on other effects.

use std::{collections::BTreeSet, time::Duration};

use super::{
    super::{EffectId, packet::Packet},
    loss::Loss,
    policy::{LossModel, between, nanos, unit},
    shaper::Shaper,
};
use crate::world::{Stream, watch::PacketKind};

/// What happens to a packet on a blocked link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockMode {
    /// It vanishes.
    Drop,
    /// The sender is told: connections are refused or reset.
    Reject,
    /// It is kept, and delivered in order when the block is lifted.
    Hold,
}

/// What a fault does to a link while it lasts. Effects stack. Probabilities go from 0 to 1 and count for each packet by
/// itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkEffect {
    /// Nothing gets through.
    Block(BlockMode),
    /// Every packet takes this much longer, plus a uniform part up to `jitter`.
    Delay {
        /// The least.
        by: Duration,
        /// The most that comes on top.
        jitter: Duration,
    },
    /// Packets are lost, on top of the link's own losses.
    Loss {
        /// Which.
        model: LossModel,
    },
    /// Packets arrive twice. TCP discards the copy.
    Duplicate {
        /// Of a copy.
        probability: f64,
        /// The copy comes at most this much later.
        within: Duration,
    },
    /// Packets are held back, so that those behind overtake them, those of the same TCP connection too: the receiver
    /// keeps what came early until the gap is closed, and asks for what is missing.
    Reorder {
        /// Of being held back.
        probability: f64,
        /// For how long.
        by: Duration,
    },
    /// One to four bits of the payload flip. A datagram is delivered that way; of a TCP segment the checksum tells, so
    /// that it is lost. A datagram without payload stays as it is.
    Corrupt {
        /// Of a packet that is hit.
        probability: f64,
    },
    /// The link carries no more than this. With a bandwidth of its own, the slower of the two decides.
    Bandwidth {
        /// Bytes a second, headers included.
        bytes_per_second: u64,
        /// Bytes that may wait, as in [`LinkPolicy::queue`](super::LinkPolicy::queue).
        queue: Option<u64>,
    },
    /// An attacker on the path changes one to eight bytes of the payload and makes the checksums fit: datagrams and TCP
    /// data are delivered changed, at their length. Packets without payload stay as they are.
    Tamper {
        /// Of a packet that is changed.
        probability: f64,
    },
    /// An attacker on the path sends a recorded packet again. A datagram is delivered once more; a TCP segment is old
    /// data, which the receiver discards (who wants to see a request replayed has to replay it where requests are known).
    Replay {
        /// Of a packet that is sent again.
        probability: f64,
        /// The least time after the original.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// Something becomes of single packets, by their number. Draws nothing.
    Message {
        /// Of this kind.
        kind: PacketKind,
        /// The number of the first on the link since the start of the run, from 1, as those who [watch](crate::world::World::watch)
        /// are told it.
        first: u64,
        /// The number of the last.
        last: u64,
        /// What becomes of them.
        outcome: MessageOutcome,
    },
}

/// What becomes of a single packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageOutcome {
    /// It is lost.
    Lost,
    /// It arrives once more, so much later.
    Duplicated(Duration),
    /// It arrives so much later, and those behind it may overtake it.
    Delayed(Duration),
}

/// What an effect has drawn for the packet at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Nothing,
    Block(BlockMode),
    /// It takes longer, in nanoseconds.
    Delay(u64),
    Lose,
    /// It arrives once more, so much later.
    Copy(u64),
    /// Those behind it may overtake it.
    HoldBack(u64),
    /// Bits flip: which, the number keys.
    Corrupt(u64),
    /// Bytes change: which, the number keys.
    Tamper(u64),
    /// It has to pass a bandwidth.
    Shape,
}

/// An effect on a link.
pub(super) struct Imposed {
    pub(super) id: EffectId,
    effect: LinkEffect,
    stream: Stream,
    loss: Loss,
    shaper: Shaper,
    /// How many packets it has touched.
    pub(super) touched: u64,
    /// For the packet at hand.
    pub(super) intent: Intent,
}

impl Imposed {
    pub(super) fn new(id: EffectId, effect: LinkEffect, stream: Stream) -> Self {
        let (loss, shaper) = (Loss::default(), Shaper::default());
        Imposed { id, effect, stream, loss, shaper, touched: 0, intent: Intent::Nothing }
    }

    pub(super) fn redraw(&mut self, key: u64) {
        self.stream.redraw(key);
    }

    /// The block it is, if it is one.
    pub(super) fn block(&self) -> Option<BlockMode> {
        match self.effect {
            LinkEffect::Block(mode) => Some(mode),
            _ => None,
        }
    }

    /// Draws for a packet of so many frames.
    pub(super) fn draw(&mut self, frames: u32, packet: &Packet) {
        let stream = &mut self.stream;
        self.intent = match self.effect {
            // Tested on arrival.
            LinkEffect::Block(BlockMode::Hold) => Intent::Nothing,
            LinkEffect::Block(mode) => Intent::Block(mode),
            LinkEffect::Bandwidth { .. } => Intent::Shape,
            LinkEffect::Delay { by, jitter } => {
                Intent::Delay(nanos(by).saturating_add(between(stream.next_u64(), Duration::ZERO, jitter)))
            }
            LinkEffect::Loss { model } => {
                if self.loss.takes(&model, stream.next_u64(), frames) {
                    Intent::Lose
                } else {
                    Intent::Nothing
                }
            }
            LinkEffect::Duplicate { probability, within } => {
                chance(stream, probability, |bits| Intent::Copy(between(bits, Duration::ZERO, within)))
            }
            LinkEffect::Replay { probability, min, max } => {
                chance(stream, probability, |bits| Intent::Copy(between(bits, min, max)))
            }
            LinkEffect::Reorder { probability, by } => {
                chance(stream, probability, |_| Intent::HoldBack(nanos(by)))
            }
            LinkEffect::Corrupt { probability } => chance(stream, probability, Intent::Corrupt),
            LinkEffect::Tamper { probability } => chance(stream, probability, Intent::Tamper),
            LinkEffect::Message { kind, first, last, outcome } => {
                let is_meant = packet.kind() == kind && (first..=last).contains(&packet.number.into());
                match outcome {
                    _ if !is_meant => Intent::Nothing,
                    MessageOutcome::Lost => Intent::Lose,
                    MessageOutcome::Duplicated(later) => Intent::Copy(nanos(later)),
                    MessageOutcome::Delayed(by) => Intent::HoldBack(nanos(by)),
                }
            }
        };
    }

    /// Takes a packet through the bandwidth of this effect: when it has left, or `None` if the queue is full.
    pub(super) fn shape(&mut self, now: u64, size: usize) -> Option<u64> {
        match self.effect {
            LinkEffect::Bandwidth { bytes_per_second, queue } => {
                self.shaper.take(now, size, bytes_per_second, queue)
            }
            _ => Some(now),
        }
    }
}

/// Two draws: whether, and what is made of the second.
fn chance(stream: &mut Stream, probability: f64, intent: impl FnOnce(u64) -> Intent) -> Intent {
    let happens = unit(stream.next_u64()) < probability;
    let bits = stream.next_u64();
    if happens { intent(bits) } else { Intent::Nothing }
}

/// Flips one to four bits, if there are any.
pub(super) fn flip_bits(data: &mut [u8], key: u64) {
    let mut stream = Stream::new(key, "corrupt", "");
    let count = stream.range(1..5);
    // A set: what is flipped twice is as it was.
    let bits: BTreeSet<usize> = (0..count).map(|_| stream.pick(data.len() * 8)).collect();
    for bit in bits {
        if let Some(byte) = data.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

/// Changes one to eight bytes, if there are any.
pub(super) fn change_bytes(data: &mut [u8], key: u64) {
    let mut stream = Stream::new(key, "tamper", "");
    let count = stream.range(1..9);
    let places: BTreeSet<usize> = (0..count).map(|_| stream.pick(data.len())).collect();
    for place in places {
        let difference = stream.range(1..256) as u8;
        if let Some(byte) = data.get_mut(place) {
            *byte ^= difference;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{
            address::{Address, Endpoint},
            packet::Body,
        },
        *,
    };

    #[test]
    fn damage_is_small_and_never_none() {
        for key in 0..1_000 {
            for length in [1, 2, 64] {
                let mut data = vec![0u8; length];
                flip_bits(&mut data, key);
                let flipped: u32 = data.iter().map(|byte| byte.count_ones()).sum();
                assert!((1..=4).contains(&flipped), "{flipped} bits");
                let mut data = vec![0u8; length];
                change_bytes(&mut data, key);
                let changed = data.iter().filter(|&&byte| byte != 0).count();
                assert!((1..=8).contains(&changed), "{changed} bytes");
            }
        }
        flip_bits(&mut [], 1);
        change_bytes(&mut [], 1);
    }

    #[test]
    fn every_effect_draws_the_same_number_whatever_the_packet_and_its_luck() {
        use LinkEffect::*;
        let by = Duration::from_millis(1);
        let burst = |rate| Loss { model: LossModel::Burst { rate, length: 3.0 } };
        let of_probability = |probability| {
            [
                Loss { model: LossModel::Independent(probability) },
                burst(probability),
                Duplicate { probability, within: by },
                Reorder { probability, by },
                Corrupt { probability },
                Tamper { probability },
                Replay { probability, min: by, max: by },
            ]
        };
        let end = Endpoint { node: 0, port: 0 };
        let packet = Packet {
            from: end,
            to: end,
            address: Address::Own,
            from_address: Address::Own,
            body: Body::Datagram,
            data: Vec::new(),
            sent: 0,
            order: 0,
            number: 1,
        };
        let drawn = |effect| {
            let mut imposed = Imposed::new(EffectId(0), effect, Stream::new(1, "effect", ""));
            (1..=100).for_each(|frames| imposed.draw(frames, &packet));
            imposed.stream.next_u64()
        };
        for (never, always) in of_probability(0.0).into_iter().zip(of_probability(1.0)) {
            assert_eq!(drawn(never), drawn(always), "{always:?}");
        }
        let single = |first| Message {
            kind: PacketKind::Datagram,
            first,
            last: 9,
            outcome: MessageOutcome::Duplicated(by),
        };
        assert_eq!(drawn(single(1)), drawn(single(2)), "it is meant, or not, and draws nothing");
    }
}
