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

#[cfg(madsim)]
pub use self::{
    addr::{ToSocketAddrs, lookup_host},
    listener::TcpListener,
    socket::TcpSocket,
    tcp::TcpStream,
    udp::UdpSocket,
};
