//! UDP in the kernel: unordered, unacknowledged, bounded by the receiver's buffer.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    task::{Context, Poll, Waker},
};

use tokio::io::{Interest, Ready};

use self::many::Addressees;
pub(crate) use self::options::UdpOptions;
use super::{
    Errno, Life,
    address::{self, Address, Binding, Endpoint, Family, Membership, family},
    errno::dead,
    fabric::{Behind, Fabric},
    host::Host,
    packet::{Body, Packet},
    table::Key,
    wake::{Waiters, Woken},
};

mod many;
mod options;

/// The longest payload that fits into an IPv4 packet.
const MAX_PAYLOAD: usize = 65_507;
/// The longest that the kernel looks at before it looks for the way.
const MAX_LENGTH: usize = 65_535;
/// What may wait to be received, in bytes: Linux's `net.core.rmem_default`.
const RECEIVE_BUFFER: usize = 212_992;
/// What a waiting datagram takes besides its payload.
const OVERHEAD: usize = 256;

struct Received {
    from: Endpoint,
    from_address: Address,
    data: Vec<u8>,
}

/// Where datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    One(Endpoint, Address),
    Many(Addressees),
}

/// A bound UDP socket.
pub(super) struct Datagrams {
    binding: Binding,
    /// Set by `connect`: the only one to talk to.
    peer: Option<Destination>,
    inbox: VecDeque<Received>,
    /// What `inbox` takes of the receive buffer.
    bytes: usize,
    readers: Waiters,
    /// Something has come since a call last found nothing.
    seems_readable: bool,
    /// What was sent to the connected peer was turned down, by a link or because nobody is there.
    refused: bool,
    options: UdpOptions,
    groups: Vec<Membership>,
}

impl Datagrams {
    pub(super) fn silence(self, woken: &mut Woken) {
        self.readers.silence(woken);
    }

    /// Whether what comes from there is for this socket.
    #[inline]
    fn takes_from(&self, from: Endpoint) -> bool {
        match self.peer {
            None => true,
            Some(Destination::One(peer, _)) => peer == from,
            Some(Destination::Many(_)) => false,
        }
    }

    /// Keeps a datagram to be received. Gives it back if there is no room.
    #[inline]
    fn push(
        &mut self,
        from: Endpoint,
        from_address: Address,
        data: Vec<u8>,
        woken: &mut Woken,
    ) -> Option<Vec<u8>> {
        if self.bytes + data.len() + OVERHEAD > RECEIVE_BUFFER {
            return Some(data);
        }
        self.bytes += data.len() + OVERHEAD;
        self.inbox.push_back(Received { from, from_address, data });
        self.seems_readable = true;
        self.readers.wake(woken);
        None
    }
}

impl Fabric {
    pub(super) fn udp_bind(&mut self, life: Life, wish: SocketAddr) -> io::Result<(Key, SocketAddr)> {
        if !self.is_alive(life) {
            return Err(dead());
        }
        let node = life.node.0;
        let mut binding = address::binding(node, family(wish), wish)?;
        if wish.port() == 0 {
            let port = self.free_port(node, Host::uses_udp);
            binding.at.port = port.ok_or(Errno::AddressInUse)?;
            binding.shown.set_port(binding.at.port);
        } else if self.host(node).has_udp(wish.port(), binding.face) {
            return Err(Errno::AddressInUse.into());
        }
        let key = self.sockets.insert(Datagrams {
            binding,
            peer: None,
            inbox: VecDeque::new(),
            bytes: 0,
            readers: Waiters::default(),
            seems_readable: false,
            refused: false,
            options: UdpOptions::default(),
            groups: Vec::new(),
        });
        self.host(node).take_udp(binding.at.port, binding.face, key);
        Ok((key, binding.shown))
    }

    pub(super) fn udp_close(&mut self, key: Key) {
        if let Some(socket) = self.sockets.remove(key) {
            let Binding { at, face, .. } = socket.binding;
            self.host(at.node).leave_udp(at.port, face);
            self.leave_groups(at.node, &socket.groups);
            socket.silence(&mut self.woken);
        }
    }

    /// Where an address leads from a socket.
    #[inline]
    fn destination(&self, binding: Binding, to: SocketAddr) -> io::Result<Destination> {
        match self.route(binding.at.node, binding.family, to) {
            // Of the addresses that lead somewhere, one is for many.
            Ok((end, address)) if !address.is_loopback() => Ok(Destination::One(end, address)),
            Ok((end, address)) => {
                Ok(Addressees::of(to).map_or(Destination::One(end, address), Destination::Many))
            }
            Err(error) if to.is_ipv6() && binding.family == Family::V4 => Err(error),
            Err(error) => Addressees::of(to).map(Destination::Many).ok_or(error),
        }
    }

    /// Sets the default destination, and with it the address the socket has from now on.
    pub(super) fn udp_connect(&mut self, key: Key, peer: SocketAddr) -> io::Result<()> {
        let &Datagrams { binding, options, .. } = self.sockets.get(key).ok_or_else(dead)?;
        let peer = self.destination(binding, peer)?;
        if let Destination::Many(to) = peer {
            to.may_be_addressed(options)?;
        }
        let (is_own_machine, address) = match peer {
            Destination::One(end, address) => (end.node == binding.at.node, address),
            Destination::Many(to) => (true, to.address()),
        };
        binding.face.source(is_own_machine, address)?;
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        socket.binding.choose(address);
        socket.peer = Some(peer);
        let (port, face) = (binding.at.port, socket.binding.face);
        let host = self.host(binding.at.node);
        host.leave_udp(port, binding.face);
        host.take_udp(port, face, key);
        Ok(())
    }

    pub(super) fn udp_peer(&self, key: Key) -> io::Result<SocketAddr> {
        let socket = self.sockets.get(key).ok_or_else(dead)?;
        let family = socket.binding.family;
        match socket.peer.ok_or(Errno::NotConnected)? {
            Destination::One(end, address) => Ok(address::shown(end, address, family)),
            Destination::Many(to) => Ok(to.shown(family)),
        }
    }

    pub(super) fn udp_local(&self, key: Key) -> io::Result<SocketAddr> {
        Ok(self.sockets.get(key).ok_or_else(dead)?.binding.shown)
    }

    /// What went wrong since it was last asked, or told.
    pub(super) fn udp_take_error(&mut self, key: Key) -> io::Result<Option<Errno>> {
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        Ok(std::mem::take(&mut socket.refused).then_some(Errno::ConnectionRefused))
    }

    /// What a socket is ready for; if that is nothing of interest, has the task woken for it. An error alone wakes who receives, as with
    /// tokio, and not who asks whether there is something to receive.
    pub(super) fn udp_ready(
        &mut self,
        key: Key,
        interest: Interest,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Ready>> {
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        let mut ready = Ready::EMPTY;
        if interest.is_readable() && (!socket.inbox.is_empty() || socket.seems_readable) {
            ready |= Ready::READABLE;
        }
        if interest.is_writable() {
            ready |= Ready::WRITABLE;
        }
        if interest.is_error() && socket.refused {
            ready |= Ready::ERROR;
        }
        if ready.is_empty() {
            let node = socket.binding.at.node;
            if !interest.is_readable() || !self.is_spuriously_ready(node) {
                if let Some(socket) = self.sockets.get_mut(key) {
                    socket.readers.register(cx.waker());
                }
                return Poll::Pending;
            }
            ready = Ready::READABLE;
        }
        Poll::Ready(Ok(ready))
    }

    /// Sends to `to`, or to the connected peer. What is wrong is found in the order in which Linux looks.
    #[inline]
    pub(super) fn udp_send(&mut self, key: Key, to: Option<SocketAddr>, data: &[u8]) -> io::Result<usize> {
        let socket = self.sockets.get(key).ok_or_else(dead)?;
        let Datagrams { binding, peer, .. } = *socket;
        if data.len() > MAX_LENGTH {
            return Err(Errno::MessageTooLong.into());
        }
        let destination = match to {
            Some(to) => self.destination(binding, to)?,
            None => peer.ok_or(Errno::DestinationRequired)?,
        };
        let (to, address) = match destination {
            Destination::One(to, address) => (to, address),
            Destination::Many(to) if to.port() == 0 => return Err(Errno::InvalidArgument.into()),
            Destination::Many(_) if data.len() > MAX_PAYLOAD => return Err(Errno::MessageTooLong.into()),
            Destination::Many(to) => return self.send_to_many(key, to, data),
        };
        if to.port == 0 {
            return Err(Errno::InvalidArgument.into());
        }
        let from = binding.at;
        let from_address = binding.face.source(to.node == from.node, address)?;
        if data.len() > MAX_PAYLOAD {
            return Err(Errno::MessageTooLong.into());
        }
        if self.sockets.get_mut(key).is_some_and(|socket| std::mem::take(&mut socket.refused)) {
            return Err(Errno::ConnectionRefused.into());
        }
        let mut payload = self.buffers.take();
        payload.extend_from_slice(data);
        let now = self.tick();
        let body = Body::Datagram;
        let packet =
            Packet { from, to, address, from_address, body, data: payload, sent: now, order: 0, number: 0 };
        self.transmit(now, packet, Behind::NOTHING);
        Ok(data.len())
    }

    /// Receives a datagram, truncated to `buffer`. `peek` leaves it there. If there is none, `waker` is woken when there is.
    #[inline]
    pub(super) fn udp_receive(
        &mut self,
        key: Key,
        waker: Option<&Waker>,
        buffer: &mut [u8],
        peek: bool,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let Some(socket) = self.sockets.get_mut(key) else { return Poll::Ready(Err(dead())) };
        if std::mem::take(&mut socket.refused) {
            return Poll::Ready(Err(Errno::ConnectionRefused.into()));
        }
        let Some(received) = socket.inbox.front() else {
            socket.seems_readable = false;
            if let Some(waker) = waker {
                socket.readers.register(waker);
            }
            return Poll::Pending;
        };
        let length = received.data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&received.data[..length]);
        let from = address::shown(received.from, received.from_address, socket.binding.family);
        if !peek && let Some(received) = socket.inbox.pop_front() {
            socket.bytes -= received.data.len() + OVERHEAD;
            self.buffers.put(received.data);
        }
        Poll::Ready(Ok((length, from)))
    }

    #[inline]
    pub(super) fn datagram_arrives(&mut self, now: u64, packet: Packet) {
        let Packet { from, to, address, from_address, .. } = packet;
        let key = self.host(to.node).udp_at(to.port, address);
        let socket = key.and_then(|key| self.sockets.get_mut(key)).filter(|socket| socket.takes_from(from));
        let Some(socket) = socket else {
            self.answer_unreachable(now, &packet);
            return self.buffers.put(packet.data);
        };
        if let Some(unused) = socket.push(from, from_address, packet.data, &mut self.woken) {
            self.buffers.put(unused);
        }
    }

    /// What was sent to `peer` found nobody, or no way: only a socket that is connected to it hears of that.
    pub(super) fn datagram_was_refused(&mut self, packet: &Packet) {
        let key = self.host(packet.to.node).udp_at(packet.to.port, packet.address);
        if let Some(socket) = key.and_then(|key| self.sockets.get_mut(key))
            && matches!(socket.peer, Some(Destination::One(connected, _)) if connected == packet.from)
        {
            socket.refused = true;
            socket.readers.wake(&mut self.woken);
        }
    }
}
