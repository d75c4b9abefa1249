//! What a kernel does for connections that their processes have closed: how long it tries, waits, remembers and answers.

use squall_rt::{
    net::TcpSocket,
    world::net::{MessageOutcome, PacketKind},
};

use super::{
    record::{Record, messages},
    *,
};

/// Connects to `b` from port 5000, which nothing else may have until the kernel has forgotten the connection.
async fn connect() -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("0.0.0.0:5000".parse().unwrap()).unwrap();
    socket.connect("10.0.0.2:7000".parse().unwrap()).await.unwrap()
}

/// Whether port 5000 is free.
fn is_forgotten() -> bool {
    TcpSocket::new_v4().unwrap().bind("0.0.0.0:5000".parse().unwrap()).is_ok()
}

/// Whether port 5000 is free before a connection has been over for a minute, and after.
async fn is_forgotten_around_a_minute() -> (bool, bool) {
    World::current().sleep_until(ms(59_000)).await;
    let before = is_forgotten();
    World::current().sleep_until(ms(62_000)).await;
    (before, is_forgotten())
}

/// Accepts a connection, and keeps it, whatever comes.
async fn keep_one() {
    let _kept = accept_one().await;
    std::future::pending::<()>().await;
}

/// Linux's tcp_orphan_retries: eight.
#[test]
fn what_a_process_left_behind_is_sent_again_eight_times() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, keep_one());
        let client = start(&world, a, async {
            let mut stream = connect().await;
            World::current().sleep_until(ms(1_000)).await;
            stream.write_all(b"last words").await.unwrap();
            drop(stream);
            World::current().sleep_until(ms(3_600_000)).await;
            is_forgotten()
        });
        world.sleep_until(ms(500)).await;
        impose(&world, a, b, LinkEffect::Block(BlockMode::Drop));
        assert!(client.await.unwrap());
        // The segment and the end of the stream; then both in one.
        assert_eq!((record.count(a, PacketKind::Data), record.count(a, PacketKind::Fin)), (1, 1 + 8));
    });
}

/// A process that holds the stream has its data sent again fifteen times.
#[test]
fn what_a_process_waits_for_is_sent_again_fifteen_times() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, keep_one());
        let client = start(&world, a, async {
            let mut stream = connect().await;
            World::current().sleep_until(ms(1_000)).await;
            stream.write_all(b"words").await.unwrap();
            stream.read(&mut [0; 8]).await.unwrap_err().kind()
        });
        world.sleep_until(ms(500)).await;
        impose(&world, a, b, LinkEffect::Block(BlockMode::Drop));
        assert_eq!(client.await.unwrap(), std::io::ErrorKind::TimedOut);
        assert_eq!(record.count(a, PacketKind::Data), 1 + 15);
    });
}

/// Linux's tcp_fin_timeout: a minute for a peer that does not end its stream.
#[test]
fn a_peer_that_does_not_end_its_stream_is_waited_for_a_minute() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let (_listener, mut stream) = accept_one().await;
            World::current().sleep_until(ms(100_000)).await;
            stream.shutdown().await.unwrap();
            squall_rt::time::sleep(ms(100)).await;
            stream.take_error().unwrap().map(|error| error.kind())
        });
        let client = start(&world, a, async {
            drop(connect().await);
            is_forgotten_around_a_minute().await
        });
        assert_eq!(client.await.unwrap(), (false, true));
        assert_eq!(
            server.await.unwrap(),
            Some(std::io::ErrorKind::BrokenPipe),
            "there is no such connection any more"
        );
        assert_eq!(record.count(a, PacketKind::Rst), 1);
    });
}

/// The last acknowledgement is lost, and the end of the peer's stream comes once more: who closed first is there to answer.
#[test]
fn who_closed_first_answers_the_end_that_comes_again() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let (_listener, mut stream) = accept_one().await;
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let client = start(&world, a, async {
            let stream = connect().await;
            World::current().sleep_until(ms(1_000)).await;
            drop(stream);
            is_forgotten_around_a_minute().await
        });
        // The first completes the handshake.
        impose(&world, a, b, messages(PacketKind::Ack, 2..=2, MessageOutcome::Lost));
        assert_eq!(client.await.unwrap(), (false, true), "remembered for a minute");
        assert_eq!(record.count(b, PacketKind::Fin), 2);
        assert_eq!(record.count(a, PacketKind::Ack), 3);
    });
}

/// RFC 1337: a reset does not end the memory of a connection. The process of the peer dies after both streams have ended.
#[test]
fn a_late_reset_does_not_make_a_kernel_forget() {
    for holds_on in [false, true] {
        in_a_world(1, move |world| async move {
            let record = Record::of(&world);
            let (a, b) = two_nodes(&world);
            start(&world, b, async {
                let (_listener, mut stream) = accept_one().await;
                stream.read_to_end(&mut Vec::new()).await.unwrap();
                stream.shutdown().await.unwrap();
                std::future::pending::<()>().await;
            });
            let client = start(&world, a, async move {
                let mut stream = connect().await;
                stream.shutdown().await.unwrap();
                if holds_on {
                    World::current().sleep_until(ms(2_000)).await;
                    assert!(stream.take_error().unwrap().is_none());
                    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
                }
                drop(stream);
                World::current().sleep_until(ms(3_000)).await;
                is_forgotten()
            });
            world.sleep_until(ms(1_000)).await;
            world.crash(b, Death::Process, DiskFate::Keep);
            assert!(!client.await.unwrap());
            assert_eq!(record.count(b, PacketKind::Rst), 1);
        });
    }
}

/// A connection is reset once: the answer to what was on its way is no further error.
#[test]
fn a_second_reset_is_not_told() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, keep_one());
        let client = start(&world, a, async {
            let mut stream = connect().await;
            World::current().sleep_until(ms(998)).await;
            stream.write_all(b"on its way").await.unwrap();
            let first = stream.read(&mut [0; 8]).await.unwrap_err().kind();
            World::current().sleep_until(ms(2_000)).await;
            (first, stream.read(&mut [0; 8]).await.map_err(|error| error.kind()))
        });
        world.sleep_until(ms(1_000)).await;
        world.crash(b, Death::Process, DiskFate::Keep);
        assert_eq!(client.await.unwrap(), (std::io::ErrorKind::ConnectionReset, Ok(0)));
        assert_eq!(record.count(b, PacketKind::Rst), 2);
    });
}

/// Linux's tcp_synack_retries: five, while the backlog has a place less.
#[test]
fn a_connection_that_is_never_confirmed_is_given_up_after_five_retries() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, keep_one());
        impose(&world, b, a, messages(PacketKind::SynAck, 1..=99, MessageOutcome::Lost));
        start(&world, a, async { drop(TcpStream::connect("b:7000").await) });
        world.sleep_until(ms(2_000)).await;
        // It is not asked any more either.
        world.crash(a, Death::Power, DiskFate::Keep);
        world.sleep_until(ms(600_000)).await;
        // Twice for SYNs that came twice.
        assert_eq!(record.count(b, PacketKind::SynAck), 1 + record.count(a, PacketKind::Syn) - 1 + 5);
    });
}

/// The end of a stream that is lost is sent again.
#[test]
fn a_lost_end_comes_again() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        impose(&world, a, b, messages(PacketKind::Fin, 1..=2, MessageOutcome::Lost));
        let server = start(&world, b, read_one_to_its_end());
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
            now()
        });
        assert_eq!(server.await.unwrap(), 0);
        let at = client.await.unwrap();
        assert!(at > ms(600) && at < ms(700), "twice lost: {at:?}");
    });
}
