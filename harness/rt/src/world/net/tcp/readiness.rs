//! Whether a connection can be read or written, for those who ask before they do: any number of tasks.

use std::{
    io,
    task::{Context, Poll},
};

use super::{
    super::{
        fabric::Fabric,
        table::Key,
        wake::{Waiters, Woken},
    },
    Connection, Phase,
};

/// Which side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

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
        woken.push(self.reader.take());
        if let Some(watchers) = &mut self.watchers {
            watchers.readers.wake(woken);
        }
    }

    #[inline]
    pub(super) fn wake_writer(&mut self, woken: &mut Woken) {
        self.wants_room = false;
        woken.push(self.writer.take());
        if let Some(watchers) = &mut self.watchers {
            watchers.writers.wake(woken);
        }
    }
}

impl Fabric {
    /// Waits until a call would not have to: for bytes, room, an end or an error.
    pub(in super::super) fn tcp_ready(
        &mut self,
        key: Key,
        side: Side,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.held(key)?;
        let ready = connection.phase != Phase::Open
            || connection.error.is_some()
            || match side {
                Side::Read => connection.inbox.waiting() > 0 || connection.inbox.is_complete(),
                Side::Write => connection.fin_sent || connection.room() > 0,
            };
        if ready {
            return Poll::Ready(Ok(()));
        }
        let watchers = connection.watchers.get_or_insert_default();
        match side {
            Side::Read => {
                watchers.readers.register(cx.waker());
                self.expect_acknowledgements();
            }
            Side::Write => {
                watchers.writers.register(cx.waker());
                self.await_room(key);
            }
        }
        Poll::Pending
    }
}
