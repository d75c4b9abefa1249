//! Machines: their lives and their ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use super::{
    Death, Errno, Life, NodeId, Stream,
    address::{self, Address, Endpoint, Face, Family, Membership},
    fabric::Fabric,
    link::Link,
    table::Key,
};

/// Ports that sockets without a wish get, as on Linux.
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Who has a TCP port, at the addresses it is reached at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TcpPort {
    Listener(Key),
    /// A socket that neither listens nor connects yet.
    Bound(Key),
}

/// The near ends of connections that have the same port.
struct Outgoing {
    count: u32,
    /// Those whose port the kernel chose share it with others to elsewhere.
    is_shared: bool,
}

/// A machine as the network sees it.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) powered: bool,
    /// Which life of the process runs; 0 for none.
    incarnation: u32,
    /// Links to the other nodes, by their number.
    pub(super) links: Vec<Option<Box<Link>>>,
    tcp: BTreeMap<(u16, Face), TcpPort>,
    /// Whom the outgoing connections lead to, at which address, and from which port: those in TIME_WAIT too.
    ways: BTreeSet<Way>,
    /// How many those are, by port.
    outgoing: BTreeMap<u16, Outgoing>,
    udp: BTreeMap<(u16, Face), Key>,
    /// Groups that sockets here have joined, and how many have.
    pub(super) groups: BTreeMap<Membership, u32>,
    /// How far ahead of time this machine is with telling each other one that a port is closed.
    pub(super) told_unreachable: BTreeMap<u32, u64>,
    next_port: u16,
    /// What decides whether a socket seems to be ready and is not; made when it is first asked.
    readiness: Option<Box<Stream>>,
}

/// Where a connection leads, at which address, and from which port: no two of a machine agree in all of it.
pub(super) type Way = (Endpoint, Address, u16);

/// All that have that port.
fn with_port<T>(table: &BTreeMap<(u16, Face), T>, port: u16) -> impl Iterator<Item = (Face, &T)> {
    let from = (port, Face::All);
    table
        .range(from..)
        .take_while(move |((taken, _), _)| *taken == port)
        .map(|((_, face), holder)| (*face, holder))
}

/// The one with that port that is reached at an address.
#[inline]
fn reached<T: Copy>(table: &BTreeMap<(u16, Face), T>, port: u16, address: Address) -> Option<T> {
    Face::of(address).into_iter().find_map(|face| table.get(&(port, face)).copied())
}

impl Host {
    /// Whether a connection may lead there from a port that the kernel chooses: one that nobody has asked for, and from which no other leads there.
    pub(super) fn may_lead_to(&self, to: Endpoint, address: Address, port: u16) -> bool {
        with_port(&self.tcp, port).next().is_none()
            && self.outgoing.get(&port).is_none_or(|outgoing| outgoing.is_shared)
            && !self.has_way((to, address, port))
    }

    /// Whether a connection leads there.
    pub(super) fn has_way(&self, way: Way) -> bool {
        self.ways.contains(&way)
    }

    /// Takes a port for a connection.
    pub(super) fn take_way(&mut self, way: Way, is_shared: bool) {
        self.ways.insert(way);
        self.outgoing.entry(way.2).or_insert(Outgoing { count: 0, is_shared }).count += 1;
    }

    /// Gives back what [`Host::take_way`] took.
    pub(super) fn leave_way(&mut self, way: Way) {
        if !self.ways.remove(&way) {
            return;
        }
        if let Some(outgoing) = self.outgoing.get_mut(&way.2) {
            outgoing.count -= 1;
            if outgoing.count == 0 {
                self.outgoing.remove(&way.2);
            }
        }
    }

    /// Whether a socket that does not connect has a TCP port at one of these addresses.
    pub(super) fn has_tcp(&self, port: u16, face: Face) -> bool {
        with_port(&self.tcp, port).any(|(taken, _)| taken.overlaps(face))
    }

    /// Whether anything has a TCP port.
    pub(super) fn uses_tcp(&self, port: u16) -> bool {
        with_port(&self.tcp, port).next().is_some() || self.outgoing.contains_key(&port)
    }

    pub(super) fn take_tcp(&mut self, port: u16, face: Face, holder: TcpPort) {
        self.tcp.insert((port, face), holder);
    }

    pub(super) fn leave_tcp(&mut self, port: u16, face: Face) {
        self.tcp.remove(&(port, face));
    }

    /// Who has a TCP port that is reached at an address.
    pub(super) fn tcp_at(&self, port: u16, address: Address) -> Option<TcpPort> {
        reached(&self.tcp, port, address)
    }

    /// Whether a socket has a UDP port at one of these addresses.
    pub(super) fn has_udp(&self, port: u16, face: Face) -> bool {
        with_port(&self.udp, port).any(|(taken, _)| taken.overlaps(face))
    }

    /// Whether anything has a UDP port.
    pub(super) fn uses_udp(&self, port: u16) -> bool {
        with_port(&self.udp, port).next().is_some()
    }

    pub(super) fn take_udp(&mut self, port: u16, face: Face, socket: Key) {
        self.udp.insert((port, face), socket);
    }

    pub(super) fn leave_udp(&mut self, port: u16, face: Face) {
        self.udp.remove(&(port, face));
    }

    /// Who has a UDP port that is reached at an address.
    #[inline]
    pub(super) fn udp_at(&self, port: u16, address: Address) -> Option<Key> {
        reached(&self.udp, port, address)
    }

    /// All who have a UDP port.
    pub(super) fn all_udp_at(&self, port: u16) -> Vec<Key> {
        with_port(&self.udp, port).map(|(_, key)| *key).collect()
    }

    /// A machine without power has no TCP.
    pub(super) fn lose_tcp(&mut self) {
        self.tcp.clear();
        self.ways.clear();
        self.outgoing.clear();
    }

    /// Forgets everything that the run has made.
    pub(super) fn clear(&mut self) {
        self.links = Vec::new();
        self.lose_tcp();
        self.udp.clear();
    }
}

impl Fabric {
    pub(super) fn add_node(&mut self, name: &str) {
        self.names.entry(name.to_owned()).or_insert(self.hosts.len() as u32);
        self.hosts.push(Host {
            name: name.to_owned(),
            powered: true,
            incarnation: 0,
            links: Vec::new(),
            tcp: BTreeMap::new(),
            ways: BTreeSet::new(),
            outgoing: BTreeMap::new(),
            udp: BTreeMap::new(),
            groups: BTreeMap::new(),
            told_unreachable: BTreeMap::new(),
            readiness: None,
            next_port: *EPHEMERAL.start(),
        });
    }

    pub(super) fn node_up(&mut self, life: Life) {
        let host = &mut self.hosts[life.node.index()];
        host.powered = true;
        host.incarnation = life.incarnation;
    }

    pub(super) fn node_down(&mut self, node: NodeId, death: Death) {
        if death != Death::Exit {
            self.recall(node);
        }
        let host = &mut self.hosts[node.index()];
        host.incarnation = 0;
        host.groups.clear();
        for socket in std::mem::take(&mut host.udp).into_values() {
            if let Some(socket) = self.sockets.remove(socket) {
                socket.silence(&mut self.woken);
            }
        }
        match death {
            Death::Exit => self.tcp_close_all(node.0),
            Death::Process => self.tcp_reset_all(node.0),
            Death::Power => {
                host.powered = false;
                self.tcp_lose_all(node.0);
            }
        }
    }

    /// Whether a task that would have to wait until a socket of `node` is ready is told that it is: a draw of the node's.
    pub(super) fn is_spuriously_ready(&mut self, node: u32) -> bool {
        if self.spurious_readiness <= 0.0 {
            return false;
        }
        let (seed, probability) = (self.seed, self.spurious_readiness);
        let host = self.host(node);
        let stream =
            host.readiness.get_or_insert_with(|| Box::new(Stream::new(seed, "readiness", &host.name)));
        stream.chance(probability)
    }

    /// Has what is left to chance on machines be drawn from other streams.
    pub(super) fn redraw_hosts(&mut self, key: u64) {
        for host in &mut self.hosts {
            if let Some(stream) = &mut host.readiness {
                stream.redraw(key);
            }
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

    /// The node that the others know by an address.
    #[inline]
    pub(super) fn node_at(&self, ip: IpAddr) -> Option<u32> {
        address::node_of(ip).filter(|node| (*node as usize) < self.hosts.len())
    }

    /// Where an address leads from a node. Linux takes 0.0.0.0 and :: as destinations for the machine itself.
    ///
    /// # Errors
    /// ENETUNREACH; EAFNOSUPPORT if a socket of that family knows no such address.
    #[inline]
    pub(super) fn route(&self, from: u32, family: Family, to: SocketAddr) -> io::Result<(Endpoint, Address)> {
        if family == Family::V4 && to.is_ipv6() {
            return Err(Errno::AddressFamily.into());
        }
        let ip = to.ip().to_canonical();
        let is_v6 = ip.is_ipv6();
        if ip.is_loopback() || ip.is_unspecified() {
            let address = if is_v6 { Address::Loopback6 } else { Address::Loopback };
            return Ok((Endpoint { node: from, port: to.port() }, address));
        }
        let node = self.node_at(ip).ok_or(Errno::NetworkUnreachable)?;
        let address = if is_v6 { Address::Own6 } else { Address::Own };
        Ok((Endpoint { node, port: to.port() }, address))
    }

    /// A port that `taken` does not hold, from the range for sockets without a wish.
    pub(super) fn free_port(&mut self, node: u32, taken: impl Fn(&Host, u16) -> bool) -> Option<u16> {
        let host = self.host(node);
        for _ in EPHEMERAL {
            let port = host.next_port;
            host.next_port = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
            if !taken(host, port) {
                return Some(port);
            }
        }
        None
    }
}
