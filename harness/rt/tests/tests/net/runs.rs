//! Whole runs: the same seed gives the same run, and a run leaves nothing behind.

use std::sync::Weak;

use super::*;

/// A run with traffic of every kind, faults and crashes; gives its digest.
fn storm(seed: u64, network: oneshot::Sender<Weak<world::net::Net>>) -> u64 {
    in_a_world(seed, |world| async move {
        let _ = network.send(Arc::downgrade(world.net()));
        let latency = Latency::Exponential { min: ms(1), mean: ms(8) };
        world.net().set_default(LinkPolicy {
            latency,
            loss: LossModel::Independent(0.02),
            bandwidth: Some(1 << 20),
            ..LinkPolicy::default()
        });
        let nodes: Vec<NodeId> = ["a", "b", "c"].map(|name| world.add_node(name)).to_vec();
        let process = |world: &World, node: NodeId| {
            start_echo(world, node);
        };
        nodes[..2].iter().for_each(|&node| process(&world, node));
        world.start(nodes[2], |_| async {
            for peer in ["a:7000", "b:7000"] {
                squall_rt::task::spawn(async move {
                    loop {
                        let Ok(mut stream) = TcpStream::connect(peer).await else {
                            squall_rt::time::sleep(ms(10)).await;
                            continue;
                        };
                        let mut reply = [0; 100];
                        while stream.write_all(&[7; 100]).await.is_ok() {
                            let read = stream.read_exact(&mut reply);
                            if !matches!(squall_rt::time::timeout(ms(500), read).await, Ok(Ok(_))) {
                                break;
                            }
                        }
                    }
                });
            }
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            loop {
                squall_rt::time::sleep(Duration::from_micros(squall_rt::rng::range(1_000..5_000))).await;
                socket.send_to(b"hello", "a:53").await.unwrap();
            }
        });
        let mut faults = world.stream("test", "faults");
        for _ in 0..5 {
            world.sleep(faults.duration(ms(10), ms(300))).await;
            let node = nodes[faults.pick(2)];
            let mode = [BlockMode::Drop, BlockMode::Reject, BlockMode::Hold][faults.pick(3)];
            let effect = match faults.pick(8) {
                0 => LinkEffect::Duplicate { probability: 0.3, within: ms(5) },
                1 => LinkEffect::Reorder { probability: 0.3, by: ms(20) },
                2 => LinkEffect::Replay { probability: 0.3, min: ms(50), max: ms(500) },
                3 => LinkEffect::Tamper { probability: 0.3 },
                4 => LinkEffect::Loss { model: LossModel::Burst { rate: 0.3, length: 4.0 } },
                _ => LinkEffect::Block(mode),
            };
            let effects = impose_both(&world, nodes[2], node, effect);
            world.sleep(faults.duration(ms(10), ms(300))).await;
            lift(&world, effects);
            match faults.pick(3) {
                0 => {
                    world.net().reset(nodes[2], node);
                }
                1 => {
                    world.net().half_open(node, nodes[2]);
                }
                _ => {}
            }
            let death = [Death::Exit, Death::Process, Death::Power][faults.pick(3)];
            world.crash(node, death, DiskFate::Keep);
            world.sleep(faults.duration(ms(1), ms(300))).await;
            process(&world, node);
        }
        world.net().digest()
    })
}

fn digest(seed: u64) -> u64 {
    storm(seed, oneshot::channel().0)
}

#[test]
fn the_digest_is_a_function_of_the_seed() {
    let digests: Vec<u64> = (0..20).map(digest).collect();
    let again: Vec<u64> = (0..20).rev().map(digest).collect();
    assert!(digests.iter().eq(again.iter().rev()));
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), 20);
}

#[test]
fn a_run_leaves_nothing_behind() {
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let run = |seed| {
        let (sender, mut receiver) = oneshot::channel();
        storm(seed, sender);
        let network = receiver.try_recv().expect("the run sent it");
        assert_eq!(network.strong_count(), 0, "the network of seed {seed} is still there");
    };
    (0..200).for_each(run);
    let before = resident();
    (200..1_200).for_each(run);
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more after 1,000 runs");
}
