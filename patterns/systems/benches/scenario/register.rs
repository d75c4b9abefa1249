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

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use crate::{KEYS, SERVERS};

/// How long a client waits for one server, and in all for a majority of them.
const PATIENCE: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_millis(600);
/// Before a server that could not copy from another tries again.
const AGAIN: Duration = Duration::from_millis(50);

pub const PORT: u16 = 80;

/// Requests and replies of all runs so far.
pub static MESSAGES: AtomicU64 = AtomicU64::new(0);

/// The simulator: its sockets, timers and tasks.
pub trait Platform: 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    type Listener: Send + Sync;

    fn bind() -> impl Future<Output = io::Result<Self::Listener>> + Send;
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn connect(server: usize) -> impl Future<Output = io::Result<Self::Stream>> + Send;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamped {
    pub stamp: u64,
    pub value: u32,
}

impl Stamped {
    fn encode(self, frame: &mut [u8]) {
        frame[..8].copy_from_slice(&self.stamp.to_le_bytes());
        frame[8..12].copy_from_slice(&self.value.to_le_bytes());
    }
    fn decode(frame: &[u8]) -> Self {
        let stamp = u64::from_le_bytes(frame[..8].try_into().expect("eight bytes"));
        Stamped { stamp, value: u32::from_le_bytes(frame[8..12].try_into().expect("four bytes")) }
    }
}

#[derive(Clone, Copy)]
enum Request {
    Read(u8),
    Write(u8, Stamped),
    /// A read that a server answers from its start on.
    Copy(u8),
}

/// Requests and replies have this many bytes.
const FRAME: usize = 16;

impl Request {
    fn encode(self) -> [u8; FRAME] {
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
    fn decode(frame: [u8; FRAME]) -> Self {
        match frame[0] {
            0 => Request::Read(frame[1]),
            1 => Request::Write(frame[1], Stamped::decode(&frame[2..])),
            _ => Request::Copy(frame[1]),
        }
    }
}

/// What a server holds.
struct Replica<P> {
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
    fn answer(&self, request: Request) -> Option<Stamped> {
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
    let listener = P::bind().await?;
    P::spawn(copy_from_others(replica.clone()));
    loop {
        let stream = P::accept(&listener).await?;
        let replica = replica.clone();
        P::spawn(async move {
            // The end of a connection is its client's business.
            let _ = answer(&replica, stream).await;
        });
    }
}

async fn answer<P: Platform>(replica: &Replica<P>, mut stream: P::Stream) -> io::Result<()> {
    let mut frame = [0; FRAME];
    loop {
        stream.read_exact(&mut frame).await?;
        // A server that does not answer yet ends the connection.
        let Some(stamped) = replica.answer(Request::decode(frame)) else { return Ok(()) };
        let mut reply = [0; FRAME];
        stamped.encode(&mut reply);
        stream.write_all(&reply).await?;
        stream.flush().await?;
    }
}

async fn copy_from_others<P: Platform>(replica: Arc<Replica<P>>) {
    for other in (0..SERVERS).filter(|other| *other != replica.server) {
        let mut connection = None;
        for key in 0..KEYS as u8 {
            let stamped = loop {
                match ask_one::<P>(other, &mut connection, Request::Copy(key)).await {
                    Some(stamped) => break stamped,
                    None => P::sleep(AGAIN).await,
                }
            };
            replica.store(key, stamped);
        }
    }
    replica.ready.store(true, Ordering::Relaxed);
}

/// Asks one server. When it does not answer in time, the connection is given up.
async fn ask_one<P: Platform>(
    server: usize,
    connection: &mut Option<P::Stream>,
    request: Request,
) -> Option<Stamped> {
    let exchange = async {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => P::connect(server).await?,
        };
        MESSAGES.fetch_add(1, Ordering::Relaxed);
        stream.write_all(&request.encode()).await?;
        stream.flush().await?;
        let mut reply = [0; FRAME];
        stream.read_exact(&mut reply).await?;
        MESSAGES.fetch_add(1, Ordering::Relaxed);
        *connection = Some(stream);
        io::Result::Ok(Stamped::decode(&reply))
    };
    P::timeout(PATIENCE, exchange).await?.ok()
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
                let mut connection = None;
                while let Some((request, waits)) = inbox.recv().await {
                    if let Some(reply) = ask_one::<P>(server, &mut connection, request).await {
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
