//! TCP over links that lose, double, delay, hold back and damage: all bytes arrive, once and in order, and both streams
//! end.

use std::io::ErrorKind;

use squall_rt::{net::tcp::OwnedWriteHalf, world::Stream};

use super::*;

/// Bytes of which every position tells: a stretch that is missing, doubled or moved shows.
fn pattern(key: u64, length: usize) -> Vec<u8> {
    let mut stream = Stream::new(key, "test", "pattern");
    (0..length.div_ceil(8)).flat_map(|_| stream.next_u64().to_le_bytes()).take(length).collect()
}

/// Writes `data` in pieces of random length, with pauses, and ends the stream.
async fn write_in_pieces(mut write: OwnedWriteHalf, data: Vec<u8>) -> OwnedWriteHalf {
    let mut rest = &data[..];
    while !rest.is_empty() {
        let length = (squall_rt::rng::range(1..20_000) as usize).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        write.write_all(piece).await.unwrap();
        rest = behind;
        if squall_rt::rng::range(0..4) == 0 {
            squall_rt::time::sleep(ms(squall_rt::rng::range(0..20))).await;
        }
    }
    write.shutdown().await.unwrap();
    write
}

/// Sends `data` and receives `expected` over one stream, at the same time. Gives the stream when both have ended. Whoever
/// drops it leaves the rest to the kernel, which gives up after eight retries: a burst of losses may outlast that.
async fn exchange(stream: TcpStream, data: Vec<u8>, expected: Vec<u8>) -> TcpStream {
    let (mut read, write) = stream.into_split();
    let writer = squall_rt::task::spawn(write_in_pieces(write, data));
    let mut all = Vec::new();
    read.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), expected.len());
    assert!(all == expected, "all bytes, once and in order");
    let write = writer.await.unwrap();
    assert_eq!(read.read(&mut [0; 8]).await.unwrap(), 0, "the end stays the end");
    read.reunite(write).unwrap()
}

/// A link of a random kind.
fn random_policy(draws: &mut Stream) -> LinkPolicy {
    let latency = match draws.pick(5) {
        0 => Latency::Constant(ms(5)),
        1 => Latency::Normal { mean: ms(10), deviation: ms(5) },
        2 => Latency::Exponential { min: ms(1), mean: ms(8) },
        3 => Latency::Pareto { min: ms(1), shape: 1.5 },
        _ => Latency::Bimodal { fast: (ms(1), ms(3)), slow: (ms(50), ms(90)), share: 0.1 },
    };
    let loss = match draws.pick(3) {
        0 => LossModel::Independent(0.0),
        1 => LossModel::Independent(0.05),
        // Short: the lone retransmissions of a connection that waits would run into the same long burst 15 times.
        _ => LossModel::Burst { rate: 0.05, length: 2.0 },
    };
    LinkPolicy {
        latency,
        loss,
        jitter: ms(draws.range(0..5)),
        duplicate: [0.0, 0.1, 0.5][draws.pick(3)],
        mtu: [576, 1_500, 9_000, 65_535][draws.pick(4)],
        ..LinkPolicy::default()
    }
}

/// An effect of a random kind: any of those that no endpoint may notice but by the time it takes.
fn random_effect(draws: &mut Stream) -> LinkEffect {
    let probability = [0.05, 0.2, 0.5][draws.pick(3)];
    match draws.pick(10) {
        0 => LinkEffect::Block(BlockMode::Drop),
        1 => LinkEffect::Block(BlockMode::Hold),
        2 => LinkEffect::Delay { by: ms(draws.range(0..50)), jitter: ms(draws.range(0..50)) },
        3 => LinkEffect::Loss { model: LossModel::Independent(probability) },
        4 => LinkEffect::Loss { model: LossModel::Burst { rate: probability, length: 3.0 } },
        5 => LinkEffect::Duplicate { probability, within: ms(draws.range(0..100)) },
        6 => LinkEffect::Reorder { probability, by: ms(draws.range(1..200)) },
        7 => LinkEffect::Corrupt { probability },
        8 => LinkEffect::Bandwidth { bytes_per_second: 200_000, queue: Some(draws.range(2_000..200_000)) },
        _ => LinkEffect::Replay { probability, min: ms(10), max: ms(5_000) },
    }
}

/// Two streams of bytes against each other, through random effects that come and go. Gives the digest of the network and
/// how many packets the effects touched.
fn exchange_through_random_effects(seed: u64) -> (u64, u64) {
    in_a_world(seed, move |world| async move {
        let (a, b) = two_nodes(&world);
        let mut draws = world.stream("test", "effects");
        world.net().set_link(a, b, random_policy(&mut draws));
        world.net().set_link(b, a, random_policy(&mut draws));
        const LENGTH: usize = 150_000;
        let server = start(&world, b, async move {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let mut streams = Vec::new();
            for round in 0..3 {
                let (stream, _) = listener.accept().await.unwrap();
                let (theirs, ours) = (pattern(round, LENGTH), pattern(round + 10, LENGTH));
                streams.push(exchange(stream, ours, theirs).await);
            }
            streams
        });
        let client = start(&world, a, async move {
            let mut streams = Vec::new();
            for round in 0..3 {
                let stream = TcpStream::connect("b:7000").await.unwrap();
                let (ours, theirs) = (pattern(round, LENGTH), pattern(round + 10, LENGTH));
                streams.push(exchange(stream, ours, theirs).await);
            }
            streams
        });
        let mut touched = 0;
        for _ in 0..30 {
            let mut imposed = Vec::new();
            for _ in 0..1 + draws.pick(3) {
                let (from, to) = if draws.chance(0.5) { (a, b) } else { (b, a) };
                let effect = random_effect(&mut draws);
                let stream = world.stream("fault", &format!("{from:?} {:?}", world.now()));
                imposed.push(world.net().impose(from, to, effect, stream));
            }
            world.sleep(draws.duration(ms(1), ms(500))).await;
            touched += lift(&world, imposed);
            world.sleep(draws.duration(ms(1), ms(200))).await;
        }
        let streams = (client.await.unwrap(), server.await.unwrap());
        assert_eq!((streams.0.len(), streams.1.len()), (3, 3));
        (world.net().digest(), touched)
    })
}

#[test]
fn all_bytes_arrive_once_and_in_order_whatever_a_network_does() {
    let runs: Vec<_> = (0..60).map(exchange_through_random_effects).collect();
    let touched: u64 = runs.iter().map(|(_, touched)| touched).sum();
    assert!(touched > 3_000, "the effects touched no more than {touched} packets");
    let again: Vec<_> = (0..10).map(exchange_through_random_effects).collect();
    assert_eq!(again, runs[..10], "and the same seed is the same run");
}

#[test]
fn a_segment_that_is_held_back_holds_up_those_behind_it() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut arrivals = Vec::new();
            for _ in 0..3 {
                let mut word = [0; 5];
                stream.read_exact(&mut word).await.unwrap();
                arrivals.push((String::from_utf8(word.to_vec()).unwrap(), now()));
            }
            arrivals
        });
        start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            for (at, word) in [(100, b"first"), (110, b"other"), (130, b"third")] {
                World::current().sleep_until(ms(at)).await;
                stream.write_all(word).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        world.sleep_until(ms(90)).await;
        let reorder = impose(&world, a, b, LinkEffect::Reorder { probability: 1.0, by: ms(20) });
        world.sleep_until(ms(105)).await;
        assert_eq!(world.net().lift(reorder), 1);
        let arrivals = server.await.unwrap();
        let words: Vec<_> = arrivals.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["first", "other", "third"]);
        // The second was there at 115 ms, ten before the first.
        for ((_, at), expected) in arrivals.iter().zip([125, 125, 135]) {
            assert_about(*at, ms(expected));
        }
    });
}

#[test]
fn the_segments_behind_a_lost_one_bring_it_back_within_a_round_trip() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 6]).await.unwrap();
            now()
        });
        start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            for at in [100, 110, 111, 112, 113, 114] {
                World::current().sleep_until(ms(at)).await;
                stream.write_all(b"x").await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        world.sleep_until(ms(109)).await;
        let loss = LinkEffect::Loss { model: LossModel::Independent(1.0) };
        let loss = impose(&world, a, b, loss);
        world.sleep_until(Duration::from_micros(110_500)).await;
        assert_eq!(world.net().lift(loss), 1);
        // The first behind it brings the acknowledgement of what was before it, the other three repeat that, the last of
        // them at 124 ms. The time-out would be over 200 ms.
        assert_about(server.await.unwrap(), ms(124 + 5));
    });
}

#[test]
fn a_corrupted_segment_is_lost_and_sent_again() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            World::current().sleep_until(ms(100)).await;
            stream.write_all(b"unharmed").await.unwrap();
            let mut reply = [0; 8];
            stream.read_exact(&mut reply).await.unwrap();
            assert_eq!(&reply, b"unharmed");
            assert_about(now(), ms(100 + 210 + 10));
        });
        world.sleep_until(ms(99)).await;
        let corrupt = impose(&world, a, b, LinkEffect::Corrupt { probability: 1.0 });
        world.sleep_until(ms(200)).await;
        assert_eq!(world.net().lift(corrupt), 1);
        client.await.unwrap();
    });
}

#[test]
fn an_attacker_changes_what_a_stream_carries_and_nobody_notices() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            let mut replies = Vec::new();
            for round in 1..=2 {
                World::current().sleep_until(ms(100) * round).await;
                stream.write_all(b"pay ten euros to alice").await.unwrap();
                let mut reply = [0; 22];
                stream.read_exact(&mut reply).await.unwrap();
                replies.push(reply);
            }
            replies
        });
        world.sleep_until(ms(99)).await;
        let tamper = impose(&world, a, b, LinkEffect::Tamper { probability: 1.0 });
        world.sleep_until(ms(180)).await;
        assert_eq!(world.net().lift(tamper), 1, "the request; an acknowledgement has nothing to change");
        let replies = client.await.unwrap();
        let changed = replies[0].iter().zip(b"pay ten euros to alice").filter(|(a, b)| a != b).count();
        assert!((1..=8).contains(&changed), "{changed} bytes");
        assert_eq!(&replies[1], b"pay ten euros to alice", "healed");
    });
}

/// The answer to a late copy of a segment, whose receiver has long forgotten the connection, broke the end that had
/// closed first and whose process still held the stream.
#[test]
fn a_late_copy_does_not_break_a_connection_that_both_sides_have_ended() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        impose_both(&world, a, b, LinkEffect::Replay { probability: 1.0, min: ms(500), max: ms(600) });
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            stream.write_all(b"thanks").await.unwrap();
            drop(stream);
            // The copy of a SYN is not a second connection.
            squall_rt::time::timeout(ms(5_000), listener.accept()).await.is_err()
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(b"request").await.unwrap();
            stream.shutdown().await.unwrap();
            squall_rt::time::sleep(ms(2_000)).await;
            let mut thanks = String::new();
            stream.read_to_string(&mut thanks).await.unwrap();
            assert_eq!(thanks, "thanks");
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        });
        client.await.unwrap();
        assert!(server.await.unwrap());
    });
}

#[test]
fn segments_fit_the_link_they_leave_by() {
    let packets = |mtu, loopback: bool| {
        in_a_world(1, move |world| async move {
            let (a, b) = two_nodes(&world);
            world.net().set_link(a, b, LinkPolicy { mtu, ..constant(ms(5)) });
            // Counts: a nanosecond is less than the scheduler's steps.
            let delay = LinkEffect::Delay { by: Duration::from_nanos(1), jitter: Duration::ZERO };
            let counter = impose(&world, a, b, delay);
            let server = start(&world, if loopback { a } else { b }, async move {
                let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
                if loopback {
                    let mut stream = TcpStream::connect("localhost:7000").await.unwrap();
                    stream.write_all(&[1; 14_600]).await.unwrap();
                    listener.accept().await.unwrap().0.read_exact(&mut [0; 14_600]).await.unwrap();
                } else {
                    listener.accept().await.unwrap().0.read_exact(&mut [0; 14_600]).await.unwrap();
                }
            });
            if !loopback {
                start(&world, a, async {
                    let mut stream = TcpStream::connect("b:7000").await.unwrap();
                    stream.write_all(&[1; 14_600]).await.unwrap();
                    std::future::pending::<()>().await;
                });
            }
            server.await.unwrap();
            world.net().lift(counter)
        })
    };
    assert_eq!(packets(1_500, false), 2 + 10, "a handshake and ten segments of 1,460 bytes");
    assert_eq!(packets(576, false), 2 + 28);
    assert_eq!(packets(65_535, false), 2 + 1);
    assert_eq!(packets(1_500, true), 0, "no link, no effect");
}

#[test]
fn loopback_knows_no_faults() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        world.net().set_default(LinkPolicy { loss: LossModel::Independent(1.0), ..constant(ms(1_000)) });
        for (from, to) in [(a, a), (a, b), (b, a)] {
            impose(&world, from, to, LinkEffect::Block(BlockMode::Drop));
            impose(&world, from, to, LinkEffect::Tamper { probability: 1.0 });
        }
        let process = start(&world, a, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let mut client = TcpStream::connect("a:7000").await.unwrap();
            client.write_all(b"to myself").await.unwrap();
            let mut buffer = [0; 9];
            listener.accept().await.unwrap().0.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"to myself");
            assert!(now() < ms(1), "{:?}", now());
            let error = squall_rt::time::timeout(ms(60_000), TcpStream::connect("b:7000")).await;
            assert!(error.is_err(), "the link is as bad as it was made");
            let stranger = TcpStream::connect("10.0.0.77:1").await.unwrap_err();
            assert_eq!(stranger.kind(), ErrorKind::NetworkUnreachable);
        });
        process.await.unwrap();
    });
}
