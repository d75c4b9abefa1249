//! Addresses: what sockets accept, and names of nodes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

use crate::world::World;

/// What stands for a socket address: a [`SocketAddr`], an address and a port, or a host and a port, where a host is the
/// name of a node, an address, or `localhost`. As tokio's trait of that name, it cannot be implemented elsewhere.
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

mod sealed {
    use std::{io, net::SocketAddr};

    pub trait Resolve {
        fn resolve(&self) -> io::Result<SocketAddr>;
    }
}

/// The address that something stands for.
#[inline]
pub(super) fn resolve(addr: &(impl ToSocketAddrs + ?Sized)) -> io::Result<SocketAddr> {
    addr.resolve()
}

/// The addresses of a host: in the simulation always one, known at once.
///
/// # Errors
/// When there is no node of that name, or no port behind it.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(&host).map(std::iter::once)
}

fn resolve_host(host: &str, port: u16) -> io::Result<SocketAddr> {
    let ip = if let Ok(ip) = host.parse() {
        ip
    } else if host == "localhost" {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        let net = World::current().net().clone();
        let node = net.node_named(host).ok_or_else(|| {
            let message = format!("failed to lookup address information: no node is named {host:?}");
            io::Error::other(message)
        })?;
        net.address(node)
    };
    Ok(SocketAddr::new(ip, port))
}

impl<T: sealed::Resolve + ?Sized> sealed::Resolve for &T {
    fn resolve(&self) -> io::Result<SocketAddr> {
        (**self).resolve()
    }
}

impl sealed::Resolve for str {
    fn resolve(&self) -> io::Result<SocketAddr> {
        if let Ok(addr) = self.parse() {
            return Ok(addr);
        }
        let invalid =
            |what| io::Error::new(io::ErrorKind::InvalidInput, format!("invalid {what} in {self:?}"));
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("socket address"))?;
        resolve_host(host, port.parse().map_err(|_| invalid("port value"))?)
    }
}

impl sealed::Resolve for String {
    fn resolve(&self) -> io::Result<SocketAddr> {
        self.as_str().resolve()
    }
}

impl sealed::Resolve for (&str, u16) {
    fn resolve(&self) -> io::Result<SocketAddr> {
        resolve_host(self.0, self.1)
    }
}

impl sealed::Resolve for (String, u16) {
    fn resolve(&self) -> io::Result<SocketAddr> {
        resolve_host(&self.0, self.1)
    }
}

/// What converts into an address without looking anything up.
macro_rules! resolve_from {
    ($($type:ty),+) => {$(
        impl sealed::Resolve for $type {
            #[inline]
            fn resolve(&self) -> io::Result<SocketAddr> {
                Ok((*self).into())
            }
        }
    )+};
}

resolve_from!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));
