//! TCP in the kernel, event-driven: nothing ticks. What a process asks of it; [`input`] has what arrives and [`output`]
//! what is sent and the timers, [`closing`] every way in which a connection ends, [`keepalive`] the probes of idle ones.
//!
//! Follows RFC 9293, with Linux's constants where it leaves a choice:
//!
//! - A SYN is retransmitted after 1, 2, 4, .. 32 s and given up 127 s after the first (`tcp_syn_retries` 6).
//! - Retransmission after RFC 6298's time-out, at least 200 ms above the round trip, doubling up to 120 s, given up after
//!   15 retries (`tcp_retries2`), about 15 minutes; fast retransmission after three duplicate acknowledgements and
//!   recovery hole by hole (RFC 6582, without SACK).
//! - Acknowledgements ride on data, or go out with every second segment, or after 40 ms.
//! - A window of 256 KiB, fixed; probes of a closed window.
//! - Segments fit the MTU of the link they leave by, as it is when the connection opens; within a node they carry up to
//!   16 KiB.
//! - Closing a stream with unread data resets it, and so does data for a closed one.
//! - Small segments wait for each other, unless TCP_NODELAY is set: see [`nagle`].
//!
//! Left out: congestion control (a sender fills the window at once) and selective acknowledgements. Segments of one connection do not overtake each other: routers keep flows in order. Only loss
//! and the effects that say so disorder or double them, which the receiver puts right.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::SocketAddr,
    task::{Context, Poll, Waker},
};

use tokio::io::ReadBuf;

pub(crate) use self::options::Options;
use self::{
    inbox::{Inbox, WINDOW},
    keepalive::Keepalive,
    nagle::Small,
    readiness::Watchers,
    rto::Rto,
};
pub(super) use self::{listener::Listener, socket::BoundSocket};
use super::{
    Errno, Life,
    address::{self, Address, Endpoint, Family},
    errno::dead,
    fabric::{Behind, Fabric},
    packet::{IPV6_EXTRA, TCP_HEADERS},
    table::Key,
    wake::Woken,
};

mod closing;
mod inbox;
mod input;
mod keepalive;
mod listener;
mod nagle;
mod options;
mod output;
mod readiness;
mod rto;
mod socket;

/// What a segment carries at most, and at least if there is more (Linux's tcp_min_snd_mss).
const MAX_SEGMENT: usize = 16 << 10;
const MIN_SEGMENT: usize = 48;
/// "No event": later than anything.
pub(super) const NEVER: u64 = u64::MAX;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// SYN sent.
    Opening,
    /// SYN received through that listener, and answered.
    Granting(Key),
    /// Either side may still have ended its stream.
    Open,
    /// Both streams have ended; kept to answer retransmissions.
    TimeWait,
    /// Reset or timed out; kept until the process lets go of it.
    Failed,
}

/// Who will close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The process holds a stream.
    Process,
    /// It waits to be accepted.
    Backlog,
    /// The kernel: the process has closed it.
    Kernel,
}

/// One end of a connection.
pub(super) struct Connection {
    pub(super) local: Endpoint,
    peer: Endpoint,
    /// Which kind of address both ends have.
    address: Address,
    /// That of its socket.
    family: Family,
    /// The other end, once it has answered.
    peer_key: Option<Key>,
    phase: Phase,
    owner: Owner,
    /// Whether it was opened from here, and holds its port on the way it leads.
    is_outgoing: bool,
    /// What went wrong, until someone has been told.
    error: Option<Errno>,
    /// We ended our stream before the peer did.
    closed_first: bool,
    /// What a segment carries at most.
    max_segment: usize,
    /// When the peer last sent something.
    last_heard: u64,
    keepalive: Option<Box<Keepalive>>,
    options: Options,
    /// Who waits for either side to be ready, besides `reader` and `writer`.
    watchers: Option<Box<Watchers>>,

    /// Bytes sent and not acknowledged, from `una` on.
    unacknowledged: VecDeque<u8>,
    small: Small,
    una: u64,
    /// The next position to send, past the end of the stream once that is sent.
    next: u64,
    /// Where the peer's window ends.
    edge: u64,
    fin_sent: bool,
    rto: Rto,
    /// A round trip under measurement: the position whose acknowledgement ends it, and when it began.
    timed: Option<(u64, u64)>,
    duplicate_acks: u8,
    /// Recovery from loss lasts until this position is acknowledged.
    recover: u64,
    /// The last packet sent: the next may not overtake it.
    behind: Behind,
    /// When to retransmit, to probe or to give up.
    retransmit_at: Option<u64>,
    /// When the event for it comes, or `NEVER`. Possibly earlier: it is then moved on, which spares most events.
    retransmit_event: u64,
    /// Someone would write more than the window has room for.
    wants_room: bool,
    /// What whoever waits for readiness is told, see [`readiness`].
    seems_writable: bool,
    writer: Option<Waker>,

    inbox: Inbox,
    /// Segments with data since the last acknowledgement.
    unanswered: u8,
    acknowledge_at: Option<u64>,
    seems_readable: bool,
    reader: Option<Waker>,
}

impl Connection {
    fn new(local: Endpoint, peer: Endpoint, address: Address, phase: Phase, owner: Owner) -> Self {
        Connection {
            local,
            peer,
            address,
            family: Family::V4,
            peer_key: None,
            phase,
            owner,
            is_outgoing: false,
            error: None,
            closed_first: false,
            max_segment: MAX_SEGMENT,
            last_heard: 0,
            keepalive: None,
            options: Options::default(),
            watchers: None,
            unacknowledged: VecDeque::new(),
            small: Small::default(),
            una: 0,
            next: 0,
            edge: 0,
            fin_sent: false,
            rto: Rto::new(),
            timed: None,
            duplicate_acks: 0,
            recover: 0,
            behind: Behind::NOTHING,
            retransmit_at: None,
            retransmit_event: NEVER,
            wants_room: false,
            seems_writable: false,
            writer: None,
            inbox: Inbox::default(),
            unanswered: 0,
            acknowledge_at: None,
            seems_readable: false,
            reader: None,
        }
    }

    /// One of its ends, as its socket has it.
    fn shown(&self, end: Endpoint) -> SocketAddr {
        address::shown(end, self.address, self.family)
    }

    /// Whether all that was sent, the end of the stream included, has arrived.
    fn is_done_sending(&self) -> bool {
        self.fin_sent && self.una == self.next
    }

    /// Whether both streams have ended and either side knows: to the kernel this is TIME_WAIT, whatever the process
    /// still holds.
    fn is_over(&self) -> bool {
        self.is_done_sending() && self.inbox.is_complete()
    }

    fn wake_both(&mut self, woken: &mut Woken) {
        self.wake_reader(woken);
        self.wake_writer(woken);
    }

    /// How many bytes a writer may write. One that found no room has to wait until half of the window is free, as epoll has
    /// it with the buffer of a socket: many small pieces would cost more than one large.
    #[inline]
    fn room(&self) -> usize {
        let free = self.free();
        if self.wants_room && free < WINDOW as usize / 2 { 0 } else { free }
    }

    /// How many bytes the peer's window has room for.
    #[inline]
    fn free(&self) -> usize {
        (self.edge.saturating_sub(self.next) as usize).saturating_sub(self.small.waiting.len())
    }

    pub(super) fn silence(self, woken: &mut Woken) {
        woken.silent.extend(self.reader);
        woken.silent.extend(self.writer);
        if let Some(watchers) = self.watchers {
            watchers.silence(woken);
        }
    }
}

/// A connection as a stream shows it: key, local and peer address.
pub(crate) type Ends = (Key, SocketAddr, SocketAddr);

impl Fabric {
    /// The connection of a stream that a process holds.
    #[inline]
    fn held(&mut self, key: Key) -> io::Result<&mut Connection> {
        self.connections.get_mut(key).filter(|c| c.owner == Owner::Process).ok_or_else(dead)
    }

    /// What a segment from one node to another carries at most.
    fn max_segment(&mut self, from: u32, to: u32, address: Address) -> usize {
        let headers = TCP_HEADERS + if address.is_v6() { IPV6_EXTRA } else { 0 };
        let fits = self.mtu(from, to).map_or(MAX_SEGMENT, |mtu| mtu.saturating_sub(headers));
        fits.clamp(MIN_SEGMENT, MAX_SEGMENT)
    }

    /// Sends a SYN from a free port.
    pub(super) fn tcp_connect(
        &mut self,
        life: Life,
        family: Family,
        to: SocketAddr,
        options: Options,
    ) -> io::Result<Ends> {
        self.tcp_connect_from(life, None, family, to, options)
    }

    /// Where a socket of that family connects to. One for IPv6 takes IPv4's addresses as mapped ones only.
    fn tcp_route(&self, from: u32, family: Family, to: SocketAddr) -> io::Result<(Endpoint, Address)> {
        if family == Family::V6 && to.is_ipv4() {
            return Err(Errno::InvalidArgument.into());
        }
        self.route(from, family, to)
    }

    /// Sends a SYN from that port, or a free one.
    fn tcp_connect_from(
        &mut self,
        life: Life,
        port: Option<u16>,
        family: Family,
        to: SocketAddr,
        options: Options,
    ) -> io::Result<Ends> {
        if !self.is_alive(life) {
            return Err(dead());
        }
        let node = life.node.0;
        let (peer, address) = self.tcp_route(node, family, to)?;
        let now = self.tick();
        self.end_time_waits(now);
        let is_shared = port.is_none();
        let port = match port {
            Some(port) => port,
            None => {
                let port = self.free_port(node, |host, port| !host.may_lead_to(peer, address, port));
                port.ok_or(Errno::AddressNotAvailable)?
            }
        };
        self.host(node).take_way((peer, address, port), is_shared);
        let local = Endpoint { node, port };
        let mut connection = Connection::new(local, peer, address, Phase::Opening, Owner::Process);
        connection.family = family;
        connection.is_outgoing = true;
        connection.options = options;
        connection.max_segment = self.max_segment(node, peer.node, address);
        let shown = (connection.shown(local), connection.shown(peer));
        let key = self.connections.insert(connection);
        self.send_syn(now, key);
        Ok((key, shown.0, shown.1))
    }

    /// Waits for the answer to a SYN. Returns the waker this one replaces.
    pub(super) fn tcp_connected(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.held(key)?;
        match connection.phase {
            Phase::Opening => {
                let replaced = connection.writer.replace(cx.waker().clone());
                self.woken.silent.extend(replaced);
                Poll::Pending
            }
            Phase::Failed => {
                let error = connection.error.take().unwrap_or(Errno::NotConnected);
                Poll::Ready(Err(error.into()))
            }
            Phase::Granting(_) | Phase::Open | Phase::TimeWait => {
                self.keep_alive_as_set(key);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Takes as much of `buffers` as the peer's window has room for. If that is nothing, `waker` is woken when there is.
    #[inline]
    pub(super) fn tcp_write(
        &mut self,
        key: Key,
        waker: Option<&Waker>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let now = self.tick();
        let connection = self.held(key)?;
        if let Some(error) = connection.error.take() {
            return Poll::Ready(Err(error.into()));
        }
        if connection.phase != Phase::Open || connection.fin_sent {
            return Poll::Ready(Err(Errno::BrokenPipe.into()));
        }
        let room = connection.room();
        let wanted = buffers.iter().map(|b| b.len()).sum::<usize>();
        if room == 0 && wanted > 0 {
            connection.seems_writable = false;
            if let Some(waker) = waker {
                let replaced = wait_in(&mut connection.writer, waker);
                self.woken.silent.extend(replaced);
            }
            self.await_room(key);
            return Poll::Pending;
        }
        let written = room.min(wanted);
        if written < wanted && waker.is_some() {
            connection.seems_writable = false;
        }
        if written > 0 {
            self.write_segments(now, key, written, buffers);
        }
        Poll::Ready(Ok(written))
    }

    /// Cuts the first `left` bytes into segments and sends those that need not wait.
    #[inline]
    fn write_segments(&mut self, now: u64, key: Key, mut left: usize, buffers: &[IoSlice<'_>]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let max_segment = connection.max_segment;
        let holds_small = connection.holds_small();
        let mut data = std::mem::take(&mut connection.small.waiting);
        let mut bytes = buffers.iter();
        let mut current: &[u8] = &[];
        while left > 0 {
            if data.capacity() == 0 {
                data = self.buffers.take();
            }
            let length = (data.len() + left).min(max_segment);
            left -= length - data.len();
            while data.len() < length {
                if current.is_empty() {
                    current = bytes.next().expect("`left` counts the bytes of `buffers`");
                }
                let (taken, rest) = current.split_at(current.len().min(length - data.len()));
                data.extend_from_slice(taken);
                current = rest;
            }
            if holds_small && length < max_segment {
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.small.waiting = data;
                }
                return;
            }
            self.send_new(now, key, std::mem::take(&mut data));
        }
    }

    /// Has the window probed while it is closed, since someone wants to write.
    fn await_room(&mut self, key: Key) {
        let now = self.tick();
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.wants_room = true;
        if connection.retransmit_at.is_none() {
            self.arm_retransmission(now, key);
        }
    }

    /// Reads what has arrived, as far as there is room in `buffer`. Nothing at the end of the stream.
    #[inline]
    pub(super) fn tcp_read(
        &mut self,
        key: Key,
        waker: Option<&Waker>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let held = self.connections.get_mut(key).filter(|c| c.owner == Owner::Process);
        let connection = held.ok_or_else(dead)?;
        if connection.inbox.waiting() > 0 {
            connection.inbox.read(buffer, &mut self.buffers);
            if buffer.remaining() > 0 && waker.is_some() {
                connection.seems_readable = false;
            }
            if connection.phase == Phase::Open
                && !connection.inbox.is_complete()
                && connection.inbox.has_news()
            {
                let now = self.tick();
                self.send_acknowledgement(now, key);
            }
            return Poll::Ready(Ok(()));
        }
        self.nothing_to_read(key, waker).map_ok(|_| ())
    }

    /// Like [`Fabric::tcp_read`], but leaves the bytes to be read again.
    pub(super) fn tcp_peek(
        &mut self,
        key: Key,
        waker: Option<&Waker>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let connection = self.held(key)?;
        if connection.inbox.waiting() > 0 {
            return Poll::Ready(Ok(connection.inbox.peek(buffer)));
        }
        self.nothing_to_read(key, waker)
    }

    #[inline]
    fn nothing_to_read(&mut self, key: Key, waker: Option<&Waker>) -> Poll<io::Result<usize>> {
        let connection = self.held(key)?;
        // As Linux has it: to a reader, the end of the stream comes before what went wrong after it.
        if !connection.inbox.is_complete()
            && let Some(error) = connection.error.take()
        {
            return Poll::Ready(Err(error.into()));
        }
        if connection.inbox.is_complete() || connection.phase != Phase::Open {
            return Poll::Ready(Ok(0));
        }
        connection.seems_readable = false;
        if let Some(waker) = waker {
            let replaced = wait_in(&mut connection.reader, waker);
            self.woken.silent.extend(replaced);
        }
        self.expect_acknowledgements();
        Poll::Pending
    }

    /// Ends our stream. Without a connection, there is nothing to end.
    pub(super) fn tcp_end(&mut self, key: Key) -> io::Result<()> {
        let connection = self.held(key)?;
        if connection.phase == Phase::Open && !connection.fin_sent {
            let now = self.tick();
            self.send_fin(now, key);
        }
        Ok(())
    }

    /// The other end, as long as there is a connection.
    pub(super) fn tcp_peer(&mut self, key: Key) -> io::Result<SocketAddr> {
        let connection = self.held(key)?;
        if connection.phase != Phase::Open || connection.is_over() {
            return Err(Errno::NotConnected.into());
        }
        Ok(connection.shown(connection.peer))
    }

    /// What went wrong and nobody has been told yet.
    pub(super) fn tcp_take_error(&mut self, key: Key) -> io::Result<Option<Errno>> {
        Ok(self.held(key)?.error.take())
    }
}

/// Has a task wait in a place for one, and gives the waker that was there.
#[inline]
fn wait_in(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(waiting) if waiting.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
    }
}
