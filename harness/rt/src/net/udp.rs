//! UDP sockets of the simulation.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use real_tokio::task::coop::cooperative;
use tokio::io::ReadBuf;

use super::addr::{ToSocketAddrs, resolve};
use crate::world::net::{Key, Net, here};

/// A UDP socket, as tokio's. Sending never waits.
pub struct UdpSocket {
    net: Arc<Net>,
    key: Key,
}

impl UdpSocket {
    /// Binds a socket; port 0 for any.
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` if the address is none of this node's.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let (net, life) = here()?;
        let (key, _) = net.udp_bind(life, resolve(&addr)?)?;
        Ok(UdpSocket { net, key })
    }

    /// The address the socket is bound to. If that was 0.0.0.0, connecting chooses one.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.net.udp_local(self.key)
    }

    /// The address the socket is connected to.
    ///
    /// # Errors
    /// `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.net.udp_peer(self.key)
    }

    /// Sets the default destination, and receives only from there from now on. A socket bound to 0.0.0.0 has the
    /// address from now on that leads there: 127.0.0.1, or the node's own.
    ///
    /// # Errors
    /// `NetworkUnreachable` if no node has the address; `InvalidInput` if it is another node's and the socket is bound
    /// to 127.0.0.1.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        self.net.udp_connect(self.key, resolve(&addr)?)
    }

    /// What went wrong and no call has told yet. It is not told again.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.net.udp_take_error(self.key)?.map(Into::into))
    }

    /// Waits until there is something to receive.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.net.udp_readable(self.key, cx)).await
    }

    /// Waits for nothing: sending never waits.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn writable(&self) -> io::Result<()> {
        self.local_addr().map(drop)
    }

    /// Sends a datagram to the connected peer.
    ///
    /// # Errors
    /// EDESTADDRREQ if there is none; `ConnectionRefused` if an earlier one found no socket, or a link turned it down;
    /// EMSGSIZE if it is longer than 65,507 bytes.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        cooperative(async { self.try_send(buf) }).await
    }

    /// Like [`UdpSocket::send`], at once.
    ///
    /// # Errors
    /// As there.
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.net.udp_send(self.key, None, buf)
    }

    /// Like [`UdpSocket::send`]; never pending.
    pub fn poll_send(&self, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_send(buf))
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// `NetworkUnreachable` if no node has the address; `InvalidInput` for port 0; EMSGSIZE if it is longer than 65,507
    /// bytes; on a connected socket `ConnectionRefused`, as [`UdpSocket::send`].
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], target: A) -> io::Result<usize> {
        let target = resolve(&target)?;
        cooperative(async { self.try_send_to(buf, target) }).await
    }

    /// Like [`UdpSocket::send_to`], at once.
    ///
    /// # Errors
    /// As there.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.net.udp_send(self.key, Some(target), buf)
    }

    /// Like [`UdpSocket::send_to`]; never pending.
    pub fn poll_send_to(
        &self,
        _cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_send_to(buf, target))
    }

    /// Receives a datagram; what does not fit into `buf` is lost.
    ///
    /// # Errors
    /// `ConnectionRefused` if what was sent to the connected peer found no socket there, or a link turned it down.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        cooperative(poll_fn(|cx| self.net.udp_receive(self.key, cx, buf, false))).await
    }

    /// Receives a datagram from the connected peer.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buf).await?.0)
    }

    /// Receives a datagram and leaves it to be received again.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        cooperative(poll_fn(|cx| self.net.udp_receive(self.key, cx, buf, true))).await
    }

    /// Receives a datagram that is there already.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; as [`UdpSocket::recv_from`].
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self.net.udp_receive(self.key, &mut Context::from_waker(Waker::noop()), buf, false) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Like [`UdpSocket::try_recv_from`], for a connected socket.
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_recv_from(buf)?.0)
    }

    /// Like [`UdpSocket::recv_from`].
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let (count, from) = ready!(self.net.udp_receive(self.key, cx, buf.initialize_unfilled(), false))?;
        buf.advance(count);
        Poll::Ready(Ok(from))
    }

    /// Like [`UdpSocket::recv`].
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(cx, buf).map_ok(|_| ())
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.net.udp_close(self.key);
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("local", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
