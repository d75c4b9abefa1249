//! What links and effects do to datagrams: each effect at work, counted, and over once it is lifted.

use super::*;

/// What has arrived, and when.
type Arrivals = Vec<(Vec<u8>, Duration)>;

/// The payload of the datagram with that number.
fn payload(number: u32, size: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().chain((4..size).map(|i| i as u8)).collect()
}

/// Sends so many datagrams of `size` bytes from `a` to `b`, a millisecond apart from 1 ms on; gives what arrives until
/// nothing has come for 2 s, and when it did.
fn datagrams(world: &World, a: NodeId, b: NodeId, count: u32, size: usize) -> oneshot::Receiver<Arrivals> {
    let server = start(world, b, async move {
        let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
        let mut arrivals = Vec::new();
        let mut buffer = vec![0; 65_535];
        while let Ok(received) = squall_rt::time::timeout(ms(2_000), socket.recv_from(&mut buffer)).await {
            let (length, _) = received.unwrap();
            arrivals.push((buffer[..length].to_vec(), now()));
        }
        arrivals
    });
    start(world, a, async move {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for number in 0..count {
            World::current().sleep_until(ms(1) * (number + 1)).await;
            socket.send_to(&payload(number, size), "b:53").await.unwrap();
        }
    });
    server
}

/// The number a datagram carries.
fn number(datagram: &[u8]) -> u32 {
    u32::from_le_bytes(datagram[..4].try_into().unwrap())
}

fn numbers(arrivals: &[(Vec<u8>, Duration)]) -> Vec<u32> {
    arrivals.iter().map(|(datagram, _)| number(datagram)).collect()
}

/// Sends 1,000 datagrams through an effect that is lifted after half of them. Gives what arrived of either half, by the
/// number, and how many the effect touched.
fn through(effect: LinkEffect, size: usize) -> ([Arrivals; 2], u64) {
    in_a_world(1, move |world| async move {
        let (a, b) = two_nodes(&world);
        let effect = impose(&world, a, b, effect);
        let arrivals = datagrams(&world, a, b, 1_000, size);
        world.sleep_until(Duration::from_micros(500_500)).await;
        let touched = world.net().lift(effect);
        let (first, second) = arrivals
            .await
            .unwrap()
            .into_iter()
            .partition::<Vec<_>, _>(|(_, at)| *at < Duration::from_micros(505_500));
        ([first, second], touched)
    })
}

/// Whether these are the numbers in order, unchanged, 5 ms after they were sent.
#[track_caller]
fn assert_untouched(arrivals: &[(Vec<u8>, Duration)], from: u32, size: usize) {
    assert_eq!(numbers(arrivals), (from..1_000).collect::<Vec<_>>());
    for (datagram, at) in arrivals {
        assert_eq!(datagram, &payload(number(datagram), size));
        assert_about(*at, ms(1) * (number(datagram) + 1) + ms(5));
    }
}

#[test]
fn a_duplicated_datagram_arrives_twice_within_the_time_given() {
    let ([during, after], touched) =
        through(LinkEffect::Duplicate { probability: 0.2, within: Duration::from_micros(300) }, 64);
    let mut arrivals = std::collections::BTreeMap::<Vec<u8>, Vec<Duration>>::new();
    for (datagram, at) in during {
        arrivals.entry(datagram).or_default().push(at);
    }
    assert_eq!(arrivals.len(), 500, "all arrive, and unchanged");
    assert!(arrivals.keys().all(|datagram| *datagram == payload(number(datagram), 64)));
    let twice: Vec<_> = arrivals.values().filter(|at| at.len() == 2).map(|at| at[1] - at[0]).collect();
    assert_eq!(twice.len() as u64, touched);
    assert!((60..140).contains(&touched), "{touched} of 500");
    assert!(twice.iter().all(|later| *later < Duration::from_micros(301)), "{twice:?}");
    assert!(twice.iter().any(|later| *later > Duration::from_micros(150)), "{twice:?}");
    assert_untouched(&after, 500, 64);
}

#[test]
fn reordered_datagrams_are_overtaken_and_none_is_lost() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let effect = impose(&world, a, b, LinkEffect::Reorder { probability: 0.1, by: ms(20) });
        let arrivals = datagrams(&world, a, b, 1_000, 8);
        world.sleep_until(Duration::from_micros(500_500)).await;
        let touched = world.net().lift(effect);
        let arrivals = arrivals.await.unwrap();
        let mut late = 0;
        for (datagram, at) in &arrivals {
            let sent = ms(1) * (number(datagram) + 1);
            if *at - sent < ms(6) {
                continue;
            }
            late += 1;
            assert!(number(datagram) < 500, "healed");
            assert_about(*at - sent, ms(25));
        }
        assert_eq!(late, touched);
        assert!((25..80).contains(&touched), "{touched} of 500");
        let mut order = numbers(&arrivals);
        assert!(!order.is_sorted(), "those held back come behind others");
        order.sort_unstable();
        assert_eq!(order, (0..1_000).collect::<Vec<_>>(), "each comes once");
    });
}

#[test]
fn corrupted_datagrams_arrive_with_a_few_bits_flipped() {
    let ([during, after], touched) = through(LinkEffect::Corrupt { probability: 0.3 }, 64);
    assert_eq!(during.len(), 500, "none is lost");
    let mut corrupted = 0;
    for (at, (datagram, _)) in during.iter().enumerate() {
        let sent = payload(at as u32, 64);
        assert_eq!(datagram.len(), sent.len());
        let flipped: u32 = datagram.iter().zip(&sent).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert!(flipped <= 4, "{flipped} bits");
        corrupted += u64::from(flipped > 0);
    }
    assert_eq!(corrupted, touched);
    assert!((110..190).contains(&touched), "{touched} of 500");
    assert_untouched(&after, 500, 64);
}

#[test]
fn an_attacker_changes_bytes_and_never_the_length() {
    let ([during, after], touched) = through(LinkEffect::Tamper { probability: 0.3 }, 64);
    let mut changed = 0;
    for (at, (datagram, _)) in during.iter().enumerate() {
        let sent = payload(at as u32, 64);
        assert_eq!(datagram.len(), sent.len());
        let bytes = datagram.iter().zip(&sent).filter(|(a, b)| a != b).count();
        assert!(bytes <= 8, "{bytes} bytes");
        changed += u64::from(bytes > 0);
    }
    assert_eq!(changed, touched);
    assert!((110..190).contains(&touched), "{touched} of 500");
    assert_untouched(&after, 500, 64);
}

#[test]
fn an_attacker_replays_datagrams_much_later() {
    let replay = LinkEffect::Replay { probability: 0.1, min: ms(600), max: ms(900) };
    let ([during, after], touched) = through(replay, 16);
    assert_eq!(numbers(&during), (0..500).collect::<Vec<_>>(), "the originals are as ever");
    let (fresh, replayed): (Vec<_>, Vec<_>) = after.into_iter().partition(|(d, _)| number(d) >= 500);
    assert_untouched(&fresh, 500, 16);
    assert_eq!(replayed.len() as u64, touched);
    assert!((25..80).contains(&touched), "{touched} of 500");
    for (datagram, at) in replayed {
        assert_eq!(datagram, payload(number(&datagram), 16));
        let later = at - ms(1) * (number(&datagram) + 1) - ms(5);
        assert!(later >= ms(600) && later < ms(901), "{later:?}");
    }
}

#[test]
fn losses_come_in_bursts() {
    let model = LossModel::Burst { rate: 0.2, length: 25.0 };
    let ([during, after], touched) = through(LinkEffect::Loss { model }, 8);
    assert_eq!(500 - during.len() as u64, touched);
    assert!((40..200).contains(&touched), "{touched} of 500");
    let bursts = numbers(&during).windows(2).filter(|pair| pair[1] > pair[0] + 1).count() as u64;
    assert!(bursts > 0 && bursts * 8 < touched, "{touched} losses in {bursts} bursts");
    assert_untouched(&after, 500, 8);
}

#[test]
fn a_capped_link_queues_what_it_is_given_and_drops_what_does_not_fit() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        // 100 bytes a millisecond come, with headers; half of that goes.
        let cap = LinkEffect::Bandwidth { bytes_per_second: 50_000, queue: Some(2_000) };
        let cap = impose(&world, a, b, cap);
        let arrivals = datagrams(&world, a, b, 400, 72);
        world.sleep_until(Duration::from_micros(200_500)).await;
        let touched = world.net().lift(cap);
        let arrivals = arrivals.await.unwrap();
        let during: Vec<_> = arrivals.iter().filter(|(d, _)| number(d) < 200).collect();
        let after: Vec<_> = arrivals.iter().filter(|(d, _)| number(d) >= 200).collect();
        // A hundred leave in 200 ms, and twenty are in the queue then.
        assert!((118..=122).contains(&during.len()), "{} got through", during.len());
        assert_eq!(touched, 200, "each is either late or dropped");
        assert!(during.is_sorted_by_key(|(_, at)| *at), "a queue keeps the order");
        for (datagram, at) in &during {
            let late = *at - ms(1) * (number(datagram) + 1) - ms(5);
            assert!(late >= ms(2) && late <= ms(43), "{late:?}: no more than a full queue");
        }
        assert_eq!(after.len(), 200, "nothing is dropped any more");
        assert!(after.iter().all(|(d, at)| *at < ms(1) * (number(d) + 1) + ms(6)), "nor late");
    });
}

#[test]
fn of_two_bandwidths_the_slower_decides() {
    let arrivals = |own, effect| {
        in_a_world(1, move |world| async move {
            let (a, b) = two_nodes(&world);
            world.net().set_link(a, b, LinkPolicy { bandwidth: Some(own), ..constant(ms(5)) });
            let cap = LinkEffect::Bandwidth { bytes_per_second: effect, queue: None };
            let cap = impose(&world, a, b, cap);
            let arrivals = datagrams(&world, a, b, 100, 72).await.unwrap();
            (arrivals.last().unwrap().1, world.net().lift(cap))
        })
    };
    let (last, touched) = arrivals(10_000, 1_000_000);
    assert_about(last, ms(1 + 100 * 10 + 5));
    assert_eq!(touched, 0, "a cap that is wider than the link changes nothing");
    let (last, touched) = arrivals(1_000_000, 10_000);
    assert_about(last, ms(1 + 100 * 10 + 5));
    assert_eq!(touched, 100);
}

#[test]
fn the_queue_of_a_link_is_as_long_as_its_policy_says() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let policy = LinkPolicy { bandwidth: Some(50_000), queue: Some(1_000), ..constant(ms(5)) };
        world.net().set_link(a, b, policy);
        let arrivals = datagrams(&world, a, b, 200, 72).await.unwrap();
        assert!((108..=112).contains(&arrivals.len()), "{} got through", arrivals.len());
    });
}

#[test]
fn jitter_and_duplicates_of_a_link_itself() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        world.net().set_link(a, b, LinkPolicy { jitter: ms(3), duplicate: 0.1, ..constant(ms(5)) });
        let arrivals = datagrams(&world, a, b, 1_000, 8).await.unwrap();
        let mut first = std::collections::BTreeMap::<u32, Duration>::new();
        let mut copies = 0;
        for (datagram, at) in &arrivals {
            let sent = ms(1) * (number(datagram) + 1);
            let original = *first.entry(number(datagram)).or_insert(*at);
            copies += u32::from(original != *at);
            assert!(*at - original <= ms(1), "a copy comes within a millisecond");
            assert!(
                original - sent >= ms(5) && original - sent < ms(8) + ms(1) / 10,
                "{:?}",
                original - sent
            );
        }
        assert_eq!(first.len(), 1_000);
        assert!((70..130).contains(&copies), "{copies} copies");
        let mean = first.iter().map(|(number, at)| *at - ms(1) * (number + 1)).sum::<Duration>() / 1_000;
        assert!(mean > Duration::from_micros(6_400) && mean < Duration::from_micros(6_600), "{mean:?}");
    });
}

#[test]
fn a_long_datagram_is_lost_with_any_of_its_fragments() {
    let arrived = |size, mtu| {
        in_a_world(1, move |world| async move {
            let (a, b) = two_nodes(&world);
            let loss = LossModel::Independent(0.05);
            world.net().set_link(a, b, LinkPolicy { loss, mtu, ..constant(ms(5)) });
            datagrams(&world, a, b, 1_000, size).await.unwrap().len()
        })
    };
    assert!((930..970).contains(&arrived(1_472, 1_500)), "one frame");
    let ten = arrived(14_000, 1_500);
    assert!((560..640).contains(&ten), "0.95 ^ 10 is 60 %, not {ten} of 1,000");
    assert!((930..970).contains(&arrived(8_000, 9_000)), "a jumbo frame");
}

#[test]
fn a_fragmented_datagram_pays_for_every_header() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let policy = LinkPolicy { bandwidth: Some(1_000_000), mtu: 1_020, ..constant(ms(5)) };
        world.net().set_link(a, b, policy);
        let arrivals = datagrams(&world, a, b, 1, 2_992).await.unwrap();
        // 3,000 bytes with UDP's header, in three fragments of 1,000 bytes with an IPv4 header each.
        assert!(arrivals[0].1 >= Duration::from_micros(1_000 + 3_060 + 5_000), "{:?}", arrivals[0].1);
        assert!(arrivals[0].1 < Duration::from_micros(1_000 + 3_061 + 5_000), "{:?}", arrivals[0].1);
    });
}

#[test]
fn the_longest_datagram_passes_and_a_longer_one_is_too_long() {
    const EMSGSIZE: i32 = 90;
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            socket.recv_from(&mut vec![0; 65_535]).await.unwrap().0
        });
        let client = start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            let error = socket.send_to(&[0; 65_508], "b:53").await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(EMSGSIZE));
            socket.send_to(&[0; 65_507], "b:53").await.unwrap();
        });
        client.await.unwrap();
        assert_eq!(server.await.unwrap(), 65_507);
    });
}

#[test]
fn every_effect_counts_what_it_touched_and_not_what_another_did() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let all = |model| LinkEffect::Loss { model };
        let first = impose(&world, a, b, LinkEffect::Delay { by: ms(1), jitter: Duration::ZERO });
        let idle = impose(&world, a, b, LinkEffect::Delay { by: Duration::ZERO, jitter: Duration::ZERO });
        let never = impose(&world, a, b, LinkEffect::Duplicate { probability: 0.0, within: ms(1) });
        let arrivals = datagrams(&world, a, b, 300, 8);
        world.sleep_until(Duration::from_micros(100_500)).await;
        let loss = impose(&world, a, b, all(LossModel::Independent(1.0)));
        let second_loss = impose(&world, a, b, all(LossModel::Burst { rate: 1.0, length: 2.0 }));
        world.sleep_until(Duration::from_micros(200_500)).await;
        let block = impose(&world, a, b, LinkEffect::Block(BlockMode::Drop));
        assert_eq!(arrivals.await.unwrap().len(), 100);
        let touched = [first, idle, never, loss, second_loss, block].map(|effect| world.net().lift(effect));
        assert_eq!(touched, [100, 0, 0, 100, 0, 100]);
    });
}
