//! Machines: their lives, their addresses and their ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
};

use super::{Death, Errno, Life, NodeId, fabric::Fabric, link::Link, packet::Endpoint, table::Key};

/// Ports that sockets without a wish get, as on Linux.
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Who has a TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TcpPort {
    Listener(Key),
    /// A socket that neither listens nor connects yet.
    Bound(Key),
    /// The near ends of so many connections. Those whose port the kernel chose share it with others to elsewhere.
    Outgoing {
        count: u32,
        is_shared: bool,
    },
}

/// A machine as the network sees it.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) powered: bool,
    /// Which life of the process runs; 0 for none.
    incarnation: u32,
    /// Links to the other nodes, by their number.
    pub(super) links: Vec<Option<Box<Link>>>,
    pub(super) tcp: BTreeMap<u16, TcpPort>,
    /// Whom the outgoing connections lead to, whether as 127.0.0.1, and from which port: those in TIME_WAIT too.
    pub(super) outgoing: BTreeSet<Way>,
    pub(super) udp: BTreeMap<u16, Key>,
    /// How far ahead of time this machine is with telling each other one that a port is closed.
    pub(super) told_unreachable: BTreeMap<u32, u64>,
    next_port: u16,
}

/// Where a connection leads, whether as 127.0.0.1, and from which port: no two of a machine agree in all of it.
pub(super) type Way = (Endpoint, bool, u16);

/// Where a socket is bound to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) at: Endpoint,
    pub(super) face: Face,
    /// What `local_addr` says.
    pub(super) shown: SocketAddr,
}

/// Which addresses of its machine a socket is reached at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// 0.0.0.0: at all of them.
    All,
    /// 127.0.0.1.
    Loopback,
    /// The address that other nodes know.
    Own,
}

impl Binding {
    /// Whether what is sent to 127.0.0.1, or else to the node's address, is for this socket.
    #[inline]
    pub(super) fn hears(&self, loopback: bool) -> bool {
        match self.face {
            Face::All => true,
            Face::Loopback => loopback,
            Face::Own => !loopback,
        }
    }

    /// Has a socket of all addresses take the one that leads to its peer, as connect(2) does.
    pub(super) fn choose(&mut self, loopback: bool) {
        if self.face == Face::All {
            self.face = if loopback { Face::Loopback } else { Face::Own };
            self.shown = Fabric::shown(self.at, loopback);
        }
    }
}

impl Host {
    /// Whether a connection may lead there from a port that the kernel chooses: one that nobody has asked for, and from which no other leads there.
    pub(super) fn may_lead_to(&self, to: Endpoint, loopback: bool, port: u16) -> bool {
        matches!(self.tcp.get(&port), None | Some(TcpPort::Outgoing { is_shared: true, .. }))
            && !self.outgoing.contains(&(to, loopback, port))
    }

    /// Takes a port for a connection.
    pub(super) fn take_way(&mut self, way: Way, is_shared: bool) {
        self.outgoing.insert(way);
        match self.tcp.entry(way.2).or_insert(TcpPort::Outgoing { count: 0, is_shared }) {
            TcpPort::Outgoing { count, .. } => *count += 1,
            TcpPort::Listener(_) | TcpPort::Bound(_) => {}
        }
    }

    /// Gives back what [`Host::take_way`] took.
    pub(super) fn leave_way(&mut self, way: Way) {
        self.outgoing.remove(&way);
        if let Some(TcpPort::Outgoing { count, .. }) = self.tcp.get_mut(&way.2) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.tcp.remove(&way.2);
            }
        }
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
            outgoing: BTreeSet::new(),
            udp: BTreeMap::new(),
            told_unreachable: BTreeMap::new(),
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
    pub(super) fn node_at(&self, ip: Ipv4Addr) -> Option<u32> {
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
        let IpAddr::V4(ip) = to.ip() else { return Err(Errno::AddressFamily.into()) };
        if ip.is_loopback() || ip.is_unspecified() {
            return Ok((Endpoint { node: from, port: to.port() }, true));
        }
        let node = self.node_at(ip).ok_or(Errno::NetworkUnreachable)?;
        Ok((Endpoint { node, port: to.port() }, false))
    }

    /// Where a socket of `node` that asks for `wish` is bound, except for the choice of a free port.
    pub(super) fn binding(&self, node: u32, wish: SocketAddr) -> io::Result<Binding> {
        let at = Endpoint { node, port: wish.port() };
        let IpAddr::V4(ip) = wish.ip() else { return Err(Errno::AddressFamily.into()) };
        let face = if ip.is_unspecified() {
            Face::All
        } else if ip.is_loopback() {
            Face::Loopback
        } else if ip == Self::ip(node) {
            Face::Own
        } else {
            return Err(Errno::AddressNotAvailable.into());
        };
        Ok(Binding { at, face, shown: wish })
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
