//! What travels over a link, and the digest over all that did.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    address::{Address, Endpoint, Many},
    table::Key,
};
use crate::world::watch::PacketKind;

/// Bytes of an IPv4 header.
pub(super) const IP_HEADER: usize = 20;
/// By how much one of IPv6 is longer.
pub(super) const IPV6_EXTRA: usize = 20;
/// Bytes of the headers of a TCP segment, IPv4's included.
pub(super) const TCP_HEADERS: usize = 40;

/// A packet in flight. TCP's name connections by key: what a real stack finds by the four addresses and ports.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    /// Which address of the receiver it is sent to.
    pub(super) address: Address,
    /// Which address of the sender it is sent from.
    pub(super) from_address: Address,
    pub(super) body: Body,
    pub(super) data: Vec<u8>,
    pub(super) sent: u64,
    /// Its place in the order of sending.
    pub(super) order: u64,
    /// Which of its kind on its link, from 1; 0 for what travels over none and before it is sent.
    pub(super) number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// UDP.
    Datagram,
    /// UDP, for whoever on the machine it is for.
    DatagramToMany(Many),
    /// TCP: asks for a connection.
    Syn { from: Key, edge: u64 },
    /// TCP: grants it.
    SynAck { from: Key, to: Key, edge: u64 },
    /// TCP: data, acknowledgement, end of the stream, or any of them.
    Segment { from: Key, to: Key, seq: u64, ack: u64, edge: u64, fin: bool, probe: bool },
    /// TCP: there is no such connection (any more).
    Reset { to: Key },
    /// A link turned a packet of this connection down (as ICMP "administratively prohibited").
    ConnectionRejected { to: Key },
    /// A link turned a datagram down.
    DatagramRejected,
    /// No socket was there for a datagram (ICMP "port unreachable").
    PortUnreachable,
}

impl Packet {
    /// Bytes on the wire: the payload, an IP header, and UDP's or TCP's.
    #[inline]
    pub(super) fn size(&self) -> usize {
        let headers = match self.body {
            Body::Datagram | Body::DatagramToMany(_) | Body::DatagramRejected => 28,
            // RFC 792: with the header of the datagram and the first eight bytes after it.
            Body::PortUnreachable => 56,
            _ => TCP_HEADERS,
        };
        headers + if self.address.is_v6() { IPV6_EXTRA } else { 0 } + self.data.len()
    }

    /// What it is to those who watch.
    #[inline]
    pub(super) fn kind(&self) -> PacketKind {
        match self.body {
            Body::Datagram | Body::DatagramToMany(_) => PacketKind::Datagram,
            Body::Syn { .. } => PacketKind::Syn,
            Body::SynAck { .. } => PacketKind::SynAck,
            Body::Segment { fin: true, .. } => PacketKind::Fin,
            Body::Segment { probe: true, .. } => PacketKind::Probe,
            Body::Segment { .. } if self.data.is_empty() => PacketKind::Ack,
            Body::Segment { .. } => PacketKind::Data,
            Body::Reset { .. } | Body::ConnectionRejected { .. } => PacketKind::Rst,
            Body::DatagramRejected | Body::PortUnreachable => PacketKind::Unreachable,
        }
    }

    /// What it is in the digest.
    fn code(&self) -> u64 {
        match self.body {
            Body::Datagram => 0,
            Body::Syn { .. } => 1,
            Body::SynAck { .. } => 2,
            Body::Segment { fin: false, probe: false, .. } => 3,
            Body::Segment { fin: true, .. } => 4,
            Body::Segment { probe: true, .. } => 5,
            Body::Reset { .. } => 6,
            Body::ConnectionRejected { .. } => 7,
            Body::DatagramRejected => 8,
            Body::PortUnreachable => 9,
            Body::DatagramToMany(_) => 10,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It reached a machine that runs.
    Delivered,
    /// The link lost it.
    Lost,
    /// An effect on the link lost it.
    LostToFault,
    /// A block swallowed it.
    Blocked,
    /// A block turned it down.
    Rejected,
    /// A block keeps it; its fate is told once more at the end.
    Held,
    /// The machine had no power.
    NoPower,
}

impl Fate {
    /// What it is in the digest, to which it makes no difference who lost it.
    fn code(self) -> u64 {
        match self {
            Fate::Delivered => 0,
            Fate::Lost | Fate::LostToFault => 1,
            Fate::Blocked => 2,
            Fate::Rejected => 3,
            Fate::Held => 4,
            Fate::NoPower => 5,
        }
    }
}

/// A rolling hash: two folded multiplications for a packet (as in wyhash), and xxh3 for what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) fn new(seed: u64) -> Self {
        Digest(fold(seed ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB))
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn record(&mut self, packet: &Packet, fate: Fate, at: u64) {
        let ends = u64::from(packet.from.node) << 32 | u64::from(packet.to.node);
        let ports = u64::from(packet.from.port) << 16 | u64::from(packet.to.port);
        let rest = ports << 32 | (packet.data.len() as u64) << 8 | packet.code() << 4 | fate.code();
        let payload = if packet.data.is_empty() { 0 } else { xxh3_64(&packet.data) };
        let times = fold(self.0 ^ packet.sent ^ 0x8EBC_6AF0_9C88_C6E3, at ^ 0x5895_65DA_CE71_6E8F);
        self.0 = fold(times ^ payload ^ ends ^ 0x1D8E_4E27_C47D_124F, rest ^ 0xEB44_ACCA_B455_D165);
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
