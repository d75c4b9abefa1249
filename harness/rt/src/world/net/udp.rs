//! UDP in the kernel: unordered, unacknowledged, bounded by the receiver's buffer.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use super::{
    Life,
    fabric::Fabric,
    host::Binding,
    packet::{Body, Endpoint, Packet},
    table::Key,
    wake::{Waiters, Woken},
};

/// The longest payload that fits into an IPv4 packet.
const MAX_PAYLOAD: usize = 65_507;
/// "Message too long": Linux's number, whatever the simulation runs on.
const EMSGSIZE: i32 = 90;
/// What may wait to be received, in bytes: Linux's `net.core.rmem_default`.
const RECEIVE_BUFFER: usize = 212_992;
/// What a waiting datagram takes besides its payload.
const OVERHEAD: usize = 256;

struct Received {
    from: Endpoint,
    loopback: bool,
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
    /// A link turned down what was sent to the connected peer.
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
            binding.at.port = self.free_port(node, |host, port| host.udp.contains_key(&port))?;
            binding.shown.set_port(binding.at.port);
        } else if self.host(node).udp.contains_key(&wish.port()) {
            return Err(io::ErrorKind::AddrInUse.into());
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

    pub(super) fn udp_connect(&mut self, key: Key, peer: SocketAddr) -> io::Result<()> {
        let node = self.sockets.get(key).ok_or_else(dead)?.binding.at.node;
        let peer = self.route(node, peer)?;
        self.sockets.get_mut(key).ok_or_else(dead)?.peer = Some(peer);
        Ok(())
    }

    pub(super) fn udp_peer(&self, key: Key) -> io::Result<SocketAddr> {
        let (at, loopback) =
            self.sockets.get(key).ok_or_else(dead)?.peer.ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self::shown(at, loopback))
    }

    /// Sends to `to`, or to the connected peer.
    #[inline]
    pub(super) fn udp_send(&mut self, key: Key, to: Option<SocketAddr>, data: &[u8]) -> io::Result<usize> {
        let socket = self.sockets.get_mut(key).ok_or_else(dead)?;
        if std::mem::take(&mut socket.refused) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let Binding { at: from, loopback: bound_to_loopback, .. } = socket.binding;
        let connected = socket.peer;
        let (to, loopback) = match to {
            Some(to) => self.route(from.node, to)?,
            None => connected.ok_or(io::ErrorKind::NotConnected)?,
        };
        if data.len() > MAX_PAYLOAD {
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        if bound_to_loopback && to.node != from.node {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is bound to 127.0.0.1"));
        }
        let mut payload = self.buffers.take();
        payload.extend_from_slice(data);
        let now = self.tick();
        let packet = Packet { from, to, loopback, body: Body::Datagram, data: payload, sent: now, order: 0 };
        self.transmit(now, packet, 0);
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
            return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
        }
        let Some(received) = socket.inbox.front() else {
            socket.readers.register(cx.waker());
            return Poll::Pending;
        };
        let length = received.data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&received.data[..length]);
        let from = Self::shown(received.from, received.loopback);
        if !peek && let Some(received) = socket.inbox.pop_front() {
            socket.bytes -= received.data.len() + OVERHEAD;
            self.buffers.put(received.data);
        }
        Poll::Ready(Ok((length, from)))
    }

    #[inline]
    pub(super) fn datagram_arrives(&mut self, packet: Packet) {
        let Packet { from, to, loopback, body, data, .. } = packet;
        let key = self.host(to.node).udp.get(&to.port).copied();
        let Some(socket) = key.and_then(|key| self.sockets.get_mut(key)) else {
            return self.buffers.put(data);
        };
        let from_peer = socket.peer.is_none_or(|(peer, _)| peer == from);
        if body == Body::DatagramRejected {
            // As ICMP's "port unreachable": only a connected socket hears of it.
            if socket.peer.is_some() && from_peer {
                socket.refused = true;
                socket.readers.wake(&mut self.woken);
            }
        } else if from_peer
            && (!socket.binding.loopback || loopback)
            && socket.bytes + data.len() + OVERHEAD <= RECEIVE_BUFFER
        {
            socket.bytes += data.len() + OVERHEAD;
            socket.inbox.push_back(Received { from, loopback, data });
            socket.readers.wake(&mut self.woken);
        } else {
            self.buffers.put(data);
        }
    }
}
