//! Processes that die, machines that lose power, and what is left of either.

use std::io::ErrorKind;

use super::*;

/// Connects `a` to an echo on `b`, has `act` do something to `b` at 1 s, and gives what a read on `a` then returns, and
/// when. From 2 s on, `a` writes once.
fn read_after(act: impl FnOnce(&World, NodeId) + Send + 'static) -> (std::io::Result<usize>, Duration) {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let (mut read, mut write) = TcpStream::connect("b:7000").await.unwrap().into_split();
            squall_rt::task::spawn(async move {
                World::current().sleep_until(ms(2_000)).await;
                let _ = write.write_all(b"ping").await;
                std::future::pending::<()>().await;
                drop(write);
            });
            (read.read(&mut [0; 8]).await, now())
        });
        world.sleep_until(ms(1_000)).await;
        act(&world, b);
        world.sleep_until(ms(3_000)).await;
        if !world.is_up(b) {
            start_echo(&world, b);
        }
        client.await.unwrap()
    })
}

#[test]
fn a_dead_process_resets_its_connections() {
    let (result, at) = read_after(|world, b| {
        world.crash(b, Death::Process, DiskFate::Keep);
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_about(at, ms(1_005));
}

#[test]
fn a_dead_machine_is_silent_until_it_is_back_and_then_resets() {
    let (result, at) = read_after(|world, b| {
        world.crash(b, Death::Power, DiskFate::Keep);
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
    // Written at 2 s; retried after 210, 420, 840 ms: the third is the first to find the machine back.
    assert_about(at, ms(2_000 + 210 + 420 + 840 + 10));
}

#[test]
fn a_machine_that_never_comes_back_lets_a_writer_wait_a_quarter_of_an_hour() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            squall_rt::time::sleep(ms(1_000)).await;
            stream.write_all(b"ping").await.unwrap();
            let error = stream.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            now()
        });
        world.sleep(ms(500)).await;
        world.crash(b, Death::Power, DiskFate::Keep);
        let gave_up_at = client.await.unwrap().as_secs();
        assert!((900..960).contains(&gave_up_at), "{gave_up_at} s");
    });
}

#[test]
fn a_dead_process_refuses_and_a_dead_machine_does_not_answer() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        world.sleep(ms(1)).await;
        world.crash(b, Death::Process, DiskFate::Keep);
        let client = start(&world, a, async { TcpStream::connect("b:7000").await.unwrap_err().kind() });
        assert_eq!(client.await.unwrap(), ErrorKind::ConnectionRefused);
        world.crash(a, Death::Process, DiskFate::Keep);
        start_echo(&world, b);
        world.sleep(ms(1)).await;
        world.crash(b, Death::Power, DiskFate::Keep);
        let client = start(&world, a, async {
            squall_rt::time::timeout(ms(60_000), TcpStream::connect("b:7000")).await.is_err()
        });
        assert!(client.await.unwrap(), "silence");
    });
}

#[test]
fn what_a_process_sent_before_it_died_still_arrives() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let server = start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            let error = stream.read_to_end(&mut all).await.unwrap_err();
            (all, error.kind())
        });
        start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            stream.write_all(b"last words").await.unwrap();
            std::future::pending::<()>().await;
            drop(stream);
        });
        world.sleep(ms(12)).await;
        world.crash(a, Death::Process, DiskFate::Keep);
        assert_eq!(server.await.unwrap(), (b"last words".to_vec(), ErrorKind::ConnectionReset));
    });
}

/// Says something over every kind of socket as it is dropped.
struct LastWords(UdpSocket, TcpStream, std::net::SocketAddr);

impl Drop for LastWords {
    fn drop(&mut self) {
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        assert_eq!(self.0.try_send_to(b"x", self.2).unwrap_err().kind(), ErrorKind::NotConnected);
        let written = tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(&mut self.1), &mut cx, b"x");
        assert!(matches!(written, std::task::Poll::Ready(Err(_))), "{written:?}");
        let bound = std::pin::pin!(UdpSocket::bind("0.0.0.0:99")).as_mut().poll(&mut cx);
        assert!(matches!(bound, std::task::Poll::Ready(Err(_))), "{bound:?}");
        let connected = std::pin::pin!(TcpStream::connect("b:7000")).as_mut().poll(&mut cx);
        assert!(matches!(connected, std::task::Poll::Ready(Err(_))), "{connected:?}");
    }
}

#[test]
fn what_is_left_of_a_dead_process_sends_nothing() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start_echo(&world, b);
        let dropped = start(&world, a, async {
            let stream = TcpStream::connect("b:7000").await.unwrap();
            let words = LastWords(
                UdpSocket::bind("0.0.0.0:0").await.unwrap(),
                stream,
                squall_rt::net::lookup_host("b:53").await.unwrap().next().unwrap(),
            );
            std::future::pending::<()>().await;
            drop(words);
        });
        world.sleep(ms(100)).await;
        world.crash(a, Death::Power, DiskFate::Keep);
        let digest = world.net().digest();
        assert!(dropped.await.is_err(), "the process was dropped, and with it `LastWords`");
        world.sleep(ms(1_000)).await;
        assert_eq!(world.net().digest(), digest, "not a packet");
    });
}

#[test]
fn a_new_life_takes_over_the_ports_of_the_old_one() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        for _ in 0..3 {
            start_echo(&world, b);
            let client = start(&world, a, async {
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                stream.write_all(b"ping").await.unwrap();
                stream.read(&mut [0; 4]).await.unwrap()
            });
            assert_eq!(client.await.unwrap(), 4);
            world.crash(a, Death::Process, DiskFate::Keep);
            world.crash(b, Death::Power, DiskFate::Keep);
            world.sleep(ms(1)).await;
        }
    });
}

#[test]
fn a_process_that_was_cut_off_reaches_nothing() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            for _ in 0..10 {
                squall_rt::time::sleep(ms(100)).await;
                let sent = socket.send_to(b"x", "b:53").await;
                assert_eq!(sent.is_ok(), now() < ms(500));
            }
        });
        let server = start(&world, b, async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            let mut count = 0;
            while squall_rt::time::timeout(ms(1_000), socket.recv_from(&mut [0; 1])).await.is_ok() {
                count += 1;
            }
            count
        });
        world.sleep(ms(450)).await;
        assert!(world.cut_off(a, Death::Power, DiskFate::Keep));
        assert_eq!(server.await.unwrap(), 4);
    });
}

#[test]
fn the_supervisor_has_no_sockets() {
    in_a_world(1, |world| async move {
        world.add_node("a");
        assert_eq!(UdpSocket::bind("0.0.0.0:1").await.unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(TcpStream::connect("a:1").await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}
