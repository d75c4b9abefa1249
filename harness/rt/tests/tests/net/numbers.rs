//! What TCP makes of the numbers in old and repeated packets: round trips, windows, connections.

use squall_rt::{
    net::TcpSocket,
    world::net::{MessageOutcome, PacketKind},
};

use super::{record::messages, *};

/// Starts a process that reads the first connection to port 7000 to its end, and says when each byte came.
fn start_sink(world: &World, node: NodeId) -> oneshot::Receiver<Vec<Duration>> {
    start(world, node, async {
        let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut times = Vec::new();
        while let Ok(1) = stream.read(&mut [0]).await {
            times.push(now());
        }
        times
    })
}

/// Karn's algorithm. If the acknowledgement of what was sent twice counted as a round trip from the first sending, the second loss would take over
/// half a second to notice.
#[test]
fn what_was_sent_again_says_nothing_about_the_round_trip() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let times = start_sink(&world, b);
        // The first byte arrives, the second with its third segment, the third with its second.
        for number in [2, 3, 5] {
            impose(&world, a, b, messages(PacketKind::Data, number..=number, MessageOutcome::Lost));
        }
        let sent = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            let mut sent = Vec::new();
            for _ in 0..3 {
                sent.push(now());
                stream.write_all(b"x").await.unwrap();
                squall_rt::time::sleep(ms(2_000)).await;
            }
            sent
        });
        let (sent, times) = (sent.await.unwrap(), times.await.unwrap());
        let took: Vec<_> = times.iter().zip(&sent).map(|(arrived, sent)| *arrived - *sent).collect();
        assert!(took[1] > ms(600), "twice lost: {took:?}");
        assert!(took[2] > ms(200) && took[2] < ms(300), "{took:?}");
    });
}

/// The same for the handshake: while no round trip is known, a loss is noticed after a second.
#[test]
fn a_syn_that_was_sent_again_says_nothing_about_the_round_trip() {
    for kind in [PacketKind::Syn, PacketKind::SynAck] {
        in_a_world(1, move |world| async move {
            let (a, b) = two_nodes(&world);
            let (from, to) = if kind == PacketKind::Syn { (a, b) } else { (b, a) };
            impose(&world, from, to, messages(kind, 1..=1, MessageOutcome::Lost));
            let data = messages(PacketKind::Data, 1..=1, MessageOutcome::Lost);
            impose(&world, a, b, data);
            impose(&world, b, a, data);
            let server = start(&world, b, async {
                let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let begun = now();
                stream.write_all(b"x").await.unwrap();
                stream.read_exact(&mut [0]).await.unwrap();
                (begun, now(), stream)
            });
            let client = start(&world, a, async {
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                let begun = now();
                stream.write_all(b"x").await.unwrap();
                stream.read_exact(&mut [0]).await.unwrap();
                (begun, now(), stream)
            });
            let (server, client) = (server.await.unwrap(), client.await.unwrap());
            // Whoever had to repeat itself knows of no round trip.
            let (begun, arrived) =
                if kind == PacketKind::Syn { (client.0, server.1) } else { (server.0, client.1) };
            assert!(arrived - begun > ms(1_000), "{kind:?}: {:?}", arrived - begun);
        });
    }
}

#[test]
fn an_old_acknowledgement_does_not_move_the_window_back() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, read_one_to_its_end());
        let copy =
            impose(&world, b, a, messages(PacketKind::Ack, 1..=1, MessageOutcome::Duplicated(ms(2_000))));
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(&[1; 200 << 10]).await.unwrap();
            squall_rt::time::sleep(ms(3_000)).await;
            // As far as the first acknowledgement went, there would be room for 56 KiB.
            assert_eq!(stream.try_write(&[2; 100 << 10]).unwrap(), 100 << 10);
        });
        client.await.unwrap();
        assert_eq!(server.await.unwrap(), 300 << 10);
        assert_eq!(lift(&world, [copy]), 1);
    });
}

/// A copy of the SYN comes when its connection is open, and another one's when that is gone. Neither takes a place in the backlog, which has one, and
/// nothing is ever accepted for it.
#[test]
fn a_late_copy_of_a_syn_opens_nothing() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let copies = [(1, 300), (2, 1_000)].map(|(number, later)| {
            impose(
                &world,
                a,
                b,
                messages(PacketKind::Syn, number..=number, MessageOutcome::Duplicated(ms(later))),
            )
        });
        let accepted = start(&world, b, async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("0.0.0.0:7000".parse().unwrap()).unwrap();
            let listener = socket.listen(0).unwrap();
            let mut streams = Vec::new();
            while let Ok(accepted) = squall_rt::time::timeout(ms(100_000), listener.accept()).await {
                let mut stream = accepted.unwrap().0;
                if streams.len() == 1 {
                    // Ends first, so that the other side forgets the connection.
                    stream.shutdown().await.unwrap();
                }
                streams.push(stream);
            }
            streams.len()
        });
        let client = start(&world, a, async {
            let open = async || {
                let begun = now();
                let stream = TcpStream::connect("b:7000").await.unwrap();
                assert_about(now() - begun, ms(10));
                stream
            };
            let first = open().await;
            squall_rt::time::sleep(ms(500)).await;
            let mut second = open().await;
            second.read_to_end(&mut Vec::new()).await.unwrap();
            drop(second);
            squall_rt::time::sleep(ms(2_000)).await;
            let third = open().await;
            std::future::pending::<()>().await;
            drop((first, third));
        });
        assert_eq!(accepted.await.unwrap(), 3);
        assert_eq!(lift(&world, copies), 2);
        drop(client);
    });
}
