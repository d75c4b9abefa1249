//! When TCP sends again what was lost, and when not: duplicate acknowledgements (RFC 5681, RFC 6582), late ones, order.

use squall_rt::world::net::{MessageOutcome, PacketKind};

use super::{
    record::{Record, messages},
    *,
};

/// What fits into a segment on these links.
const SEGMENT: usize = 1_460;

/// Reads the first connection to port 7000 until nothing comes any more.
async fn read_all(pause: Duration) {
    let (_listener, mut stream) = accept_one().await;
    squall_rt::time::sleep(pause).await;
    let mut buffer = vec![0; 1 << 20];
    while stream.read(&mut buffer).await.unwrap() > 0 {}
}

/// RFC 6582: within a recovery, duplicate acknowledgements say nothing new. The fifth and the tenth of twenty segments are lost; what is sent
/// when the fifth is on its way again comes back as three duplicates while the tenth is.
#[test]
fn what_is_lost_is_sent_again_once_in_a_recovery() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        for number in [5, 10] {
            impose(&world, a, b, messages(PacketKind::Data, number..=number, MessageOutcome::Lost));
        }
        start(&world, b, read_all(ms(0)));
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(&[1; 20 * SEGMENT]).await.unwrap();
            // The fifth was sent again after 10 ms, and that is acknowledged up to the tenth after 20.
            squall_rt::time::sleep(ms(17)).await;
            for _ in 0..4 {
                stream.write_all(b"new").await.unwrap();
            }
            squall_rt::time::sleep(ms(1_000)).await;
        });
        client.await.unwrap();
        assert_eq!(record.count(a, PacketKind::Data), 20 + 2 + 4);
    });
}

/// RFC 5681: what carries data is no duplicate, though it acknowledges the same as before.
#[test]
fn data_that_crosses_ones_own_is_no_sign_of_loss() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let (_listener, mut stream) = accept_one().await;
            stream.set_nodelay(true).unwrap();
            World::current().sleep_until(ms(100)).await;
            for _ in 0..5 {
                stream.write_all(b"x").await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            World::current().sleep_until(ms(102)).await;
            stream.write_all(b"y").await.unwrap();
            squall_rt::time::sleep(ms(1_000)).await;
        });
        client.await.unwrap();
        assert_eq!(record.count(a, PacketKind::Data), 1, "nothing was lost");
    });
}

/// RFC 5681: neither is what opens the window. With two duplicates and a new window the lost segment is sent again when its time is up; with three
/// duplicates, at once.
#[test]
fn a_new_window_is_no_sign_of_loss() {
    let sent_again_after = |behind: usize| {
        in_a_world(1, move |world| async move {
            let record = Record::of(&world);
            let (a, b) = two_nodes(&world);
            start(&world, b, read_all(ms(500)));
            let before = (200 << 10) / SEGMENT;
            let lost = before as u64 + 1;
            impose(&world, a, b, messages(PacketKind::Data, lost..=lost, MessageOutcome::Lost));
            let client = start(&world, a, async move {
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                stream.write_all(&vec![1; before * SEGMENT]).await.unwrap();
                // So that the reader opens the window while the lost segment is missing.
                World::current().sleep_until(ms(495)).await;
                stream.write_all(&vec![1; (1 + behind) * SEGMENT]).await.unwrap();
                World::current().sleep_until(ms(2_000)).await;
            });
            client.await.unwrap();
            let times = record.times(a, PacketKind::Data);
            assert_eq!(times.len(), before + 1 + behind + 1, "one was sent again");
            times[before + 1 + behind] - ms(495)
        })
    };
    assert!(sent_again_after(2) > ms(200), "after its time");
    assert!(sent_again_after(3) < ms(50), "at once");
}

/// An acknowledgement that has left with data is not sent again when it would have been due, and does not hurry the next.
#[test]
fn an_acknowledgement_that_has_left_with_data_is_not_due_any_more() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let (_listener, mut stream) = accept_one().await;
            stream.read_exact(&mut [0]).await.unwrap();
            // 20 ms later, while an acknowledgement waits for 40.
            squall_rt::time::sleep(ms(20)).await;
            stream.write_all(b"reply").await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            World::current().sleep_until(ms(100)).await;
            stream.write_all(b"1").await.unwrap();
            World::current().sleep_until(ms(130)).await;
            stream.write_all(b"2").await.unwrap();
            squall_rt::time::sleep(ms(1_000)).await;
        });
        client.await.unwrap();
        let acks = record.times(b, PacketKind::Ack);
        assert_eq!(acks.len(), 1, "{acks:?}");
        assert_about(acks[0], ms(135 + 40));
    });
}

/// Every second segment is acknowledged at once.
#[test]
fn two_segments_are_acknowledged_at_once() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, read_all(ms(0)));
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            for at in [100, 110, 200] {
                World::current().sleep_until(ms(at)).await;
                stream.write_all(b"x").await.unwrap();
            }
            squall_rt::time::sleep(ms(1_000)).await;
        });
        client.await.unwrap();
        let acks = record.times(b, PacketKind::Ack);
        assert_eq!(acks.len(), 2, "{acks:?}");
        assert_about(acks[0], ms(115));
        assert_about(acks[1], ms(205 + 40));
    });
}

/// Routers keep the packets of a flow in order, whatever the latency of each is.
#[test]
fn segments_of_a_connection_do_not_overtake_each_other() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        let latency = Latency::Uniform { min: ms(1), max: ms(50) };
        world.net().set_default(LinkPolicy { latency, ..LinkPolicy::default() });
        start(&world, b, read_all(ms(0)));
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            for _ in 0..200 {
                stream.write_all(b"x").await.unwrap();
                squall_rt::time::sleep(ms(1)).await;
            }
            squall_rt::time::sleep(ms(1_000)).await;
        });
        client.await.unwrap();
        assert_eq!(
            record.arrivals(a, PacketKind::Data),
            (1..=200).collect::<Vec<_>>(),
            "in order, and none twice"
        );
        assert!(record.arrivals(b, PacketKind::Ack).is_sorted());
    });
}

/// What is written while older data is unacknowledged does not put off the time at which that is sent again.
#[test]
fn new_data_does_not_put_off_a_retransmission() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        let hole = impose(&world, a, b, messages(PacketKind::Data, 2..=20, MessageOutcome::Lost));
        start(&world, b, read_all(ms(0)));
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(b"measures the round trip").await.unwrap();
            World::current().sleep_until(ms(1_000)).await;
            for _ in 0..9 {
                stream.write_all(b"x").await.unwrap();
                squall_rt::time::sleep(ms(30)).await;
            }
            squall_rt::time::sleep(ms(1_000)).await;
        });
        client.await.unwrap();
        world.net().lift(hole);
        let times = record.times(a, PacketKind::Data);
        // Nine at 30 ms from each other, and in between the first again.
        let gaps: Vec<_> = times[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[..8].iter().any(|gap| *gap < ms(29)), "{times:?}");
    });
}

/// Minshall's variation of Nagle's algorithm: what is small waits for what was small before it, and not for full segments.
#[test]
fn what_is_small_does_not_wait_for_full_segments() {
    in_a_world(1, |world| async move {
        let record = Record::of(&world);
        let (a, b) = two_nodes(&world);
        start(&world, b, read_all(ms(0)));
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            World::current().sleep_until(ms(100)).await;
            stream.write_all(&[1; SEGMENT]).await.unwrap();
            stream.write_all(b"small").await.unwrap();
            stream.write_all(b"small too").await.unwrap();
            squall_rt::time::sleep(ms(1_000)).await;
        });
        client.await.unwrap();
        let times = record.times(a, PacketKind::Data);
        assert_eq!(times.len(), 3, "{times:?}");
        assert_about(times[1], ms(100));
        assert_about(times[2], ms(110));
    });
}
