//! The scenario on squall: a [`System`], its invariant and a spec, as a team has them.

use std::{io, marker::PhantomData, path::Path, sync::Arc, time::Duration};

use proptest::prelude::*;
use squall::{
    BoxError, EventKind, Fields, Flaw, Group, Invariant, Node, Operations, Outcome, Record, Registry, System,
    check::{Breach, End},
    history::{Kind, Lifecycle, Value},
    run::{ExecuteOptions, execute},
    spec::{self, Spec},
};
use squall_rt::{
    net::{TcpListener, TcpStream},
    rpc::{self, Call, Code, Method, Server, Status},
    task, time,
};

use super::{
    KEYS, SERVERS,
    ledger::Ledger,
    register::{self, Client, Op, PATIENCE, PORT, Platform, Replica, Request, Stamped},
    streams::{self, Link, Sockets},
};

/// The spec, read once as the `squall` program reads it once.
pub struct Runner {
    registry: Registry,
    spec: Spec,
}

impl Runner {
    pub fn new<P: Platform>() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/scenario/register.yaml");
        let registry = Registry::new().with::<Register<P>>();
        let spec = spec::load(&path, &registry).unwrap_or_else(|errors| panic!("{errors}")).spec;
        Runner { registry, spec }
    }

    /// One run: how many operations ended well.
    pub fn by_seed(self) -> impl Fn(u64) -> u64 {
        move |seed| {
            let report = execute(&self.registry, &self.spec, seed, ExecuteOptions::default());
            assert!(report.passed(), "{:?}", report.verdict);
            assert!(report.coverage.faults.values().all(|count| count.struck == 1 && count.touched > 0));
            report.coverage.ops[0]
        }
    }
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
        TcpStream::connect((format!("servers-{server}"), PORT)).await
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
    fn stored(_: usize, key: u8, stamp: u64) {
        tracing::info!(target: "register", key, stamp, "stored");
    }
}

/// Over squall's RPC.
pub struct Calls;

impl Method for Request {
    const NAME: &'static str = "ask";
    type Reply = Stamped;
}

impl Platform for Calls {
    type Link = rpc::Client;

    fn link(server: usize) -> rpc::Client {
        rpc::Client::new(format!("servers-{server}:{PORT}"))
    }
    async fn ask(link: &mut rpc::Client, request: Request) -> Option<Stamped> {
        link.call(&request, PATIENCE).await.ok()
    }
    async fn answer(replica: Arc<Replica<Self>>) -> io::Result<()> {
        let unready = || Status::new(Code::Unavailable, "still copying");
        let server = Server::new().on(move |request: Request, _: Call| {
            let answered = replica.answer(request).ok_or_else(unready);
            async move { answered }
        });
        server.serve(TcpListener::bind(("0.0.0.0", PORT)).await?).await
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

/// The system, whose messages go over `P`.
struct Register<P>(PhantomData<fn() -> P>);

impl<P: Platform> System for Register<P> {
    const NAME: &'static str = "register";
    const ABOUT: &'static str = "a register on a majority of servers";
    type Params = ();
    type Op = Op;
    type Session = Client;

    fn groups((): &()) -> Vec<Group> {
        vec![Group { name: "servers", size: SERVERS as u32 }]
    }
    fn operations((): &()) -> Operations<Op> {
        let key = || 0..KEYS as u8;
        Operations::new()
            .with("put", 1, (key(), any::<u32>()).prop_map(|(key, value)| Op::Put { key, value }))
            .with("get", 1, key().prop_map(|key| Op::Get { key }))
    }
    fn events() -> &'static [EventKind] {
        &[EventKind { name: "register.stored", fields: &["key", "stamp"], about: "a server holds a value" }]
    }
    fn invariants((): &()) -> Vec<Box<dyn Invariant>> {
        vec![Box::new(NothingLost::default())]
    }
    fn flaws() -> &'static [Flaw] {
        &[]
    }
    fn apply_variant((): &mut (), _: &'static str) {}

    async fn run_node(node: Node, (): ()) -> Result<(), BoxError> {
        Ok(register::serve::<P>(node.index() as usize).await?)
    }
    async fn open_session(client: Node, (): ()) -> Client {
        Client::open::<P>(client.index() as usize)
    }
    async fn perform(client: &mut Client, op: Op) -> Outcome {
        match client.perform::<P>(op).await {
            Some(at) => Outcome::ok().with("key", op.key()).with("stamp", at.stamp).with("value", at.value),
            None => Outcome::unknown("no majority answered in time"),
        }
    }
}

/// The [`Ledger`], told what it judges by the history.
#[derive(Default)]
struct NothingLost(Ledger);

fn number(fields: &Fields, name: &str) -> u64 {
    let Some(Value::Int(number)) = fields.get(name) else { panic!("no number {name}: {fields}") };
    *number as u64
}

fn key(fields: &Fields) -> u8 {
    number(fields, "key") as u8
}

fn server(name: &str) -> Option<usize> {
    name.strip_prefix("servers[")?.strip_suffix(']')?.parse().ok()
}

impl Invariant for NothingLost {
    fn name(&self) -> &str {
        "no_acknowledged_write_lost"
    }
    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Invoke(operation, fields) => self.0.invoked(operation.client as usize, key(fields)),
            Kind::Ok(operation, fields) => {
                let completed =
                    self.0.completed(operation.client as usize, key(fields), number(fields, "stamp"));
                return completed.map_err(|message| Breach::new("lost", message));
            }
            Kind::Event { node, fields, .. } => {
                let server = server(node).expect("only servers report");
                self.0.stored(server, key(fields), number(fields, "stamp"));
            }
            Kind::Node { node, change: Lifecycle::Crashed, .. } => {
                if let Some(server) = server(node) {
                    self.0.crashed(server);
                }
            }
            _ => {}
        }
        Ok(())
    }
    fn finish(&mut self, _: &End) -> Result<(), Breach> {
        self.0.finish().map_err(|message| Breach::new("lost", message))
    }
    fn exercised(&self) -> u64 {
        self.0.judged
    }
}
