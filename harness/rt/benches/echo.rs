//! The same echo between two nodes on squall-rt, on madsim and on turmoil: messages per second of wall time. Latency is
//! 1 to 10 ms everywhere, messages have 64 bytes, and each run, set-up included, has a thread of its own.
//!
//! Only with `--cfg madsim`, which a RUSTFLAGS variable, even an empty one, switches off.
#![cfg_attr(not(madsim), allow(unused))]

use std::time::Duration;

use divan::{Bencher, counter::ItemsCount};

const ROUND_TRIPS: u32 = 20_000;
const SIZE: usize = 64;
const LATENCY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(10)];

fn main() {
    #[cfg(madsim)]
    divan::main();
    #[cfg(not(madsim))]
    panic!("nothing is simulated without --cfg madsim");
}

/// Measures one run, which exchanges `ROUND_TRIPS` messages in each direction.
fn measure(bencher: Bencher<'_, '_>, run: fn()) {
    bencher
        .counter(ItemsCount::new(2 * ROUND_TRIPS))
        .bench_local(|| std::thread::spawn(run).join().expect("the run succeeds"));
}

#[cfg(madsim)]
mod squall {
    use squall_rt::{
        net::{TcpListener, TcpStream, UdpSocket},
        world::{
            self, World,
            net::{Latency, LinkPolicy},
        },
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
    };

    use super::*;

    fn run<S, C>(server: fn() -> S, client: fn() -> C)
    where
        S: Future<Output = ()> + Send + 'static,
        C: Future<Output = ()> + Send + 'static,
    {
        let main = |world: std::sync::Arc<World>| async move {
            let latency = Latency::Uniform { min: LATENCY[0], max: LATENCY[1] };
            world.net().set_default(LinkPolicy { latency, ..LinkPolicy::default() });
            let server_node = world.add_node("server");
            let client_node = world.add_node("client");
            world.start(server_node, |_| server());
            let (done, is_done) = oneshot::channel();
            world.start(client_node, |_| async move {
                client().await;
                done.send(()).expect("the supervisor waits");
            });
            is_done.await.expect("the client succeeds");
        };
        world::run(1, main).expect("nothing on the real runtime");
    }

    #[divan::bench]
    fn datagrams(bencher: Bencher<'_, '_>) {
        measure(bencher, || {
            run(
                || async {
                    let socket = UdpSocket::bind("0.0.0.0:7").await.unwrap();
                    let mut buffer = [0; SIZE];
                    loop {
                        let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
                        socket.send_to(&buffer[..count], from).await.unwrap();
                    }
                },
                || async {
                    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
                    let server = squall_rt::net::lookup_host("server:7").await.unwrap().next().unwrap();
                    let mut buffer = [0; SIZE];
                    for _ in 0..ROUND_TRIPS {
                        socket.send_to(&buffer, server).await.unwrap();
                        socket.recv_from(&mut buffer).await.unwrap();
                    }
                },
            );
        });
    }

    #[divan::bench]
    fn tcp(bencher: Bencher<'_, '_>) {
        measure(bencher, || {
            run(
                || async {
                    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut buffer = [0; SIZE];
                    while stream.read_exact(&mut buffer).await.is_ok() {
                        stream.write_all(&buffer).await.unwrap();
                    }
                },
                || async {
                    let mut stream = TcpStream::connect("server:7").await.unwrap();
                    let mut buffer = [0; SIZE];
                    for _ in 0..ROUND_TRIPS {
                        stream.write_all(&buffer).await.unwrap();
                        stream.read_exact(&mut buffer).await.unwrap();
                    }
                },
            );
        });
    }
}

#[cfg(madsim)]
mod madsim_net {
    use std::net::SocketAddr;

    use madsim::{
        net::{Endpoint, TcpListener, TcpStream},
        runtime::Runtime,
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SERVER: &str = "10.0.0.1:7";
    const CLIENT: &str = "10.0.0.2:0";

    fn run<S, C>(server: fn() -> S, client: fn() -> C)
    where
        S: Future<Output = ()> + Send + 'static,
        C: Future<Output = ()> + Send + 'static,
    {
        let mut config = madsim::Config::default();
        config.net.send_latency = LATENCY[0]..LATENCY[1];
        let runtime = Runtime::with_seed_and_config(1, config);
        let ip = |addr: &str| addr.parse::<SocketAddr>().unwrap().ip();
        let server_node = runtime.create_node().ip(ip(SERVER)).build();
        let client_node = runtime.create_node().ip(ip(CLIENT)).build();
        server_node.spawn(server());
        let client = client_node.spawn(async move {
            // The server's socket has to be there: madsim drops, or refuses, what comes before.
            madsim::time::sleep(Duration::from_millis(1)).await;
            client().await;
        });
        runtime.block_on(client).unwrap();
    }

    #[divan::bench]
    fn endpoint(bencher: Bencher<'_, '_>) {
        measure(bencher, || {
            run(
                || async {
                    let endpoint = Endpoint::bind(SERVER).await.unwrap();
                    let mut buffer = [0; SIZE];
                    loop {
                        let (count, from) = endpoint.recv_from(1, &mut buffer).await.unwrap();
                        endpoint.send_to(from, 1, &buffer[..count]).await.unwrap();
                    }
                },
                || async {
                    let endpoint = Endpoint::bind(CLIENT).await.unwrap();
                    let server = SERVER.parse::<SocketAddr>().unwrap();
                    let mut buffer = [0; SIZE];
                    for _ in 0..ROUND_TRIPS {
                        endpoint.send_to(server, 1, &buffer).await.unwrap();
                        endpoint.recv_from(1, &mut buffer).await.unwrap();
                    }
                },
            );
        });
    }

    #[divan::bench]
    fn tcp(bencher: Bencher<'_, '_>) {
        measure(bencher, || {
            run(
                || async {
                    let listener = TcpListener::bind(SERVER).await.unwrap();
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut buffer = [0; SIZE];
                    while stream.read_exact(&mut buffer).await.is_ok() {
                        stream.write_all(&buffer).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                },
                || async {
                    let mut stream = TcpStream::connect(SERVER).await.unwrap();
                    let mut buffer = [0; SIZE];
                    for _ in 0..ROUND_TRIPS {
                        stream.write_all(&buffer).await.unwrap();
                        stream.flush().await.unwrap();
                        stream.read_exact(&mut buffer).await.unwrap();
                    }
                },
            );
        });
    }
}

#[cfg(madsim)]
mod turmoil_net {
    use real_tokio::io::{AsyncReadExt, AsyncWriteExt};
    use turmoil::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn run<S, C>(server: fn() -> S, client: fn() -> C)
    where
        S: Future<Output = turmoil::Result> + 'static,
        C: Future<Output = turmoil::Result> + 'static,
    {
        let mut sim = turmoil::Builder::new()
            .min_message_latency(LATENCY[0])
            .max_message_latency(LATENCY[1])
            .simulation_duration(Duration::from_secs(3600))
            .rng_seed(1)
            .build();
        sim.host("server", server);
        sim.client("client", client());
        sim.run().unwrap();
    }

    #[divan::bench]
    fn datagrams(bencher: Bencher<'_, '_>) {
        measure(bencher, || {
            run(
                || async {
                    let socket = UdpSocket::bind("0.0.0.0:7").await?;
                    let mut buffer = [0; SIZE];
                    loop {
                        let (count, from) = socket.recv_from(&mut buffer).await?;
                        socket.send_to(&buffer[..count], from).await?;
                    }
                },
                || async {
                    let socket = UdpSocket::bind("0.0.0.0:0").await?;
                    let server = (turmoil::lookup("server"), 7);
                    let mut buffer = [0; SIZE];
                    for _ in 0..ROUND_TRIPS {
                        socket.send_to(&buffer, server).await?;
                        socket.recv_from(&mut buffer).await?;
                    }
                    Ok(())
                },
            );
        });
    }

    #[divan::bench]
    fn tcp(bencher: Bencher<'_, '_>) {
        measure(bencher, || {
            run(
                || async {
                    let listener = TcpListener::bind("0.0.0.0:7").await?;
                    let (mut stream, _) = listener.accept().await?;
                    let mut buffer = [0; SIZE];
                    while stream.read_exact(&mut buffer).await.is_ok() {
                        stream.write_all(&buffer).await?;
                    }
                    Ok(())
                },
                || async {
                    let mut stream = TcpStream::connect("server:7").await?;
                    let mut buffer = [0; SIZE];
                    for _ in 0..ROUND_TRIPS {
                        stream.write_all(&buffer).await?;
                        stream.read_exact(&mut buffer).await?;
                    }
                    Ok(())
                },
            );
        });
    }
}
