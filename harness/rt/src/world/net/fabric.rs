//! The state of the network, behind one lock: machines, links, packets in flight, sockets.

use std::collections::{BTreeMap, VecDeque};

use super::{
    BlockMode, EffectId, LinkEffect, LinkPolicy, Names, NodeId, Stream,
    buffers::Buffers,
    held::Watched,
    host::Host,
    link::{Change, Link, Verdict},
    packet::{Body, Digest, Fate, Packet},
    queue::{Queue, What},
    table::{Key, Table},
    tcp::{BoundSocket, Connection, Listener, NEVER},
    udp::Datagrams,
    wake::Woken,
};

/// How likely a socket seems to be ready and is not, unless the harness says otherwise.
const SPURIOUS_READINESS: f64 = 0.05;
/// How long a packet takes from a machine to itself, in nanoseconds.
const LOOPBACK: u64 = 20_000;

/// Where an imposed effect is, or was.
struct Record {
    from: u32,
    to: u32,
    /// What it touched, once it is lifted.
    lifted: Option<u64>,
}

/// A packet on its way.
struct InFlight {
    packet: Packet,
    /// The next one of its connection, if it arrives at the same instant: one event serves both, and as many as there
    /// are. A burst of segments that queue behind a slow one is one event.
    then: Option<u32>,
}

/// The last packet of a connection in one direction: the next may not overtake it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behind {
    /// When it arrives.
    at: u64,
    slot: u32,
    order: u64,
}

impl Behind {
    /// No packet at all.
    pub(super) const NOTHING: Behind = Behind { at: 0, slot: u32::MAX, order: 0 };
}

pub(super) struct Fabric {
    pub(super) seed: u64,
    /// How likely a socket seems to be ready and is not.
    pub(super) spurious_readiness: f64,
    /// Set for good by `shut_down`.
    closed: bool,
    pub(super) queue: Queue,
    /// Whom to wake once the lock is released.
    pub(super) woken: Woken,
    /// The latest time anything happened at. A packet may be handled a few scheduler steps late (see [`Queue`]); time
    /// does not run backwards for the sockets then.
    pub(super) now: u64,
    pub(super) hosts: Vec<Host>,
    pub(super) names: BTreeMap<String, u32>,
    /// What they stand for.
    pub(super) names_are: Names,
    default: LinkPolicy,
    effects: Vec<Record>,
    packets: slab::Slab<InFlight>,
    pub(super) buffers: Buffers,
    order: u64,
    digest: Digest,
    pub(super) sockets: Table<Datagrams>,
    pub(super) connections: Table<Connection>,
    pub(super) listeners: Table<Listener>,
    /// TCP sockets that neither listen nor connect yet.
    pub(super) bound: Table<BoundSocket>,
    /// Connections in TIME_WAIT and when that ends, earliest first.
    pub(super) lingering: VecDeque<(u64, Key)>,
    /// Connections that owe an acknowledgement and when it is due, earliest first. An entry holds if the connection still
    /// says so.
    pub(super) acknowledgements: VecDeque<(u64, Key)>,
    /// When the event for them comes, or `NEVER`.
    pub(super) acknowledge_event: u64,
    /// Who watches, if anybody does.
    pub(super) watched: Option<Box<Watched>>,
}

impl Fabric {
    pub(super) fn new(queue: Queue) -> Self {
        Fabric {
            seed: 0,
            spurious_readiness: SPURIOUS_READINESS,
            closed: false,
            queue,
            woken: Woken::default(),
            now: 0,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            names_are: Names::default(),
            default: LinkPolicy::default(),
            effects: Vec::new(),
            packets: slab::Slab::new(),
            buffers: Buffers::default(),
            order: 0,
            digest: Digest::new(0),
            sockets: Table::new(),
            connections: Table::new(),
            listeners: Table::new(),
            bound: Table::new(),
            lingering: VecDeque::new(),
            acknowledgements: VecDeque::new(),
            acknowledge_event: NEVER,
            watched: None,
        }
    }

    pub(super) fn init(&mut self, seed: u64) {
        self.seed = seed;
        self.digest = Digest::new(seed);
    }

    /// Has every link draw from another stream, those too that nothing was sent over yet.
    pub(super) fn redraw(&mut self, key: u64) {
        self.seed = key;
        self.redraw_hosts(key);
        let links = self.hosts.iter_mut().flat_map(|host| host.links.iter_mut().flatten());
        links.for_each(|link| link.redraw(key));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The time, as the calling task sees it. Never in a timer's callback, where the clock is stale.
    #[inline]
    pub(super) fn tick(&mut self) -> u64 {
        self.now = self.now.max(self.queue.now());
        self.now
    }

    pub(super) fn shut_down(&mut self) {
        self.closed = true;
        self.watched = None;
        self.woken.push(self.queue.clear());
        self.packets = slab::Slab::new();
        self.buffers = Buffers::default();
        self.lingering = VecDeque::new();
        self.acknowledgements = VecDeque::new();
        self.sockets.drain().for_each(|s| s.silence(&mut self.woken));
        self.bound = Table::new();
        self.listeners.drain().for_each(|l| l.silence(&mut self.woken));
        self.connections.drain().for_each(|c| c.silence(&mut self.woken));
        for host in &mut self.hosts {
            host.clear();
        }
    }

    /// The link between two different nodes, in that direction.
    #[inline]
    pub(super) fn link(&mut self, from: u32, to: u32) -> &mut Link {
        self.link_and_default(from, to).0
    }

    /// The link, and what it does if it has no policy of its own.
    #[inline]
    fn link_and_default(&mut self, from: u32, to: u32) -> (&mut Link, &LinkPolicy) {
        let links = &self.hosts[from as usize].links;
        if !matches!(links.get(to as usize), Some(Some(_))) {
            self.create_link(from, to);
        }
        let link = self.hosts[from as usize].links[to as usize].as_mut();
        (link.expect("it was created if it was missing"), &self.default)
    }

    /// The longest packet that the way between two nodes carries whole; `None` within a node, where any length goes.
    pub(super) fn mtu(&mut self, from: u32, to: u32) -> Option<usize> {
        if from == to {
            return None;
        }
        let (link, default) = self.link_and_default(from, to);
        Some(link.policy(default).mtu)
    }

    #[cold]
    fn create_link(&mut self, from: u32, to: u32) {
        let entity = format!("{} -> {}", self.hosts[from as usize].name, self.hosts[to as usize].name);
        let stream = Stream::new(self.seed, "link", &entity);
        let links = &mut self.hosts[from as usize].links;
        if links.len() <= to as usize {
            links.resize_with(to as usize + 1, || None);
        }
        links[to as usize] = Some(Box::new(Link::new(stream)));
    }

    /// Sends a packet on its way. It arrives no earlier than the one it is `behind`. Returns what the next packet is
    /// behind, if it is to keep the order: this one, or the same as this one if it is lost.
    #[inline]
    pub(super) fn transmit(&mut self, now: u64, packet: Packet, behind: Behind) -> Behind {
        if self.watched.is_some() {
            return self.transmit_watched(now, packet, behind);
        }
        self.forward(now, packet, behind)
    }

    /// As [`Fabric::transmit`], for a packet that nothing holds back any more.
    #[inline]
    pub(super) fn forward(&mut self, now: u64, mut packet: Packet, behind: Behind) -> Behind {
        packet.sent = now;
        self.order += 1;
        packet.order = self.order;
        let (from, to) = (packet.from.node, packet.to.node);
        let verdict = if from == to {
            Verdict::Arrives(now + LOOPBACK)
        } else {
            let (link, default) = self.link_and_default(from, to);
            link.send(now, &mut packet, default)
        };
        match verdict {
            Verdict::Arrives(at) => {
                let at = at.max(behind.at);
                let order = packet.order;
                let slot = self.insert(packet);
                // What arrives when this one does is still on its way.
                if at == behind.at
                    && let Some(last) = self.packets.get_mut(behind.slot as usize)
                    && last.packet.order == behind.order
                {
                    last.then = Some(slot);
                } else {
                    self.queue.push(at, What::Arrival(slot));
                }
                Behind { at, slot, order }
            }
            Verdict::ArrivesChanged(change) => self.transmit_changed(packet, *change, behind),
            Verdict::Lost => {
                self.discard(packet, Fate::Lost, now);
                behind
            }
            Verdict::LostToFault => {
                self.discard(packet, Fate::LostToFault, now);
                behind
            }
            Verdict::Blocked => {
                self.discard(packet, Fate::Blocked, now);
                behind
            }
            Verdict::Rejected(arrival) => {
                self.reject(now, packet, arrival - now);
                behind
            }
        }
    }

    /// Sends a packet on its way that is held back, or of which there are copies.
    #[cold]
    fn transmit_changed(&mut self, packet: Packet, change: Change, behind: Behind) -> Behind {
        let Change { due, held_back, copies } = change;
        let due = due.max(behind.at);
        let arrives = due.saturating_add(held_back);
        for later in copies {
            self.order += 1;
            let copy = Packet { order: self.order, ..packet.clone() };
            let slot = self.insert(copy);
            self.queue.push(arrives.saturating_add(later), What::Arrival(slot));
        }
        let slot = self.insert(packet);
        self.queue.push(arrives, What::Arrival(slot));
        Behind { at: due, ..Behind::NOTHING }
    }

    #[inline]
    fn insert(&mut self, packet: Packet) -> u32 {
        self.packets.insert(InFlight { packet, then: None }) as u32
    }

    fn discard(&mut self, packet: Packet, fate: Fate, at: u64) {
        self.note(&packet, fate, at);
        self.buffers.put(packet.data);
    }

    /// What became of a packet, for the digest and for whoever watches.
    #[inline]
    fn note(&mut self, packet: &Packet, fate: Fate, at: u64) {
        self.digest.record(packet, fate, at);
        if self.watched.is_some() {
            self.tell_fate(packet, fate, at);
        }
    }

    /// Turns a packet down: its sender is told, after as long as the packet took or would have taken. The answer comes
    /// from the one who blocks, past all links and faults, and draws nothing.
    fn reject(&mut self, now: u64, packet: Packet, latency: u64) {
        // Told after there and back: the caller's `now` is the time of sending or of arrival.
        let on_its_way = now - packet.sent;
        let told = now + 2 * latency - on_its_way.min(latency);
        let body = match packet.body {
            Body::Datagram => Some(Body::DatagramRejected),
            Body::Syn { from, .. } | Body::SynAck { from, .. } | Body::Segment { from, .. } => {
                Some(Body::ConnectionRejected { to: from })
            }
            Body::Reset { .. }
            | Body::ConnectionRejected { .. }
            | Body::DatagramToMany(_)
            | Body::DatagramRejected
            | Body::PortUnreachable => None,
        };
        let answer = body.map(|body| Packet {
            from: packet.to,
            to: packet.from,
            address: packet.from_address,
            from_address: packet.address,
            body,
            data: Vec::new(),
            sent: now,
            order: packet.order,
            number: 0,
        });
        self.discard(packet, Fate::Rejected, now);
        if let Some(answer) = answer {
            let slot = self.insert(answer);
            self.queue.push(told.max(now + 1), What::Arrival(slot));
        }
    }

    /// Does what is due first. Called once for every timer that fires.
    #[inline]
    pub(super) fn advance(&mut self) {
        let Some((at, what)) = self.queue.pop() else { return };
        self.now = self.now.max(at);
        match what {
            What::Arrival(first) => {
                let mut next = Some(first);
                while let Some(slot) = next {
                    next = self.packets[slot as usize].then.take();
                    self.arrive(self.now, slot);
                }
            }
            What::Retransmit(key) => self.retransmission_timer(self.now, at, key),
            What::Keepalive(key) => self.keepalive_timer(self.now, at, key),
            What::Acknowledge => self.acknowledgement_timer(self.now),
        }
    }

    #[inline]
    fn arrive(&mut self, now: u64, slot: u32) {
        let packet = &self.packets[slot as usize].packet;
        let (from, to) = (packet.from.node, packet.to.node);
        let told_by_link = matches!(packet.body, Body::ConnectionRejected { .. } | Body::DatagramRejected);
        if from != to
            && !told_by_link
            && let Some(mode) = self.link(from, to).stops()
        {
            return self.stop(now, slot, mode);
        }
        let packet = self.packets.remove(slot as usize).packet;
        if !self.hosts[to as usize].powered {
            return self.discard(packet, Fate::NoPower, now);
        }
        self.note(&packet, Fate::Delivered, now);
        match packet.body {
            Body::Datagram => self.datagram_arrives(now, packet),
            Body::DatagramToMany(who) => self.datagram_to_many_arrives(packet, who),
            Body::DatagramRejected | Body::PortUnreachable => self.datagram_was_refused(&packet),
            _ => self.segment_arrives(now, packet),
        }
    }

    /// A block that came up in the meantime stops a packet as it arrives.
    #[cold]
    fn stop(&mut self, now: u64, slot: u32, mode: BlockMode) {
        match mode {
            BlockMode::Hold => {
                let packet = &self.packets[slot as usize].packet;
                self.digest.record(packet, Fate::Held, now);
                self.tell_fate(packet, Fate::Held, now);
                let (from, to) = (packet.from.node, packet.to.node);
                self.link(from, to).held.push(slot);
            }
            BlockMode::Drop => {
                let packet = self.packets.remove(slot as usize).packet;
                self.discard(packet, Fate::Blocked, now);
            }
            BlockMode::Reject => {
                let packet = self.packets.remove(slot as usize).packet;
                let latency = now - packet.sent;
                self.reject(now, packet, latency);
            }
        }
    }

    pub(super) fn set_default(&mut self, policy: LinkPolicy) {
        self.default = policy;
    }

    pub(super) fn set_link(&mut self, from: NodeId, to: NodeId, policy: LinkPolicy) {
        self.link(from.0, to.0).set_policy(policy);
    }

    pub(super) fn impose(
        &mut self,
        from: NodeId,
        to: NodeId,
        effect: LinkEffect,
        stream: Stream,
    ) -> EffectId {
        let id = EffectId(self.effects.len() as u64);
        self.effects.push(Record { from: from.0, to: to.0, lifted: None });
        self.link(from.0, to.0).impose(id, effect, stream);
        id
    }

    pub(super) fn lift(&mut self, id: EffectId) -> u64 {
        let Record { from, to, lifted } = self.effects[id.0 as usize];
        if let Some(touched) = lifted {
            return touched;
        }
        let now = self.tick();
        let link = self.link(from, to);
        let touched = link.lift(id);
        let mut held = std::mem::take(&mut link.held);
        self.effects[id.0 as usize].lifted = Some(touched);
        // They arrive once more, in the order they were sent in, and meet whatever other blocks there are.
        held.sort_unstable_by_key(|&slot| self.packets[slot as usize].packet.order);
        for slot in held {
            self.queue.push(now + 1, What::Arrival(slot));
        }
        touched
    }

    pub(super) fn touched(&mut self, id: EffectId) -> u64 {
        let Record { from, to, lifted } = self.effects[id.0 as usize];
        lifted.unwrap_or_else(|| self.link(from, to).touched(id))
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// How many packets were sent, copies that the network made included.
    pub(super) fn sent(&self) -> u64 {
        self.order
    }
}
