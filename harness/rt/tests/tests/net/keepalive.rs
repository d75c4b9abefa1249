//! Keepalive: what tells an idle end that its peer is gone.

use std::io::ErrorKind;

use squall_rt::net::set_keepalive;

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Connects `a`, with keepalive after 10 s each 2 s up to 3 times, to an echo on `b`; `act` does something at 5 s. Gives
/// what a read then says, and when, if that is within an hour.
fn idle_read(
    act: impl AsyncFnOnce(&World, NodeId, NodeId) + Send + 'static,
) -> Option<(ErrorKind, Duration)> {
    in_a_world(1, move |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            set_keepalive(&stream, s(10), s(2), 3).unwrap();
            let read = squall_rt::time::timeout(s(3_600), stream.read(&mut [0; 8])).await;
            read.ok().map(|read| (read.unwrap_err().kind(), now()))
        });
        world.sleep_until(s(5)).await;
        act(&world, a, b).await;
        client.await.unwrap()
    })
}

#[test]
fn an_idle_end_learns_that_the_machine_of_its_peer_has_no_power() {
    let (error, at) = idle_read(async |world, _, b| {
        world.crash(b, Death::Power, DiskFate::Keep);
    })
    .expect("within the hour");
    assert_eq!(error, ErrorKind::TimedOut);
    // Last heard of at 10 ms; probes 10, 12 and 14 s later, given up at 16 s.
    assert_about(at, s(16) + ms(10));
}

#[test]
fn an_idle_end_learns_that_its_peer_is_back_and_knows_nothing() {
    let (error, at) = idle_read(async |world, _, b| {
        world.crash(b, Death::Power, DiskFate::Keep);
        world.sleep(s(6)).await;
        start_echo(world, b);
    })
    .expect("within the hour");
    assert_eq!(error, ErrorKind::ConnectionReset);
    // The probe at 12 s is the first that finds it.
    assert_about(at, s(12) + ms(20));
}

#[test]
fn an_idle_end_learns_that_its_connection_was_forgotten() {
    let (error, at) = idle_read(async |world, a, b| {
        assert_eq!(world.net().half_open(b, a), 1);
    })
    .expect("within the hour");
    assert_eq!(error, ErrorKind::ConnectionReset);
    assert_about(at, s(10) + ms(20));
}

#[test]
fn a_peer_that_answers_keeps_the_connection_and_so_does_a_short_partition() {
    assert_eq!(idle_read(async |_, _, _| {}), None, "an hour of answers");
    let after = idle_read(async |world, a, b| {
        let effects = impose_both(world, a, b, LinkEffect::Block(BlockMode::Drop));
        world.sleep_until(s(13)).await;
        assert_eq!(lift(world, effects), 2, "the probes at 10 and 12 s");
    });
    assert_eq!(after, None, "the third was answered");
}

#[test]
fn without_keepalive_an_idle_end_waits_for_ever() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            squall_rt::time::timeout(s(100_000), stream.read(&mut [0; 8])).await.is_err()
        });
        world.sleep(ms(100)).await;
        world.crash(b, Death::Power, DiskFate::Keep);
        assert!(client.await.unwrap());
    });
}

#[test]
fn probes_are_rare_and_traffic_puts_them_off() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            set_keepalive(&stream, s(3_600), s(1), 3).unwrap();
            // Changed while it runs: what was set before is over.
            set_keepalive(&stream, s(10), s(2), 3).unwrap();
            for _ in 0..20 {
                squall_rt::time::sleep(s(9)).await;
                stream.write_all(b"ping").await.unwrap();
                stream.read_exact(&mut [0; 4]).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let delay = LinkEffect::Delay { by: Duration::from_nanos(1), jitter: Duration::ZERO };
        world.sleep_until(s(1)).await;
        let counter = impose(&world, a, b, delay);
        world.sleep_until(s(185)).await;
        assert_eq!(
            world.net().lift(counter),
            40,
            "twenty requests and the acknowledgements of their replies"
        );
        let counter = impose(&world, a, b, delay);
        world.sleep(s(1_000)).await;
        assert_eq!(world.net().lift(counter), 100, "one probe each ten seconds");
    });
}

#[test]
fn nonsensical_keepalive_is_an_error() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let stream = TcpStream::connect("b:7000").await.unwrap();
            for (time, interval, retries) in
                [(s(0), s(1), 1), (s(1), s(0), 1), (s(1), s(1), 0), (s(32_768), s(1), 1), (s(1), s(1), 128)]
            {
                let error = set_keepalive(&stream, time, interval, retries).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            }
            set_keepalive(&stream, ms(1), s(32_767), 127).unwrap();
        });
        client.await.unwrap();
    });
}
