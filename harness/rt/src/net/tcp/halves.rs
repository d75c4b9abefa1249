//! The halves of a stream.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::TcpStream;

/// Halves that borrow a stream.
pub(super) fn borrowed(stream: &TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

/// Halves that own a stream together.
pub(super) fn owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, ends_on_drop: true })
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
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.ends_on_drop {
            // It may have ended already.
            let _ = self.stream.end();
        }
    }
}

/// What either half has of its stream.
macro_rules! half {
    ($type:ty, $self:ident => $stream:expr) => {
        impl $type {
            /// See [`TcpStream::ready`].
            ///
            /// # Errors
            /// As there.
            pub async fn ready(&$self, interest: Interest) -> io::Result<Ready> {
                $stream.ready(interest).await
            }

            /// Our end.
            ///
            /// # Errors
            /// None; the signature is tokio's.
            pub fn local_addr(&$self) -> io::Result<SocketAddr> {
                $stream.local_addr()
            }

            /// The other end.
            ///
            /// # Errors
            /// As [`TcpStream::peer_addr`].
            pub fn peer_addr(&$self) -> io::Result<SocketAddr> {
                $stream.peer_addr()
            }
        }
    };
}

/// What a reading half has of its stream.
macro_rules! read_half {
    ($type:ty, $self:ident => $stream:expr) => {
        impl $type {
            /// See [`TcpStream::readable`].
            ///
            /// # Errors
            /// As there.
            pub async fn readable(&$self) -> io::Result<()> {
                $stream.readable().await
            }

            /// See [`TcpStream::try_read`].
            ///
            /// # Errors
            /// As there.
            pub fn try_read(&$self, buf: &mut [u8]) -> io::Result<usize> {
                $stream.try_read(buf)
            }

            /// See [`TcpStream::try_read_vectored`].
            ///
            /// # Errors
            /// As there.
            pub fn try_read_vectored(&$self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                $stream.try_read_vectored(bufs)
            }

            /// See [`TcpStream::try_read_buf`].
            ///
            /// # Errors
            /// As there.
            pub fn try_read_buf<B: BufMut>(&$self, buf: &mut B) -> io::Result<usize> {
                $stream.try_read_buf(buf)
            }

            /// Reads and leaves the bytes to be read again.
            ///
            /// # Errors
            /// As reading.
            pub async fn peek(&mut $self, buf: &mut [u8]) -> io::Result<usize> {
                $stream.peek(buf).await
            }

            /// See [`TcpStream::poll_peek`].
            pub fn poll_peek(
                &mut $self,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                $stream.poll_peek(cx, buf)
            }
        }
    };
}

/// What a writing half has of its stream.
macro_rules! write_half {
    ($type:ty, $self:ident => $stream:expr) => {
        impl $type {
            /// See [`TcpStream::writable`].
            ///
            /// # Errors
            /// As there.
            pub async fn writable(&$self) -> io::Result<()> {
                $stream.writable().await
            }

            /// See [`TcpStream::try_write`].
            ///
            /// # Errors
            /// As there.
            pub fn try_write(&$self, buf: &[u8]) -> io::Result<usize> {
                $stream.try_write(buf)
            }

            /// See [`TcpStream::try_write_vectored`].
            ///
            /// # Errors
            /// As there.
            pub fn try_write_vectored(&$self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                $stream.try_write_vectored(bufs)
            }
        }
    };
}

half!(ReadHalf<'_>, self => self.0);
half!(WriteHalf<'_>, self => self.0);
half!(OwnedReadHalf, self => self.0);
half!(OwnedWriteHalf, self => self.stream);
read_half!(ReadHalf<'_>, self => self.0);
read_half!(OwnedReadHalf, self => self.0);
write_half!(WriteHalf<'_>, self => self.0);
write_half!(OwnedWriteHalf, self => self.stream);
async_read!(ReadHalf<'_>, self => self.0);
async_read!(OwnedReadHalf, self => self.0);
async_write!(WriteHalf<'_>, self => self.0);
async_write!(OwnedWriteHalf, self => self.stream);
