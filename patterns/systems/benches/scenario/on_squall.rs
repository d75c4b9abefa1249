//! The scenario on squall: a [`System`], its invariant and a spec, as a team has them.

use std::{io, path::Path, time::Duration};

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
    task, time,
};

use super::{
    KEYS, SERVERS,
    ledger::Ledger,
    register::{self, Client, Op, PORT, Platform},
};

/// The spec, read once as the `squall` program reads it once.
pub struct Runner {
    registry: Registry,
    spec: Spec,
}

impl Runner {
    pub fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/scenario/register.yaml");
        let registry = Registry::new().with::<Register>();
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

struct Squall;

impl Platform for Squall {
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

struct Register;

impl System for Register {
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
        Ok(register::serve::<Squall>(node.index() as usize).await?)
    }
    async fn open_session(client: Node, (): ()) -> Client {
        Client::open::<Squall>(client.index() as usize)
    }
    async fn perform(client: &mut Client, op: Op) -> Outcome {
        match client.perform::<Squall>(op).await {
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
