//! One connection of a client: its calls, what is to be written, and the task that talks to the network.
//!
//! The task ([`start`]) and the callers share a [`Connection`]. Whether a request was sent must be known to the byte, so a
//! request stays in the outbox, where its caller can still take it back, until the network has accepted the first
//! byte of it. The lock is never held while another's waker is woken or the network is polled.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, oneshot},
};

use super::super::{
    CallError,
    frame::{self, FromClient, FromServer, Inbox, TooLong},
};
use crate::{
    accept::tune,
    net::TcpStream,
    task,
    time::{self, Instant},
};

/// How long to wait for a connection, and, after a request went unanswered and was dropped, for any sign of life.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a call ends with: the body of the reply, or why there is none.
pub(super) type Answer = Result<Bytes, CallError>;

/// Why a request was not taken.
pub(super) enum Refused {
    /// The connection is closed or not trusted any more: make another.
    Closed,
    /// The request does not fit a frame.
    TooLong(TooLong),
}

#[derive(Default)]
pub(super) struct Connection {
    state: Mutex<State>,
    /// Tells the task that there is something to write.
    work: Notify,
    /// Tells the task that there is nothing more to do.
    over: Notify,
}

#[derive(Default)]
struct State {
    /// Takes no more calls; ends when the last one in flight has.
    retired: bool,
    /// Numbers calls and outbox entries, in one sequence.
    next: u64,
    calls: BTreeMap<u64, Waiting>,
    outbox: BTreeMap<u64, Outgoing>,
    /// Counts reads that brought bytes.
    received: u64,
    /// When the first request was written that was dropped since, with no byte received since it was written.
    doubt: Option<Instant>,
}

struct Waiting {
    progress: Progress,
    answer: oneshot::Sender<Answer>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// In the outbox, no byte of it written.
    Queued,
    /// Offered to the network, which may or may not be taking it at this moment.
    Offered,
    /// At least partly written.
    Sent { at: Instant, received: u64 },
}

enum Outgoing {
    Request { method: &'static str, body: Bytes, deadline: Instant },
    Cancel { id: u64 },
}

impl State {
    fn is_over(&self) -> bool {
        self.retired && self.calls.is_empty()
    }

    fn push(&mut self, outgoing: Outgoing) -> u64 {
        let id = self.next;
        self.next += 1;
        self.outbox.insert(id, outgoing);
        id
    }

    /// Forgets a call and, if it was not written, its request; otherwise has it cancelled.
    fn remove(&mut self, id: u64) -> Option<Waiting> {
        let call = self.calls.remove(&id)?;
        self.outbox.remove(&id);
        if call.progress != Progress::Queued {
            self.push(Outgoing::Cancel { id });
        }
        Some(call)
    }
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks the state after a change and tells the task.
    fn publish(&self, state: MutexGuard<'_, State>) {
        let over = state.is_over();
        drop(state);
        if over { self.over.notify_one() } else { self.work.notify_one() }
    }

    pub(super) fn enqueue(
        &self,
        method: &'static str,
        body: Bytes,
        deadline: Instant,
    ) -> Result<(u64, oneshot::Receiver<Answer>), Refused> {
        let mut state = self.state();
        if state.doubt.is_some_and(|since| since.elapsed() >= PATIENCE) {
            state.retired = true;
        }
        if state.retired {
            self.publish(state);
            return Err(Refused::Closed);
        }
        frame::fits(&request(state.next, method, deadline), body.len()).map_err(Refused::TooLong)?;
        let id = state.push(Outgoing::Request { method, body, deadline });
        let (answer, receiver) = oneshot::channel();
        state.calls.insert(id, Waiting { progress: Progress::Queued, answer });
        self.publish(state);
        Ok((id, receiver))
    }

    /// Ends a call whose time is over.
    pub(super) fn expire(&self, id: u64, within: Duration) -> CallError {
        let mut state = self.state();
        let call = state.remove(id);
        let sent = match call.as_ref().map(|call| call.progress) {
            Some(Progress::Queued) => false,
            Some(Progress::Sent { received, .. }) => {
                state.retired |= received == state.received;
                true
            }
            Some(Progress::Offered) | None => true,
        };
        self.publish(state);
        if sent {
            CallError::Unknown { reason: format!("no reply within {within:?}") }
        } else {
            CallError::NotSent { reason: format!("nothing could be written within {within:?}") }
        }
    }

    /// Ends a call that no one waits for any more. Does nothing if it has already ended.
    pub(super) fn abandon(&self, id: u64) {
        let mut state = self.state();
        let Some(call) = state.remove(id) else { return };
        if let Progress::Sent { at, received } = call.progress
            && received == state.received
        {
            state.doubt = Some(state.doubt.map_or(at, |since| since.min(at)));
        }
        self.publish(state);
    }

    /// Takes no more calls, and closes when the last one in flight has ended.
    pub(super) fn retire(&self) {
        let mut state = self.state();
        state.retired = true;
        self.publish(state);
    }

    /// A call is answered. Ignored if no one waits for it any more.
    fn answer(&self, id: u64, answer: Answer) {
        let mut state = self.state();
        let Some(call) = state.calls.remove(&id) else { return };
        state.outbox.remove(&id);
        self.publish(state);
        // No receiver: its caller is just giving up.
        let _ = call.answer.send(answer);
    }

    /// Bytes arrived: the connection lives.
    fn received(&self) {
        let mut state = self.state();
        state.received += 1;
        state.doubt = None;
    }

    /// Takes no more calls if none are waiting.
    fn retire_if_idle(&self) -> bool {
        let mut state = self.state();
        state.retired |= state.calls.is_empty();
        state.is_over()
    }

    /// Waits until the connection is not needed any more.
    async fn over(&self) {
        while !self.state().is_over() {
            self.over.notified().await;
        }
    }

    /// The connection is broken: ends all calls.
    fn fail(&self, reason: &str) {
        let mut state = self.state();
        state.retired = true;
        state.outbox.clear();
        let calls = std::mem::take(&mut state.calls);
        drop(state);
        for call in calls.into_values() {
            let reason = reason.to_owned();
            // No receiver: its caller is just giving up, and will find the call gone.
            let _ = call.answer.send(Err(match call.progress {
                Progress::Queued => CallError::NotSent { reason },
                Progress::Offered | Progress::Sent { .. } => CallError::Unknown { reason },
            }));
        }
    }

    /// What to write next: its key in the outbox and its bytes. It stays there until [`Connection::accepted`].
    fn offer(&self) -> Option<(u64, Bytes)> {
        let mut state = self.state();
        let state = &mut *state;
        let (&key, outgoing) = state.outbox.first_key_value()?;
        let frame = match outgoing {
            Outgoing::Cancel { id } => frame::encode(&FromClient::Cancel { id: *id }, &[]),
            Outgoing::Request { method, body, deadline } => {
                if let Some(call) = state.calls.get_mut(&key) {
                    call.progress = Progress::Offered;
                }
                frame::encode(&request(key, method, *deadline), body)
            }
        };
        Some((key, frame.expect("enqueue made sure that it fits")))
    }

    /// The network has taken the first bytes of what was offered.
    fn accepted(&self, key: u64) {
        let mut state = self.state();
        state.outbox.remove(&key);
        let received = state.received;
        if let Some(call) = state.calls.get_mut(&key) {
            call.progress = Progress::Sent { at: Instant::now(), received };
        }
    }

    /// The network has taken nothing of what was offered.
    fn declined(&self, key: u64) {
        let mut state = self.state();
        if let Some(call) = state.calls.get_mut(&key) {
            call.progress = Progress::Queued;
        }
    }

    /// Writes frames until there are no more; pending until there are, or the network takes more.
    fn poll_write(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
        rest: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while !rest.is_empty() {
                let n = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
                rest.advance(n);
            }
            let Some((key, frame)) = self.offer() else { return Poll::Ready(Ok(())) };
            match Pin::new(&mut *to).poll_write(cx, &frame) {
                Poll::Ready(Ok(n)) => {
                    self.accepted(key);
                    *rest = frame.slice(n..);
                }
                Poll::Ready(Err(e)) => {
                    self.declined(key);
                    return Poll::Ready(Err(e));
                }
                Poll::Pending => {
                    self.declined(key);
                    return Poll::Pending;
                }
            }
        }
    }

    async fn write_requests(&self, mut to: impl AsyncWrite + Unpin) -> io::Error {
        let mut rest = Bytes::new();
        loop {
            if let Err(e) = poll_fn(|cx| self.poll_write(&mut to, &mut rest, cx)).await {
                return e;
            }
            self.work.notified().await;
        }
    }

    async fn read_replies(&self, mut from: impl AsyncRead + Unpin) -> io::Error {
        let mut inbox = Inbox::default();
        loop {
            match inbox.fill(&mut from).await {
                Ok(0) => {
                    return io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection");
                }
                Ok(_) => self.received(),
                Err(e) => return e,
            }
            loop {
                match inbox
                    .next()
                    .and_then(|frame| frame.as_ref().map(frame::decode::<FromServer>).transpose())
                {
                    Ok(None) => break,
                    Ok(Some((FromServer { id, outcome }, body))) => {
                        self.answer(id, outcome.map(|()| body).map_err(CallError::Status));
                    }
                    Err(e) => return e,
                }
            }
        }
    }
}

fn request(id: u64, method: &str, deadline: Instant) -> FromClient<'_> {
    let within = deadline.saturating_duration_since(Instant::now());
    FromClient::Request { id, method, within_us: u64::try_from(within.as_micros()).unwrap_or(u64::MAX) }
}

/// Whatever becomes of the task, no call is left without an answer and no later call is put on the connection.
struct EndsCalls(Arc<Connection>);

impl Drop for EndsCalls {
    fn drop(&mut self) {
        self.0.fail("the connection's task was dropped with its runtime");
    }
}

/// Starts the task of a new connection.
pub(super) fn start(connection: Arc<Connection>, address: String) {
    let ends_calls = EndsCalls(connection);
    task::spawn(async move { run(&ends_calls.0, &address).await });
}

/// Connects, then writes requests and reads replies until the connection breaks or is not needed any more.
async fn run(connection: &Connection, address: &str) {
    let stream = loop {
        let attempt = tokio::select! {
            biased;
            () = connection.over() => return,
            attempt = time::timeout(PATIENCE, TcpStream::connect(address)) => attempt,
        };
        match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => break stream,
            Err(e) if e.kind() == io::ErrorKind::TimedOut && !connection.retire_if_idle() => {}
            Err(e) => return connection.fail(&format!("connecting to {address}: {e}")),
        }
    };
    tune(&stream);
    let (reader, writer) = stream.into_split();
    let end = tokio::select! {
        // In this order, so that replies that did arrive are taken before a failure to write ends everything.
        biased;
        () = connection.over() => return,
        e = connection.read_replies(reader) => e,
        e = connection.write_requests(writer) => e,
    };
    connection.fail(&format!("connection to {address}: {end}"));
}
