//! Keepalive of TCP connections, which tokio leaves to the socket's own options.

use std::{io, time::Duration};

use super::TcpStream;

/// What Linux takes for times, in seconds, and for the number of probes (tcp(7)).
const SECONDS: std::ops::RangeInclusive<u64> = 1..=32_767;
const RETRIES: std::ops::RangeInclusive<u32> = 1..=127;

/// Has the kernel probe a connection whose peer has not been heard of for `time`, each `interval`; if `retries` probes in
/// a row go unanswered, reads and writes give `TimedOut`, and if the peer is back without a memory of the connection,
/// `ConnectionReset`. Without it, the idle end of a half-open connection waits for ever. As Linux's SO_KEEPALIVE with
/// TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT (tcp(7)).
///
/// Times are whole seconds, as Linux has them; they are rounded up.
///
/// # Errors
/// `InvalidInput` for times outside of 1 to 32,767 s and retries outside of 1 to 127; what the socket says.
pub fn set_keepalive(stream: &TcpStream, time: Duration, interval: Duration, retries: u32) -> io::Result<()> {
    let (time, interval) = (whole_seconds(time)?, whole_seconds(interval)?);
    if !RETRIES.contains(&retries) {
        let message = format!("keepalive takes 1 to 127 retries, not {retries}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    apply(stream, time, interval, retries)
}

fn whole_seconds(time: Duration) -> io::Result<Duration> {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    if !SECONDS.contains(&seconds) {
        let message = format!("keepalive takes times of 1 to 32,767 s, not {time:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(madsim)]
fn apply(stream: &TcpStream, time: Duration, interval: Duration, retries: u32) -> io::Result<()> {
    stream.set_keepalive(time, interval, retries)
}

#[cfg(not(madsim))]
fn apply(stream: &TcpStream, time: Duration, interval: Duration, retries: u32) -> io::Result<()> {
    let keepalive =
        socket2::TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(retries);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
