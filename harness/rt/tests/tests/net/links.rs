//! Partitions: what blocks do to streams and datagrams.

use std::io::ErrorKind;

use super::*;

#[test]
fn a_stream_survives_a_partition_and_goes_on_at_its_own_schedule() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            let mut reply = [0; 4];
            squall_rt::time::sleep(ms(1_000)).await;
            stream.write_all(b"ping").await.unwrap();
            stream.read_exact(&mut reply).await.unwrap();
            now()
        });
        world.sleep(ms(1_000)).await;
        let effects = impose_both(&world, a, b, LinkEffect::Block(BlockMode::Drop));
        world.sleep(ms(5_000)).await;
        assert!(lift(&world, effects) > 3, "the request and its retransmissions");
        let replied_at = client.await.unwrap();
        // Written at 1.01 s; retried after 210, 420, 840, 1680 and 3360 ms, with a round trip of 10 ms.
        assert_about(replied_at, ms(1_010 + 210 + 420 + 840 + 1_680 + 3_360 + 10));
    });
}

#[test]
fn what_is_in_flight_when_a_partition_comes_up_is_stopped() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            squall_rt::time::timeout(ms(1_000), socket.recv_from(&mut [0; 1])).await.is_ok()
        });
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.send_to(b"x", "b:53").await.unwrap();
        });
        world.sleep(ms(3)).await;
        let effects = impose_both(&world, a, b, LinkEffect::Block(BlockMode::Drop));
        assert!(!server.await.unwrap());
        assert_eq!(lift(&world, effects), 1);
    });
}

#[test]
fn a_block_has_a_direction() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let heard = |port: u16| async move {
            let socket = UdpSocket::bind(("0.0.0.0", port)).await.unwrap();
            squall_rt::time::sleep(ms(10)).await;
            socket.send_to(b"x", if port == 1 { "b:2" } else { "a:1" }).await.unwrap();
            squall_rt::time::timeout(ms(1_000), socket.recv_from(&mut [0; 1])).await.is_ok()
        };
        let effect = world.net().impose(a, b, LinkEffect::Block(BlockMode::Drop), world.stream("fault", "x"));
        let at_a = start(&world, a, heard(1));
        let at_b = start(&world, b, heard(2));
        assert!(at_a.await.unwrap(), "b to a is open");
        assert!(!at_b.await.unwrap());
        assert_eq!(world.net().touched(effect), 1);
    });
}

#[test]
fn a_rejecting_link_refuses_and_resets() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            squall_rt::time::sleep(ms(1_000)).await;
            stream.write_all(b"ping").await.unwrap();
            let since = now();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_about(now() - since, ms(10));
            let since = now();
            let error = TcpStream::connect("b:7000").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert_about(now() - since, ms(10));

            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.connect("b:53").await.unwrap();
            socket.send(b"x").await.unwrap();
            assert_eq!(socket.recv(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        });
        world.sleep(ms(500)).await;
        let effects = impose_both(&world, a, b, LinkEffect::Block(BlockMode::Reject));
        client.await.unwrap();
        assert_eq!(lift(&world, effects), 3, "data, SYN, datagram");
    });
}

#[test]
fn a_packet_in_flight_is_rejected_on_arrival() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let error = TcpStream::connect("b:7000").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert_about(now(), ms(10));
        });
        world.sleep(ms(2)).await;
        impose_both(&world, a, b, LinkEffect::Block(BlockMode::Reject));
        client.await.unwrap();
    });
}

#[test]
fn held_packets_go_on_in_the_order_they_were_sent_in() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let latency = Latency::Uniform { min: ms(1), max: ms(50) };
        world.net().set_link(a, b, LinkPolicy { latency, ..LinkPolicy::default() });
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            let mut arrivals = Vec::new();
            let mut number = [0; 1];
            for _ in 0..20 {
                socket.recv_from(&mut number).await.unwrap();
                arrivals.push((number[0], now()));
            }
            arrivals
        });
        let hold =
            world.net().impose(a, b, LinkEffect::Block(BlockMode::Hold), world.stream("fault", "hold"));
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            for i in 0..20 {
                socket.send_to(&[i], "b:53").await.unwrap();
            }
        });
        world.sleep(ms(1_000)).await;
        assert_eq!(world.net().lift(hold), 20);
        let arrivals = server.await.unwrap();
        assert!(arrivals.iter().map(|(number, _)| *number).eq(0..20), "{arrivals:?}");
        assert!(arrivals.iter().all(|(_, at)| (ms(1_000)..ms(1_001)).contains(at)), "{arrivals:?}");
    });
}

#[test]
fn what_one_block_lets_go_another_still_stops() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            squall_rt::time::timeout(ms(1_000), socket.recv_from(&mut [0; 1])).await.is_ok()
        });
        let block =
            |mode, name| world.net().impose(a, b, LinkEffect::Block(mode), world.stream("fault", name));
        let hold = block(BlockMode::Hold, "hold");
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.send_to(b"x", "b:53").await.unwrap();
        });
        world.sleep(ms(100)).await;
        let drop = block(BlockMode::Drop, "drop");
        assert_eq!(world.net().lift(hold), 1);
        assert!(!server.await.unwrap());
        assert_eq!(world.net().lift(drop), 1);
        assert_eq!(world.net().lift(drop), 1, "lifting twice changes nothing");
    });
}

#[test]
fn a_paused_process_has_a_kernel_that_answers() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            squall_rt::time::sleep(ms(100)).await;
            stream.write_all(b"ping").await.unwrap();
            let mut reply = [0; 4];
            stream.read_exact(&mut reply).await.unwrap();
            assert_about(now(), ms(1_200_005));
        });
        world.sleep(ms(50)).await;
        world.pause(b);
        // Without acknowledgements the client would have given up after a quarter of an hour.
        world.sleep_until(ms(1_200_000)).await;
        world.resume(b);
        client.await.unwrap();
    });
}
