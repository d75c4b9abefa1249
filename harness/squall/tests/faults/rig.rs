//! A system on which every kind of fault shows. Stores answer calls, keep files, tick, read their clocks and hold a line open for
//! the source; every node sends every store numbered datagrams; clients call the first store.

use std::{io, time::Duration};

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{BoxError, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, System};
use squall_rt::{
    clock, disk,
    net::{TcpListener, TcpStream, UdpSocket},
    process,
    rpc::{Call, CallError, Client, Method, Server},
    task,
    time::{Instant, sleep},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub struct Rig;

#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Stores write, sync and read a file again and again.
    pub files: bool,
    /// What a store does when it is asked to end.
    pub ending: Ending,
    /// A duration, a count and a choice, for parameters that are drawn.
    pub patience: squall::spec::model::Dur,
    pub window: u8,
    pub style: Style,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It does not listen.
    #[default]
    Deaf,
    /// It takes 200 ms to finish what it has.
    Orderly,
    /// It never does.
    Stubborn,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    #[default]
    Plain,
    Fancy,
}

macro_rules! methods {
    ($($name:ident = $wire:literal ($body:ty)),+) => {$(
        #[derive(Serialize, Deserialize)]
        struct $name($body);
        impl Method for $name {
            const NAME: &'static str = $wire;
            type Reply = ();
        }
    )+};
}
methods!(Put = "put"(u64), Get = "get"(u64), Work = "work"(u64), Bulk = "bulk"(Vec<u8>));

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Put { n: u64 },
    Get { n: u64 },
    Work { n: u64 },
    Bulk { n: u64 },
}

const DEADLINE: Duration = Duration::from_millis(400);
/// How often datagrams are sent.
pub const BEAT: Duration = Duration::from_millis(20);
/// How often a store ticks.
pub const TICK: Duration = Duration::from_millis(10);
/// What a store keeps in its file.
const RECORD: [u8; 64] = [0x5a; 64];

fn event(name: &'static str, fields: &'static [&'static str]) -> EventKind {
    EventKind { name, fields, about: "" }
}

impl System for Rig {
    const NAME: &'static str = "rig";
    const ABOUT: &'static str = "shows every kind of fault";
    type Params = Params;
    type Op = Op;
    type Session = Client;

    fn groups(_: &Params) -> Vec<Group> {
        vec![Group { name: "store", size: 3 }, Group { name: "source", size: 1 }]
    }
    fn operations(_: &Params) -> Operations<Op> {
        Operations::new()
            .with("put", 1, (0..1_000_000_u64).prop_map(|n| Op::Put { n }))
            .with("get", 0, (0..1_000_000_u64).prop_map(|n| Op::Get { n }))
            .with("work", 0, (0..1_000_000_u64).prop_map(|n| Op::Work { n }))
            .with("bulk", 0, (0..1_000_000_u64).prop_map(|n| Op::Bulk { n }))
    }
    fn events() -> &'static [EventKind] {
        static EVENTS: std::sync::LazyLock<Vec<EventKind>> = std::sync::LazyLock::new(|| {
            vec![
                event("disk.found", &["synced", "unsynced"]),
                event("call.executed", &["method", "n"]),
                event("work.begun", &["n"]),
                event("work.done", &["n"]),
                event("udp.sent", &["n"]),
                event("udp.got", &["from", "n"]),
                event("udp.bad", &["text"]),
                event("line.ended", &["how"]),
                event("line.wrote", &[]),
                event("store.tick", &["wall_us", "mono_us"]),
                event("disk.wrote", &["error", "took_us"]),
                event("disk.flushed", &["error", "took_us"]),
                event("disk.read", &["error", "took_us", "bytes", "intact"]),
                event("member.seen", &["stores"]),
                event("end.asked", &[]),
                event("role.acquired", &["role"]),
            ]
        });
        EVENTS.as_slice()
    }
    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        Vec::new()
    }
    fn flaws() -> &'static [Flaw] {
        &[]
    }
    fn methods() -> &'static [&'static str] {
        &[Put::NAME, Get::NAME, Work::NAME, Bulk::NAME]
    }
    fn apply_variant(_: &mut Params, _: &'static str) {}

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        task::spawn(send_datagrams(node.clone()));
        if node.group() == "source" {
            task::spawn(hold_line());
            watch_members(node.clone()).await;
        }
        if node.index() == 0 {
            tracing::info!(target: "role", role = "first", "acquired");
        }
        let (synced, unsynced) = (read_count("/synced"), read_count("/unsynced"));
        tracing::info!(target: "disk", synced, unsynced, "found");
        task::spawn(receive_datagrams());
        task::spawn(answer_lines());
        task::spawn(tick(params.files));
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        tokio::select! {
            biased;
            () = end(params.ending) => Ok(()),
            served = server().serve(listener) => Ok(served?),
        }
    }
    async fn open_session(_: Node, _: Params) -> Client {
        Client::new("store-0:80")
    }
    async fn perform(client: &mut Client, op: Op) -> Outcome {
        let start = Instant::now();
        let result = match op {
            Op::Put { n } => client.call(&Put(n), DEADLINE).await,
            Op::Get { n } => client.call(&Get(n), DEADLINE).await,
            Op::Work { n } => client.call(&Work(n), DEADLINE).await,
            Op::Bulk { .. } => client.call(&Bulk(vec![7; 10_000]), DEADLINE).await,
        };
        match result {
            Ok(()) => Outcome::ok().with("took_us", start.elapsed().as_micros() as u64),
            Err(CallError::Unknown { reason }) => Outcome::unknown(reason),
            Err(error) => Outcome::failed(error),
        }
    }
}

fn server() -> Server {
    let executed = |method, n| tracing::info!(target: "call", method, n, "executed");
    Server::new()
        .on(move |Put(n), _: Call| async move {
            // What the disk answers is told by `disk.*` events; here only what it keeps matters.
            let _ = write_count("/synced", read_count("/synced") + 1, true);
            let _ = write_count("/unsynced", read_count("/unsynced") + 1, false);
            executed("put", n);
            Ok(())
        })
        .on(move |Get(n), _: Call| async move {
            executed("get", n);
            Ok(())
        })
        .on(|Work(n), _: Call| async move {
            tracing::info!(target: "work", n, "begun");
            sleep(Duration::from_millis(300)).await;
            tracing::info!(target: "work", n, "done");
            Ok(())
        })
        .on(move |Bulk(bytes), _: Call| async move {
            executed("bulk", bytes.len() as u64);
            Ok(())
        })
}

fn write_count(path: &str, count: u64, sync: bool) -> io::Result<()> {
    let file = disk::OpenOptions::new().read(true).write(true).create(true).open(path)?;
    file.write_all_at(&count.to_le_bytes(), 0)?;
    if sync {
        file.sync_all()?;
        disk::sync_dir("/")?;
    }
    Ok(())
}

fn read_count(path: &str) -> u64 {
    disk::read(path).ok().and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?))).unwrap_or(0)
}

async fn end(ending: Ending) {
    if ending == Ending::Deaf {
        return std::future::pending().await;
    }
    process::shutdown_requested().await;
    tracing::info!(target: "end", "asked");
    match ending {
        Ending::Orderly => sleep(Duration::from_millis(200)).await,
        _ => std::future::pending().await,
    }
}

/// Each datagram says thrice who sent it and its number, so that damage shows.
async fn send_datagrams(node: Node) {
    let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a port is free");
    let name = node.host();
    for round in 0u64.. {
        let n = u64::from(node.incarnation()) * 1_000_000 + round;
        tracing::info!(target: "udp", n, "sent");
        let part = format!("{name}:{n}");
        for to in node.hosts("store").into_iter().filter(|to| *to != name) {
            // A host that is down or cut off is not this sender's business.
            let _ = socket.send_to(format!("{part}|{part}|{part}").as_bytes(), format!("{to}:9")).await;
        }
        sleep(BEAT).await;
    }
}

async fn receive_datagrams() {
    let socket = UdpSocket::bind("0.0.0.0:9").await.expect("the port is free");
    let mut buffer = [0; 2000];
    loop {
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let parts: Vec<_> = text.split('|').collect();
        match (parts.as_slice(), parts[0].split_once(':')) {
            ([a, b, c], Some((from, n))) if a == b && b == c => {
                let n: u64 = n.parse().expect("what is thrice the same is intact");
                tracing::info!(target: "udp", from, n, "got");
            }
            _ => tracing::info!(target: "udp", text, "bad"),
        }
    }
}

/// The store's end of the line: it reads, and that is all.
async fn answer_lines() {
    let listener = TcpListener::bind("0.0.0.0:7").await.expect("the port is free");
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        task::spawn(async move { while stream.read_u8().await.is_ok() {} });
    }
}

/// The source's end: idle but for one byte in 500 ms. When it breaks it is made anew.
async fn hold_line() {
    loop {
        let Ok(stream) = TcpStream::connect("store-0:7").await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (mut reader, mut writer) = stream.into_split();
        let ended = async {
            match reader.read_u8().await {
                Ok(_) => "answered".to_owned(),
                Err(error) => format!("{:?}", error.kind()),
            }
        };
        let writes = async {
            loop {
                sleep(Duration::from_millis(500)).await;
                tracing::info!(target: "line", "wrote");
                if writer.write_u8(1).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            biased;
            how = ended => tracing::info!(target: "line", how, "ended"),
            () = writes => {}
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn watch_members(node: Node) {
    let mut last = Vec::new();
    loop {
        let stores = node.hosts("store");
        if stores != last {
            tracing::info!(target: "member", stores = stores.join(","), "seen");
            last = stores;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn tick(files: bool) {
    let start = Instant::now();
    let wall_us = || clock::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64);
    for n in 0u64.. {
        let mono_us = start.elapsed().as_micros() as u64;
        tracing::info!(target: "store", wall_us = wall_us(), mono_us, "tick");
        if files && n % 5 == 0 {
            use_files(n / 5);
        }
        sleep(TICK).await;
    }
}

/// Writes a record, syncs it and reads it back.
fn use_files(n: u64) {
    let error = |result: &io::Result<()>| result.as_ref().err().map_or(String::new(), ToString::to_string);
    let file = match disk::OpenOptions::new().read(true).write(true).create(true).open("/record") {
        Ok(file) => file,
        Err(error) => {
            tracing::info!(target: "disk", error = error.to_string(), took_us = 0, "wrote");
            return;
        }
    };
    let start = Instant::now();
    // Further on each time, so that a full disk shows.
    let written = file.write_all_at(&RECORD, n * 4096);
    let took_us = start.elapsed().as_micros() as u64;
    tracing::info!(target: "disk", error = error(&written), took_us, "wrote");
    let start = Instant::now();
    let synced = file.sync_all();
    let took_us = start.elapsed().as_micros() as u64;
    tracing::info!(target: "disk", error = error(&synced), took_us, "flushed");
    let start = Instant::now();
    let mut buffer = [0; RECORD.len()];
    let (read, bytes) = match file.read_at(&mut buffer, n * 4096) {
        Ok(bytes) => (Ok(()), bytes),
        Err(error) => (Err(error), 0),
    };
    let took_us = start.elapsed().as_micros() as u64;
    let intact = buffer[..bytes] == RECORD[..bytes];
    tracing::info!(target: "disk", error = error(&read), took_us, bytes = bytes as u64, intact, "read");
}
