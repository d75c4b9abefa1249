//! UDP.

use std::io::ErrorKind;

use super::*;

#[test]
fn datagrams_arrive_after_the_latency_with_the_address_of_the_sender() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            let mut buffer = [0; 3];
            let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_about(now(), ms(6));
            assert_eq!(
                (&buffer[..count], from),
                (&b"que"[..], "10.0.0.1:5000".parse().unwrap()),
                "cut to the buffer"
            );
            assert_eq!(socket.try_recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        });
        let client = start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:5000").await.unwrap();
            squall_rt::time::sleep(ms(1)).await;
            socket.send_to(b"nobody is there", "b:54").await.unwrap();
            assert_eq!(socket.send_to(b"question", "b:53").await.unwrap(), 8);
            assert!(socket.send_to(&[0; 65_508], "b:53").await.is_err(), "longer than a packet");
            assert_eq!(socket.send(b"x").await.unwrap_err().raw_os_error(), Some(89), "EDESTADDRREQ");
            assert_eq!(UdpSocket::bind("a:5000").await.unwrap_err().kind(), ErrorKind::AddrInUse);
        });
        client.await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let stranger = UdpSocket::bind("0.0.0.0:1").await.unwrap();
            let peer = UdpSocket::bind("0.0.0.0:2").await.unwrap();
            squall_rt::time::sleep(ms(1)).await;
            stranger.send_to(b"spam", "a:5000").await.unwrap();
            peer.send_to(b"hello", "a:5000").await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:5000").await.unwrap();
            socket.connect("b:2").await.unwrap();
            assert_eq!(socket.peer_addr().unwrap(), "10.0.0.2:2".parse().unwrap());
            let mut buffer = [0; 16];
            assert_eq!(socket.recv(&mut buffer).await.unwrap(), 5);
            assert_eq!(&buffer[..5], b"hello");
            assert!(socket.try_recv(&mut buffer).is_err());
        });
        client.await.unwrap();
    });
}

/// Sends the numbers from 0 to 999, a millisecond apart; gives those that arrive, and when.
fn stream_of_datagrams(world: &World, a: NodeId, b: NodeId) -> oneshot::Receiver<Vec<(u32, Duration)>> {
    let server = start(world, b, async {
        let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
        let mut arrivals = Vec::new();
        let mut number = [0; 4];
        while let Ok(received) = squall_rt::time::timeout(ms(1_500), socket.recv_from(&mut number)).await {
            received.unwrap();
            arrivals.push((u32::from_le_bytes(number), now()));
        }
        arrivals
    });
    start(world, a, async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for i in 0..1000u32 {
            World::current().sleep_until(ms(1) * (i + 1)).await;
            socket.send_to(&i.to_le_bytes(), "b:53").await.unwrap();
        }
    });
    server
}

#[test]
fn datagrams_are_lost_and_overtake_each_other() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let latency = Latency::Uniform { min: ms(1), max: ms(5) };
        world.net().set_link(
            a,
            b,
            LinkPolicy { latency, loss: LossModel::Independent(0.2), ..LinkPolicy::default() },
        );
        let arrivals = stream_of_datagrams(&world, a, b).await.unwrap();
        assert!((700..900).contains(&arrivals.len()), "about 800 of {}", arrivals.len());
        assert!(!arrivals.is_sorted_by_key(|(number, _)| *number), "some came early");
        for (number, at) in arrivals {
            let latency = at - ms(1) * (number + 1);
            assert!(latency >= ms(1) && latency < ms(5) + ms(1) / 10, "{latency:?}");
        }
    });
}

#[test]
fn an_effect_changes_no_draw_but_its_own() {
    let arrivals = |effects: &'static [(LinkEffect, &'static str)]| {
        in_a_world(3, move |world| async move {
            let (a, b) = two_nodes(&world);
            let latency = Latency::Exponential { min: ms(1), mean: ms(3) };
            world.net().set_default(LinkPolicy {
                latency,
                loss: LossModel::Independent(0.1),
                ..LinkPolicy::default()
            });
            let imposed: Vec<_> = effects
                .iter()
                .map(|&(effect, name)| world.net().impose(a, b, effect, world.stream("fault", name)))
                .collect();
            let arrivals = stream_of_datagrams(&world, a, b).await.unwrap();
            // To the microsecond: the clock moves on by 50 to 100 ns with every task that runs.
            let arrivals = arrivals.into_iter().map(|(number, at)| (number, at.as_micros() as u64));
            let touched: Vec<u64> = imposed.into_iter().map(|effect| world.net().touched(effect)).collect();
            (arrivals.collect::<std::collections::BTreeMap<_, _>>(), touched)
        })
    };
    const LATE: LinkEffect = LinkEffect::Delay { by: ms(100), jitter: Duration::ZERO };
    const JITTER: LinkEffect = LinkEffect::Delay { by: Duration::ZERO, jitter: ms(50) };
    const LOSS: LinkEffect = LinkEffect::Loss { model: LossModel::Independent(0.3) };
    let close = |a: u64, b: u64| a.abs_diff(b) <= 1;

    let (plain, _) = arrivals(&[]);
    let (late, touched) = arrivals(&[(LATE, "late")]);
    assert!(plain.keys().eq(late.keys()), "the same packets are lost");
    assert!(plain.iter().all(|(number, at)| close(at + 100_000, late[number])), "and the others just later");
    assert_eq!(touched, [plain.len() as u64]);

    let (lossy, touched) = arrivals(&[(LOSS, "loss")]);
    assert!(lossy.iter().all(|(number, at)| close(plain[number], *at)), "the rest as if nothing had been");
    assert_eq!(touched, [(plain.len() - lossy.len()) as u64]);
    assert!((200..400).contains(&touched[0]), "{touched:?}");

    let (both, _) = arrivals(&[(JITTER, "jitter"), (LOSS, "loss")]);
    assert!(both.keys().eq(lossy.keys()), "an effect does not shift another's draws");
    let (jitter, _) = arrivals(&[(JITTER, "jitter")]);
    assert!(both.iter().all(|(number, at)| close(jitter[number], *at)), "nor the other way round");
}

#[test]
fn bandwidth_queues_packets_behind_each_other() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let latency = Latency::Constant(ms(5));
        world.net().set_link(a, b, LinkPolicy { latency, bandwidth: Some(100_000), ..LinkPolicy::default() });
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            for i in 1..=5u32 {
                let (count, _) = socket.recv_from(&mut [0; 1000]).await.unwrap();
                assert_eq!(count, 972, "a thousand bytes with headers");
                assert_about(now(), ms(5) + ms(10) * i);
            }
        });
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            for _ in 0..5 {
                socket.send_to(&[0; 972], "b:53").await.unwrap();
            }
        });
        server.await.unwrap();
    });
}

#[test]
fn what_does_not_fit_into_the_receive_buffer_is_dropped() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            squall_rt::time::sleep(ms(100)).await;
            let mut count = 0;
            while socket.try_recv_from(&mut [0; 1]).is_ok() {
                count += 1;
            }
            count
        });
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            for _ in 0..100 {
                socket.send_to(&[0; 10_000], "b:53").await.unwrap();
            }
        });
        assert_eq!(server.await.unwrap(), 20, "200 KB of a megabyte");
    });
}

#[test]
fn several_tasks_may_wait_on_one_socket() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let socket = Arc::new(UdpSocket::bind("0.0.0.0:53").await.unwrap());
            let mut tasks = Vec::new();
            for _ in 0..3 {
                let socket = socket.clone();
                tasks.push(squall_rt::task::spawn(
                    async move { socket.recv_from(&mut [0; 1]).await.unwrap() },
                ));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            for _ in 0..3 {
                squall_rt::time::sleep(ms(10)).await;
                socket.send_to(b"x", "b:53").await.unwrap();
            }
        });
        server.await.unwrap();
    });
}

/// How many of 20 datagrams to port 53 of `b` a socket of `from` learns of that nobody took them.
async fn refusals(world: &World, from: NodeId, each: Duration) -> usize {
    let client = start(world, from, async move {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.connect("b:53").await.unwrap();
        let mut refused = 0;
        for _ in 0..20 {
            refused += usize::from(socket.take_error().unwrap().is_some());
            socket.send(b"anybody?").await.unwrap();
            squall_rt::time::sleep(each).await;
        }
        let own = World::current().net().address(from);
        assert_eq!(socket.local_addr().unwrap().ip(), own, "the way to the peer has chosen it");
        refused + usize::from(socket.take_error().unwrap().is_some())
    });
    let refused = client.await.unwrap();
    world.crash(from, Death::Process, DiskFate::Keep);
    refused
}

#[test]
fn a_machine_without_a_socket_says_so_as_often_as_linux_does() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, std::future::pending::<()>());
        assert_eq!(refusals(&world, a, ms(1_100)).await, 20, "one a second");
        world.sleep(Duration::from_secs(60)).await;
        assert_eq!(refusals(&world, a, ms(20)).await, 6, "a burst of six");
        let c = world.add_node("c");
        assert_eq!(refusals(&world, c, ms(20)).await, 6, "to each");
    });
}

#[test]
fn that_nobody_is_there_takes_the_way_back() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, std::future::pending::<()>());
        let client = start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.connect("b:53").await.unwrap();
            socket.send(b"anybody?").await.unwrap();
            let error = socket.recv(&mut [0; 8]).await.unwrap_err();
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::ConnectionRefused, Some(111)));
            assert_about(now(), ms(10));
        });
        client.await.unwrap();
        world.crash(a, Death::Process, DiskFate::Keep);
        let block = impose(&world, b, a, LinkEffect::Block(BlockMode::Drop));
        assert_eq!(refusals(&world, a, ms(1_100)).await, 0, "a partition of the way back");
        assert_eq!(world.net().lift(block), 20);
        assert_eq!(refusals(&world, a, ms(1_100)).await, 20, "healed");
        world.crash(b, Death::Process, DiskFate::Keep);
        assert_eq!(
            refusals(&world, a, ms(1_100)).await,
            20,
            "the machine answers for a process that is gone"
        );
        start(&world, b, std::future::pending::<()>());
        world.crash(b, Death::Power, DiskFate::Keep);
        assert_eq!(refusals(&world, a, ms(1_100)).await, 0, "a machine without power says nothing");
    });
}

/// Linux counts what it keeps a datagram in: a receive buffer of 212,992 bytes holds so many empty ones.
#[test]
fn empty_datagrams_fill_a_receive_buffer_too() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            squall_rt::time::sleep(ms(1_000)).await;
            let mut count = 0;
            while socket.try_recv(&mut []).is_ok() {
                count += 1;
            }
            count
        });
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            squall_rt::time::sleep(ms(1)).await;
            for _ in 0..1_000 {
                socket.send_to(&[], "b:53").await.unwrap();
            }
        });
        assert_eq!(server.await.unwrap(), 212_992 / 256);
    });
}
