//! TCP streams of the simulation, and their halves.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::addr::{ToSocketAddrs, resolve};
use crate::world::net::{Ends, Key, Net, Options, Side, here};

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

    /// Connects. Takes a round trip at least.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there; `TimedOut` after 127 s without an answer; `NetworkUnreachable` if no
    /// node has the address; if no node has the name.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let (net, life) = here()?;
        let ends = net.tcp_connect(life, resolve(&addr)?, Options::default())?;
        TcpStream::opened(net, ends).await
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

    /// Waits until there is something to read: bytes, the end, or an error.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.net.tcp_ready(self.key, Side::Read, cx)).await
    }

    /// Waits until a write would be taken, or fail.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.net.tcp_ready(self.key, Side::Write, cx)).await
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
        poll_fn(|cx| self.net.tcp_peek(self.key, cx, buf)).await
    }

    /// Splits the stream into halves that borrow it.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits the stream into halves that own it together. Dropping the write half ends our stream.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, ends_on_drop: true })
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

/// The result of something that must not wait.
fn at_once<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

pub(super) fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
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

/// The reading half of a stream, see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a stream, see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a stream, see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing half of a stream, see [`TcpStream::into_split`]. Dropping it ends our stream.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    ends_on_drop: bool,
}

/// The halves given to `reunite` are of different streams.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl std::error::Error for ReuniteError {}

impl OwnedReadHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// If they are of different streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.0, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        other.forget();
        Ok(Arc::into_inner(self.0).expect("a stream has two halves"))
    }

    /// Reads and leaves the bytes to be read again.
    ///
    /// # Errors
    /// As reading.
    pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.peek(buf).await
    }

    /// Our end.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The other end.
    ///
    /// # Errors
    /// As [`TcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

impl OwnedWriteHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// If they are of different streams.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        other.reunite(self)
    }

    /// Drops the half and leaves our stream open.
    pub fn forget(mut self) {
        self.ends_on_drop = false;
    }

    /// Our end.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// The other end.
    ///
    /// # Errors
    /// As [`TcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.ends_on_drop {
            // It may have ended already.
            let _ = self.stream.end();
        }
    }
}

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

async_read!(TcpStream, self => self);
async_read!(ReadHalf<'_>, self => self.0);
async_read!(OwnedReadHalf, self => self.0);
async_write!(TcpStream, self => self);
async_write!(WriteHalf<'_>, self => self.0);
async_write!(OwnedWriteHalf, self => self.stream);
