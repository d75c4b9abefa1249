//! Packets: their numbers and fates, and what may be done before one leaves.

use squall_rt::world::net::BlockMode;

use super::*;

/// Node `b` collects the datagrams that come to port 9.
fn collect(world: &World, node: NodeId) -> Arc<Mutex<Vec<u8>>> {
    let got = Arc::new(Mutex::new(Vec::new()));
    let into = got.clone();
    world.start(node, |_| async move {
        let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
        let mut buffer = [0; 16];
        loop {
            socket.recv_from(&mut buffer).await.unwrap();
            into.lock().unwrap().push(buffer[0]);
        }
    });
    got
}

/// Node `a` sends `count` datagrams to `b`, numbered from 1, one every 10 ms.
fn number_datagrams(world: &World, node: NodeId, count: u8) {
    world.start(node, move |_| async move {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for n in 1..=count {
            let _ = socket.send_to(&[n, 0, 0], "b:9").await;
            squall_rt::time::sleep(ms(10)).await;
        }
    });
}

fn datagrams(first: u64, last: u64, outcome: MessageOutcome) -> LinkEffect {
    LinkEffect::Message { kind: PacketKind::Datagram, first, last, outcome }
}

#[test]
fn each_link_direction_and_kind_counts_from_one_and_every_packet_has_a_fate() {
    in_a_world(1, |world| async move {
        let script = Script::idle(&world);
        let (a, b) = two_nodes(&world);
        world.start(b, |_| async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 10];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(&request[..4]).await.unwrap();
        });
        world.start(a, |_| async {
            let mut stream = TcpStream::connect("b:7").await.unwrap();
            stream.write_all(&[1; 10]).await.unwrap();
            let mut reply = [0; 4];
            stream.read_exact(&mut reply).await.unwrap();
            drop(stream);
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.send_to(&[1; 3], "b:99").await.unwrap();
            let to_itself = UdpSocket::bind("127.0.0.1:55").await.unwrap();
            to_itself.send_to(&[1; 3], "127.0.0.1:55").await.unwrap();
        });
        world.sleep(ms(500)).await;
        assert_eq!(
            script.lines("0->1"),
            [
                "0->1 syn 1, 0 bytes",
                "0->1 ack 1, 0 bytes",
                "0->1 data 1, 10 bytes",
                "0->1 ack 2, 0 bytes",
                "0->1 fin 1, 0 bytes",
                "0->1 datagram 1, 3 bytes",
            ]
        );
        assert_eq!(
            script.lines("1->0"),
            [
                "1->0 syn_ack 1, 0 bytes",
                "1->0 data 1, 4 bytes",
                "1->0 fin 1, 0 bytes",
                "1->0 ack 1, 0 bytes",
                "1->0 unreachable 1, 0 bytes",
            ]
        );
        let fates = script.lines("fate of");
        assert_eq!(fates.len(), 11, "{fates:?}");
        assert!(fates.iter().all(|fate| fate.ends_with(": delivered after 5ms")), "{fates:?}");
        assert!(script.lines("0->0").is_empty(), "what a node sends to itself travels over no link");
    });
}

#[test]
fn the_fate_of_a_packet_says_who_took_it() {
    in_a_world(1, |world| async move {
        let script = Script::idle(&world);
        let (a, b) = two_nodes(&world);
        let got = collect(&world, b);
        number_datagrams(&world, a, 6);
        world.sleep(ms(15)).await;
        // The second has been sent at about 10 ms.
        world.sleep(ms(3)).await;
        let lossy = LinkPolicy { loss: LossModel::Independent(1.0), ..LinkPolicy::default() };
        world.net().set_link(a, b, lossy);
        world.sleep(ms(8)).await;
        let clean = LinkPolicy { latency: Latency::Constant(ms(5)), ..LinkPolicy::default() };
        world.net().set_link(a, b, clean);
        let loss = impose(&world, a, b, LinkEffect::Loss { model: LossModel::Independent(1.0) });
        world.sleep(ms(10)).await;
        world.net().lift(loss);
        let block = impose(&world, a, b, LinkEffect::Block(BlockMode::Drop));
        world.sleep(ms(10)).await;
        world.net().lift(block);
        let hold = impose(&world, a, b, LinkEffect::Block(BlockMode::Hold));
        world.sleep(ms(12)).await;
        world.net().lift(hold);
        world.sleep(ms(20)).await;
        assert_eq!(
            script.lines("fate of 0->1").iter().map(|line| &line[13..]).collect::<Vec<_>>()[..6],
            [
                "datagram 1: delivered after 5ms",
                "datagram 2: delivered after 5ms",
                "datagram 3: Lost",
                "datagram 4: LostToFault",
                "datagram 5: Blocked",
                "datagram 6: Held",
            ]
        );
        assert_eq!(*got.lock().unwrap(), [1, 2, 6]);
        assert_eq!(script.lines("fate of 0->1 datagram 6").len(), 2, "held, then delivered");
    });
}

/// A run with everything in it, watched or not; its digest, and when it was over.
fn traffic(seed: u64, watched: bool) -> (u64, Duration, usize) {
    in_a_world(seed, move |world| async move {
        let script = watched.then(|| Script::idle(&world));
        let latency = Latency::Exponential { min: ms(1), mean: ms(4) };
        let loss = LossModel::Independent(0.05);
        world.net().set_default(LinkPolicy { latency, loss, duplicate: 0.02, ..LinkPolicy::default() });
        let (a, b) = (world.add_node("a"), world.add_node("b"));
        world.start(b, |_| async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                squall_rt::task::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        let (done, is_done) = tokio::sync::oneshot::channel();
        world.start(a, |_| async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            for _ in 0..5 {
                let mut stream = TcpStream::connect("b:7").await.unwrap();
                for round in 0..20 {
                    socket.send_to(&[round; 100], "b:9").await.unwrap();
                    stream.write_all(&[round; 3000]).await.unwrap();
                    let mut reply = [0; 3000];
                    stream.read_exact(&mut reply).await.unwrap();
                }
            }
            done.send(()).unwrap();
        });
        is_done.await.unwrap();
        let seen = script.map_or(0, |script| script.seen.lock().unwrap().len());
        (world.net().digest(), world.now(), seen)
    })
}

#[test]
fn a_run_that_is_watched_is_the_run_that_is_not() {
    for seed in 0..20 {
        let (digest, over, seen) = traffic(seed, true);
        let (unwatched, over_unwatched, _) = traffic(seed, false);
        assert_eq!((digest, over), (unwatched, over_unwatched), "seed {seed}");
        assert!(seen > 1000, "{seen}");
    }
}

#[test]
fn a_packet_does_not_leave_a_node_that_is_crashed_before() {
    for death in [Death::Process, Death::Power] {
        in_a_world(1, move |world| async move {
            let crash = move |world: &World| assert!(world.crash(NodeId(0), death, DiskFate::Keep));
            let script = Script::on(&world, "0->1 datagram 3", crash);
            let (a, b) = two_nodes(&world);
            let got = collect(&world, b);
            number_datagrams(&world, a, 6);
            world.sleep(ms(200)).await;
            assert_eq!(script.acted(), 1);
            assert_eq!(*got.lock().unwrap(), [1, 2]);
            assert_eq!(script.lines("fate of 0->1 datagram 3"), ["fate of 0->1 datagram 3: NeverLeft"]);
            assert!(script.lines("0->1 datagram 4").is_empty(), "the process is dead");
            // The heal: the next incarnation goes on with the link's numbers.
            number_datagrams(&world, a, 1);
            world.sleep(ms(200)).await;
            assert_eq!(*got.lock().unwrap(), [1, 2, 1]);
            assert_eq!(script.lines("0->1 datagram").len(), 4);
        });
    }
}

#[test]
fn what_is_imposed_before_a_packet_leaves_is_met_by_it() {
    in_a_world(1, |world| async move {
        let effect = Arc::new(Mutex::new(None));
        let imposed = effect.clone();
        let block = move |world: &World| {
            let id = impose(world, NodeId(0), NodeId(1), LinkEffect::Block(BlockMode::Drop));
            *imposed.lock().unwrap() = Some(id);
        };
        let script = Script::on(&world, "0->1 datagram 3", block);
        let (a, b) = two_nodes(&world);
        let got = collect(&world, b);
        number_datagrams(&world, a, 5);
        world.sleep(ms(23)).await;
        let id = effect.lock().unwrap().expect("the third is sent at about 20 ms");
        assert_eq!(world.net().lift(id), 1, "it was stopped as it was sent");
        world.sleep(ms(100)).await;
        assert_eq!(*got.lock().unwrap(), [1, 2, 4, 5]);
        assert_eq!(script.lines("fate of 0->1 datagram 3"), ["fate of 0->1 datagram 3: Blocked"]);
    });
}

/// A SYN/ACK is sent in a timer's callback, where nobody may act: the pump does.
#[test]
fn the_answer_of_a_kernel_does_not_leave_a_node_that_is_crashed_before() {
    in_a_world(1, |world| async move {
        let crash = |world: &World| assert!(world.crash(NodeId(1), Death::Power, DiskFate::Keep));
        let script = Script::on(&world, "1->0 syn_ack 1", crash);
        let (a, b) = two_nodes(&world);
        let serve = |world: &World| {
            world.start(b, |_| async {
                let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
                let _stream = listener.accept().await.unwrap();
                std::future::pending::<()>().await;
            });
        };
        serve(&world);
        let connected = Arc::new(Mutex::new(None));
        let tell = connected.clone();
        world.start(a, |_| async move {
            let _stream = TcpStream::connect("b:7").await.unwrap();
            *tell.lock().unwrap() = Some(World::current().now());
        });
        world.sleep(ms(900)).await;
        assert_eq!(script.acted(), 1);
        assert!(!world.is_up(b));
        assert_eq!(script.lines("fate of 1->0"), ["fate of 1->0 syn_ack 1: NeverLeft"]);
        assert!(script.at("fate of 1->0") - script.at("1->0 syn_ack") < Duration::from_micros(10));
        serve(&world);
        world.sleep(ms(300)).await;
        // A SYN is sent again after a second.
        let at = connected.lock().unwrap().expect("it is connected once there is somebody");
        assert!(at > ms(1000) && at < ms(1020), "{at:?}");
    });
}

/// One who acts, and then does nothing, before every packet: streams are whole, and in order.
#[test]
fn whoever_is_held_up_arrives_in_order() {
    for seed in 0..10 {
        let whole = in_a_world(seed, |world| async move {
            let acted = Arc::new(Mutex::new(0u64));
            world.watch(Arc::new(ActsOnAll(acted.clone())));
            let latency = Latency::Exponential { min: ms(1), mean: ms(4) };
            let loss = LossModel::Independent(0.02);
            world.net().set_default(LinkPolicy { latency, loss, ..LinkPolicy::default() });
            let (a, b) = (world.add_node("a"), world.add_node("b"));
            let (done, is_done) = tokio::sync::oneshot::channel();
            world.start(b, |_| async {
                let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                done.send(all).unwrap();
            });
            world.start(a, |_| async {
                let mut stream = TcpStream::connect("b:7").await.unwrap();
                let bytes: Vec<u8> = (0..300_000u32).map(|n| (n / 7) as u8).collect();
                stream.write_all(&bytes).await.unwrap();
            });
            let all = is_done.await.unwrap();
            assert!(*acted.lock().unwrap() > 300);
            all.len() == 300_000 && all.iter().enumerate().all(|(n, byte)| *byte == (n as u32 / 7) as u8)
        });
        assert!(whole, "seed {seed}");
    }
}

struct ActsOnAll(Arc<Mutex<u64>>);

impl Watcher for ActsOnAll {
    fn see(&self, _: Duration, _: WorldEvent<'_>) -> Option<Ticket> {
        Some(1)
    }
    fn act(&self, _: Ticket) {
        *self.0.lock().unwrap() += 1;
    }
}

#[test]
fn single_packets_are_lost_doubled_or_late_by_the_numbers_a_watcher_is_told() {
    let run = |effect: LinkEffect| {
        in_a_world(1, move |world| async move {
            let script = Script::idle(&world);
            let (a, b) = two_nodes(&world);
            let got = collect(&world, b);
            number_datagrams(&world, a, 6);
            // Numbers count from the start of the run, whenever the effect comes.
            world.sleep(ms(15)).await;
            let id = impose(&world, a, b, effect);
            world.sleep(ms(100)).await;
            (got.lock().unwrap().clone(), world.net().lift(id), script.lines("0->1").len())
        })
    };
    assert_eq!(run(datagrams(4, 5, MessageOutcome::Lost)), (vec![1, 2, 3, 6], 2, 6));
    assert_eq!(run(datagrams(4, 4, MessageOutcome::Duplicated(ms(12)))), (vec![1, 2, 3, 4, 5, 4, 6], 1, 6));
    assert_eq!(run(datagrams(4, 4, MessageOutcome::Delayed(ms(12)))), (vec![1, 2, 3, 5, 4, 6], 1, 6));
    assert_eq!(
        run(datagrams(1, 2, MessageOutcome::Lost)),
        (vec![1, 2, 3, 4, 5, 6], 0, 6),
        "they have passed"
    );
    let data =
        LinkEffect::Message { kind: PacketKind::Data, first: 1, last: 9, outcome: MessageOutcome::Lost };
    assert_eq!(run(data).1, 0, "another kind");
}

#[test]
fn a_lost_segment_is_sent_again_under_the_next_number() {
    in_a_world(1, |world| async move {
        let script = Script::idle(&world);
        let (a, b) = two_nodes(&world);
        let lost =
            LinkEffect::Message { kind: PacketKind::Data, first: 1, last: 1, outcome: MessageOutcome::Lost };
        let id = impose(&world, a, b, lost);
        let (done, is_done) = tokio::sync::oneshot::channel();
        world.start(b, |_| async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            done.send(stream.read_u8().await.unwrap()).unwrap();
        });
        world.start(a, |_| async {
            let mut stream = TcpStream::connect("b:7").await.unwrap();
            stream.write_u8(42).await.unwrap();
            std::future::pending::<()>().await;
        });
        assert_eq!(is_done.await.unwrap(), 42);
        assert_eq!(world.net().lift(id), 1);
        assert_eq!(script.lines("0->1 data"), ["0->1 data 1, 1 bytes", "0->1 data 2, 1 bytes"]);
        assert_eq!(
            script.lines("fate of 0->1 data"),
            ["fate of 0->1 data 1: LostToFault", "fate of 0->1 data 2: delivered after 5ms"]
        );
    });
}
