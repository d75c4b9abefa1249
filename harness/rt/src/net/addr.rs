//! Addresses: what sockets accept, and names of nodes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

use crate::world::{
    World,
    net::{Names, Net},
};

/// What stands for a socket address: a [`SocketAddr`], an address and a port, or a host and a port, where a host is the
/// name of a node, an address, or `localhost`. As tokio's trait of that name, it cannot be implemented elsewhere.
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

mod sealed {
    use std::{io, net::SocketAddr};

    pub trait Resolve {
        /// The first of the addresses.
        fn resolve(&self) -> io::Result<SocketAddr>;

        fn resolve_all(&self) -> io::Result<Vec<SocketAddr>> {
            self.resolve().map(|addr| vec![addr])
        }
    }
}

/// The address that something stands for; the first, if there are several.
#[inline]
pub(super) fn resolve(addr: &(impl ToSocketAddrs + ?Sized)) -> io::Result<SocketAddr> {
    addr.resolve()
}

/// All addresses that something stands for.
pub(super) fn resolve_all(addr: &(impl ToSocketAddrs + ?Sized)) -> io::Result<Vec<SocketAddr>> {
    addr.resolve_all()
}

/// Tries one address after the other: gives what came of the first that does, or of the last.
pub(super) fn first_that_does<T>(
    addr: &(impl ToSocketAddrs + ?Sized),
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut error = None;
    for addr in resolve_all(addr)? {
        match attempt(addr) {
            Ok(done) => return Ok(done),
            Err(e) => error = Some(e),
        }
    }
    Err(error.unwrap_or_else(no_address))
}

/// What is said where there is no address at all.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
}

/// The addresses of a host, known at once: one of a node, unless the harness says otherwise.
///
/// # Errors
/// When there is no node of that name, or no port behind it.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve_all(&host).map(Vec::into_iter)
}

/// What `ip6-localhost` stands for, and `localhost` as the names of nodes do.
fn local(net: &Net, host: &str) -> Option<Vec<IpAddr>> {
    let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    match (host, net.names()) {
        ("ip6-localhost", _) | ("localhost", Names::V6) => Some(vec![v6]),
        ("localhost", Names::V4) => Some(vec![v4]),
        ("localhost", Names::V6ThenV4) => Some(vec![v6, v4]),
        _ => None,
    }
}

fn resolve_host(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let net = World::current().net().clone();
    let ips = local(&net, host).or_else(|| net.addresses_named(host)).ok_or_else(|| {
        let message = format!("failed to lookup address information: no node is named {host:?}");
        io::Error::other(message)
    })?;
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// The first of the addresses of a host.
fn first(addresses: io::Result<Vec<SocketAddr>>) -> io::Result<SocketAddr> {
    addresses?.first().copied().ok_or_else(no_address)
}

impl<T: sealed::Resolve + ?Sized> sealed::Resolve for &T {
    #[inline]
    fn resolve(&self) -> io::Result<SocketAddr> {
        (**self).resolve()
    }

    fn resolve_all(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).resolve_all()
    }
}

impl sealed::Resolve for str {
    fn resolve(&self) -> io::Result<SocketAddr> {
        first(self.resolve_all())
    }

    fn resolve_all(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(addr) = self.parse() {
            return Ok(vec![addr]);
        }
        let invalid =
            |what| io::Error::new(io::ErrorKind::InvalidInput, format!("invalid {what} in {self:?}"));
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("socket address"))?;
        resolve_host(host, port.parse().map_err(|_| invalid("port value"))?)
    }
}

impl sealed::Resolve for [SocketAddr] {
    fn resolve(&self) -> io::Result<SocketAddr> {
        first(self.resolve_all())
    }

    fn resolve_all(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

/// What holds a host, or a host and a port.
macro_rules! resolve_by {
    ($($type:ty: $self:ident => $addresses:expr),+) => {$(
        impl sealed::Resolve for $type {
            fn resolve(&self) -> io::Result<SocketAddr> {
                first(self.resolve_all())
            }

            fn resolve_all(&$self) -> io::Result<Vec<SocketAddr>> {
                $addresses
            }
        }
    )+};
}

resolve_by!(
    String: self => self.as_str().resolve_all(),
    (&str, u16): self => resolve_host(self.0, self.1),
    (String, u16): self => resolve_host(&self.0, self.1)
);

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
