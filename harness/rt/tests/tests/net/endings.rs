//! How connections end that their processes do not close: with the process, by a reset on the way, by a kernel that
//! forgets them.

use std::io::ErrorKind;

use super::*;

const MEGABYTE: usize = 1 << 20;

/// `b` greets `a`, and writes 100,000 bytes more just before 1 s, when its process ends as `death` has it. Gives what `a`
/// has read when its stream ends, fails or has been silent for a minute (`WouldBlock`), and when that is.
fn read_until_the_end(
    death: Death,
    act: impl FnOnce(&World) + Send + 'static,
) -> (Vec<u8>, Option<ErrorKind>, Duration) {
    in_a_world(1, move |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"greeting").await.unwrap();
            World::current().sleep_until(ms(999)).await;
            stream.write_all(&vec![7; 100_000]).await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            let mut all = Vec::new();
            let read = squall_rt::time::timeout(ms(60_000), stream.read_to_end(&mut all)).await;
            let kind = match read {
                Err(_) => Some(ErrorKind::WouldBlock),
                Ok(read) => read.err().map(|error| error.kind()),
            };
            (all, kind, now())
        });
        world.sleep_until(ms(1_000)).await;
        act(&world);
        world.crash(b, death, DiskFate::Keep);
        client.await.unwrap()
    })
}

#[test]
fn a_process_that_exits_ends_its_streams_behind_all_it_wrote() {
    let (all, error, at) = read_until_the_end(Death::Exit, |_| {});
    assert_eq!((all.len(), error), (100_008, None), "the end of the stream, not an error");
    assert_about(at, ms(1_005));
}

#[test]
fn the_kernel_goes_on_retransmitting_for_a_process_that_has_exited() {
    let (all, error, at) = read_until_the_end(Death::Exit, |world| {
        let (a, b) = (NodeId(0), NodeId(1));
        let hole = impose(world, b, a, LinkEffect::Block(BlockMode::Drop));
        let net = world.net().clone();
        madsim::task::spawn(async move {
            World::current().sleep_until(ms(3_000)).await;
            assert!(net.lift(hole) > 2, "retransmissions were lost too");
        });
    });
    assert_eq!((all.len(), error), (100_008, None));
    assert!(at > ms(3_000) && at < ms(8_000), "{at:?}");
}

#[test]
fn a_process_that_dies_resets_its_streams_and_a_machine_falls_silent() {
    let (all, error, at) = read_until_the_end(Death::Process, |_| {});
    assert_eq!(
        (all.len(), error),
        (100_008, Some(ErrorKind::ConnectionReset)),
        "the last words, and a reset"
    );
    assert_about(at, ms(1_005));
    let (all, error, at) = read_until_the_end(Death::Power, |_| {});
    assert_eq!((all.len(), error), (100_008, Some(ErrorKind::WouldBlock)), "nothing at all");
    assert!(at > ms(60_000));
}

#[test]
fn a_process_that_exits_with_unread_data_resets() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let _stream = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(b"never read").await.unwrap();
            stream.read(&mut [0; 8]).await.unwrap_err().kind()
        });
        world.sleep(ms(100)).await;
        world.crash(b, Death::Exit, DiskFate::Keep);
        assert_eq!(client.await.unwrap(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn who_sends_to_a_process_that_has_exited_is_reset_a_round_trip_later() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
            stream.write_all(b"too late").await.expect("the first write cannot know");
            squall_rt::time::sleep(ms(11)).await;
            assert_eq!(stream.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            let since = now();
            let refused = TcpStream::connect("b:7000").await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "the kernel answers");
            assert_about(now() - since, ms(10));
        });
        world.sleep(ms(100)).await;
        world.crash(b, Death::Exit, DiskFate::Keep);
        client.await.unwrap();
    });
}

#[test]
fn an_exit_resets_what_nobody_accepted_and_frees_the_ports() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let _listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let _socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.read(&mut [0; 8]).await.unwrap_err().kind()
        });
        world.sleep(ms(100)).await;
        world.crash(b, Death::Exit, DiskFate::Keep);
        world.sleep(ms(1)).await;
        let next_life = start(&world, b, async {
            TcpListener::bind("0.0.0.0:7000").await.unwrap();
            UdpSocket::bind("0.0.0.0:53").await.unwrap();
        });
        next_life.await.unwrap();
        assert_eq!(client.await.unwrap(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_new_life_and_the_flush_of_the_old_one_do_not_meet() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let mut lengths = Vec::new();
            for _ in 0..20 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                assert!(all.iter().all(|byte| *byte == all[0]), "bytes of one life only");
                lengths.push(all.len());
            }
            lengths
        });
        for life in 0..20u8 {
            start(&world, a, async move {
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                stream.write_all(&vec![life; 200_000]).await.unwrap();
                std::future::pending::<()>().await;
            });
            world.sleep(ms(11)).await;
            assert!(world.crash(a, Death::Exit, DiskFate::Keep));
            world.sleep(ms(1)).await;
        }
        assert_eq!(server.await.unwrap(), [200_000; 20]);
    });
}

/// Leaves words over a TCP stream as it is dropped.
struct LastWords(TcpStream);

impl Drop for LastWords {
    fn drop(&mut self) {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let written = tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(&mut self.0), &mut cx, b"x");
        assert!(matches!(written, std::task::Poll::Ready(Err(_))), "{written:?}");
        let mut buffer = [0; 8];
        let mut buffer = tokio::io::ReadBuf::new(&mut buffer);
        let read = tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut self.0), &mut cx, &mut buffer);
        assert!(matches!(read, std::task::Poll::Ready(Err(_))), "{read:?}");
    }
}

#[test]
fn what_is_left_of_a_process_that_has_exited_reaches_nothing() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = String::new();
            stream.read_to_string(&mut all).await.unwrap();
            all
        });
        start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(b"said in life").await.unwrap();
            let words = LastWords(stream);
            std::future::pending::<()>().await;
            drop(words);
        });
        world.sleep(ms(100)).await;
        world.crash(a, Death::Exit, DiskFate::Keep);
        assert_eq!(server.await.unwrap(), "said in life");
    });
}

#[test]
fn a_reset_reaches_both_ends_of_every_connection_between_two_nodes_at_once() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let c = world.add_node("c");
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            loop {
                let (mut stream, from) = listener.accept().await.unwrap();
                squall_rt::task::spawn(async move {
                    let mut buffer = [0; 64];
                    loop {
                        match stream.read(&mut buffer).await {
                            Ok(0) => break,
                            Ok(count) => stream.write_all(&buffer[..count]).await.unwrap(),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                                assert_eq!(from.ip(), "10.0.0.1".parse::<std::net::IpAddr>().unwrap());
                                assert_about(now(), ms(1_000));
                                break;
                            }
                        }
                    }
                });
            }
        });
        let bystander = start(&world, c, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            squall_rt::time::sleep(ms(2_000)).await;
            stream.write_all(b"ping").await.unwrap();
            stream.read_exact(&mut [0; 4]).await.unwrap();
        });
        let client = start(&world, a, async {
            let mut first = TcpStream::connect("b:7000").await.unwrap();
            let mut second = TcpStream::connect("b:7000").await.unwrap();
            World::current().sleep_until(ms(997)).await;
            let third = squall_rt::task::spawn(async {
                let error = TcpStream::connect("b:7000").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "still opening");
            });
            first.write_all(b"on its way").await.unwrap();
            for stream in [&mut first, &mut second] {
                let error = stream.read(&mut [0; 8]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                assert_about(now(), ms(1_000));
            }
            third.await.unwrap();
            // It is over with that: the next connection lives.
            let mut fourth = TcpStream::connect("b:7000").await.unwrap();
            fourth.write_all(b"ping").await.unwrap();
            fourth.read_exact(&mut [0; 4]).await.unwrap();
        });
        world.sleep_until(ms(1_000)).await;
        assert_eq!(world.net().reset(a, b), 3);
        assert_eq!(world.net().reset(b, a), 0, "there is nothing left to reset");
        assert_eq!(world.net().reset(a, c), 0);
        client.await.unwrap();
        bystander.await.unwrap();
    });
}

#[test]
fn a_forgotten_connection_is_half_open_until_the_peer_sends() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let error = stream.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            assert_about(now(), ms(1_000));
            drop(stream);
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"welcome back").await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let (mut read, mut write) = TcpStream::connect("b:7000").await.unwrap().into_split();
            let silence = squall_rt::time::timeout(ms(3_600_000), read.read(&mut [0; 8])).await;
            assert!(silence.is_err(), "an hour, and it notices nothing");
            let since = now();
            write.write_all(b"hello?").await.expect("it is open as far as this end knows");
            assert_eq!(read.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_about(now() - since, ms(10));
            let mut again = TcpStream::connect("b:7000").await.unwrap();
            assert_eq!(again.read(&mut [0; 64]).await.unwrap(), 12);
        });
        world.sleep_until(ms(1_000)).await;
        let digest = world.net().digest();
        assert_eq!(world.net().half_open(b, a), 1);
        assert_eq!(world.net().half_open(b, a), 0);
        world.sleep(ms(1_000_000)).await;
        assert_eq!(world.net().digest(), digest, "not a packet tells of it");
        client.await.unwrap();
    });
}

#[test]
fn a_forgetful_kernel_tells_a_writer_that_waits_and_frees_the_port() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let _never_read = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            let local = stream.local_addr().unwrap();
            let error = stream.write_all(&vec![0; MEGABYTE]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            assert_about(now(), ms(1_000));
            drop(stream);
            TcpListener::bind(local).await.unwrap();
        });
        world.sleep_until(ms(1_000)).await;
        assert_eq!(world.net().half_open(a, b), 1);
        client.await.unwrap();
    });
}
