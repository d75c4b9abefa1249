//! The network: tokio's in production; in the simulation one of the same shape, where the name of a node is its host
//! name.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use squall_rt::net::{TcpListener, TcpStream};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let listener = TcpListener::bind("0.0.0.0:7000").await?;
//! # let _ = listener;
//! let mut stream = TcpStream::connect("orders-0:7000").await?;
//! stream.write_all(b"ping").await?;
//! let mut reply = [0; 4];
//! stream.read_exact(&mut reply).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Errors are those of Linux, numbers included, with these for what only a simulation has: every operation of a process that was
//! crashed, and of tasks that belong to no process, gives `NotConnected` and reaches nothing.

#[cfg(madsim)]
use std::{
    io,
    task::{Poll, ready},
};

#[cfg(madsim)]
use bytes::BufMut;

mod keepalive;

pub use self::keepalive::set_keepalive;
#[cfg(not(madsim))]
pub use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, lookup_host};

/// The halves of a [`TcpStream`].
#[cfg(not(madsim))]
pub mod tcp {
    pub use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}

#[cfg(madsim)]
mod addr;
#[cfg(madsim)]
mod listener;
#[cfg(madsim)]
mod socket;
#[cfg(madsim)]
pub mod tcp;
#[cfg(madsim)]
mod udp;

/// The result of something that must not wait.
#[cfg(madsim)]
fn at_once<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Has `read` fill what room `buf` has at once, as far as the longest datagram goes.
#[cfg(madsim)]
fn put_what_fits<T>(
    buf: &mut impl BufMut,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<(usize, T)>>,
) -> Poll<io::Result<(usize, T)>> {
    let mut place = vec![0; buf.chunk_mut().len().min(usize::from(u16::MAX))];
    let read = ready!(read(&mut place))?;
    buf.put_slice(&place[..read.0]);
    Poll::Ready(Ok(read))
}

#[cfg(madsim)]
pub use self::{
    addr::{ToSocketAddrs, lookup_host},
    listener::TcpListener,
    socket::TcpSocket,
    tcp::TcpStream,
    udp::UdpSocket,
};
