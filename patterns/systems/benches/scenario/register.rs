//! What the nodes do: a register on three servers, read and written at a majority of them (Attiya, Bar-Noy and Dolev, "Sharing Memory
//! Robustly in Message-Passing Systems", 1995). Servers keep it in memory; one that starts copies from both others before it answers,
//! so that a majority never forgets.

use std::{
    future::Future,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{KEYS, SERVERS};

/// How long a client waits for one server, and in all for a majority of them.
pub const PATIENCE: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_millis(600);
/// Before a server that could not copy from another tries again.
const AGAIN: Duration = Duration::from_millis(50);

pub const PORT: u16 = 80;

/// Requests and replies of all runs so far.
pub static MESSAGES: AtomicU64 = AtomicU64::new(0);

/// The simulator: its messages, timers and tasks.
pub trait Platform: Sized + 'static {
    /// What a process keeps to ask one server.
    type Link: Send;

    fn link(server: usize) -> Self::Link;
    /// Asks a server. None when it does not answer within [`PATIENCE`].
    fn ask(link: &mut Self::Link, request: Request) -> impl Future<Output = Option<Stamped>> + Send;
    /// Answers, until the process ends, with what the replica has to say.
    fn answer(replica: Arc<Replica<Self>>) -> impl Future<Output = io::Result<()>> + Send;
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
    fn timeout<T>(
        within: Duration,
        work: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Option<T>> + Send;
    fn spawn(task: impl Future<Output = ()> + Send + 'static);
    /// A server reports what it holds now.
    fn stored(server: usize, key: u8, stamp: u64);
}

/// One operation.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Put { key: u8, value: u32 },
    Get { key: u8 },
}

impl Op {
    pub fn key(self) -> u8 {
        let (Op::Put { key, .. } | Op::Get { key }) = self;
        key
    }
}

/// A value with the stamp that orders it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Stamped {
    pub stamp: u64,
    pub value: u32,
}

impl Stamped {
    pub fn encode(self, frame: &mut [u8]) {
        frame[..8].copy_from_slice(&self.stamp.to_le_bytes());
        frame[8..12].copy_from_slice(&self.value.to_le_bytes());
    }
    pub fn decode(frame: &[u8]) -> Self {
        let stamp = u64::from_le_bytes(frame[..8].try_into().expect("eight bytes"));
        Stamped { stamp, value: u32::from_le_bytes(frame[8..12].try_into().expect("four bytes")) }
    }
}

/// What a server is asked.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub enum Request {
    Read(u8),
    Write(u8, Stamped),
    /// A read that a server answers from its start on.
    Copy(u8),
}

/// Requests and replies have this many bytes.
pub const FRAME: usize = 16;

impl Request {
    pub fn encode(self) -> [u8; FRAME] {
        let mut frame = [0; FRAME];
        let (tag, key) = match self {
            Request::Read(key) => (0, key),
            Request::Write(key, stamped) => {
                stamped.encode(&mut frame[2..]);
                (1, key)
            }
            Request::Copy(key) => (2, key),
        };
        frame[..2].copy_from_slice(&[tag, key]);
        frame
    }
    pub fn decode(frame: [u8; FRAME]) -> Self {
        match frame[0] {
            0 => Request::Read(frame[1]),
            1 => Request::Write(frame[1], Stamped::decode(&frame[2..])),
            _ => Request::Copy(frame[1]),
        }
    }
}

/// What a server holds.
pub struct Replica<P> {
    server: usize,
    ready: AtomicBool,
    values: Mutex<[Stamped; KEYS]>,
    platform: std::marker::PhantomData<fn() -> P>,
}

impl<P: Platform> Replica<P> {
    fn values(&self) -> MutexGuard<'_, [Stamped; KEYS]> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, key: u8, stamped: Stamped) {
        let held = &mut self.values()[usize::from(key)];
        if stamped > *held {
            *held = stamped;
            P::stored(self.server, key, stamped.stamp);
        }
    }

    /// The reply, if the server has one to give already.
    pub fn answer(&self, request: Request) -> Option<Stamped> {
        match request {
            Request::Copy(key) => Some(self.values()[usize::from(key)]),
            _ if !self.ready.load(Ordering::Relaxed) => None,
            Request::Read(key) => Some(self.values()[usize::from(key)]),
            Request::Write(key, stamped) => {
                self.store(key, stamped);
                Some(stamped)
            }
        }
    }
}

/// The process of a server.
pub async fn serve<P: Platform>(server: usize) -> io::Result<()> {
    let replica = Arc::new(Replica::<P> {
        server,
        ready: AtomicBool::new(false),
        values: Mutex::default(),
        platform: std::marker::PhantomData,
    });
    P::spawn(copy_from_others(replica.clone()));
    P::answer(replica).await
}

async fn copy_from_others<P: Platform>(replica: Arc<Replica<P>>) {
    for other in (0..SERVERS).filter(|other| *other != replica.server) {
        let mut link = P::link(other);
        for key in 0..KEYS as u8 {
            let stamped = loop {
                match ask_one::<P>(&mut link, Request::Copy(key)).await {
                    Some(stamped) => break stamped,
                    None => P::sleep(AGAIN).await,
                }
            };
            replica.store(key, stamped);
        }
    }
    replica.ready.store(true, Ordering::Relaxed);
}

async fn ask_one<P: Platform>(link: &mut P::Link, request: Request) -> Option<Stamped> {
    MESSAGES.fetch_add(1, Ordering::Relaxed);
    let reply = P::ask(link, request).await?;
    MESSAGES.fetch_add(1, Ordering::Relaxed);
    Some(reply)
}

/// A request to one server, and who waits for the reply.
type Ask = (Request, mpsc::UnboundedSender<Stamped>);

/// A client with its connections.
pub struct Client {
    index: u64,
    servers: Vec<mpsc::UnboundedSender<Ask>>,
}

impl Client {
    /// A client; it connects when it has to.
    pub fn open<P: Platform>(index: usize) -> Self {
        let link = |server| {
            let (requests, mut inbox) = mpsc::unbounded_channel::<Ask>();
            P::spawn(async move {
                let mut link = P::link(server);
                while let Some((request, waits)) = inbox.recv().await {
                    if let Some(reply) = ask_one::<P>(&mut link, request).await {
                        // Nobody waits once a majority has answered.
                        let _ = waits.send(reply);
                    }
                }
            });
            requests
        };
        Client { index: index as u64, servers: (0..SERVERS).map(link).collect() }
    }

    /// Asks all servers, and has the latest of what a majority answers.
    async fn ask<P: Platform>(&self, request: Request) -> Option<Stamped> {
        let (waits, mut replies) = mpsc::unbounded_channel();
        for server in &self.servers {
            server.send((request, waits.clone())).ok()?;
        }
        drop(waits);
        P::timeout(DEADLINE, async {
            let mut latest = Stamped::default();
            for _ in 0..=SERVERS / 2 {
                latest = latest.max(replies.recv().await?);
            }
            Some(latest)
        })
        .await?
    }

    /// Performs an operation: what was written, or read. None if its outcome is unknown.
    pub async fn perform<P: Platform>(&self, op: Op) -> Option<Stamped> {
        let seen = self.ask::<P>(Request::Read(op.key())).await?;
        let stamped = match op {
            Op::Get { .. } => seen,
            Op::Put { value, .. } => Stamped { stamp: (seen.stamp / 8 + 1) * 8 + self.index, value },
        };
        self.ask::<P>(Request::Write(op.key(), stamped)).await?;
        Some(stamped)
    }
}
