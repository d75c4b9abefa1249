//! What a process sets on a TCP socket (socket(7), tcp(7), ip(7)). Those of a listener go to the connections it accepts.

use std::io;

use super::super::{Errno, fabric::Fabric, table::Key};

/// What Linux takes for the time to live.
const TTL: std::ops::RangeInclusive<u32> = 1..=255;
/// What Linux takes for the traffic class.
const CLASS: std::ops::RangeInclusive<u32> = 0..=255;
/// The bits of the type of service that are not the process's: those of explicit congestion notification.
const ECN: u32 = 3;
/// The least that Linux says of a buffer, and the most (net.core.wmem_max and rmem_max, twice).
const LEAST_SENT: u32 = 4_608;
const LEAST_RECEIVED: u32 = 2_304;
const MOST: u32 = 2 * 212_992;

/// The options of a socket, with Linux's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// TCP_NODELAY.
    pub(crate) nodelay: bool,
    /// SO_KEEPALIVE.
    pub(crate) keepalive: bool,
    /// SO_REUSEADDR.
    pub(crate) reuse_address: bool,
    /// SO_LINGER, in seconds. Of them, only zero makes a difference here: closing resets. Closing never waits, as it would
    /// block the thread for up to that long.
    pub(crate) linger: Option<u32>,
    /// IP_TTL. Any node is one hop away.
    pub(crate) ttl: u32,
    /// SO_REUSEPORT. It is only remembered: a port has one listener.
    pub(crate) reuse_port: bool,
    /// SO_SNDBUF and SO_RCVBUF, as Linux says them: twice of what was asked for. They are only remembered: windows are fixed.
    pub(crate) send_buffer: u32,
    pub(crate) receive_buffer: u32,
    /// IP_TOS and IPV6_TCLASS. No link makes a difference.
    pub(crate) tos: u32,
    pub(crate) tclass: u32,
    /// TCP_QUICKACK. It is only remembered: acknowledgements are delayed, as Linux does too before long.
    pub(crate) quick_ack: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            nodelay: false,
            keepalive: false,
            reuse_address: false,
            linger: None,
            ttl: 64,
            reuse_port: false,
            send_buffer: 16_384,
            receive_buffer: 131_072,
            tos: 0,
            tclass: 0,
            quick_ack: true,
        }
    }
}

impl Options {
    /// Sets the time to live.
    ///
    /// # Errors
    /// EINVAL outside of 1 to 255.
    pub(crate) fn set_ttl(&mut self, ttl: u32) -> io::Result<()> {
        if !TTL.contains(&ttl) {
            return Err(Errno::InvalidArgument.into());
        }
        self.ttl = ttl;
        Ok(())
    }

    /// Sets the traffic class.
    ///
    /// # Errors
    /// EINVAL above 255.
    pub(crate) fn set_tclass(&mut self, class: u32) -> io::Result<()> {
        if !CLASS.contains(&class) {
            return Err(Errno::InvalidArgument.into());
        }
        self.tclass = class;
        Ok(())
    }

    /// Sets the type of service.
    pub(crate) fn set_tos(&mut self, tos: u32) {
        self.tos = tos & CLASS.end() & !ECN;
    }

    /// Sets the size of the buffer for what is sent.
    pub(crate) fn set_send_buffer(&mut self, size: u32) {
        self.send_buffer = size.saturating_mul(2).clamp(LEAST_SENT, MOST);
    }

    /// Sets the size of the buffer for what is received.
    pub(crate) fn set_receive_buffer(&mut self, size: u32) {
        self.receive_buffer = size.saturating_mul(2).clamp(LEAST_RECEIVED, MOST);
    }
}

impl Fabric {
    pub(in super::super) fn tcp_options(&mut self, key: Key) -> io::Result<Options> {
        Ok(self.held(key)?.options)
    }

    /// Changes the options of a connection. What has waited for TCP_NODELAY leaves.
    pub(in super::super) fn tcp_set_options(
        &mut self,
        key: Key,
        change: impl FnOnce(&mut Options) -> io::Result<()>,
    ) -> io::Result<()> {
        let connection = self.held(key)?;
        change(&mut connection.options)?;
        if connection.options.nodelay {
            let now = self.tick();
            self.send_small(now, key);
        }
        Ok(())
    }
}
