//! A connection's stream and what is known of it: whether the request on it has reached the network, to the byte.

use std::sync::Arc;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

use super::super::timer::Alarm;
use crate::{net::TcpStream, time::Instant};

/// What the connection's task, its stream and the request on it share. The lock is never held while the network is polled
/// or a waker is woken.
pub(super) struct Line {
    state: Mutex<State>,
    closing: Notify,
}

struct State {
    /// Nothing is written any more.
    closed: bool,
    /// Since when no request is on it.
    idle_since: Option<Instant>,
    /// Whether the network is being offered bytes, and may be taking them at this moment.
    offered: bool,
    /// Whether the network has taken bytes of the current request.
    written: bool,
}

impl Line {
    /// A line with a request on it, of which nothing is written yet.
    pub(super) fn new() -> Self {
        let state = State { closed: false, idle_since: None, offered: false, written: false };
        Line { state: Mutex::new(state), closing: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request on it. False if it is closed.
    pub(super) fn occupy(&self) -> bool {
        let mut state = self.state();
        state.idle_since = None;
        state.written = false;
        !state.closed
    }

    /// The request has its response.
    pub(super) fn release(&self) {
        self.state().idle_since = Some(Instant::now());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Ends the connection: no byte is written from now on. Says whether any of the current request may have been.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state();
        state.closed = true;
        let sent = state.written || state.offered;
        drop(state);
        self.closing.notify_one();
        sent
    }

    /// Waits until the line is closed, or has been idle for so long that it should be, and is then.
    pub(super) async fn over(&self, idle_timeout: Duration) {
        let mut alarm = Alarm::default();
        loop {
            let idle_since = {
                let mut state = self.state();
                state.closed |= state.idle_since.is_some_and(|since| since.elapsed() >= idle_timeout);
                if state.closed {
                    return;
                }
                state.idle_since
            };
            let next = idle_since.unwrap_or_else(Instant::now) + idle_timeout;
            tokio::select! {
                biased;
                () = self.closing.notified() => {}
                () = alarm.until(next) => {}
            }
        }
    }
}

/// The stream, which a closed line keeps from writing.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) line: Arc<Line>,
}

impl Wire {
    fn write(
        &mut self,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        {
            let mut state = self.line.state();
            if state.closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            state.offered = true;
        }
        let taken = write(Pin::new(&mut self.stream));
        let mut state = self.line.state();
        state.offered = false;
        state.written |= matches!(taken, Poll::Ready(Ok(1..)));
        drop(state);
        taken
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
