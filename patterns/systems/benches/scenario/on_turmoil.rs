//! The scenario by hand on turmoil.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use real_tokio::{task, time};
use turmoil::{
    Builder, Sim,
    net::{TcpListener, TcpStream},
};

use super::{
    CLIENTS, CUT_OFF, DOWN, END, LATENCY, SERVERS,
    ledger::Ledger,
    plan,
    register::{Client, PORT, Platform, Replica, Request, Stamped, serve},
    streams::{self, Link, Sockets},
};

thread_local! {
    /// Of the run on this thread.
    static LEDGER: Arc<Mutex<Ledger>> = Arc::default();
}

fn with_ledger<T>(act: impl FnOnce(MutexGuard<'_, Ledger>) -> T) -> T {
    LEDGER.with(|ledger| act(ledger.lock().unwrap_or_else(PoisonError::into_inner)))
}

struct Streams;

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
        TcpStream::connect((format!("server-{server}"), PORT)).await
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

/// One run: how many operations ended well.
pub fn run(seed: u64) -> u64 {
    with_ledger(|mut ledger| *ledger = Ledger::default());
    let mut sim = Builder::new()
        .min_message_latency(LATENCY[0])
        .max_message_latency(LATENCY[1])
        .simulation_duration(END * 2)
        .rng_seed(seed)
        .build();
    for server in 0..SERVERS {
        sim.host(format!("server-{server}"), move || async move { Ok(serve::<Streams>(server).await?) });
    }
    let planned = plan(seed);
    for index in 0..CLIENTS {
        let own: Vec<_> = planned.iter().filter(|planned| planned.client == index).copied().collect();
        sim.host(format!("client-{index}"), move || {
            let own = own.clone();
            async move {
                let client = Client::open::<Streams>(index);
                for planned in own {
                    time::sleep(planned.at.saturating_sub(turmoil::elapsed())).await;
                    with_ledger(|mut ledger| ledger.invoked(index, planned.op.key()));
                    if let Some(at) = client.perform::<Streams>(planned.op).await {
                        with_ledger(|mut ledger| ledger.completed(index, planned.op.key(), at.stamp))?;
                    }
                }
                std::future::pending().await
            }
        });
    }
    let others: Vec<_> = ["server-0", "server-2"]
        .map(String::from)
        .into_iter()
        .chain((0..CLIENTS).map(|index| format!("client-{index}")))
        .collect();

    step_until(&mut sim, CUT_OFF.start);
    for other in &others {
        sim.partition("server-1", other.as_str());
    }
    step_until(&mut sim, CUT_OFF.end);
    for other in &others {
        sim.repair("server-1", other.as_str());
    }
    step_until(&mut sim, DOWN.start);
    sim.crash("server-2");
    with_ledger(|mut ledger| ledger.crashed(2));
    step_until(&mut sim, DOWN.end);
    sim.bounce("server-2");
    step_until(&mut sim, END);
    with_ledger(|ledger| ledger.finish().map(|()| ledger.judged)).unwrap_or_else(|lost| panic!("{lost}"))
}

fn step_until(sim: &mut Sim<'_>, at: Duration) {
    while sim.elapsed() < at {
        sim.step().unwrap_or_else(|error| panic!("{error}"));
    }
}
