//! 50 nodes that gossip over UDP for ten seconds of virtual time, on squall-rt, on madsim and on turmoil: datagrams per
//! second of wall time. Every 100 ms a node pushes a digest of 64 to 1,024 bytes to three others, the same ones everywhere.
//! Latency is 1 to 10 ms, and each run, set-up included, has a thread of its own.
//!
//! Only with `--cfg madsim`, which a RUSTFLAGS variable, even an empty one, switches off.
#![cfg_attr(not(madsim), allow(unused))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use divan::{Bencher, counter::ItemsCount};

const NODES: u64 = 50;
const ROUNDS: u64 = 100;
const FANOUT: u64 = 3;
const ROUND: Duration = Duration::from_millis(100);
/// Longer than a datagram is under way.
const REST: Duration = Duration::from_millis(50);
const LATENCY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(10)];
const PORT: u16 = 7946;

fn main() {
    #[cfg(madsim)]
    divan::main();
    #[cfg(not(madsim))]
    panic!("nothing is simulated without --cfg madsim");
}

/// Measures one run, which returns the number of datagrams that were received.
fn measure(bencher: Bencher<'_, '_>, run: fn() -> u64) {
    const SENT: u64 = NODES * ROUNDS * FANOUT;
    bencher.counter(ItemsCount::new(SENT)).bench_local(|| {
        let received = std::thread::spawn(run).join().expect("the run succeeds");
        assert_eq!(received, SENT, "none is lost");
    });
}

/// To whom a node pushes, and how many bytes: SplitMix64 of node, round and number.
fn push(node: u64, round: u64, number: u64) -> (u64, usize) {
    let mut z = (node << 32 | round << 8 | number).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let peer = (node + 1 + z % (NODES - 1)) % NODES;
    (peer, 64 + (z >> 32) as usize % 961)
}

/// What a node does with a digest.
fn take(digest: &[u8], received: &AtomicU64) {
    assert!((64..=1024).contains(&digest.len()));
    received.fetch_add(1, Ordering::Relaxed);
}

#[cfg(madsim)]
#[divan::bench(sample_count = 20)]
fn squall(bencher: Bencher<'_, '_>) {
    use squall_rt::{
        net::{UdpSocket, lookup_host},
        task, time,
        world::{
            self, World,
            net::{Latency, LinkPolicy},
        },
    };
    measure(bencher, || {
        let main = async |world: Arc<World>| {
            let latency = Latency::Uniform { min: LATENCY[0], max: LATENCY[1] };
            world.net().set_default(LinkPolicy { latency, ..LinkPolicy::default() });
            let received = Arc::new(AtomicU64::new(0));
            let nodes: Vec<_> = (0..NODES).map(|n| world.add_node(&format!("node-{n}"))).collect();
            for (n, &node) in (0..).zip(&nodes) {
                let received = received.clone();
                world.start(node, |_| async move {
                    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await.unwrap());
                    let inbox = socket.clone();
                    task::spawn(async move {
                        let mut buffer = [0; 1024];
                        loop {
                            let (count, _) = inbox.recv_from(&mut buffer).await.unwrap();
                            take(&buffer[..count], &received);
                        }
                    });
                    let mut peers = Vec::new();
                    for peer in 0..NODES {
                        peers.extend(lookup_host((format!("node-{peer}"), PORT)).await.unwrap());
                    }
                    let digest = [7; 1024];
                    for round in 0..ROUNDS {
                        time::sleep(ROUND).await;
                        for number in 0..FANOUT {
                            let (peer, size) = push(n, round, number);
                            socket.send_to(&digest[..size], peers[peer as usize]).await.unwrap();
                        }
                    }
                });
            }
            world.sleep(ROUND * (ROUNDS as u32) + REST * 3).await;
            received.load(Ordering::Relaxed)
        };
        world::run(1, main).expect("nothing on the real runtime")
    });
}

#[cfg(madsim)]
#[divan::bench(sample_count = 20)]
fn madsim_endpoint(bencher: Bencher<'_, '_>) {
    use std::net::SocketAddr;

    use madsim::{net::Endpoint, runtime::Runtime, task, time};
    measure(bencher, || {
        let mut config = madsim::Config::default();
        config.net.send_latency = LATENCY[0]..LATENCY[1];
        let runtime = Runtime::with_seed_and_config(1, config);
        let received = Arc::new(AtomicU64::new(0));
        let address = |n: u64| SocketAddr::from(([10, 0, 0, n as u8 + 1], PORT));
        let mut all = Vec::new();
        for n in 0..NODES {
            let received = received.clone();
            let node = runtime.create_node().ip(address(n).ip()).build();
            all.push(node.spawn(async move {
                let endpoint = Arc::new(Endpoint::bind(address(n)).await.unwrap());
                let inbox = endpoint.clone();
                task::spawn(async move {
                    let mut buffer = [0; 1024];
                    loop {
                        let (count, _) = inbox.recv_from(1, &mut buffer).await.unwrap();
                        take(&buffer[..count], &received);
                    }
                });
                let peers: Vec<_> = (0..NODES).map(address).collect();
                let digest = [7; 1024];
                for round in 0..ROUNDS {
                    time::sleep(ROUND).await;
                    for number in 0..FANOUT {
                        let (peer, size) = push(n, round, number);
                        endpoint.send_to(peers[peer as usize], 1, &digest[..size]).await.unwrap();
                    }
                }
                time::sleep(REST).await;
            }));
        }
        runtime.block_on(async {
            for node in all {
                node.await.unwrap();
            }
        });
        received.load(Ordering::Relaxed)
    });
}

#[cfg(madsim)]
#[divan::bench(sample_count = 3)]
fn turmoil(bencher: Bencher<'_, '_>) {
    use ::turmoil::{lookup, net::UdpSocket};
    use real_tokio::{task, time};
    measure(bencher, || {
        let mut sim = ::turmoil::Builder::new()
            .min_message_latency(LATENCY[0])
            .max_message_latency(LATENCY[1])
            .simulation_duration(Duration::from_secs(3600))
            .rng_seed(1)
            .build();
        let received = Arc::new(AtomicU64::new(0));
        for n in 0..NODES {
            let received = received.clone();
            sim.client(format!("node-{n}"), async move {
                let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
                let inbox = socket.clone();
                task::spawn(async move {
                    let mut buffer = [0; 1024];
                    loop {
                        let (count, _) = inbox.recv_from(&mut buffer).await.unwrap();
                        take(&buffer[..count], &received);
                    }
                });
                // The others are there by then.
                time::sleep(ROUND).await;
                let peers: Vec<_> = (0..NODES).map(|peer| (lookup(format!("node-{peer}")), PORT)).collect();
                let digest = [7; 1024];
                for round in 0..ROUNDS {
                    for number in 0..FANOUT {
                        let (peer, size) = push(n, round, number);
                        socket.send_to(&digest[..size], peers[peer as usize]).await?;
                    }
                    time::sleep(ROUND).await;
                }
                time::sleep(REST).await;
                Ok(())
            });
        }
        sim.run().unwrap();
        received.load(Ordering::Relaxed)
    });
}
