//! A sensor: takes readings, keeps them all, and sends each collector what it does not have until it has it. It executes the
//! commands of clients.
//!
//! A collector answers each reading with the number it wants next. One that joined, or was started anew and came back with less
//! than it had, is sent what it lacks. But an answer that was overtaken by a later one is not taken for that: to go back for each
//! would send everything again, be answered for everything, and so on (congestion collapse).

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use squall::{BoxError, Node};
use squall_rt::{
    clock,
    net::{TcpListener, UdpSocket},
    process, rng,
    rpc::{Call, Server},
    time::{Instant, sleep_until},
};
use tokio::sync::mpsc;

use super::{
    Params,
    command::Commands,
    flaw::FlawKind,
    log::{AppendError, Log},
    wire::{Ack, Adjust, Ask, CALLS, DATAGRAMS, Purpose, Reading, Sealed},
};

/// How many readings are under way to a collector at a time.
const WINDOW: u64 = 8;
/// The wait before readings are sent again; it doubles with each time nothing came of it, and is at most [`MAX_BACKOFF`].
const BACKOFF: Duration = Duration::from_millis(60);
const MAX_BACKOFF: Duration = Duration::from_millis(480);
/// After so many times in vain [`FlawKind::GivesUp`] does.
const PATIENCE: u32 = 5;

/// What a sensor knows of a collector.
struct Peer {
    /// Its last start that was heard of.
    start: u32,
    /// What it wants next.
    next: u64,
    /// Up to where readings were sent.
    sent: u64,
    again_at: Instant,
    backoff: Duration,
    in_vain: u32,
}

struct Sensor {
    node: Node,
    params: Params,
    socket: UdpSocket,
    log: Log<Reading>,
    readings: Vec<Reading>,
    peers: BTreeMap<String, Peer>,
}

/// The process of a sensor.
pub async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let (log, found) = Log::open("/readings.log", None)?;
    let commands = Arc::new(Commands::open(&node, &params)?);
    let socket = UdpSocket::bind(("0.0.0.0", DATAGRAMS)).await?;
    let listener = TcpListener::bind(("0.0.0.0", CALLS)).await?;
    let (failed, mut failure) = mpsc::channel::<BoxError>(1);
    let server = Server::new().on(move |Adjust(sealed), _: Call| {
        let answer = commands.execute(&sealed, &failed);
        async move { answer }
    });
    let mut sensor = Sensor { node, params, socket, log, readings: found.entries, peers: BTreeMap::new() };
    tokio::select! {
        ended = sensor.report() => ended,
        served = server.serve(listener) => Ok(served?),
        Some(e) = failure.recv() => Err(e),
        () = process::shutdown_requested() => Ok(()),
    }
}

impl Sensor {
    async fn report(&mut self) -> Result<(), BoxError> {
        let mut measure_at = Instant::now() + rng::duration(Duration::ZERO..self.params.measure_every.0);
        let mut datagram = [0; 256];
        loop {
            let next_at = self.send_due().await.min(measure_at);
            tokio::select! {
                received = self.socket.recv_from(&mut datagram) => match received {
                    Ok((length, _)) => self.answered(&datagram[..length]),
                    // What a link refused is sent again in its time.
                    Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {}
                    Err(e) => return Err(e.into()),
                },
                () = sleep_until(next_at) => {}
            }
            if Instant::now() >= measure_at {
                measure_at += self.params.measure_every.0;
                self.measure()?;
            }
        }
    }

    fn measure(&mut self) -> Result<(), BoxError> {
        let taken = clock::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let reading =
            Reading { sensor: self.node.index(), seq: self.readings.len() as u64, taken, value: rng::u64() };
        let Reading { sensor, seq, value, .. } = reading;
        let written = match self.log.append(&[reading]) {
            Ok(()) => self.log.sync(),
            Err(AppendError::Full) => {
                tracing::info!(target: "sensor", seq, "skipped");
                return Ok(());
            }
            Err(AppendError::Broken(e)) => Err(e),
        };
        if let Err(e) = written {
            tracing::info!(target: "effect", sensor, seq, value = format!("{value:016x}"), "uncertain");
            return Err(e.into());
        }
        self.readings.push(reading);
        tracing::info!(target: "effect", sensor, seq, value = format!("{value:016x}"), "measured");
        Ok(())
    }

    /// Sends what is due, and says when more will be.
    async fn send_due(&mut self) -> Instant {
        let now = Instant::now();
        let stale = self.params.is(FlawKind::FixedMembers) && !self.peers.is_empty();
        if !stale {
            let members = self.node.hosts("collectors");
            self.peers.retain(|host, _| members.contains(host));
            for host in members {
                let fresh = Peer { start: 0, next: 0, sent: 0, again_at: now, backoff: BACKOFF, in_vain: 0 };
                self.peers.entry(host).or_insert(fresh);
            }
        }
        let count = self.readings.len() as u64;
        let mut next_at = now + MAX_BACKOFF;
        for (host, peer) in &mut self.peers {
            if self.params.is(FlawKind::GivesUp) && peer.in_vain >= PATIENCE {
                continue;
            }
            let up_to = count.min(peer.next + WINDOW);
            let mut from = peer.sent.max(peer.next);
            if now >= peer.again_at {
                from = peer.next;
                peer.in_vain += u32::from(peer.sent > peer.next);
                if peer.next >= count {
                    // It has everything, or had: it may have lost some.
                    let ask = Sealed::new(Purpose::Ask, &Ask { sensor: self.node.index() }).to_datagram();
                    // A datagram that is not sent is one that is lost.
                    let _ = self.socket.send_to(&ask, (host.as_str(), DATAGRAMS)).await;
                }
                peer.again_at = now + peer.backoff;
                peer.backoff = (peer.backoff * 2).min(MAX_BACKOFF);
            }
            if self.params.is(FlawKind::SendsOnce) {
                from = peer.sent;
                peer.next = up_to;
            }
            for reading in self.readings.get(from as usize..up_to as usize).unwrap_or_default() {
                let datagram = Sealed::new(Purpose::Reading, reading).to_datagram();
                // As above.
                let _ = self.socket.send_to(&datagram, (host.as_str(), DATAGRAMS)).await;
            }
            if up_to > peer.sent {
                (peer.sent, peer.again_at) = (up_to, peer.again_at.min(now + peer.backoff));
            }
            next_at = next_at.min(peer.again_at);
        }
        next_at
    }

    fn answered(&mut self, datagram: &[u8]) {
        let ack = Sealed::from_datagram(datagram).and_then(|sealed| sealed.open::<Ack>(Purpose::Ack));
        let Some(Ack { sensor, collector, start, next }) = ack else {
            tracing::info!(target: "sensor", "forged");
            return;
        };
        let host = format!("collectors-{collector}");
        let known = (sensor == self.node.index() && !self.params.is(FlawKind::SendsOnce))
            .then(|| self.peers.get_mut(&host))
            .flatten();
        let Some(peer) = known else { return };
        if start < peer.start || (start == peer.start && next < peer.next) {
            return;
        }
        if next < peer.next {
            tracing::info!(target: "sensor", collector, from = peer.next, to = next, "rewound");
            peer.sent = next;
        }
        let done = next >= self.readings.len() as u64;
        if done || next != peer.next || start != peer.start {
            (peer.backoff, peer.in_vain) = (BACKOFF, 0);
            peer.again_at = Instant::now() + if done { MAX_BACKOFF } else { BACKOFF };
        }
        (peer.start, peer.next) = (start, next);
    }
}
