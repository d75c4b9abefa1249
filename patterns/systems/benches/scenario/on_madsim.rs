//! The scenario by hand on plain madsim and its `NetSim`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use madsim::{
    net::{Endpoint, NetSim, TcpListener, TcpStream},
    plugin,
    runtime::{Handle, Runtime},
    task::{self, NodeId},
    time,
};

use super::{
    CLIENTS, CUT_OFF, DOWN, END, LATENCY, SERVERS,
    ledger::Ledger,
    plan,
    register::{Client, FRAME, PATIENCE, PORT, Platform, Replica, Request, Stamped, serve},
    streams::{self, Link, Sockets},
};

thread_local! {
    /// Of the run on this thread.
    static LEDGER: Arc<Mutex<Ledger>> = Arc::default();
}

fn with_ledger<T>(act: impl FnOnce(MutexGuard<'_, Ledger>) -> T) -> T {
    LEDGER.with(|ledger| act(ledger.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn server_ip(server: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, 1 + server as u8).into()
}

fn client_ip(client: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 1, 1 + client as u8).into()
}

/// Over TCP.
pub struct Streams;

impl Sockets for Streams {
    type Stream = TcpStream;
    type Listener = TcpListener;

    async fn bind() -> io::Result<TcpListener> {
        TcpListener::bind(("0.0.0.0", PORT)).await
    }
    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }
    async fn connect(server: usize) -> io::Result<TcpStream> {
        TcpStream::connect((server_ip(server), PORT)).await
    }
}

impl Platform for Streams {
    type Link = Link<TcpStream>;

    fn link(server: usize) -> Link<TcpStream> {
        Link::new(server)
    }
    async fn ask(link: &mut Link<TcpStream>, request: Request) -> Option<Stamped> {
        streams::ask::<Self>(link, request).await
    }
    async fn answer(replica: Arc<Replica<Self>>) -> io::Result<()> {
        streams::answer(replica).await
    }
    async fn sleep(time: Duration) {
        time::sleep(time).await;
    }
    async fn timeout<T>(within: Duration, work: impl Future<Output = T> + Send) -> Option<T> {
        time::timeout(within, work).await.ok()
    }
    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        task::spawn(task);
    }
    fn stored(server: usize, key: u8, stamp: u64) {
        with_ledger(|mut ledger| ledger.stored(server, key, stamp));
    }
}

/// Over madsim's own messages, as its RPC has it: each reply has a tag of its own.
pub struct Messages;

/// An endpoint that asks one server.
pub struct Asking {
    server: SocketAddr,
    endpoint: Option<Endpoint>,
    asked: u64,
}

/// The tag of requests.
const REQUEST: u64 = 0;

impl Platform for Messages {
    type Link = Asking;

    fn link(server: usize) -> Asking {
        Asking { server: (server_ip(server), PORT).into(), endpoint: None, asked: REQUEST }
    }
    async fn ask(link: &mut Asking, request: Request) -> Option<Stamped> {
        let exchange = async {
            if link.endpoint.is_none() {
                link.endpoint = Some(Endpoint::bind("0.0.0.0:0").await?);
            }
            let endpoint = link.endpoint.as_ref().expect("it was bound");
            link.asked += 1;
            let mut frame = [0; FRAME + 8];
            frame[..FRAME].copy_from_slice(&request.encode());
            frame[FRAME..].copy_from_slice(&link.asked.to_le_bytes());
            endpoint.send_to(link.server, REQUEST, &frame).await?;
            let mut reply = [0; FRAME];
            endpoint.recv_from(link.asked, &mut reply).await?;
            io::Result::Ok(Stamped::decode(&reply))
        };
        Self::timeout(PATIENCE, exchange).await?.ok()
    }
    async fn answer(replica: Arc<Replica<Self>>) -> io::Result<()> {
        let endpoint = Arc::new(Endpoint::bind(("0.0.0.0", PORT)).await?);
        let mut frame = [0; FRAME + 8];
        loop {
            let (_, from) = endpoint.recv_from(REQUEST, &mut frame).await?;
            let (replica, endpoint) = (replica.clone(), endpoint.clone());
            // As madsim's RPC does: a request is a task, and latency passes while it sends.
            task::spawn(async move {
                let (request, tag) = frame.split_at(FRAME);
                let request = Request::decode(request.try_into().expect("a frame"));
                let tag = u64::from_le_bytes(tag.try_into().expect("eight bytes"));
                if let Some(stamped) = replica.answer(request) {
                    let mut reply = [0; FRAME];
                    stamped.encode(&mut reply);
                    // The end of a client is no concern of a server.
                    let _ = endpoint.send_to(from, tag, &reply).await;
                }
            });
        }
    }
    async fn sleep(time: Duration) {
        Streams::sleep(time).await;
    }
    async fn timeout<T>(within: Duration, work: impl Future<Output = T> + Send) -> Option<T> {
        Streams::timeout(within, work).await
    }
    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        task::spawn(task);
    }
    fn stored(server: usize, key: u8, stamp: u64) {
        Streams::stored(server, key, stamp);
    }
}

/// One run: how many operations ended well.
pub fn run<P: Platform>(seed: u64) -> u64 {
    thread::spawn(move || {
        let mut config = madsim::Config::default();
        config.net.send_latency = LATENCY[0]..LATENCY[1];
        Runtime::with_seed_and_config(seed, config).block_on(scenario::<P>(seed))
    })
    .join()
    .expect("the run succeeds")
}

async fn scenario<P: Platform>(seed: u64) -> u64 {
    let handle = Handle::current();
    let servers: Vec<_> = (0..SERVERS)
        .map(|server| {
            let serve = move || async move { serve::<P>(server).await.expect("a server serves") };
            handle.create_node().ip(server_ip(server)).init(serve).build()
        })
        .collect();
    let planned = plan(seed);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|index| {
            let node = handle.create_node().ip(client_ip(index)).build();
            let own: Vec<_> = planned.iter().filter(|planned| planned.client == index).copied().collect();
            node.spawn(async move {
                let client = Client::open::<P>(index);
                for planned in own {
                    sleep_until(planned.at).await;
                    with_ledger(|mut ledger| ledger.invoked(index, planned.op.key()));
                    if let Some(at) = client.perform::<P>(planned.op).await {
                        with_ledger(|mut ledger| ledger.completed(index, planned.op.key(), at.stamp))
                            .unwrap_or_else(|lost| panic!("{lost}"));
                    }
                }
            });
            node
        })
        .collect();
    let nodes = || servers.iter().chain(&clients).map(|node| node.id());

    sleep_until(CUT_OFF.start).await;
    let net = plugin::simulator::<NetSim>();
    let cut_off = servers[1].id();
    let others = |cut_off: NodeId| nodes().filter(move |node| *node != cut_off);
    others(cut_off).for_each(|other| {
        net.clog_link(cut_off, other);
        net.clog_link(other, cut_off);
    });
    sleep_until(CUT_OFF.end).await;
    others(cut_off).for_each(|other| {
        net.unclog_link(cut_off, other);
        net.unclog_link(other, cut_off);
    });
    sleep_until(DOWN.start).await;
    handle.kill(servers[2].id());
    with_ledger(|mut ledger| ledger.crashed(2));
    sleep_until(DOWN.end).await;
    handle.restart(servers[2].id());
    sleep_until(END).await;
    let judged = with_ledger(|ledger| ledger.finish().map(|()| ledger.judged));
    nodes().for_each(|node| handle.kill(node));
    time::sleep(Duration::from_millis(1)).await;
    judged.unwrap_or_else(|lost| panic!("{lost}"))
}

async fn sleep_until(at: Duration) {
    let elapsed = time::TimeHandle::current().elapsed();
    time::sleep(at.saturating_sub(elapsed)).await;
}
