//! 100 MB over one TCP stream on squall-rt, on madsim and on turmoil: bytes per second of wall time. Latency is 1 to 10 ms
//! everywhere, writes and reads have up to 64 KiB, and each run, set-up included, has a thread of its own.
//!
//! Only with `--cfg madsim`, which a RUSTFLAGS variable, even an empty one, switches off.
#![cfg_attr(not(madsim), allow(unused))]

use std::time::Duration;

use divan::{Bencher, counter::BytesCount};

const TOTAL: usize = 100_000_000;
const CHUNK: usize = 64 << 10;
const LATENCY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(10)];

fn main() {
    #[cfg(madsim)]
    divan::main();
    #[cfg(not(madsim))]
    panic!("nothing is simulated without --cfg madsim");
}

/// Measures one run, which carries `TOTAL` bytes from client to server.
fn measure(bencher: Bencher<'_, '_>, run: fn()) {
    bencher
        .counter(BytesCount::new(TOTAL))
        .bench_local(|| std::thread::spawn(run).join().expect("the run succeeds"));
}

/// What the client does with its stream.
#[cfg(madsim)]
async fn send(mut stream: impl tokio::io::AsyncWrite + Unpin) {
    use tokio::io::AsyncWriteExt;
    let chunk = vec![7; CHUNK];
    let mut left = TOTAL;
    while left > 0 {
        let count = stream.write(&chunk[..left.min(CHUNK)]).await.expect("the server reads");
        left -= count;
    }
    stream.flush().await.expect("the server reads");
    stream.shutdown().await.expect("the server reads");
}

/// What the server does with its stream.
#[cfg(madsim)]
async fn receive(mut stream: impl tokio::io::AsyncRead + Unpin, expected: usize) {
    use tokio::io::AsyncReadExt;
    let mut buffer = vec![0; CHUNK];
    let mut received = 0;
    while received < expected {
        let count = stream.read(&mut buffer).await.expect("the client writes");
        assert_ne!(count, 0, "the stream ended after {received} bytes");
        received += count;
    }
    assert_eq!(received, expected);
}

#[cfg(madsim)]
#[divan::bench(sample_count = 10)]
fn squall(bencher: Bencher<'_, '_>) {
    use squall_rt::{
        net::{TcpListener, TcpStream},
        world::{
            self, World,
            net::{Latency, LinkPolicy},
        },
    };
    measure(bencher, || {
        let main = async |world: std::sync::Arc<World>| {
            let latency = Latency::Uniform { min: LATENCY[0], max: LATENCY[1] };
            world.net().set_default(LinkPolicy { latency, ..LinkPolicy::default() });
            let (server, client) = (world.add_node("server"), world.add_node("client"));
            let (done, is_done) = tokio::sync::oneshot::channel();
            world.start(server, |_| async move {
                let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
                receive(listener.accept().await.unwrap().0, TOTAL).await;
                done.send(()).expect("the supervisor waits");
            });
            world.start(client, |_| async { send(TcpStream::connect("server:7").await.unwrap()).await });
            is_done.await.expect("the server succeeds");
        };
        world::run(1, main).expect("nothing on the real runtime");
    });
}

#[cfg(madsim)]
#[divan::bench(sample_count = 10)]
fn madsim_net(bencher: Bencher<'_, '_>) {
    use madsim::{
        net::{TcpListener, TcpStream},
        runtime::Runtime,
    };
    measure(bencher, || {
        let mut config = madsim::Config::default();
        config.net.send_latency = LATENCY[0]..LATENCY[1];
        let runtime = Runtime::with_seed_and_config(1, config);
        let server = runtime.create_node().ip("10.0.0.1".parse().unwrap()).build();
        let client = runtime.create_node().ip("10.0.0.2".parse().unwrap()).build();
        let received = server.spawn(async {
            let listener = TcpListener::bind("10.0.0.1:7").await.unwrap();
            receive(listener.accept().await.unwrap().0, TOTAL).await;
        });
        client.spawn(async {
            // The listener has to be there: madsim refuses what comes before.
            madsim::time::sleep(Duration::from_millis(1)).await;
            send(TcpStream::connect("10.0.0.1:7").await.unwrap()).await;
            std::future::pending::<()>().await;
        });
        runtime.block_on(received).unwrap();
    });
}

#[cfg(madsim)]
#[divan::bench(sample_count = 10)]
fn turmoil(bencher: Bencher<'_, '_>) {
    use ::turmoil::net::{TcpListener, TcpStream};
    measure(bencher, || {
        let mut sim = ::turmoil::Builder::new()
            .min_message_latency(LATENCY[0])
            .max_message_latency(LATENCY[1])
            .simulation_duration(Duration::from_secs(3600))
            .rng_seed(1)
            // In segments, which have no bound of their own: nothing slows a sender down.
            .tcp_capacity(1 << 16)
            .build();
        sim.client("server", async {
            let listener = TcpListener::bind("0.0.0.0:7").await?;
            receive(listener.accept().await?.0, TOTAL).await;
            Ok(())
        });
        sim.client("client", async {
            send(TcpStream::connect("server:7").await?).await;
            Ok(())
        });
        sim.run().unwrap();
    });
}
