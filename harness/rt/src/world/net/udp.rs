//! UDP in the kernel: unordered, unacknowledged, bounded by the receiver's buffer.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use super::{
    Errno, Life,
    fabric::{Behind, Fabric},
    host::{Binding, Face},
    packet::{Body, Endpoint, Packet},
    table::Key,
    wake::{Waiters, Woken},
};

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
    from_loopback: bool,
    data: Vec<u8>,
}

/// A bound UDP socket.
pub(super) struct Datagrams {
    binding: Binding,
    /// Set by `connect`: the only one to talk to.
    peer: Option<(Endpoint, bool)>,
    inbox: VecDeque<Received>,
    /// What `inbox` takes of the receive buffer.
    bytes: usize,
    readers: Waiters,
    /// What was sent to the connected peer was turned down, by a link or because nobody is there.
    refused: bool,
}

impl Datagrams {
    pub(super) fn silence(self, woken: &mut Woken) {
        self.readers.silence(woken);
    }
}

/// What a socket of a dead process says.
pub(super) fn dead() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the process of this socket is dead")
}

impl Fabric {
    pub(super) fn udp_bind(&mut self, life: Life, wish: SocketAddr) -> io::Result<(Key, SocketAddr)> {
        if !self.is_alive(life) {
            return Err(dead());
        }
        let node = life.node.0;
        let mut binding = self.binding(node, wish)?;
        if wish.port() == 0 {
            let port = self.free_port(node, |host, port| host.udp.contains_key(&port));
            binding.at.port = port.ok_or(Errno::AddressInUse)?;
            binding.shown.set_port(binding.at.port);
        } else if self.host(node).udp.contains_key(&wish.port()) {
            return Err(Errno::AddressInUse.into());
        }
        let key = self.sockets.insert(Datagrams {
            binding,
            peer: None,
            inbox: VecDeque::new(),
            bytes: 0,
            readers: Waiters::default(),
            refused: false,
        });
        self.host(node).udp.insert(binding.at.port, key);
        Ok((key, binding.shown))
    }

    pub(super) fn udp_close(&mut self, key: Key) {
        if let Some(socket) = self.sockets.remove(key) {
            self.host(socket.binding.at.node).udp.remove(&socket.binding.at.port);
            socket.silence(&mut self.woken);
        }
    }

    /// Sets the default destination, and with it the address the socket has from now on.
    pub(super) fn udp_connect(&mut self, key: Key, peer: SocketAddr) -> io::Result<()> {
        let node = self.sockets.get(key).ok_or_else(dead)?.binding.at.node;
        let (peer, loopback) = self.route(node, peer)?;
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        if socket.binding.face == Face::Loopback && peer.node != node {
            return Err(Errno::InvalidArgument.into());
        }
        socket.binding.choose(loopback);
        socket.peer = Some((peer, loopback));
        Ok(())
    }

    pub(super) fn udp_peer(&self, key: Key) -> io::Result<SocketAddr> {
        let (at, loopback) = self.sockets.get(key).ok_or_else(dead)?.peer.ok_or(Errno::NotConnected)?;
        Ok(Self::shown(at, loopback))
    }

    pub(super) fn udp_local(&self, key: Key) -> io::Result<SocketAddr> {
        Ok(self.sockets.get(key).ok_or_else(dead)?.binding.shown)
    }

    /// What went wrong since it was last asked, or told.
    pub(super) fn udp_take_error(&mut self, key: Key) -> io::Result<Option<Errno>> {
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        Ok(std::mem::take(&mut socket.refused).then_some(Errno::ConnectionRefused))
    }

    /// Whether a datagram waits; else has the task woken for it. An error alone wakes who receives, as with tokio, and not
    /// who asks whether there is something to receive.
    pub(super) fn udp_readable(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.sockets.get_mut(key) else { return Poll::Ready(Err(dead())) };
        if !socket.inbox.is_empty() {
            return Poll::Ready(Ok(()));
        }
        socket.readers.register(cx.waker());
        Poll::Pending
    }

    /// Sends to `to`, or to the connected peer. What is wrong is found in the order in which Linux looks.
    #[inline]
    pub(super) fn udp_send(&mut self, key: Key, to: Option<SocketAddr>, data: &[u8]) -> io::Result<usize> {
        let socket = self.sockets.get(key).ok_or_else(dead)?;
        let Datagrams { binding: Binding { at: from, face, .. }, peer, .. } = *socket;
        if data.len() > MAX_LENGTH {
            return Err(Errno::MessageTooLong.into());
        }
        let (to, loopback) = match to {
            Some(to) => self.route(from.node, to)?,
            None => peer.ok_or(Errno::DestinationRequired)?,
        };
        if to.port == 0 || (face == Face::Loopback && to.node != from.node) {
            return Err(Errno::InvalidArgument.into());
        }
        if data.len() > MAX_PAYLOAD {
            return Err(Errno::MessageTooLong.into());
        }
        if self.sockets.get_mut(key).is_some_and(|socket| std::mem::take(&mut socket.refused)) {
            return Err(Errno::ConnectionRefused.into());
        }
        let mut payload = self.buffers.take();
        payload.extend_from_slice(data);
        let now = self.tick();
        let from_loopback = face == Face::Loopback || (loopback && face == Face::All);
        let body = Body::Datagram;
        let packet =
            Packet { from, to, loopback, from_loopback, body, data: payload, sent: now, order: 0, number: 0 };
        self.transmit(now, packet, Behind::NOTHING);
        Ok(data.len())
    }

    /// Receives a datagram, truncated to `buffer`. `peek` leaves it there.
    #[inline]
    pub(super) fn udp_receive(
        &mut self,
        key: Key,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        peek: bool,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let Some(socket) = self.sockets.get_mut(key) else { return Poll::Ready(Err(dead())) };
        if std::mem::take(&mut socket.refused) {
            return Poll::Ready(Err(Errno::ConnectionRefused.into()));
        }
        let Some(received) = socket.inbox.front() else {
            socket.readers.register(cx.waker());
            return Poll::Pending;
        };
        let length = received.data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&received.data[..length]);
        let from = Self::shown(received.from, received.from_loopback);
        if !peek && let Some(received) = socket.inbox.pop_front() {
            socket.bytes -= received.data.len() + OVERHEAD;
            self.buffers.put(received.data);
        }
        Poll::Ready(Ok((length, from)))
    }

    #[inline]
    pub(super) fn datagram_arrives(&mut self, now: u64, packet: Packet) {
        let Packet { from, to, loopback, from_loopback, .. } = packet;
        let key = self.host(to.node).udp.get(&to.port).copied();
        let takes =
            |s: &&mut Datagrams| s.binding.hears(loopback) && s.peer.is_none_or(|(peer, _)| peer == from);
        let Some(socket) = key.and_then(|key| self.sockets.get_mut(key)).filter(takes) else {
            self.answer_unreachable(now, &packet);
            return self.buffers.put(packet.data);
        };
        let data = packet.data;
        if socket.bytes + data.len() + OVERHEAD <= RECEIVE_BUFFER {
            socket.bytes += data.len() + OVERHEAD;
            socket.inbox.push_back(Received { from, from_loopback, data });
            socket.readers.wake(&mut self.woken);
        } else {
            self.buffers.put(data);
        }
    }

    /// What was sent to `peer` found nobody, or no way: only a socket that is connected to it hears of that.
    pub(super) fn datagram_was_refused(&mut self, sender: Endpoint, peer: Endpoint) {
        let key = self.host(sender.node).udp.get(&sender.port).copied();
        if let Some(socket) = key.and_then(|key| self.sockets.get_mut(key))
            && socket.peer.is_some_and(|(connected, _)| connected == peer)
        {
            socket.refused = true;
            socket.readers.wake(&mut self.woken);
        }
    }
}
