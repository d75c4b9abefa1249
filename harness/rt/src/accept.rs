//! Taking connections and setting them up, as every server of this crate does it.

use std::{io, net::SocketAddr, time::Duration};

use crate::{
    net::{TcpListener, TcpStream, set_keepalive},
    time,
};

/// How long to wait when the process has run out of sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);
/// How long a connection may be silent before the kernel asks whether the peer is there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How often it asks then, and how many times.
const PROBE_EACH: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// The next connection, set up.
///
/// # Errors
/// What `accept` fails with, except failures of a single connection and a passing lack of file descriptors.
pub(crate) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tune(&stream);
                return Ok((stream, peer));
            }
            Err(e) if is_of_one_connection(&e) => {}
            Err(e) if is_shortage(&e) => time::sleep(OUT_OF_SOCKETS).await,
            Err(e) => return Err(e),
        }
    }
}

/// Sets a connection up: small messages leave at once, and the kernel finds out when the peer's machine is gone, half a
/// minute after it was last heard of.
pub(crate) fn tune(stream: &TcpStream) {
    // A connection that cannot be tuned is about to fail, which whoever uses it will see.
    let _ = stream.set_nodelay(true);
    let _ = set_keepalive(stream, KEEPALIVE, PROBE_EACH, PROBES);
}

/// Whether accept failed because the connection it would have returned did. See accept(2), "Error handling".
fn is_of_one_connection(e: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        e.kind(),
        ConnectionAborted
            | ConnectionReset
            | ConnectionRefused
            | Interrupted
            | HostUnreachable
            | NetworkUnreachable
    )
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: there may be room again when a connection ends.
fn is_shortage(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(23 | 24 | 105 | 12))
}
