//! The addresses of machines, and which of them a socket is reached at.
//!
//! Each machine has four: 127.0.0.1 and ::1 for itself, 10.0.0.1 and fd00::1 (those of the first) for the others. What is sent to any address
//! of a machine travels over the same link.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::Errno;

/// Where the addresses of machines begin.
const FIRST: u32 = u32::from_be_bytes([10, 0, 0, 1]);
const FIRST6: u128 = 0xfd00 << 112 | 1;

/// A node and a port on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) node: u32,
    pub(super) port: u16,
}

/// What kind a socket is of: one for IPv6 has IPv4's addresses too, as `::ffff:10.0.0.1` (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Which address of a machine is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Address {
    /// 10.0.0.1 for the first machine.
    Own,
    /// 127.0.0.1, or another of its net.
    Loopback,
    /// fd00::1 for the first machine.
    Own6,
    /// ::1.
    Loopback6,
}

impl Address {
    #[inline]
    pub(super) fn is_loopback(self) -> bool {
        matches!(self, Address::Loopback | Address::Loopback6)
    }

    #[inline]
    pub(super) fn is_v6(self) -> bool {
        matches!(self, Address::Own6 | Address::Loopback6)
    }
}

/// Which addresses of its machine a socket is reached at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Face {
    /// 0.0.0.0: those of IPv4.
    All,
    /// [::]: all there are.
    Both,
    One(Address),
}

impl Face {
    /// Those that are reached at an address. Of several that have the same port, no two are reached at the same one.
    #[inline]
    pub(super) fn of(address: Address) -> [Face; 3] {
        let all = if address.is_v6() { Face::Both } else { Face::All };
        [all, Face::Both, Face::One(address)]
    }

    /// Whether what is sent to that address is for this socket.
    #[inline]
    pub(super) fn hears(self, address: Address) -> bool {
        match self {
            Face::All => !address.is_v6(),
            Face::Both => true,
            Face::One(own) => own == address,
        }
    }

    /// Whether some address belongs to both.
    pub(super) fn overlaps(self, other: Face) -> bool {
        match (self, other) {
            (Face::One(address), face) | (face, Face::One(address)) => face.hears(address),
            _ => true,
        }
    }

    /// The address that a socket sends from to another one of `node`: its own, or else the one that leads there.
    ///
    /// # Errors
    /// EINVAL if that is no way to another machine, ENETUNREACH if it is of another family.
    #[inline]
    pub(super) fn source(self, is_own_machine: bool, to: Address) -> io::Result<Address> {
        match self {
            Face::One(own) if own.is_v6() != to.is_v6() => Err(Errno::NetworkUnreachable.into()),
            Face::One(own) if own.is_loopback() && !is_own_machine => Err(Errno::InvalidArgument.into()),
            Face::One(own) => Ok(own),
            Face::All | Face::Both => Ok(to),
        }
    }
}

/// For whom a datagram is that is for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Many {
    /// Every machine.
    All,
    /// Those that have joined a group.
    Group(IpAddr),
}

/// A group as a socket has joined it: on the machine's own interface, or else on the link.
pub(super) type Membership = (IpAddr, bool);

/// Where a socket is bound to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) at: Endpoint,
    pub(super) face: Face,
    pub(super) family: Family,
    /// What `local_addr` says.
    pub(super) shown: SocketAddr,
}

impl Binding {
    /// Has a socket of all addresses take the one that leads to its peer, as connect(2) does.
    pub(super) fn choose(&mut self, address: Address) {
        if matches!(self.face, Face::All | Face::Both) {
            self.face = Face::One(address);
            self.shown = shown(self.at, address, self.family);
        }
    }
}

/// The family of sockets that have such an address.
pub(crate) fn family(address: SocketAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// 10.0.0.1 for the first node, and so on.
#[inline]
pub(super) fn ip(node: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST + node)
}

/// fd00::1 for the first node, and so on.
#[inline]
pub(super) fn ip6(node: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(FIRST6 + u128::from(node))
}

/// An address as a socket of that family has it.
#[inline]
pub(super) fn shown(at: Endpoint, address: Address, family: Family) -> SocketAddr {
    let ip = match address {
        Address::Own => ip(at.node).into(),
        Address::Loopback => Ipv4Addr::LOCALHOST.into(),
        Address::Own6 => ip6(at.node).into(),
        Address::Loopback6 => Ipv6Addr::LOCALHOST.into(),
    };
    let ip = match (ip, family) {
        (IpAddr::V4(ip), Family::V6) => ip.to_ipv6_mapped().into(),
        (ip, _) => ip,
    };
    SocketAddr::new(ip, at.port)
}

/// Where a socket of `node` that asks for `wish` is bound, except for the choice of a free port.
pub(super) fn binding(node: u32, family: Family, wish: SocketAddr) -> io::Result<Binding> {
    let at = Endpoint { node, port: wish.port() };
    match (family, wish) {
        (Family::V4, SocketAddr::V6(_)) => return Err(Errno::AddressFamily.into()),
        (Family::V6, SocketAddr::V4(_)) => return Err(Errno::InvalidArgument.into()),
        _ => {}
    }
    let face = match wish.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Face::All,
        IpAddr::V6(ip) if ip.is_unspecified() => Face::Both,
        IpAddr::V4(ip) if ip.is_loopback() => Face::One(Address::Loopback),
        IpAddr::V6(ip) if ip.is_loopback() => Face::One(Address::Loopback6),
        IpAddr::V4(wished) if wished == ip(node) => Face::One(Address::Own),
        IpAddr::V6(wished) if wished == ip6(node) => Face::One(Address::Own6),
        _ => return Err(Errno::AddressNotAvailable.into()),
    };
    Ok(Binding { at, face, family, shown: wish })
}

/// The node that the others know by an address, if there are so many.
#[inline]
pub(super) fn node_of(ip: IpAddr) -> Option<u32> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(FIRST),
        IpAddr::V6(ip) => ip.to_bits().checked_sub(FIRST6)?.try_into().ok(),
    }
}
