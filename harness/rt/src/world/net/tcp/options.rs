//! What a process sets on a TCP socket (socket(7), tcp(7), ip(7)). Those of a listener go to the connections it accepts.

use std::io;

use super::super::{Errno, fabric::Fabric, table::Key};

/// What Linux takes for the time to live.
const TTL: std::ops::RangeInclusive<u32> = 1..=255;

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
}

impl Default for Options {
    fn default() -> Self {
        Options { nodelay: false, keepalive: false, reuse_address: false, linger: None, ttl: 64 }
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
