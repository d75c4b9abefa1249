//! TCP sockets that neither listen nor connect yet, but may have a port.

use std::{io, net::SocketAddr};

use super::{
    super::{
        Errno, Life,
        address::{self, Binding, Endpoint, Family},
        errno::dead,
        fabric::Fabric,
        host::{Host, TcpPort},
        table::Key,
    },
    Connection, Ends, Options,
};

/// A socket with a port.
pub(in super::super) struct BoundSocket {
    binding: Binding,
}

impl Fabric {
    /// Takes a port, or finds a free one for port 0.
    pub(in super::super) fn tcp_bind(
        &mut self,
        life: Life,
        family: Family,
        wish: SocketAddr,
        reuse_address: bool,
    ) -> io::Result<(Key, SocketAddr)> {
        let binding = self.tcp_binding(life, family, wish, reuse_address)?;
        let key = self.bound.insert(BoundSocket { binding });
        self.host(binding.at.node).take_tcp(binding.at.port, binding.face, TcpPort::Bound(key));
        Ok((key, binding.shown))
    }

    /// Where a socket that asks for `wish` is bound. A port with connections, alive or remembered, is free to those who
    /// reuse addresses, as far as the connections do too (socket(7), SO_REUSEADDR).
    pub(super) fn tcp_binding(
        &mut self,
        life: Life,
        family: Family,
        wish: SocketAddr,
        reuse_address: bool,
    ) -> io::Result<Binding> {
        if !self.is_alive(life) {
            return Err(dead());
        }
        let node = life.node.0;
        let mut binding = address::binding(node, family, wish)?;
        if wish.port() == 0 {
            let port = self.free_port(node, Host::uses_tcp);
            binding.at.port = port.ok_or(Errno::AddressInUse)?;
            binding.shown.set_port(binding.at.port);
            return Ok(binding);
        }
        let now = self.tick();
        self.end_time_waits(now);
        let at = Endpoint { node, port: wish.port() };
        let meets = |c: &Connection| c.local == at && binding.face.hears(c.address);
        if self.host(node).has_tcp(at.port, binding.face)
            || self.connections.any(|c| meets(c) && !(reuse_address && c.options.reuse_address))
        {
            return Err(Errno::AddressInUse.into());
        }
        Ok(binding)
    }

    /// Connects from the port of a socket.
    pub(in super::super) fn tcp_connect_bound(
        &mut self,
        life: Life,
        socket: Key,
        to: SocketAddr,
        options: Options,
    ) -> io::Result<Ends> {
        let BoundSocket { binding } = *self.bound.get(socket).ok_or_else(dead)?;
        let (peer, address) = self.tcp_route(life.node.0, binding.family, to)?;
        binding.face.source(peer.node == life.node.0, address)?;
        let now = self.tick();
        self.end_time_waits(now);
        if self.host(life.node.0).has_way((peer, address, binding.at.port)) {
            return Err(Errno::AddressNotAvailable.into());
        }
        self.tcp_unbind(socket);
        self.tcp_connect_from(life, Some(binding.at.port), binding.family, to, options)
    }

    /// Gives the port of a socket to a listener.
    pub(in super::super) fn tcp_listen_bound(
        &mut self,
        socket: Key,
        backlog: u32,
        options: Options,
    ) -> io::Result<(Key, SocketAddr)> {
        let BoundSocket { binding } = *self.bound.get(socket).ok_or_else(dead)?;
        self.tcp_unbind(socket);
        Ok(self.listen_at(binding, backlog, options))
    }

    /// Lets go of a socket and its port.
    pub(in super::super) fn tcp_unbind(&mut self, key: Key) {
        if let Some(BoundSocket { binding }) = self.bound.remove(key) {
            self.host(binding.at.node).leave_tcp(binding.at.port, binding.face);
        }
    }

    /// A process has ended: its sockets go with it.
    pub(super) fn unbind_all(&mut self, node: u32) {
        for key in self.bound.keys_where(|socket| socket.binding.at.node == node) {
            self.tcp_unbind(key);
        }
    }
}
