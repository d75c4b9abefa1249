//! UDP sockets of the simulation.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::BufMut;
use real_tokio::task::coop::cooperative;
use tokio::io::{Interest, ReadBuf, Ready};

use super::{
    addr::{ToSocketAddrs, first_that_does, resolve},
    at_once, put_what_fits,
};
use crate::world::net::{Key, Net, here};

mod options;

/// A UDP socket, as tokio's. Sending never waits.
///
/// What is sent to 255.255.255.255 reaches every node, and what is sent to a group each that has joined it: all nodes are on one link.
pub struct UdpSocket {
    net: Arc<Net>,
    key: Key,
}

impl UdpSocket {
    /// Binds a socket; port 0 for any. One that is bound to `[::]` takes what is sent to the node's addresses of IPv4 too.
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` if the address is none of this node's.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let (net, life) = here()?;
        let (key, _) = first_that_does(&addr, |addr| net.udp_bind(life, addr))?;
        Ok(UdpSocket { net, key })
    }

    /// The address the socket is bound to. If that was 0.0.0.0 or `[::]`, connecting chooses one.
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

    /// Sets the default destination, and receives only from there from now on. A socket bound to 0.0.0.0 or `[::]` has the
    /// address from now on that leads there: that of loopback, or the node's own.
    ///
    /// # Errors
    /// `NetworkUnreachable` if no node has the address; `InvalidInput` if it is another node's and the socket is bound
    /// to 127.0.0.1.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        first_that_does(&addr, |addr| self.net.udp_connect(self.key, addr))
    }

    /// What went wrong and no call has told yet. It is not told again.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.net.udp_take_error(self.key)?.map(Into::into))
    }

    /// Waits until the socket is ready for something of interest, and says what for. It may seem to be and not be, see
    /// [`UdpSocket::readable`].
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|cx| self.net.udp_ready(self.key, interest, cx)).await
    }

    /// Waits until there seems to be something to receive: something has come since a call last found nothing, or the harness has this node
    /// be misled now and then. If `WouldBlock` follows, wait again.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Like [`UdpSocket::readable`].
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.udp_ready(self.key, Interest::READABLE, cx).map_ok(drop)
    }

    /// Waits for nothing: sending never waits.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Like [`UdpSocket::writable`].
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.udp_ready(self.key, Interest::WRITABLE, cx).map_ok(drop)
    }

    /// Sends a datagram to the connected peer.
    ///
    /// # Errors
    /// EDESTADDRREQ if there is none; `ConnectionRefused` if an earlier one found no socket, or a link turned it down;
    /// EMSGSIZE if it is longer than 65,507 bytes; `PermissionDenied` if it is for all and the socket may not broadcast.
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

    /// Receives a datagram, or looks at it.
    #[inline]
    fn receive(
        &self,
        waker: Option<&Waker>,
        buf: &mut [u8],
        peek: bool,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.net.udp_receive(self.key, waker, buf, peek)
    }

    /// As [`UdpSocket::receive`], into what is left of `buf`.
    fn fill(&self, cx: &Context<'_>, buf: &mut ReadBuf<'_>, peek: bool) -> Poll<io::Result<SocketAddr>> {
        let (count, from) = ready!(self.receive(Some(cx.waker()), buf.initialize_unfilled(), peek))?;
        buf.advance(count);
        Poll::Ready(Ok(from))
    }

    /// Receives a datagram; what does not fit into `buf` is lost.
    ///
    /// # Errors
    /// `ConnectionRefused` if what was sent to the connected peer found no socket there, or a link turned it down.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        cooperative(poll_fn(|cx| self.receive(Some(cx.waker()), buf, false))).await
    }

    /// Receives a datagram from the connected peer.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buf).await?.0)
    }

    /// Like [`UdpSocket::recv_from`], behind what is in `buf` already; what does not fit into its next piece is lost.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        cooperative(poll_fn(|cx| put_what_fits(buf, |place| self.receive(Some(cx.waker()), place, false))))
            .await
    }

    /// Like [`UdpSocket::recv_buf_from`], for a connected socket.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        Ok(self.recv_buf_from(buf).await?.0)
    }

    /// Receives a datagram that is there already.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; as [`UdpSocket::recv_from`].
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        at_once(self.receive(None, buf, false))
    }

    /// Like [`UdpSocket::try_recv_from`], for a connected socket.
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_recv_from(buf)?.0)
    }

    /// Like [`UdpSocket::recv_buf_from`], of what is there already.
    ///
    /// # Errors
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        at_once(put_what_fits(buf, |place| self.receive(None, place, false)))
    }

    /// Like [`UdpSocket::try_recv_buf_from`], for a connected socket.
    ///
    /// # Errors
    /// As there.
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        Ok(self.try_recv_buf_from(buf)?.0)
    }

    /// Like [`UdpSocket::recv_from`].
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.fill(cx, buf, false)
    }

    /// Like [`UdpSocket::recv`].
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.fill(cx, buf, false).map_ok(drop)
    }

    /// Receives a datagram and leaves it to be received again.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        cooperative(poll_fn(|cx| self.receive(Some(cx.waker()), buf, true))).await
    }

    /// Like [`UdpSocket::peek_from`], for a connected socket.
    ///
    /// # Errors
    /// As there.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.peek_from(buf).await?.0)
    }

    /// Who has sent the datagram that is next to be received.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        Ok(self.peek_from(&mut []).await?.1)
    }

    /// Like [`UdpSocket::peek_from`], of what is there already.
    ///
    /// # Errors
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        at_once(self.receive(None, buf, true))
    }

    /// Like [`UdpSocket::try_peek_from`], for a connected socket.
    ///
    /// # Errors
    /// As there.
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.try_peek_from(buf)?.0)
    }

    /// Like [`UdpSocket::peek_sender`], of what is there already.
    ///
    /// # Errors
    /// As [`UdpSocket::try_recv_from`].
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        Ok(self.try_peek_from(&mut [])?.1)
    }

    /// Like [`UdpSocket::peek_from`].
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.fill(cx, buf, true)
    }

    /// Like [`UdpSocket::peek`].
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.fill(cx, buf, true).map_ok(drop)
    }

    /// Like [`UdpSocket::peek_sender`].
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.receive(Some(cx.waker()), &mut [], true).map_ok(|(_, from)| from)
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
