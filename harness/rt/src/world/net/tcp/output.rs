//! What TCP sends, and its two timers.

use std::time::Duration;

use super::{
    super::{
        Errno,
        address::{Address, Endpoint},
        fabric::{Behind, Fabric},
        link::nanos,
        packet::{Body, Packet},
        queue::What,
        table::Key,
    },
    Connection, NEVER, Owner, Phase,
};

/// How long an acknowledgement waits for data to ride on (Linux's TCP_DELACK_MIN).
const ACKNOWLEDGE_AFTER: u64 = nanos(Duration::from_millis(40));
/// Linux's tcp_syn_retries, tcp_synack_retries, tcp_retries2, and tcp_orphan_retries.
const SYN_RETRIES: u32 = 6;
const SYN_ACK_RETRIES: u32 = 5;
const RETRIES: u32 = 15;
const ORPHAN_RETRIES: u32 = 8;

/// A packet on its way from one end of a connection to the other. Both ends have the same kind of address.
#[inline]
fn packet(now: u64, [from, to]: [Endpoint; 2], address: Address, body: Body, data: Vec<u8>) -> Packet {
    Packet { from, to, address, from_address: address, body, data, sent: now, order: 0, number: 0 }
}

impl Connection {
    /// A packet to the peer.
    #[inline]
    fn packet(&self, now: u64, body: Body, data: Vec<u8>) -> Packet {
        packet(now, [self.local, self.peer], self.address, body, data)
    }
}

impl Fabric {
    /// Sends a packet of a connection, behind those before it.
    #[inline]
    fn send_on(&mut self, now: u64, key: Key, body: Body, data: Vec<u8>) {
        let Some(connection) = self.connections.get(key) else { return };
        let (packet, behind) = (connection.packet(now, body, data), connection.behind);
        let behind = self.transmit(now, packet, behind);
        self.keep_behind(key, behind);
    }

    /// The last packet of a connection, if it is there still, is this one.
    #[inline]
    pub(in super::super) fn keep_behind(&mut self, key: Key, behind: Behind) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.behind = behind;
        }
    }

    pub(super) fn send_syn(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.timed = (connection.rto.retries == 0).then_some((0, now));
        let edge = connection.inbox.advertise();
        self.arm_retransmission(now, key);
        self.send_on(now, key, Body::Syn { from: key, edge }, Vec::new());
    }

    pub(super) fn send_syn_ack(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(to) = connection.peer_key else { return };
        connection.timed = (connection.rto.retries == 0).then_some((0, now));
        let edge = connection.inbox.advertise();
        self.arm_retransmission(now, key);
        self.send_on(now, key, Body::SynAck { from: key, to, edge }, Vec::new());
    }

    /// Sends a segment of an open connection, with all we have to acknowledge.
    #[inline]
    fn send_segment(&mut self, now: u64, key: Key, seq: u64, data: Vec<u8>, fin: bool, probe: bool) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(to) = connection.peer_key else { return };
        connection.unanswered = 0;
        connection.acknowledge_at = None;
        let ack = connection.inbox.acknowledgement();
        let edge = connection.inbox.advertise();
        let body = Body::Segment { from: key, to, seq, ack, edge, fin, probe };
        let (packet, behind) = (connection.packet(now, body, data), connection.behind);
        let behind = self.transmit(now, packet, behind);
        self.keep_behind(key, behind);
    }

    /// Sends data for the first time.
    #[inline]
    pub(super) fn send_new(&mut self, now: u64, key: Key, data: Vec<u8>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let seq = connection.next;
        connection.next += data.len() as u64;
        connection.unacknowledged.extend(&data);
        if data.len() < connection.max_segment {
            connection.small.sent_up_to = connection.next;
        }
        connection.timed.get_or_insert((connection.next, now));
        if connection.retransmit_at.is_none() || connection.una == seq {
            self.arm_retransmission(now, key);
        }
        self.send_segment(now, key, seq, data, false, false);
    }

    /// Ends the stream, behind what waits.
    pub(super) fn send_fin(&mut self, now: u64, key: Key) {
        self.send_small(now, key);
        let Some(connection) = self.connections.get_mut(key) else { return };
        let seq = connection.next;
        connection.next += 1;
        connection.fin_sent = true;
        connection.closed_first = !connection.inbox.is_complete();
        if connection.retransmit_at.is_none() || connection.una == seq {
            self.arm_retransmission(now, key);
        }
        self.send_segment(now, key, seq, Vec::new(), true, false);
    }

    pub(super) fn send_acknowledgement(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get(key) else { return };
        let seq = connection.next;
        self.send_segment(now, key, seq, Vec::new(), false, false);
    }

    /// Asks the peer for an acknowledgement.
    pub(super) fn send_probe(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get(key) else { return };
        let seq = connection.next;
        self.send_segment(now, key, seq, Vec::new(), false, true);
    }

    /// Acknowledges with the next data, or after a while.
    #[inline]
    pub(super) fn acknowledge_later(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let at = now + ACKNOWLEDGE_AFTER;
        connection.acknowledge_at = Some(at);
        self.acknowledgements.push_back((at, key));
        if self.acknowledge_event == NEVER {
            self.acknowledge_event = at;
            self.queue.push(at, What::Acknowledge);
        }
    }

    /// Arms the acknowledgement timer before there is anything to acknowledge: what comes to a reader will be, and
    /// arming a timer for it then, in the callback of another, takes a run of the pump.
    #[inline]
    pub(super) fn expect_acknowledgements(&mut self) {
        if self.acknowledge_event == NEVER {
            let at = self.tick() + ACKNOWLEDGE_AFTER;
            self.acknowledge_event = at;
            self.queue.push(at, What::Acknowledge);
        }
    }

    /// Sends the first segment once more that was not acknowledged.
    pub(super) fn retransmit(&mut self, now: u64, key: Key) {
        let mut data = self.buffers.take();
        let Some(connection) = self.connections.get_mut(key) else { return };
        // Karn's algorithm: its acknowledgement says nothing about the round trip.
        connection.timed = None;
        let length = connection.unacknowledged.len().min(connection.max_segment);
        data.extend(connection.unacknowledged.range(..length));
        let fin = connection.fin_sent && length == connection.unacknowledged.len();
        let seq = connection.una;
        self.send_segment(now, key, seq, data, fin, false);
    }

    /// Resets a connection: tells the peer, if there is one.
    pub(super) fn send_reset(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get(key) else { return };
        let Some(to) = connection.peer_key else { return };
        if matches!(connection.phase, Phase::Open | Phase::Granting(_)) {
            self.send_on(now, key, Body::Reset { to }, Vec::new());
        }
    }

    /// Answers a packet for which there is no connection.
    pub(super) fn refuse(&mut self, now: u64, refused: &Packet, to: Key) {
        let ends = [refused.to, refused.from];
        let answer = packet(now, ends, refused.address, Body::Reset { to }, Vec::new());
        self.transmit(now, answer, Behind::NOTHING);
    }

    #[inline]
    pub(super) fn arm_retransmission(&mut self, now: u64, key: Key) {
        if let Some(connection) = self.connections.get(key) {
            let at = now + connection.rto.current();
            self.arm_retransmission_at(at, key);
        }
    }

    #[inline]
    pub(super) fn arm_retransmission_at(&mut self, at: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.retransmit_at = Some(at);
        if connection.retransmit_event > at {
            connection.retransmit_event = at;
            self.queue.push(at, What::Retransmit(key));
        }
    }

    /// The acknowledgement timer. It is one for all connections, since all of them wait equally long. It may come
    /// early: most acknowledgements leave with data before they are due.
    pub(in super::super) fn acknowledgement_timer(&mut self, now: u64) {
        self.acknowledge_event = NEVER;
        while let Some(&(due, key)) = self.acknowledgements.front() {
            let still_waits = self.connections.get(key).is_some_and(|c| c.acknowledge_at == Some(due));
            if still_waits && due > now {
                self.acknowledge_event = due;
                return self.queue.push(due, What::Acknowledge);
            }
            self.acknowledgements.pop_front();
            if still_waits {
                self.send_acknowledgement(now, key);
            }
        }
    }

    /// An event of the retransmission timer.
    pub(in super::super) fn retransmission_timer(&mut self, now: u64, at: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.retransmit_event != at {
            return; // An earlier one has taken its place.
        }
        connection.retransmit_event = NEVER;
        match connection.retransmit_at {
            Some(due) if due > now => {
                connection.retransmit_event = due;
                self.queue.push(due, What::Retransmit(key));
            }
            Some(_) => {
                connection.retransmit_at = None;
                self.retransmission_due(now, key);
            }
            None => {}
        }
    }

    fn retransmission_due(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let orphan = connection.owner == Owner::Kernel;
        let limit = match connection.phase {
            Phase::Opening => SYN_RETRIES,
            Phase::Granting(_) => SYN_ACK_RETRIES,
            Phase::Open if orphan && connection.is_done_sending() => return self.forget(key),
            Phase::Open if orphan => ORPHAN_RETRIES,
            Phase::Open => RETRIES,
            Phase::TimeWait | Phase::Failed => return,
        };
        if connection.rto.retries >= limit {
            return self.fail(key, Errno::TimedOut);
        }
        match connection.phase {
            Phase::Opening => {
                connection.rto.retries += 1;
                self.send_syn(now, key);
            }
            Phase::Granting(_) => {
                connection.rto.retries += 1;
                self.send_syn_ack(now, key);
            }
            _ if connection.una < connection.next => {
                connection.rto.retries += 1;
                connection.recover = connection.next;
                self.retransmit(now, key);
                self.arm_retransmission(now, key);
            }
            // Nothing on its way, and someone waits for the window to open far enough: ask whether it has.
            _ if connection.wants_room && connection.room() == 0 => {
                connection.rto.retries += 1;
                self.send_probe(now, key);
                self.arm_retransmission(now, key);
            }
            _ => {}
        }
    }
}
