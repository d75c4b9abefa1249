//! Datagrams for many: broadcast (RFC 919) and multicast (RFC 1112, RFC 4291). All machines are on one link, so that what is broadcast
//! reaches each of them, and what is sent to a group each that has a member of it, over the link that leads there.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{
    super::{
        Errno,
        address::{self, Address, Endpoint, Face, Family, Many, Membership},
        errno::dead,
        fabric::{Behind, Fabric},
        packet::{Body, Packet},
        table::Key,
    },
    Datagrams, UdpOptions,
};

/// The broadcast address of the machine's own net, and that of the net which all machines are on.
const LOOPBACK_BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);
const LINK_BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 255);
/// How Linux counts interfaces: that of the machine itself, and the one to the link.
const LOOPBACK_INTERFACE: u32 = 1;
const LINK_INTERFACE: u32 = 2;

/// Where many are to receive a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addressees {
    who: Many,
    port: u16,
    /// Of this family, and on this interface.
    address: Address,
}

impl Addressees {
    /// Those whom an address stands for, if that is many.
    pub(super) fn of(address: SocketAddr) -> Option<Self> {
        let ip = address.ip().to_canonical();
        let (who, kind) = match ip {
            IpAddr::V4(LOOPBACK_BROADCAST) => (Many::All, Address::Loopback),
            IpAddr::V4(Ipv4Addr::BROADCAST | LINK_BROADCAST) => (Many::All, Address::Own),
            IpAddr::V4(ip) if ip.is_multicast() => (Many::Group(ip.into()), Address::Own),
            IpAddr::V6(ip) if ip.is_multicast() => (Many::Group(ip.into()), Address::Own6),
            _ => return None,
        };
        Some(Addressees { who, port: address.port(), address: kind })
    }

    /// The address that stands for them.
    pub(super) fn shown(self, family: Family) -> SocketAddr {
        let ip = match self.who {
            Many::Group(ip) => ip,
            Many::All if self.address.is_loopback() => LOOPBACK_BROADCAST.into(),
            Many::All => Ipv4Addr::BROADCAST.into(),
        };
        let ip = match (ip, family) {
            (IpAddr::V4(ip), Family::V6) => ip.to_ipv6_mapped().into(),
            (ip, _) => ip,
        };
        SocketAddr::new(ip, self.port)
    }

    pub(super) fn address(self) -> Address {
        self.address
    }

    /// Refuses to address all machines from a socket that may not.
    pub(super) fn may_be_addressed(self, options: UdpOptions) -> io::Result<()> {
        if self.who == Many::All && !options.broadcast {
            return Err(Errno::PermissionDenied.into());
        }
        Ok(())
    }

    pub(super) fn port(self) -> u16 {
        self.port
    }
}

/// Which interface the address of one stands for.
fn interface_with(ip: Ipv4Addr, node: u32) -> io::Result<bool> {
    match ip {
        ip if ip.is_loopback() => Ok(true),
        ip if ip.is_unspecified() || ip == address::ip(node) => Ok(false),
        _ => Err(Errno::NoDevice.into()),
    }
}

/// Which interface a number stands for; 0 for any.
fn interface_numbered(index: u32) -> io::Result<bool> {
    match index {
        LOOPBACK_INTERFACE => Ok(true),
        0 | LINK_INTERFACE => Ok(false),
        _ => Err(Errno::NoDevice.into()),
    }
}

impl Fabric {
    /// The group of IPv4 that a socket names, and on which interface.
    pub(in super::super) fn udp_group_v4(
        &self,
        key: Key,
        group: Ipv4Addr,
        interface: Ipv4Addr,
    ) -> io::Result<Membership> {
        let socket = self.sockets.get(key).ok_or_else(dead)?;
        if !group.is_multicast() {
            return Err(Errno::InvalidArgument.into());
        }
        Ok((group.into(), interface_with(interface, socket.binding.at.node)?))
    }

    /// The group of IPv6 that a socket names, and on which interface.
    pub(in super::super) fn udp_group_v6(
        &self,
        key: Key,
        group: Ipv6Addr,
        interface: u32,
    ) -> io::Result<Membership> {
        let socket = self.sockets.get(key).ok_or_else(dead)?;
        if socket.binding.family == Family::V4 {
            return Err(Errno::NoSuchOption.into());
        }
        if !group.is_multicast() {
            return Err(Errno::InvalidArgument.into());
        }
        Ok((group.into(), interface_numbered(interface)?))
    }

    /// Has the machine of a socket be a member of a group.
    pub(in super::super) fn udp_join(&mut self, key: Key, group: Membership) -> io::Result<()> {
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        if socket.groups.contains(&group) {
            return Err(Errno::AddressInUse.into());
        }
        socket.groups.push(group);
        let node = socket.binding.at.node;
        *self.host(node).groups.entry(group).or_insert(0) += 1;
        Ok(())
    }

    /// Ends what [`Fabric::udp_join`] has begun.
    pub(in super::super) fn udp_leave(&mut self, key: Key, group: Membership) -> io::Result<()> {
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        let place = socket.groups.iter().position(|joined| *joined == group);
        socket.groups.remove(place.ok_or(Errno::AddressNotAvailable)?);
        let node = socket.binding.at.node;
        self.leave_groups(node, &[group]);
        Ok(())
    }

    /// Sockets of a machine are members no more.
    pub(super) fn leave_groups(&mut self, node: u32, groups: &[Membership]) {
        let of_host = &mut self.host(node).groups;
        for group in groups {
            if let Some(count) = of_host.get_mut(group) {
                *count -= 1;
                if *count == 0 {
                    of_host.remove(group);
                }
            }
        }
    }

    /// Sends a datagram to each machine that is to have it, the own one with them unless the socket does not want that.
    #[cold]
    pub(super) fn send_to_many(&mut self, key: Key, to: Addressees, data: &[u8]) -> io::Result<usize> {
        let socket = self.sockets.get(key).ok_or_else(dead)?;
        let (from, options) = (socket.binding.at, socket.options);
        to.may_be_addressed(options)?;
        let is_broadcast = to.who == Many::All;
        let (mut address, mut from_address) = (to.address, to.address);
        if let Face::One(own) = socket.binding.face {
            if own.is_v6() != address.is_v6() {
                return Err(Errno::NetworkUnreachable.into());
            }
            // A socket that has the machine's own address reaches nobody else.
            (address, from_address) = (if own.is_loopback() { own } else { address }, own);
        }
        let (ttl, to_oneself) = match address.is_v6() {
            true => (1, options.multicast_loop_v6),
            false => (options.multicast_ttl_v4, options.multicast_loop_v4),
        };
        let on_loopback = address.is_loopback();
        let stays = on_loopback || (!is_broadcast && ttl == 0);
        let now = self.tick();
        for node in 0..self.hosts.len() as u32 {
            let is_own = node == from.node;
            let is_reached = if is_own { is_broadcast || to_oneself } else { !stays };
            if !is_reached || !self.is_addressed(node, to.who, on_loopback) {
                continue;
            }
            let mut payload = self.buffers.take();
            payload.extend_from_slice(data);
            let packet = Packet {
                from,
                to: Endpoint { node, port: to.port },
                address,
                from_address,
                body: Body::DatagramToMany(to.who),
                data: payload,
                sent: now,
                order: 0,
                number: 0,
            };
            self.transmit(now, packet, Behind::NOTHING);
        }
        Ok(data.len())
    }

    fn is_addressed(&mut self, node: u32, who: Many, on_loopback: bool) -> bool {
        match who {
            Many::All => true,
            Many::Group(ip) => self.host(node).groups.contains_key(&(ip, on_loopback)),
        }
    }

    /// Gives a datagram to every socket it is for. Nobody is told if there is none.
    pub(in super::super) fn datagram_to_many_arrives(&mut self, packet: Packet, who: Many) {
        let Packet { from, to, address, from_address, data, .. } = packet;
        if self.is_addressed(to.node, who, address.is_loopback()) {
            for key in self.host(to.node).all_udp_at(to.port) {
                let hears = |face| matches!(face, Face::All | Face::Both if Face::hears(face, address));
                let takes = |s: &&mut Datagrams| hears(s.binding.face) && s.takes_from(from);
                if let Some(socket) = self.sockets.get_mut(key).filter(takes) {
                    let mut copy = self.buffers.take();
                    copy.extend_from_slice(&data);
                    if let Some(unused) = socket.push(from, from_address, copy, &mut self.woken) {
                        self.buffers.put(unused);
                    }
                }
            }
        }
        self.buffers.put(data);
    }
}
