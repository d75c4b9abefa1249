//! The state of the network, behind one lock: machines, links, packets in flight, sockets.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::{
    BlockMode, Death, EffectId, Life, LinkEffect, LinkPolicy, NodeId, Stream,
    buffers::Buffers,
    link::{Link, Verdict},
    packet::{Body, Digest, Endpoint, Fate, Packet},
    queue::{Queue, What},
    table::{Key, Table},
    tcp::{Connection, Listener},
    udp::Datagrams,
    wake::Woken,
};

/// How long a packet takes from a machine to itself, in nanoseconds.
const LOOPBACK: u64 = 20_000;
/// Ports that sockets without a wish get, as on Linux.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// Who has a TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TcpPort {
    Listener(Key),
    /// The near end of an outgoing connection.
    Outgoing,
}

/// A machine as the network sees it.
pub(super) struct Host {
    name: String,
    powered: bool,
    /// Which life of the process runs; 0 for none.
    incarnation: u32,
    /// Links to the other nodes, by their number.
    links: Vec<Option<Box<Link>>>,
    pub(super) tcp: BTreeMap<u16, TcpPort>,
    pub(super) udp: BTreeMap<u16, Key>,
    next_port: u16,
}

/// Where an imposed effect is, or was.
struct Record {
    from: u32,
    to: u32,
    /// What it touched, once it is lifted.
    lifted: Option<u64>,
}

/// Where a socket is bound to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) at: Endpoint,
    /// Bound to 127.0.0.1: reached from its own node only.
    pub(super) loopback: bool,
    /// What `local_addr` says.
    pub(super) shown: SocketAddr,
}

pub(super) struct Fabric {
    seed: u64,
    /// Set for good by `shut_down`.
    closed: bool,
    pub(super) queue: Queue,
    /// The latest time anything happened at. A packet may be handled a few scheduler steps late (see [`Queue`]); time
    /// does not run backwards for the sockets then.
    now: u64,
    hosts: Vec<Host>,
    names: BTreeMap<String, u32>,
    default: LinkPolicy,
    effects: Vec<Record>,
    packets: slab::Slab<Packet>,
    pub(super) buffers: Buffers,
    order: u64,
    digest: Digest,
    pub(super) sockets: Table<Datagrams>,
    pub(super) connections: Table<Connection>,
    pub(super) listeners: Table<Listener>,
    /// Connections in TIME_WAIT and when that ends, earliest first.
    pub(super) lingering: VecDeque<(u64, Key)>,
}

impl Fabric {
    pub(super) fn new(queue: Queue) -> Self {
        Fabric {
            seed: 0,
            closed: false,
            queue,
            now: 0,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            default: LinkPolicy::default(),
            effects: Vec::new(),
            packets: slab::Slab::new(),
            buffers: Buffers::default(),
            order: 0,
            digest: Digest::new(0),
            sockets: Table::new(),
            connections: Table::new(),
            listeners: Table::new(),
            lingering: VecDeque::new(),
        }
    }

    pub(super) fn init(&mut self, seed: u64) {
        self.seed = seed;
        self.digest = Digest::new(seed);
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

    // Machines.

    pub(super) fn add_node(&mut self, name: &str) {
        self.names.entry(name.to_owned()).or_insert(self.hosts.len() as u32);
        self.hosts.push(Host {
            name: name.to_owned(),
            powered: true,
            incarnation: 0,
            links: Vec::new(),
            tcp: BTreeMap::new(),
            udp: BTreeMap::new(),
            next_port: *EPHEMERAL.start(),
        });
    }

    pub(super) fn node_up(&mut self, life: Life) {
        let host = &mut self.hosts[life.node.index()];
        host.powered = true;
        host.incarnation = life.incarnation;
    }

    pub(super) fn node_down(&mut self, node: NodeId, death: Death, woken: &mut Woken) {
        let now = self.tick();
        let host = &mut self.hosts[node.index()];
        host.incarnation = 0;
        host.tcp.clear();
        for socket in std::mem::take(&mut host.udp).into_values() {
            if let Some(socket) = self.sockets.remove(socket) {
                socket.silence(woken);
            }
        }
        if death == Death::Power {
            host.powered = false;
        }
        for listener in self.listeners.keys_where(|l| l.binding.at.node == node.0) {
            if let Some(listener) = self.listeners.remove(listener) {
                listener.silence(woken);
            }
        }
        for key in self.connections.keys_where(|c| c.local.node == node.0) {
            if death == Death::Process {
                self.send_reset(now, key);
            }
            if let Some(connection) = self.connections.remove(key) {
                connection.silence(woken);
            }
        }
    }

    pub(super) fn shut_down(&mut self, woken: &mut Woken) {
        self.closed = true;
        woken.push(self.queue.clear());
        self.packets = slab::Slab::new();
        self.buffers = Buffers::default();
        self.lingering.clear();
        self.sockets.drain().for_each(|s| s.silence(woken));
        self.listeners.drain().for_each(|l| l.silence(woken));
        self.connections.drain().for_each(|c| c.silence(woken));
        for host in &mut self.hosts {
            host.links = Vec::new();
            host.tcp.clear();
            host.udp.clear();
        }
    }

    #[inline]
    pub(super) fn host(&mut self, node: u32) -> &mut Host {
        &mut self.hosts[node as usize]
    }

    pub(super) fn is_alive(&self, life: Life) -> bool {
        self.hosts.get(life.node.index()).is_some_and(|h| h.incarnation == life.incarnation)
    }

    pub(super) fn node_named(&self, name: &str) -> Option<NodeId> {
        self.names.get(name).map(|&node| NodeId(node))
    }

    /// 10.0.0.1 for the first node, and so on.
    #[inline]
    pub(super) fn ip(node: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits((10 << 24) + node + 1)
    }

    #[inline]
    fn node_at(&self, ip: Ipv4Addr) -> Option<u32> {
        let node = ip.to_bits().checked_sub((10 << 24) + 1)?;
        ((node as usize) < self.hosts.len()).then_some(node)
    }

    #[inline]
    pub(super) fn shown(at: Endpoint, loopback: bool) -> SocketAddr {
        let ip = if loopback { Ipv4Addr::LOCALHOST } else { Self::ip(at.node) };
        SocketAddr::new(IpAddr::V4(ip), at.port)
    }

    /// Where an address leads from a node: the endpoint and whether it was reached as 127.0.0.1. Linux takes 0.0.0.0
    /// as a destination for the machine itself.
    #[inline]
    pub(super) fn route(&self, from: u32, to: SocketAddr) -> io::Result<(Endpoint, bool)> {
        let unreachable =
            || io::Error::new(io::ErrorKind::NetworkUnreachable, format!("no node has the address {to}"));
        let IpAddr::V4(ip) = to.ip() else { return Err(unreachable()) };
        if ip.is_loopback() || ip.is_unspecified() {
            return Ok((Endpoint { node: from, port: to.port() }, true));
        }
        let node = self.node_at(ip).ok_or_else(unreachable)?;
        Ok((Endpoint { node, port: to.port() }, false))
    }

    /// Where a socket of `node` that asks for `wish` is bound, except for the choice of a free port.
    pub(super) fn binding(&self, node: u32, wish: SocketAddr) -> io::Result<Binding> {
        let at = Endpoint { node, port: wish.port() };
        let own = match wish.ip() {
            IpAddr::V4(ip) => ip.is_unspecified() || ip.is_loopback() || ip == Self::ip(node),
            IpAddr::V6(_) => false,
        };
        if !own {
            let name = &self.hosts[node as usize].name;
            let message = format!("{} is not an address of {name}", wish.ip());
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
        }
        Ok(Binding { at, loopback: wish.ip().is_loopback(), shown: wish })
    }

    // Packets.

    /// The link between two different nodes, in that direction.
    #[inline]
    fn link(&mut self, from: u32, to: u32) -> &mut Link {
        let links = &self.hosts[from as usize].links;
        if !matches!(links.get(to as usize), Some(Some(_))) {
            self.create_link(from, to);
        }
        self.hosts[from as usize].links[to as usize].as_mut().expect("it was created if it was missing")
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

    /// Sends a packet on its way. It arrives no earlier than `not_before`. Returns when it will arrive, or
    /// `not_before` if it never will.
    #[inline]
    pub(super) fn transmit(&mut self, now: u64, mut packet: Packet, not_before: u64) -> u64 {
        packet.sent = now;
        self.order += 1;
        packet.order = self.order;
        let (from, to) = (packet.from.node, packet.to.node);
        let verdict = if from == to {
            Verdict::Arrives(now + LOOPBACK)
        } else {
            let default = self.default;
            self.link(from, to).send(now, packet.size(), &default)
        };
        match verdict {
            Verdict::Arrives(at) => {
                let at = at.max(not_before);
                let slot = self.packets.insert(packet) as u32;
                self.queue.push(at, What::Arrival(slot));
                at
            }
            Verdict::Lost => {
                self.discard(packet, Fate::Lost, now);
                not_before
            }
            Verdict::Blocked => {
                self.discard(packet, Fate::Blocked, now);
                not_before
            }
            Verdict::Rejected(arrival) => {
                self.reject(now, packet, arrival - now);
                not_before
            }
        }
    }

    fn discard(&mut self, packet: Packet, fate: Fate, at: u64) {
        self.digest.record(&packet, fate, at);
        self.buffers.put(packet.data);
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
            Body::Reset { .. } | Body::ConnectionRejected { .. } | Body::DatagramRejected => None,
        };
        let answer = body.map(|body| Packet {
            from: packet.to,
            to: packet.from,
            loopback: false,
            body,
            data: Vec::new(),
            sent: now,
            order: packet.order,
        });
        self.discard(packet, Fate::Rejected, now);
        if let Some(answer) = answer {
            let slot = self.packets.insert(answer) as u32;
            self.queue.push(told.max(now + 1), What::Arrival(slot));
        }
    }

    /// Does what is due first. Called once for every timer that fires.
    #[inline]
    pub(super) fn advance(&mut self, woken: &mut Woken) {
        let Some((at, what)) = self.queue.pop() else { return };
        self.now = self.now.max(at);
        match what {
            What::Arrival(slot) => self.arrive(self.now, slot, woken),
            What::Retransmit(key) => self.retransmission_timer(self.now, at, key, woken),
            What::Acknowledge(key) => self.acknowledgement_timer(self.now, at, key),
        }
    }

    #[inline]
    fn arrive(&mut self, now: u64, slot: u32, woken: &mut Woken) {
        let packet = &self.packets[slot as usize];
        let (from, to) = (packet.from.node, packet.to.node);
        let told_by_link = matches!(packet.body, Body::ConnectionRejected { .. } | Body::DatagramRejected);
        if from != to
            && !told_by_link
            && let Some(mode) = self.link(from, to).stops()
        {
            return self.stop(now, slot, mode);
        }
        let packet = self.packets.remove(slot as usize);
        if !self.hosts[to as usize].powered {
            return self.discard(packet, Fate::NoPower, now);
        }
        self.digest.record(&packet, Fate::Delivered, now);
        match packet.body {
            Body::Datagram | Body::DatagramRejected => self.datagram_arrives(packet, woken),
            _ => self.segment_arrives(now, packet, woken),
        }
    }

    /// A block that came up in the meantime stops a packet as it arrives.
    #[cold]
    fn stop(&mut self, now: u64, slot: u32, mode: BlockMode) {
        match mode {
            BlockMode::Hold => {
                let packet = &self.packets[slot as usize];
                self.digest.record(packet, Fate::Held, now);
                let (from, to) = (packet.from.node, packet.to.node);
                self.link(from, to).held.push(slot);
            }
            BlockMode::Drop => {
                let packet = self.packets.remove(slot as usize);
                self.discard(packet, Fate::Blocked, now);
            }
            BlockMode::Reject => {
                let packet = self.packets.remove(slot as usize);
                let latency = now - packet.sent;
                self.reject(now, packet, latency);
            }
        }
    }

    // Faults.

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
        held.sort_unstable_by_key(|&slot| self.packets[slot as usize].order);
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

    /// A port that `taken` does not hold, from the range for sockets without a wish.
    pub(super) fn free_port(&mut self, node: u32, taken: impl Fn(&Host, u16) -> bool) -> io::Result<u16> {
        let host = self.host(node);
        for _ in EPHEMERAL {
            let port = host.next_port;
            host.next_port = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
            if !taken(host, port) {
                return Ok(port);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "all ephemeral ports are taken"))
    }
}
