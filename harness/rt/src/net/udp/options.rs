//! What can be set on a UDP socket, and the groups it joins.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::UdpSocket;

impl UdpSocket {
    /// Whether the socket may send to all; not by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.net.udp_options(self.key)?.broadcast)
    }

    /// Lets the socket send to all, or not.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.net.udp_set_options(self.key, |options| {
            options.broadcast = on;
            Ok(())
        })
    }

    /// Has the node of the socket be a member of a group. All its sockets that are bound to 0.0.0.0 or `[::]` and the right port receive what
    /// is sent to it, as on Linux. `interface` is an address of the node: 127.0.0.1 for what it sends to itself.
    ///
    /// # Errors
    /// `InvalidInput` if the address is none of a group; ENODEV if `interface` is none of the node's; `AddrInUse` if the socket has joined.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.net.udp_join_v4(self.key, multiaddr, interface)
    }

    /// As [`UdpSocket::join_multicast_v4`]. The interface is 1 for what the node sends to itself, 0 or 2 for the link.
    ///
    /// # Errors
    /// As there; ENOPROTOOPT on a socket for IPv4.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.net.udp_join_v6(self.key, *multiaddr, interface)
    }

    /// Ends what [`UdpSocket::join_multicast_v4`] has begun, as dropping the socket does.
    ///
    /// # Errors
    /// `AddrNotAvailable` if the socket has not joined; as there.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.net.udp_leave_v4(self.key, multiaddr, interface)
    }

    /// Ends what [`UdpSocket::join_multicast_v6`] has begun.
    ///
    /// # Errors
    /// `AddrNotAvailable` if the socket has not joined; as there.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.net.udp_leave_v6(self.key, *multiaddr, interface)
    }

    /// Whether the own node receives what the socket sends to a group of IPv4; it does by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        Ok(self.net.udp_options(self.key)?.multicast_loop_v4)
    }

    /// Has the own node receive what the socket sends to a group of IPv4, or not.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.net.udp_set_options(self.key, |options| {
            options.multicast_loop_v4 = on;
            Ok(())
        })
    }

    /// Whether the own node receives what the socket sends to a group of IPv6; it does by default.
    ///
    /// # Errors
    /// `Unsupported` on a socket for IPv4; `NotConnected` in a dead process.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        Ok(self.net.udp_options_v6(self.key)?.multicast_loop_v6)
    }

    /// Has the own node receive what the socket sends to a group of IPv6, or not.
    ///
    /// # Errors
    /// ENOPROTOOPT on a socket for IPv4; `NotConnected` in a dead process.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.net.udp_set_options_v6(self.key, |options| {
            options.multicast_loop_v6 = on;
            Ok(())
        })
    }

    /// How far what is sent to a group of IPv4 goes: 1 by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        Ok(self.net.udp_options(self.key)?.multicast_ttl_v4)
    }

    /// Sets how far what is sent to a group of IPv4 goes. With 0 it stays on the node; all others are one hop away.
    ///
    /// # Errors
    /// `InvalidInput` above 255; `NotConnected` in a dead process.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.net.udp_set_options(self.key, |options| options.set_multicast_ttl_v4(ttl))
    }

    /// The time to live of packets; 64 by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.net.udp_options(self.key)?.ttl)
    }

    /// Sets the time to live of packets. Other nodes are one hop away, so that any will do.
    ///
    /// # Errors
    /// `InvalidInput` outside of 1 to 255; `NotConnected` in a dead process.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.net.udp_set_options(self.key, |options| options.set_ttl(ttl))
    }

    /// The type of service of packets; 0 by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn tos_v4(&self) -> io::Result<u32> {
        Ok(self.net.udp_options(self.key)?.tos)
    }

    /// Sets the type of service of packets, which no link looks at.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.net.udp_set_options(self.key, |options| {
            options.set_tos(tos);
            Ok(())
        })
    }

    /// The traffic class of packets; 0 by default.
    ///
    /// # Errors
    /// `Unsupported` on a socket for IPv4; `NotConnected` in a dead process.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        Ok(self.net.udp_options_v6(self.key)?.tclass)
    }

    /// Sets the traffic class of packets, which no link looks at.
    ///
    /// # Errors
    /// ENOPROTOOPT on a socket for IPv4; `InvalidInput` above 255; `NotConnected` in a dead process.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        self.net.udp_set_options_v6(self.key, |options| options.set_tclass(tclass))
    }
}
