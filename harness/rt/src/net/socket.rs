//! TCP sockets of the simulation before they listen or connect.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    listener::TcpListener,
    tcp::{TcpStream, seconds, whole_seconds},
};
use crate::world::{
    Life,
    net::{Errno, Family, Key, Net, Options, here},
};

/// A TCP socket that neither listens nor connects yet, as tokio's: for options that have to be set before, and for
/// connections from a port of one's choice.
pub struct TcpSocket {
    net: Arc<Net>,
    life: Life,
    family: Family,
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
        TcpSocket::new(Family::V4)
    }

    /// A socket for IPv6, which takes IPv4's addresses as `::ffff:10.0.0.1`.
    ///
    /// # Errors
    /// `NotConnected` in a dead process.
    pub fn new_v6() -> io::Result<Self> {
        TcpSocket::new(Family::V6)
    }

    fn new(family: Family) -> io::Result<Self> {
        let (net, life) = here()?;
        Ok(TcpSocket { net, life, family, state: Mutex::default() })
    }

    /// The address of a socket that has none: all of its family, and no port.
    fn any(&self) -> SocketAddr {
        match self.family {
            Family::V4 => (Ipv4Addr::UNSPECIFIED, 0).into(),
            Family::V6 => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
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
        state.bound = Some(self.net.tcp_bind(self.life, self.family, addr, state.options.reuse_address)?);
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
            None => self.net.tcp_connect(self.life, self.family, addr, options)?,
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
            None => self.net.tcp_listen(self.life, self.any(), backlog, options)?,
        };
        Ok(TcpListener::new(self.net.clone(), key, local))
    }

    /// What was set, and the port, which is the caller's to let go of.
    fn take(&self) -> (Options, Option<(Key, SocketAddr)>) {
        let mut state = self.state();
        (state.options, state.bound.take())
    }

    /// The address the socket is bound to: `0.0.0.0:0` or `[::]:0` before.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.state().bound.map_or_else(|| self.any(), |(_, local)| local))
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

    /// See [`TcpStream::set_linger`].
    ///
    /// # Errors
    /// None; the signature is tokio's.
    #[deprecated = "closing a socket that lingers blocks the thread; see `set_zero_linger`"]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.state().options.linger = linger.map(whole_seconds);
        Ok(())
    }

    /// Lets several sockets have the port, where Linux would. Here it is only remembered: a port has one listener.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.state().options.reuse_port = reuseport;
        Ok(())
    }

    /// Whether [`TcpSocket::set_reuseport`] is on.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn reuseport(&self) -> io::Result<bool> {
        Ok(self.state().options.reuse_port)
    }

    /// Sets the size of the buffer for what is sent. It is only remembered: windows are fixed.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.state().options.set_send_buffer(size);
        Ok(())
    }

    /// Twice the size that was set, as Linux says it.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        Ok(self.state().options.send_buffer)
    }

    /// Sets the size of the buffer for what is received. It is only remembered: windows are fixed.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.state().options.set_receive_buffer(size);
        Ok(())
    }

    /// Twice the size that was set, as Linux says it.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        Ok(self.state().options.receive_buffer)
    }

    /// Sets the type of service of packets, which no link looks at.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.state().options.set_tos(tos);
        Ok(())
    }

    /// The type of service of packets.
    ///
    /// # Errors
    /// None; the signature is tokio's.
    pub fn tos_v4(&self) -> io::Result<u32> {
        Ok(self.state().options.tos)
    }

    /// Sets the traffic class of packets, which no link looks at.
    ///
    /// # Errors
    /// ENOPROTOOPT on a socket for IPv4; `InvalidInput` above 255.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        match self.family {
            Family::V4 => Err(Errno::NoSuchOption.into()),
            Family::V6 => self.state().options.set_tclass(tclass),
        }
    }

    /// The traffic class of packets.
    ///
    /// # Errors
    /// `Unsupported` on a socket for IPv4.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        match self.family {
            Family::V4 => Err(Errno::NotSupported.into()),
            Family::V6 => Ok(self.state().options.tclass),
        }
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
