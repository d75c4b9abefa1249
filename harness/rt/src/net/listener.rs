//! Listening TCP sockets of the simulation.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    addr::{ToSocketAddrs, first_that_does},
    tcp::TcpStream,
};
use crate::world::net::{Key, Net, Options, here};

/// How many connections may wait: mio's default, and so tokio's.
const BACKLOG: u32 = 128;

/// A TCP socket that accepts connections, as tokio's. [`TcpSocket`](super::TcpSocket) makes one with another backlog than
/// the usual.
pub struct TcpListener {
    net: Arc<Net>,
    key: Key,
    local: SocketAddr,
}

impl TcpListener {
    /// Listens on a port; 0 for any.
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` if the address is none of this node's.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let (net, life) = here()?;
        // tokio sets SO_REUSEADDR here.
        let options = Options { reuse_address: true, ..Options::default() };
        let (key, local) = first_that_does(&addr, |addr| net.tcp_listen(life, addr, BACKLOG, options))?;
        Ok(TcpListener::new(net, key, local))
    }

    pub(super) fn new(net: Arc<Net>, key: Key, local: SocketAddr) -> Self {
        TcpListener { net, key, local }
    }

    /// Waits for a connection; gives it and the address of the peer.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Like [`TcpListener::accept`].
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.net.tcp_accept(self.key, cx).map_ok(|ends| (TcpStream::new(self.net.clone(), ends), ends.2))
    }

    /// The time to live of packets; 64 by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn ttl(&self) -> io::Result<u32> {
        self.net.tcp_listener_options(self.key, |options| Ok(options.ttl))
    }

    /// Sets the time to live of packets, those of connections that are accepted too. Other nodes are one hop away, so that any will do.
    ///
    /// # Errors
    /// `InvalidInput` outside of 1 to 255; `NotConnected` in a dead process.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.net.tcp_listener_options(self.key, |options| options.set_ttl(ttl))
    }

    /// The address the socket listens on.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.net.tcp_unlisten(self.key);
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local", &self.local).finish_non_exhaustive()
    }
}
