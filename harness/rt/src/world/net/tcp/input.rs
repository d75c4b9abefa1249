//! What TCP does with what arrives.

use std::collections::VecDeque;

use super::{
    super::{
        Errno,
        fabric::Fabric,
        host::TcpPort,
        packet::{Body, Packet},
        table::Key,
    },
    Connection, Owner, Phase,
    inbox::Brought,
};

impl Fabric {
    #[inline]
    pub(in super::super) fn segment_arrives(&mut self, now: u64, packet: Packet) {
        match packet.body {
            Body::Segment { from, to, seq, ack, edge, fin, probe } => {
                let segment = Segment { from, to, seq, ack, edge, fin, probe };
                self.segment_of_open_connection(now, packet, segment);
            }
            Body::Syn { from, edge } => self.syn_arrives(now, &packet, from, edge),
            Body::SynAck { from, to, edge } => self.syn_ack_arrives(now, &packet, from, to, edge),
            Body::Reset { to } | Body::ConnectionRejected { to } => self.reset_arrives(to),
            Body::Datagram | Body::DatagramToMany(_) | Body::DatagramRejected | Body::PortUnreachable => {}
        }
    }

    fn syn_arrives(&mut self, now: u64, packet: &Packet, from: Key, edge: u64) {
        let holder = self.host(packet.to.node).tcp_at(packet.to.port, packet.address);
        let Some(TcpPort::Listener(listener_key)) = holder else {
            return self.syn_finds_no_listener(now, packet, from, edge);
        };
        let Some(listener) = self.listeners.get(listener_key) else { return };
        if let Some(&granted) = listener.granting.get(&from) {
            return self.send_syn_ack(now, granted);
        }
        // A late copy of the SYN of a connection that has long been opened, or the backlog is full.
        let is_copy = self.connections.get(from).is_some_and(|c| c.phase != Phase::Opening);
        if is_copy || listener.is_full() {
            return;
        }
        let phase = Phase::Granting(listener_key);
        let mut connection = Connection::new(packet.to, packet.from, packet.address, phase, Owner::Backlog);
        connection.family = listener.binding.family;
        connection.peer_key = Some(from);
        connection.edge = edge;
        connection.options = listener.options;
        connection.max_segment = self.max_segment(packet.to.node, packet.from.node, packet.address);
        let key = self.connections.insert(connection);
        if let Some(listener) = self.listeners.get_mut(listener_key) {
            listener.granting.insert(from, key);
        }
        self.send_syn_ack(now, key);
    }

    /// A SYN that finds the socket it comes from opens a connection of that with itself: both sides open at the same time (RFC 9293, 3.5).
    fn syn_finds_no_listener(&mut self, now: u64, packet: &Packet, from: Key, edge: u64) {
        let is_own = packet.from == packet.to;
        match self.connections.get(from) {
            Some(connection) if is_own && connection.phase == Phase::Opening => {
                self.connection_opens(now, from, from, edge);
            }
            // A copy of that SYN.
            Some(connection) if is_own && connection.local == packet.to => {}
            _ => self.refuse(now, packet, from),
        }
    }

    /// The connection that was to be opened is: with that end, up to where its window goes.
    fn connection_opens(&mut self, now: u64, key: Key, with: Key, edge: u64) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.phase = Phase::Open;
        connection.peer_key = Some(with);
        connection.edge = edge;
        handshake_is_over(now, connection);
        connection.wake_writer(&mut self.woken);
    }

    fn syn_ack_arrives(&mut self, now: u64, packet: &Packet, from: Key, to: Key, edge: u64) {
        match self.connections.get(to) {
            Some(connection) if connection.phase == Phase::Opening => {
                self.connection_opens(now, to, from, edge);
                self.send_acknowledgement(now, to);
            }
            Some(connection) if connection.phase != Phase::Failed => self.send_acknowledgement(now, to),
            _ => self.refuse(now, packet, from),
        }
    }

    pub(super) fn reset_arrives(&mut self, to: Key) {
        let Some(connection) = self.connections.get(to) else { return };
        let error = match connection.phase {
            Phase::TimeWait | Phase::Failed => return,
            // The answer to a late copy of what ended the connection (RFC 1337).
            Phase::Open if connection.is_over() => return,
            Phase::Opening => Errno::ConnectionRefused,
            // As Linux has it: whoever was told that the peer will send no more only notices on writing.
            _ if connection.inbox.is_complete() => Errno::BrokenPipe,
            _ => Errno::ConnectionReset,
        };
        self.fail(to, error);
    }

    #[inline]
    fn segment_of_open_connection(&mut self, now: u64, packet: Packet, segment: Segment) {
        let key = segment.to;
        let Some(connection) = self.connections.get_mut(key) else {
            self.refuse(now, &packet, segment.from);
            return self.buffers.put(packet.data);
        };
        let has_small = !connection.small.waiting.is_empty();
        if connection.phase != Phase::Open && !self.is_open_now(now, &packet, &segment) {
            return self.buffers.put(packet.data);
        }
        self.take_acknowledgement(now, &segment, packet.data.is_empty());
        self.take_data(now, packet, &segment);
        if has_small {
            self.send_small_if_due(now, key);
        }
    }

    /// Deals with a segment for a connection that is not open; true if it is open now.
    #[cold]
    fn is_open_now(&mut self, now: u64, packet: &Packet, segment: &Segment) -> bool {
        let Some(connection) = self.connections.get_mut(segment.to) else { return false };
        match connection.phase {
            Phase::Open => true,
            Phase::Granting(listener) => {
                connection.phase = Phase::Open;
                handshake_is_over(now, connection);
                if let Some(listener) = self.listeners.get_mut(listener) {
                    listener.granting.remove(&segment.from);
                    listener.ready.push_back(segment.to);
                    listener.acceptors.wake(&mut self.woken);
                }
                true
            }
            Phase::TimeWait => {
                if segment.fin || !packet.data.is_empty() {
                    self.send_acknowledgement(now, segment.to);
                }
                false
            }
            Phase::Failed => {
                self.refuse(now, packet, segment.from);
                false
            }
            Phase::Opening => false,
        }
    }

    #[inline]
    fn take_acknowledgement(&mut self, now: u64, segment: &Segment, is_empty: bool) {
        let Some(connection) = self.connections.get_mut(segment.to) else { return };
        connection.last_heard = now;
        let window_opened = segment.edge > connection.edge;
        connection.edge = connection.edge.max(segment.edge);
        if window_opened {
            if connection.room() > 0 {
                connection.wake_writer(&mut self.woken);
            }
            if connection.una == connection.next {
                connection.rto.retries = 0;
            }
        }
        if segment.ack > connection.una && segment.ack <= connection.next {
            let acknowledged = (segment.ack - connection.una) as usize;
            // The end of the stream takes a position and no byte.
            let bytes = acknowledged.min(connection.unacknowledged.len());
            connection.unacknowledged.drain(..bytes);
            connection.una = segment.ack;
            connection.duplicate_acks = 0;
            connection.rto.retries = 0;
            if let Some((position, since)) = connection.timed
                && segment.ack >= position
            {
                connection.timed = None;
                connection.rto.sample(now - since);
            }
            if connection.una == connection.next {
                connection.retransmit_at = None;
                if connection.wants_room {
                    // The window is closed: probe it.
                    self.arm_retransmission(now, segment.to);
                } else if connection.fin_sent {
                    self.finish_if_done(now, segment.to);
                }
            } else {
                // RFC 6582: while recovering, what stops an acknowledgement is the next hole.
                if connection.una < connection.recover {
                    self.retransmit(now, segment.to);
                }
                self.arm_retransmission(now, segment.to);
            }
        } else if segment.ack == connection.una {
            if connection.una == connection.next {
                connection.rto.probe_was_answered();
            } else if is_empty && !window_opened && !segment.fin && !segment.probe {
                connection.duplicate_acks = connection.duplicate_acks.saturating_add(1);
                if connection.duplicate_acks == 3 && connection.una >= connection.recover {
                    connection.recover = connection.next;
                    self.retransmit(now, segment.to);
                }
            }
        }
    }

    #[inline]
    fn take_data(&mut self, now: u64, packet: Packet, segment: &Segment) {
        let key = segment.to;
        let Some(connection) = self.connections.get_mut(key) else { return self.buffers.put(packet.data) };
        if packet.data.is_empty() && !segment.fin {
            if segment.probe {
                self.send_acknowledgement(now, key);
            }
            return self.buffers.put(packet.data);
        }
        let end = segment.seq + packet.data.len() as u64;
        if connection.owner == Owner::Kernel && connection.inbox.is_new(end) {
            // Nobody will ever read it.
            self.send_reset(now, key);
            self.forget(key);
            return self.buffers.put(packet.data);
        }
        let (brought, complete) =
            connection.inbox.arrive(segment.seq, packet.data, segment.fin, &mut self.buffers);
        if complete || matches!(brought, Brought::Next | Brought::Gap) {
            connection.wake_reader(&mut self.woken);
        }
        match brought {
            Brought::Next if !segment.fin && connection.unanswered == 0 => {
                connection.unanswered = 1;
                self.acknowledge_later(now, key);
            }
            _ => self.send_acknowledgement(now, key),
        }
        if complete {
            self.finish_if_done(now, key);
        }
    }
}

/// The numbers of a segment.
struct Segment {
    from: Key,
    to: Key,
    seq: u64,
    ack: u64,
    edge: u64,
    fin: bool,
    probe: bool,
}

fn handshake_is_over(now: u64, connection: &mut Connection) {
    if let Some((_, since)) = connection.timed.take() {
        connection.rto.sample(now - since);
    }
    connection.rto.retries = 0;
    connection.last_heard = now;
    connection.retransmit_at = None;
    connection.unacknowledged = VecDeque::new();
}
