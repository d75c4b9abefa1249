//! TCP sockets of the simulation before they listen or connect.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    listener::TcpListener,
    tcp::{TcpStream, seconds},
};
use crate::world::{
    Life,
    net::{Errno, Key, Net, Options, here},
};

/// A TCP socket that neither listens nor connects yet, as tokio's: for options that have to be set before, and for
/// connections from a port of one's choice.
pub struct TcpSocket {
    net: Arc<Net>,
    life: Life,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    options: Options,
    bound: Option<(Key, SocketAddr)>,
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn new_v4() -> io::Result<Self> {
        let (net, life) = here()?;
        Ok(TcpSocket { net, life, state: Mutex::default() })
    }

    /// A socket for IPv6, which the simulation has not.
    ///
    /// # Errors
    /// Always: EAFNOSUPPORT, as on a machine without IPv6.
    pub fn new_v6() -> io::Result<Self> {
        Err(Errno::AddressFamily.into())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds the socket to an address of this node; port 0 for any.
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` if the address is none of this node's; `InvalidInput` if the socket is bound.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        let mut state = self.state();
        if state.bound.is_some() {
            return Err(Errno::InvalidArgument.into());
        }
        state.bound = Some(self.net.tcp_bind(self.life, addr, state.options.reuse_address)?);
        Ok(())
    }

    /// Connects, see [`TcpStream::connect`].
    ///
    /// # Errors
    /// As there; `InvalidInput` if the socket is bound to 127.0.0.1 and the address is another node's.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let (options, bound) = self.take();
        let ends = match bound {
            Some((key, _)) => {
                let ends = self.net.tcp_connect_bound(self.life, key, addr, options);
                self.net.tcp_unbind(key);
                ends?
            }
            None => self.net.tcp_connect(self.life, addr, options)?,
        };
        TcpStream::opened(self.net.clone(), ends).await
    }

    /// Listens; `backlog` connections, and one, may wait to be accepted, and 4,097 at most. A socket without a port
    /// gets one.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let (options, bound) = self.take();
        let (key, local) = match bound {
            Some((key, _)) => self.net.tcp_listen_bound(key, backlog, options)?,
            None => {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                self.net.tcp_listen(self.life, any, backlog, options)?
            }
        };
        Ok(TcpListener::new(self.net.clone(), key, local))
    }

    /// What was set, and the port, which is the caller's to let go of.
    fn take(&self) -> (Options, Option<(Key, SocketAddr)>) {
        let mut state = self.state();
        (state.options, state.bound.take())
    }

    /// The address the socket is bound to: 0.0.0.0:0 before.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let unbound = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Ok(self.state().bound.map_or(unbound, |(_, local)| local))
    }

    /// What went wrong: nothing, before there is a connection.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    /// Lets the socket bind a port that has connections still, or remembered ones (socket(7), SO_REUSEADDR).
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.state().options.reuse_address = reuseaddr;
        Ok(())
    }

    /// Whether [`TcpSocket::set_reuseaddr`] is on.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        Ok(self.state().options.reuse_address)
    }

    /// Has idle connections probed, with Linux's times: after two hours, each 75 s, 9 times. See
    /// [`set_keepalive`](super::set_keepalive) for others.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.state().options.keepalive = keepalive;
        Ok(())
    }

    /// Whether [`TcpSocket::set_keepalive`] is on.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn keepalive(&self) -> io::Result<bool> {
        Ok(self.state().options.keepalive)
    }

    /// See [`TcpStream::set_nodelay`].
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.state().options.nodelay = nodelay;
        Ok(())
    }

    /// See [`TcpStream::nodelay`].
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.state().options.nodelay)
    }

    /// See [`TcpStream::set_zero_linger`].
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.state().options.linger = Some(0);
        Ok(())
    }

    /// See [`TcpStream::linger`].
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.state().options.linger.map(seconds))
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        if let (_, Some((key, _))) = self.take() {
            self.net.tcp_unbind(key);
        }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket")
            .field("bound", &self.state().bound.map(|(_, at)| at))
            .finish_non_exhaustive()
    }
}
