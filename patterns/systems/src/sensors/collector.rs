//! A collector: takes readings, answers reads, and, while it is primary, publishes.
//!
//! When its disk fails it ends, with what it had acknowledged on the disk: what is in its memory may by then be more than
//! what is there, and only its next start can tell.

use std::{
    future::{Future, pending},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use squall::{BoxError, Node};
use squall_rt::{
    net::{TcpListener, UdpSocket},
    process,
    rpc::{Call, Code, Server, Status},
    task,
    time::sleep,
};

use super::{
    Params,
    flaw::FlawKind,
    lease::Lease,
    store::Store,
    wire::{Ack, Ask, CALLS, DATAGRAMS, Page, Purpose, Read, ReadRequest, Reading, Sealed},
};

/// How long the primary takes to gather what it publishes, before it looks at the disk and after.
const GATHERING: Duration = Duration::from_millis(10);

type Shared = Arc<Mutex<Store>>;

fn lock(store: &Shared) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process of a collector.
pub async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let store: Shared = Arc::new(Mutex::new(Store::open(&node, &params)?));
    let socket = UdpSocket::bind(("0.0.0.0", DATAGRAMS)).await?;
    let listener = TcpListener::bind(("0.0.0.0", CALLS)).await?;
    let reads = store.clone();
    let server = Server::new().on(move |Read(sealed), _: Call| {
        let answer = read(&reads, &sealed);
        async move { answer }
    });
    let lease = Lease::new(node.clone(), params.clone());
    let receiving = receive(node, params.clone(), store.clone(), socket);
    tokio::select! {
        ended = watched(receiving, &params) => Ok(ended?),
        served = server.serve(listener) => Ok(served?),
        () = lease.keep() => Ok(()),
        ended = publish(&params, &store, &lease) => Ok(ended?),
        // Whatever was acknowledged is on the disk: there is nothing to flush.
        () = process::shutdown_requested() => Ok(()),
    }
}

/// Runs the loop that receives, with the collector's end in its end.
async fn watched(
    receiving: impl Future<Output = io::Result<()>> + Send + 'static,
    params: &Params,
) -> io::Result<()> {
    if params.is(FlawKind::DeafAfterPanic) {
        // Flawed variant: a task of its own, of which nobody hears again.
        drop(task::spawn(receiving));
        return pending().await;
    }
    receiving.await
}

async fn receive(node: Node, params: Params, store: Shared, socket: UdpSocket) -> io::Result<()> {
    let mut datagram = [0; 256];
    loop {
        let (length, from) = match socket.recv_from(&mut datagram).await {
            // What a link refused was an answer, and the next one says the same.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
            received => received?,
        };
        let Some((sensor, next)) = take(&params, &store, &datagram[..length])? else { continue };
        let ack = Ack { sensor, collector: node.index(), start: node.incarnation(), next };
        // A datagram that is not sent is one that is lost.
        let _ = socket.send_to(&Sealed::new(Purpose::Ack, &ack).to_datagram(), from).await;
    }
}

/// Takes what a datagram brings: whose it is and what is wanted next, or None if it is not believed.
fn take(params: &Params, store: &Shared, datagram: &[u8]) -> io::Result<Option<(u32, u64)>> {
    let sealed = Sealed::from_datagram(datagram);
    let reading = sealed.as_ref().and_then(|sealed| match params.flaw {
        Some(FlawKind::NoChecksum) => sealed.open_unchecked::<Reading>(),
        _ => sealed.open::<Reading>(Purpose::Reading),
    });
    if let Some(reading) = reading {
        let next = lock(store).take(reading)?;
        return Ok(next.map(|next| (reading.sensor, next)));
    }
    match sealed.and_then(|sealed| sealed.open::<Ask>(Purpose::Ask)) {
        Some(Ask { sensor }) => Ok(Some((sensor, lock(store).wanted(sensor)))),
        None => {
            // Flawed variant: nobody sends what is no message.
            assert!(!params.is(FlawKind::DeafAfterPanic), "a datagram is a message");
            tracing::info!(target: "collector", "forged");
            Ok(None)
        }
    }
}

fn read(store: &Shared, sealed: &Sealed) -> Result<Sealed, Status> {
    let Some(ReadRequest { request, sensor, count, seen }) = sealed.open(Purpose::Read) else {
        tracing::info!(target: "collector", "forged");
        return Err(Status::new(Code::Invalid, "the seal is broken"));
    };
    match lock(store).newest(sensor, count, seen) {
        Some(readings) => Ok(Sealed::new(Purpose::Reply(request), &Page { sensor, readings })),
        None => Err(Status::new(Code::Unavailable, "this collector is behind")),
    }
}

/// Publishes again and again, while this collector is primary.
async fn publish(params: &Params, store: &Shared, lease: &Lease) -> io::Result<()> {
    loop {
        sleep(params.publish_every.0).await;
        let Some(before) = lease.epoch() else { continue };
        sleep(GATHERING).await;
        lock(store).audit()?;
        sleep(GATHERING).await;
        // Flawed variant: it was primary when it began, which may be a long time ago.
        let epoch = if params.is(FlawKind::CheckedBeforeWaiting) { Some(before) } else { lease.epoch() };
        // From the look at the lease to here there is no await, so nothing can come between.
        if let Some(epoch) = epoch {
            tracing::info!(target: "effect", epoch, "published");
        }
    }
}
