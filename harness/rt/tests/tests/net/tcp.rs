//! TCP between processes that live.

use std::io::ErrorKind;

use super::*;

#[test]
fn connecting_takes_a_round_trip() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let stream = TcpStream::connect("b:7000").await.unwrap();
            assert_about(now(), ms(10));
            assert_eq!(stream.peer_addr().unwrap(), "10.0.0.2:7000".parse().unwrap());
            assert_eq!(stream.local_addr().unwrap().ip(), "10.0.0.1".parse::<std::net::IpAddr>().unwrap());
        });
        client.await.unwrap();
    });
}

#[test]
fn a_request_and_its_reply_take_a_round_trip() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            let since = now();
            stream.write_all(b"ping").await.unwrap();
            let mut reply = [0; 4];
            stream.read_exact(&mut reply).await.unwrap();
            assert_eq!(&reply, b"ping");
            assert_about(now() - since, ms(10));
        });
        client.await.unwrap();
    });
}

#[test]
fn nobody_listening_refuses_after_a_round_trip() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {});
        let client = start(&world, a, async {
            let error = TcpStream::connect("b:7000").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert_about(now(), ms(10));
        });
        client.await.unwrap();
    });
}

#[test]
fn a_black_hole_times_out_after_127_seconds_and_never_refuses() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let hole =
            world.net().impose(a, b, LinkEffect::Block(BlockMode::Drop), world.stream("fault", "hole"));
        let client = start(&world, a, async {
            let error = TcpStream::connect("b:7000").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_about(now(), Duration::from_secs(127));
        });
        client.await.unwrap();
        assert_eq!(world.net().lift(hole), 7, "the SYN and six more");
    });
}

#[test]
fn a_connection_opens_when_a_black_hole_closes_in_time() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let hole = impose_both(&world, a, b, LinkEffect::Block(BlockMode::Drop));
        let client = start(&world, a, async {
            TcpStream::connect("b:7000").await.unwrap();
            assert_about(now(), Duration::from_secs(7) + ms(10));
        });
        world.sleep(ms(4_000)).await;
        assert_eq!(lift(&world, hole), 3, "SYNs at 0, 1 and 3 s");
        client.await.unwrap();
    });
}

#[test]
fn unknown_hosts_and_addresses_are_errors() {
    in_a_world(1, |world| async move {
        let (a, _) = two_nodes(&world);
        let client = start(&world, a, async {
            let error = TcpStream::connect("nowhere:7000").await.unwrap_err();
            assert!(error.to_string().starts_with("failed to lookup address information"), "{error}");
            let error = TcpStream::connect("10.9.9.9:7000").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
            let error = TcpStream::connect("b").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let addresses = squall_rt::net::lookup_host(("b", 80)).await.unwrap().collect::<Vec<_>>();
            assert_eq!(addresses, ["10.0.0.2:80".parse().unwrap()]);
        });
        client.await.unwrap();
    });
}

#[test]
fn ports_are_taken_once_and_freed() {
    in_a_world(1, |world| async move {
        let (a, _) = two_nodes(&world);
        let process = start(&world, a, async {
            let listener = TcpListener::bind("a:80").await.unwrap();
            assert_eq!(TcpListener::bind("0.0.0.0:80").await.unwrap_err().kind(), ErrorKind::AddrInUse);
            drop(listener);
            TcpListener::bind(("127.0.0.1", 80)).await.unwrap();
            let error = TcpListener::bind("b:80").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
            let any = TcpListener::bind("0.0.0.0:0").await.unwrap().local_addr().unwrap();
            assert!(any.port() >= 32_768, "{any}");
        });
        process.await.unwrap();
    });
}

#[test]
fn loopback_is_fast_and_private() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, a, async {
            let listener = TcpListener::bind("localhost:80").await.unwrap();
            let (client, accepted) = tokio::join!(TcpStream::connect("127.0.0.1:80"), listener.accept());
            assert_eq!(accepted.unwrap().1, client.unwrap().local_addr().unwrap());
            assert!(now() < ms(1), "{:?}", now());
            std::future::pending::<()>().await;
            drop(listener);
        });
        let client = start(&world, b, async {
            squall_rt::time::sleep(ms(1)).await;
            assert_eq!(TcpStream::connect("a:80").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        });
        client.await.unwrap();
        drop(server);
    });
}

#[test]
fn a_full_window_stops_the_writer_until_the_reader_reads() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            squall_rt::time::sleep(ms(60_000)).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        });
        let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = written.clone();
        let client = start(&world, a, async move {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            for chunk in 0..1000u32 {
                stream.write_all(&chunk.to_le_bytes().repeat(256)).await.unwrap();
                count.fetch_add(1024, std::sync::atomic::Ordering::Relaxed);
            }
        });
        world.sleep(ms(50_000)).await;
        let stuck_at = written.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(stuck_at, 256 << 10, "the window, and not a byte more");
        client.await.unwrap();
        let expected: Vec<u8> = (0..1000u32).flat_map(|chunk| chunk.to_le_bytes().repeat(256)).collect();
        assert!(server.await.unwrap() == expected);
    });
}

#[test]
fn a_lost_window_update_does_not_stop_a_stream_for_good() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            squall_rt::time::sleep(ms(1_000)).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        let client = start(&world, a, async move {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(&vec![1; 600_000]).await.unwrap();
        });
        world.sleep(ms(900)).await;
        let hole =
            world.net().impose(b, a, LinkEffect::Block(BlockMode::Drop), world.stream("fault", "hole"));
        world.sleep(ms(3_000)).await;
        assert!(world.net().lift(hole) > 0, "the window update was lost");
        client.await.unwrap();
        assert_eq!(server.await.unwrap(), 600_000);
    });
}

#[test]
fn a_stream_may_end_in_one_direction() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            stream.read_to_string(&mut request).await.unwrap();
            squall_rt::time::sleep(ms(500)).await;
            stream.write_all(request.to_uppercase().as_bytes()).await.unwrap();
        });
        let client = start(&world, a, async {
            let (mut read, mut write) = TcpStream::connect("b:7000").await.unwrap().into_split();
            write.write_all(b"question").await.unwrap();
            write.shutdown().await.unwrap();
            write.shutdown().await.unwrap();
            assert_eq!(write.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            let mut reply = String::new();
            read.read_to_string(&mut reply).await.unwrap();
            assert_eq!(reply, "QUESTION");
            assert_eq!(read.read(&mut [0; 8]).await.unwrap(), 0, "the end stays the end");
        });
        client.await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn closing_with_unread_data_resets() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            squall_rt::time::sleep(ms(100)).await;
            drop(stream);
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(b"never read").await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(stream.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        });
        client.await.unwrap();
    });
}

#[test]
fn writing_to_a_closed_stream_is_told_a_round_trip_later() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            drop(listener.accept().await.unwrap());
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
            stream.write_all(b"too late").await.expect("the first write cannot know");
            squall_rt::time::sleep(ms(11)).await;
            assert_eq!(stream.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
        client.await.unwrap();
    });
}

#[test]
fn a_full_backlog_drops_connections_until_they_are_accepted() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            squall_rt::time::sleep(ms(500)).await;
            let mut streams = Vec::new();
            loop {
                streams.push(listener.accept().await.unwrap());
            }
        });
        let client = start(&world, a, async {
            let mut tasks = Vec::new();
            for _ in 0..130 {
                tasks.push(squall_rt::task::spawn(async {
                    let stream = TcpStream::connect("b:7000").await.unwrap();
                    (now(), stream)
                }));
            }
            let mut late = 0;
            let mut streams = Vec::new();
            for task in tasks {
                let (connected_at, stream) = task.await.unwrap();
                streams.push(stream);
                if connected_at > ms(12) {
                    late += 1;
                    assert_about(connected_at, ms(1_010));
                }
            }
            assert_eq!(late, 1, "a backlog of 128 holds 129, as on Linux");
        });
        client.await.unwrap();
    });
}

#[test]
fn closing_a_listener_resets_what_nobody_accepted() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            squall_rt::time::sleep(ms(100)).await;
            drop(listener);
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_about(now(), ms(105));
        });
        client.await.unwrap();
    });
}

#[test]
fn vectored_writes_peeks_and_borrowed_halves() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut read, mut write) = stream.split();
            let parts =
                [std::io::IoSlice::new(b"one "), std::io::IoSlice::new(b""), std::io::IoSlice::new(b"two")];
            assert_eq!(write.write_vectored(&parts).await.unwrap(), 7);
            let mut start = [0; 3];
            read.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"one");
            let mut rest = [0; 16];
            assert_eq!(stream.peek(&mut rest).await.unwrap(), 4);
            assert_eq!(stream.read(&mut rest).await.unwrap(), 4);
            assert_eq!(&rest[..4], b" two");
            let (read, write) = stream.into_split();
            let mut stream = read.reunite(write).unwrap();
            stream.write_all(b"still open").await.unwrap();
            assert_eq!(stream.read(&mut rest).await.unwrap(), 10);
        });
        client.await.unwrap();
    });
}

#[test]
fn all_bytes_arrive_in_order_though_a_third_of_the_packets_is_lost() {
    for seed in 0..8 {
        in_a_world(seed, |world| async move {
            let (a, b) = two_nodes(&world);
            let latency = Latency::Exponential { min: ms(1), mean: ms(5) };
            world.net().set_default(LinkPolicy {
                latency,
                loss: LossModel::Independent(0.3),
                ..LinkPolicy::default()
            });
            let server = start(&world, b, async {
                let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(b"thanks").await.unwrap();
                all
            });
            let client = start(&world, a, async {
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                for i in 0..500_000u32 {
                    if i % 1000 == 0 {
                        let chunk: Vec<u8> = (i..i + 1000).flat_map(u32::to_le_bytes).collect();
                        stream.write_all(&chunk).await.unwrap();
                    }
                }
                stream.shutdown().await.unwrap();
                let mut thanks = String::new();
                stream.read_to_string(&mut thanks).await.unwrap();
                assert_eq!(thanks, "thanks");
            });
            client.await.unwrap();
            let expected: Vec<u8> = (0..500_000u32).flat_map(u32::to_le_bytes).collect();
            assert!(server.await.unwrap() == expected);
        });
    }
}

#[test]
fn probes_of_a_closed_window_become_rare_and_never_give_up() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            squall_rt::time::sleep(ms(7_200_000)).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        let client = start(&world, a, async move {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(&vec![1; 300_000]).await.unwrap();
        });
        world.sleep(ms(100)).await;
        // An effect that changes nothing but counts: a nanosecond is less than the scheduler's steps.
        let delay = LinkEffect::Delay { by: Duration::from_nanos(1), jitter: Duration::ZERO };
        let counter = world.net().impose(a, b, delay, world.stream("fault", "counter"));
        world.sleep_until(ms(7_200_000)).await;
        let probes = world.net().touched(counter);
        assert!((60..200).contains(&probes), "{probes} probes in two hours");
        client.await.unwrap();
        assert_eq!(server.await.unwrap(), 300_000);
    });
}

#[test]
fn a_connection_given_up_while_it_opens_is_never_accepted() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            squall_rt::time::timeout(ms(10_000), listener.accept()).await.is_err()
        });
        let client = start(&world, a, async {
            squall_rt::time::timeout(ms(7), TcpStream::connect("b:7000")).await.is_err()
        });
        assert!(client.await.unwrap());
        assert!(server.await.unwrap());
    });
}

#[test]
fn connections_give_their_ports_back() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            for i in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                if i % 2 == 0 {
                    let _ = stream.read(&mut [0; 1]).await;
                }
            }
        });
        let client = start(&world, a, async {
            // More than there are ephemeral ports, closed by either side first.
            for i in 0..30_000 {
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                if i % 2 == 1 {
                    let _ = stream.read(&mut [0; 1]).await;
                }
            }
        });
        client.await.unwrap();
    });
}

/// When the second and the third of three small writes are there, from the first on.
fn small_writes(nodelay: bool) -> (Duration, Duration) {
    in_a_world(1, move |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut times = Vec::new();
            for _ in 0..3 {
                let mut message = [0; 2];
                stream.read_exact(&mut message).await.unwrap();
                times.push(now());
            }
            (times[1] - times[0], times[2] - times[0])
        });
        start(&world, a, async move {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(nodelay).unwrap();
            for _ in 0..3 {
                stream.write_all(b"ab").await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        server.await.unwrap()
    })
}

#[test]
fn small_writes_wait_for_a_late_acknowledgement_unless_that_is_switched_off() {
    let (second, third) = small_writes(false);
    // RFC 896 and delayed acknowledgements: 40 ms, and there and back. The two that waited leave as one.
    assert_about(second, ms(50));
    assert_about(third, ms(50));
    let (second, third) = small_writes(true);
    assert!(third < ms(1) && second < ms(1), "{second:?} {third:?}");
}

#[test]
fn what_waits_leaves_when_the_stream_ends_or_waiting_is_switched_off() {
    for ends in [true, false] {
        in_a_world(1, move |world| async move {
            let (a, b) = two_nodes(&world);
            let server = start(&world, b, async {
                let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut message = [0; 4];
                stream.read_exact(&mut message).await.unwrap();
                assert_eq!(&message, b"abcd");
                assert_about(now(), ms(15));
            });
            let client = start(&world, a, async move {
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                stream.write_all(b"ab").await.unwrap();
                stream.write_all(b"cd").await.unwrap();
                if ends {
                    stream.shutdown().await.unwrap();
                } else {
                    stream.set_nodelay(true).unwrap();
                }
                std::future::pending::<()>().await;
            });
            server.await.unwrap();
            drop(client);
        });
    }
}
