//! Listening sockets and their backlog.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use super::{
    super::{
        Life,
        fabric::Fabric,
        host::{Binding, TcpPort},
        packet::Endpoint,
        table::Key,
        udp::dead,
        wake::{Waiters, Woken},
    },
    Connection, Ends, Owner,
};

/// How many connections may wait to be accepted, those still shaking hands included: tokio's and std's default.
const BACKLOG: usize = 128;

/// A listening socket.
pub(in super::super) struct Listener {
    pub(in super::super) binding: Binding,
    /// Connections shaking hands: theirs and ours.
    pub(super) granting: BTreeMap<Key, Key>,
    /// Connections to be accepted.
    pub(super) ready: VecDeque<Key>,
    pub(super) acceptors: Waiters,
}

impl Listener {
    pub(in super::super) fn silence(self, woken: &mut Woken) {
        self.acceptors.silence(woken);
    }

    /// Whether no further connection may wait.
    pub(super) fn is_full(&self) -> bool {
        self.granting.len() + self.ready.len() >= BACKLOG
    }
}

impl Fabric {
    pub(in super::super) fn tcp_listen(
        &mut self,
        life: Life,
        wish: SocketAddr,
    ) -> io::Result<(Key, SocketAddr)> {
        if !self.is_alive(life) {
            return Err(dead());
        }
        let node = life.node.0;
        let mut binding = self.binding(node, wish)?;
        if wish.port() == 0 {
            binding.at.port = self.free_port(node, |host, port| host.tcp.contains_key(&port))?;
            binding.shown.set_port(binding.at.port);
        } else if self.host(node).tcp.contains_key(&wish.port()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let key = self.listeners.insert(Listener {
            binding,
            granting: BTreeMap::new(),
            ready: VecDeque::new(),
            acceptors: Waiters::default(),
        });
        self.host(node).tcp.insert(binding.at.port, TcpPort::Listener(key));
        Ok((key, binding.shown))
    }

    pub(in super::super) fn tcp_accept(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<Ends>> {
        let Some(listener) = self.listeners.get_mut(key) else { return Poll::Ready(Err(dead())) };
        while let Some(key) = listener.ready.pop_front() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.owner = Owner::Process;
                let Connection { local, peer, loopback, .. } = *connection;
                return Poll::Ready(Ok((key, Self::shown(local, loopback), Self::shown(peer, loopback))));
            }
        }
        listener.acceptors.register(cx.waker());
        Poll::Pending
    }

    /// Closes a listener; connections nobody has accepted are reset.
    pub(in super::super) fn tcp_unlisten(&mut self, key: Key) {
        let Some(listener) = self.listeners.remove(key) else { return };
        let Endpoint { node, port } = listener.binding.at;
        self.host(node).tcp.remove(&port);
        let now = self.tick();
        for &connection in listener.granting.values().chain(&listener.ready) {
            self.send_reset(now, connection);
            self.forget(connection);
        }
        listener.silence(&mut self.woken);
    }
}
