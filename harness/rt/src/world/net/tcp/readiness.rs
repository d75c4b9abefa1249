//! Whether a connection can be read or written, for those who ask before they do: any number of tasks.
//!
//! As with tokio, a side is taken for ready from its last event on until a call finds that it is not, or, where the call would have waited,
//! has less to do than it could. So whoever has read exactly what there was is told that there is more, and then finds nothing. Beyond that,
//! a node may be told so at any time: see [`Net::set_spurious_readiness`](super::super::Net::set_spurious_readiness).

use std::{
    io,
    task::{Context, Poll},
};

use tokio::io::{Interest, Ready};

use super::{
    super::{
        fabric::Fabric,
        table::Key,
        wake::{Waiters, Woken},
    },
    Connection, Phase,
};

/// The tasks that wait for either side.
#[derive(Default)]
pub(super) struct Watchers {
    readers: Waiters,
    writers: Waiters,
}

impl Watchers {
    pub(super) fn silence(self, woken: &mut Woken) {
        self.readers.silence(woken);
        self.writers.silence(woken);
    }
}

impl Connection {
    #[inline]
    pub(super) fn wake_reader(&mut self, woken: &mut Woken) {
        self.seems_readable = true;
        woken.push(self.reader.take());
        if let Some(watchers) = &mut self.watchers {
            watchers.readers.wake(woken);
        }
    }

    #[inline]
    pub(super) fn wake_writer(&mut self, woken: &mut Woken) {
        self.wants_room = false;
        self.seems_writable = true;
        woken.push(self.writer.take());
        if let Some(watchers) = &mut self.watchers {
            watchers.writers.wake(woken);
        }
    }

    /// All that it is ready for.
    fn readiness(&self) -> Ready {
        let is_over = self.phase != Phase::Open || self.is_over();
        let is_broken = self.error.is_some();
        let has_ended = self.inbox.is_complete();
        let mut ready = Ready::EMPTY;
        if is_over || is_broken || has_ended || self.inbox.waiting() > 0 || self.seems_readable {
            ready |= Ready::READABLE;
        }
        if is_over || has_ended {
            ready |= Ready::READ_CLOSED;
        }
        if is_over || is_broken || self.fin_sent || self.room() > 0 || self.seems_writable {
            ready |= Ready::WRITABLE;
        }
        if is_over {
            ready |= Ready::WRITE_CLOSED;
        }
        if is_broken {
            ready |= Ready::ERROR;
        }
        ready
    }
}

/// What of it somebody asks for.
fn of_interest(ready: Ready, interest: Interest) -> Ready {
    let mut mask = Ready::EMPTY;
    if interest.is_readable() {
        mask |= Ready::READABLE | Ready::READ_CLOSED;
    }
    if interest.is_writable() {
        mask |= Ready::WRITABLE | Ready::WRITE_CLOSED;
    }
    if interest.is_error() {
        mask |= Ready::ERROR;
    }
    ready & mask
}

impl Fabric {
    /// Waits until a call would not have to: for bytes, room, an end or an error. Says what it is ready for.
    pub(in super::super) fn tcp_ready(
        &mut self,
        key: Key,
        interest: Interest,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Ready>> {
        let connection = self.held(key)?;
        let ready = of_interest(connection.readiness(), interest);
        if !ready.is_empty() {
            return Poll::Ready(Ok(ready));
        }
        let node = connection.local.node;
        if self.is_spuriously_ready(node) {
            let seems = of_interest(Ready::READABLE | Ready::WRITABLE, interest);
            return Poll::Ready(Ok(seems));
        }
        let watchers = self.held(key)?.watchers.get_or_insert_default();
        if interest.is_readable() || interest.is_error() {
            watchers.readers.register(cx.waker());
        }
        if interest.is_writable() {
            watchers.writers.register(cx.waker());
            self.await_room(key);
        }
        if interest.is_readable() {
            self.expect_acknowledgements();
        }
        Poll::Pending
    }
}
