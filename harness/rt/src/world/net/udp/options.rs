//! What a process sets on a UDP socket (socket(7), ip(7), ipv6(7)).

use std::{io, ops::RangeInclusive};

use super::super::{Errno, Key, address::Family, errno::dead, fabric::Fabric};

/// What Linux takes for the time to live.
const TTL: RangeInclusive<u32> = 1..=255;
/// What Linux takes where one byte is asked for.
const BYTE: RangeInclusive<u32> = 0..=255;

/// The options of a socket, with Linux's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UdpOptions {
    /// SO_BROADCAST.
    pub(crate) broadcast: bool,
    /// IP_MULTICAST_LOOP.
    pub(crate) multicast_loop_v4: bool,
    /// IPV6_MULTICAST_LOOP.
    pub(crate) multicast_loop_v6: bool,
    /// IP_MULTICAST_TTL. Of the values, only zero makes a difference here: the datagram stays on the machine.
    pub(crate) multicast_ttl_v4: u32,
    /// IP_TTL. Any node is one hop away.
    pub(crate) ttl: u32,
    /// IP_TOS. No link makes a difference.
    pub(crate) tos: u32,
    /// IPV6_TCLASS. No link makes a difference.
    pub(crate) tclass: u32,
}

impl Default for UdpOptions {
    fn default() -> Self {
        UdpOptions {
            broadcast: false,
            multicast_loop_v4: true,
            multicast_loop_v6: true,
            multicast_ttl_v4: 1,
            ttl: 64,
            tos: 0,
            tclass: 0,
        }
    }
}

/// `value`, if it is one that Linux takes.
///
/// # Errors
/// EINVAL.
fn checked(value: u32, range: RangeInclusive<u32>) -> io::Result<u32> {
    if range.contains(&value) { Ok(value) } else { Err(Errno::InvalidArgument.into()) }
}

impl UdpOptions {
    pub(crate) fn set_ttl(&mut self, ttl: u32) -> io::Result<()> {
        self.ttl = checked(ttl, TTL)?;
        Ok(())
    }

    pub(crate) fn set_multicast_ttl_v4(&mut self, ttl: u32) -> io::Result<()> {
        self.multicast_ttl_v4 = checked(ttl, BYTE)?;
        Ok(())
    }

    pub(crate) fn set_tclass(&mut self, tclass: u32) -> io::Result<()> {
        self.tclass = checked(tclass, BYTE)?;
        Ok(())
    }

    /// Only the last byte counts.
    pub(crate) fn set_tos(&mut self, tos: u32) {
        self.tos = tos & BYTE.end();
    }
}

impl Fabric {
    /// The options of a socket, and its family: one for IPv4 has none of IPv6's.
    pub(in super::super) fn udp_options(&mut self, key: Key) -> io::Result<(&mut UdpOptions, Family)> {
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        Ok((&mut socket.options, socket.binding.family))
    }
}
