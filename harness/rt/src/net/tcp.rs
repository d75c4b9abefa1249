//! TCP streams of the simulation, and their halves.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

pub use self::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
use super::{
    addr::{ToSocketAddrs, no_address, resolve_all},
    at_once, put_what_fits,
};
use crate::world::net::{Ends, Key, Net, Options, family, here};

/// `AsyncRead` for what leads to a stream.
macro_rules! async_read {
    ($type:ty, $self:ident => $stream:expr) => {
        impl AsyncRead for $type {
            #[inline]
            fn poll_read(
                $self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                $stream.read(cx, buf)
            }
        }
    };
}

/// `AsyncWrite` for what leads to a stream. Written is sent, so there is nothing to flush.
macro_rules! async_write {
    ($type:ty, $self:ident => $stream:expr) => {
        impl AsyncWrite for $type {
            #[inline]
            fn poll_write(
                $self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                $stream.write(cx, &[IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                $self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                $stream.write(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown($self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready($stream.end())
            }
        }
    };
}

mod halves;

/// A TCP connection, as tokio's. Dropping it ends it as closing a socket does on Linux: gracefully, or with a reset
/// if something was left unread.
pub struct TcpStream {
    net: Arc<Net>,
    key: Key,
    local: SocketAddr,
}

impl TcpStream {
    pub(super) fn new(net: Arc<Net>, (key, local, _): Ends) -> Self {
        TcpStream { net, key, local }
    }

    /// The stream of a connection that opens, once it has.
    pub(super) async fn opened(net: Arc<Net>, ends: Ends) -> io::Result<Self> {
        let stream = TcpStream::new(net, ends);
        poll_fn(|cx| stream.net.tcp_connected(stream.key, cx)).await?;
        Ok(stream)
    }

    /// Connects, to the first address that lets it if there are several. Takes a round trip at least.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there; `TimedOut` after 127 s without an answer; `NetworkUnreachable` if no
    /// node has the address; if no node has the name.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let (net, life) = here()?;
        let mut error = None;
        for addr in resolve_all(&addr)? {
            let opened = match net.tcp_connect(life, family(addr), addr, Options::default()) {
                Ok(ends) => TcpStream::opened(net.clone(), ends).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(stream) => return Ok(stream),
                Err(e) => error = Some(e),
            }
        }
        Err(error.unwrap_or_else(no_address))
    }

    /// Our end.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// The other end.
    ///
    /// # Errors
    /// `NotConnected` once the connection is over: reset, timed out, or ended by both sides.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.net.tcp_peer(self.key)
    }

    /// What went wrong and no call has told yet. It is not told again.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.net.tcp_take_error(self.key)?.map(Into::into))
    }

    /// Whether small segments leave at once; false by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.net.tcp_options(self.key)?.nodelay)
    }

    /// Has small segments leave at once, or wait until the one before is acknowledged, if it was small too (Nagle's
    /// algorithm, RFC 896): which is at most 40 ms and a round trip, as the peer acknowledges late what it does not answer.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.net.tcp_set_options(self.key, |options| {
            options.nodelay = nodelay;
            Ok(())
        })
    }

    /// How long closing may wait for what was sent: not at all, by default. See [`TcpStream::set_zero_linger`].
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.net.tcp_options(self.key)?.linger.map(seconds))
    }

    /// Has closing reset the connection and forget what was not sent (socket(7), SO_LINGER with no time).
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.net.tcp_set_options(self.key, |options| {
            options.linger = Some(0);
            Ok(())
        })
    }

    /// Has closing wait for what was sent, for as long as that: which it does not do here, except that no time at all resets the connection.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    #[deprecated = "closing a socket that lingers blocks the thread; see `set_zero_linger`"]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.net.tcp_set_options(self.key, |options| {
            options.linger = linger.map(whole_seconds);
            Ok(())
        })
    }

    /// Has data be acknowledged at once, or not. It is only remembered.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.net.tcp_set_options(self.key, |options| {
            options.quick_ack = quickack;
            Ok(())
        })
    }

    /// Whether [`TcpStream::set_quickack`] is on.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn quickack(&self) -> io::Result<bool> {
        Ok(self.net.tcp_options(self.key)?.quick_ack)
    }

    /// The time to live of packets; 64 by default.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.net.tcp_options(self.key)?.ttl)
    }

    /// Sets the time to live of packets. Other nodes are one hop away, so that any will do.
    ///
    /// # Errors
    /// `InvalidInput` outside of 1 to 255; `NotConnected` in a dead process.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.net.tcp_set_options(self.key, |options| options.set_ttl(ttl))
    }

    /// Waits until the stream is ready for something of interest, and says what for. It may seem to be and not be, see
    /// [`TcpStream::readable`].
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|cx| self.net.tcp_ready(self.key, interest, cx)).await
    }

    /// Waits until there seems to be something to read: bytes, the end, or an error has come since a read last found nothing, or the harness
    /// has this node be misled now and then. If `WouldBlock` follows, wait again.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until a write would seem to be taken, or fail. As with [`TcpStream::readable`], `WouldBlock` may follow.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Like [`TcpStream::readable`].
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.tcp_ready(self.key, Interest::READABLE, cx).map_ok(drop)
    }

    /// Like [`TcpStream::writable`].
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.tcp_ready(self.key, Interest::WRITABLE, cx).map_ok(drop)
    }

    /// Reads what is there already.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; as reading.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        at_once(self.net.tcp_read(self.key, None, &mut buf))?;
        Ok(buf.filled().len())
    }

    /// Like [`TcpStream::try_read`], into several buffers.
    ///
    /// # Errors
    /// As there.
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut read = 0;
        for buf in bufs.iter_mut().filter(|buf| !buf.is_empty()) {
            match self.try_read(buf) {
                Ok(count) => read += count,
                Err(error) if read == 0 => return Err(error),
                Err(_) => break,
            }
            if read == 0 {
                break;
            }
        }
        Ok(read)
    }

    /// Like [`TcpStream::try_read`], behind what is in `buf` already.
    ///
    /// # Errors
    /// As there.
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        let read = put_what_fits(buf, |place| Poll::Ready(self.try_read(place).map(|count| (count, ()))));
        Ok(at_once(read)?.0)
    }

    /// Writes what there is room for already.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; as writing.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(buf)])
    }

    /// Like [`TcpStream::try_write`], from several buffers.
    ///
    /// # Errors
    /// As there.
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        at_once(self.net.tcp_write(self.key, None, bufs))
    }

    pub(super) fn set_keepalive(&self, time: Duration, interval: Duration, retries: u32) -> io::Result<()> {
        let nanos = |time: Duration| time.as_secs() * 1_000_000_000;
        self.net.tcp_set_keepalive(self.key, nanos(time), nanos(interval), retries)
    }

    /// Reads and leaves the bytes to be read again.
    ///
    /// # Errors
    /// As reading.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.net.tcp_peek(self.key, Some(cx.waker()), buf)).await
    }

    /// Like [`TcpStream::peek`]. Gives how many bytes it put into `buf`.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let peeked = self.net.tcp_peek(self.key, Some(cx.waker()), buf.initialize_unfilled());
        let count = ready!(peeked)?;
        buf.advance(count);
        Poll::Ready(Ok(count))
    }

    /// Splits the stream into halves that borrow it.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        halves::borrowed(self)
    }

    /// Splits the stream into halves that own it together. Dropping the write half ends our stream.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        halves::owned(self)
    }

    fn read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.net.tcp_read(self.key, Some(cx.waker()), buf)
    }

    fn write(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.net.tcp_write(self.key, Some(cx.waker()), bufs)
    }

    fn end(&self) -> io::Result<()> {
        self.net.tcp_end(self.key)
    }
}

pub(super) fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// SO_LINGER is in seconds.
pub(super) fn whole_seconds(time: Duration) -> u32 {
    time.as_secs().try_into().unwrap_or(u32::MAX)
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.net.tcp_close(self.key);
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("TcpStream");
        f.field("local", &self.local).finish_non_exhaustive()
    }
}

async_read!(TcpStream, self => self);
async_write!(TcpStream, self => self);
