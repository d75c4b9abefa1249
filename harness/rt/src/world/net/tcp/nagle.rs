//! Nagle's algorithm (RFC 896), on unless TCP_NODELAY is set: a segment that is not full waits while an earlier one of that
//! kind is unacknowledged (Minshall's variation, which is Linux's). Together with delayed acknowledgements it is what
//! holds up the second of two small writes for 40 ms.

use super::{
    super::{fabric::Fabric, table::Key},
    Connection,
};

/// What waits to become a full segment.
#[derive(Debug, Default)]
pub(super) struct Small {
    /// Bytes not sent yet, fewer than a segment has.
    pub(super) waiting: Vec<u8>,
    /// Where the last segment ended that was not full.
    pub(super) sent_up_to: u64,
}

impl Connection {
    /// Whether what does not fill a segment has to wait.
    #[inline]
    pub(super) fn holds_small(&self) -> bool {
        !self.options.nodelay && self.small.sent_up_to > self.una
    }
}

impl Fabric {
    /// Sends what waits, if it need not wait any longer.
    #[cold]
    pub(super) fn send_small_if_due(&mut self, now: u64, key: Key) {
        let due = |c: &Connection| !c.small.waiting.is_empty() && !c.holds_small();
        if self.connections.get(key).is_some_and(due) {
            self.send_small(now, key);
        }
    }

    /// Sends what waits.
    pub(super) fn send_small(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let data = std::mem::take(&mut connection.small.waiting);
        if !data.is_empty() {
            self.send_new(now, key, data);
        }
    }
}
