//! "Port unreachable" (RFC 792): what a machine answers to a datagram that no socket of it takes. The answer travels as
//! any packet does, over the links and through what is on them.

use std::time::Duration;

use super::{
    fabric::{Behind, Fabric},
    link::nanos,
    packet::{Body, Packet},
};

/// Linux's icmp_ratelimit: one such answer in this time for each machine it goes to (icmp(7)), after a burst.
const EACH: u64 = nanos(Duration::from_secs(1));
/// Linux's XRLIM_BURST_FACTOR: so many may follow each other at once. The loopback interface has no limit.
const BURST: u64 = 6;

impl Fabric {
    /// Tells the sender of a datagram that nobody is there, unless it has been told too often.
    pub(super) fn answer_unreachable(&mut self, now: u64, datagram: &Packet) {
        let Packet { from, to, address, from_address, .. } = *datagram;
        if from.node != to.node {
            let told = self.host(to.node).told_unreachable.entry(from.node).or_insert(0);
            let ahead = (*told).max(now);
            if ahead > now + (BURST - 1) * EACH {
                return;
            }
            *told = ahead + EACH;
        }
        let answer = Packet {
            from: to,
            to: from,
            address: from_address,
            from_address: address,
            body: Body::PortUnreachable,
            data: Vec::new(),
            sent: now,
            order: 0,
            number: 0,
        };
        self.transmit(now, answer, Behind::NOTHING);
    }
}
