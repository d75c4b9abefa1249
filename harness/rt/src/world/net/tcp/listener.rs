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
        address::{Binding, Endpoint, family},
        errno::dead,
        fabric::Fabric,
        host::TcpPort,
        table::Key,
        wake::{Waiters, Woken},
    },
    Ends, Options, Owner,
};

/// The most connections that may wait to be accepted, those still shaking hands included: Linux's net.core.somaxconn.
const MAX_BACKLOG: u32 = 4_096;

/// A listening socket.
pub(in super::super) struct Listener {
    pub(in super::super) binding: Binding,
    /// Connections shaking hands: theirs and ours.
    pub(super) granting: BTreeMap<Key, Key>,
    /// Connections to be accepted.
    pub(super) ready: VecDeque<Key>,
    pub(super) acceptors: Waiters,
    backlog: usize,
    /// What connections begin with.
    pub(super) options: Options,
}

impl Listener {
    pub(in super::super) fn silence(self, woken: &mut Woken) {
        self.acceptors.silence(woken);
    }

    /// Whether no further connection may wait.
    pub(super) fn is_full(&self) -> bool {
        self.granting.len() + self.ready.len() >= self.backlog
    }
}

impl Fabric {
    pub(in super::super) fn tcp_listen(
        &mut self,
        life: Life,
        wish: SocketAddr,
        backlog: u32,
        options: Options,
    ) -> io::Result<(Key, SocketAddr)> {
        let binding = self.tcp_binding(life, family(wish), wish, options.reuse_address)?;
        Ok(self.listen_at(binding, backlog, options))
    }

    /// Listens on a port that is free.
    pub(super) fn listen_at(
        &mut self,
        binding: Binding,
        backlog: u32,
        options: Options,
    ) -> (Key, SocketAddr) {
        let key = self.listeners.insert(Listener {
            binding,
            granting: BTreeMap::new(),
            ready: VecDeque::new(),
            acceptors: Waiters::default(),
            // Linux: a backlog of n holds n + 1.
            backlog: backlog.min(MAX_BACKLOG) as usize + 1,
            options,
        });
        self.host(binding.at.node).take_tcp(binding.at.port, binding.face, TcpPort::Listener(key));
        (key, binding.shown)
    }

    pub(in super::super) fn tcp_accept(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<Ends>> {
        let Some(listener) = self.listeners.get_mut(key) else { return Poll::Ready(Err(dead())) };
        while let Some(key) = listener.ready.pop_front() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.owner = Owner::Process;
                // tokio tries what it accepts before it waits for an event.
                connection.seems_readable = true;
                connection.seems_writable = true;
                let ends = (key, connection.shown(connection.local), connection.shown(connection.peer));
                self.keep_alive_as_set(key);
                return Poll::Ready(Ok(ends));
            }
        }
        listener.acceptors.register(cx.waker());
        Poll::Pending
    }

    /// What connections to a listener begin with.
    pub(in super::super) fn tcp_listener_options(&mut self, key: Key) -> io::Result<&mut Options> {
        Ok(&mut self.listeners.get_mut(key).ok_or_else(dead)?.options)
    }

    /// Closes a listener; connections nobody has accepted are reset.
    pub(in super::super) fn tcp_unlisten(&mut self, key: Key) {
        let Some(listener) = self.listeners.remove(key) else { return };
        let Binding { at: Endpoint { node, port }, face, .. } = listener.binding;
        self.host(node).leave_tcp(port, face);
        let now = self.tick();
        for &connection in listener.granting.values().chain(&listener.ready) {
            self.send_reset(now, connection);
            self.forget(connection);
        }
        listener.silence(&mut self.woken);
    }
}
