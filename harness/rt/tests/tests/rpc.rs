//! The RPC, in both worlds: over the simulated network and over real sockets.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use squall_rt::{
    net::{TcpListener, TcpStream},
    rpc::{Call, CallError, Client, Code, MAX_FRAME, Method, Server, Status},
    task,
    time::{self, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, mpsc, watch},
};

#[path = "rpc/cluster.rs"]
mod cluster;
#[cfg(madsim)]
#[path = "rpc/faults.rs"]
mod faults;

impl cluster::Cluster {
    async fn serve(&self, server: Server) {
        self.listen(|listener| async move { server.serve(listener).await.expect("the listener lives") })
            .await;
    }

    fn client(&self) -> Client {
        Client::new(self.address())
    }
}

const MS: Duration = Duration::from_millis(1);
/// Long enough for anything that is going to happen.
const LONG: Duration = Duration::from_secs(20);

macro_rules! methods {
    ($($(#[$doc:meta])* $request:ident -> $reply:ty = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
        struct $request(u64);
        impl Method for $request {
            const NAME: &'static str = $name;
            type Reply = $reply;
        }
    )*};
}

methods! {
    Echo -> u64 = "echo";
    /// Fails with the code of that number.
    Fail -> () = "fail";
    /// Takes so many milliseconds and says who called.
    Slow -> SocketAddr = "slow";
    /// Never ends.
    Hang -> () = "hang";
    /// Replies with so many bytes.
    Produce -> Vec<u8> = "produce";
    /// Milliseconds to the deadline.
    TimeLeft -> u64 = "time_left";
    Missing -> () = "missing";
    Panic -> () = "panic";
}

/// Is "echo" as well, to one who has another idea of it.
#[derive(Serialize, Deserialize)]
struct MisunderstoodEcho(String);
impl Method for MisunderstoodEcho {
    const NAME: &'static str = "echo";
    type Reply = String;
}

#[derive(Serialize, Deserialize)]
struct Swallow(String);
impl Method for Swallow {
    const NAME: &'static str = "swallow";
    type Reply = usize;
}

/// Reports the end of a handler that was dropped rather than finished.
struct Dropped(mpsc::UnboundedSender<()>);
impl Drop for Dropped {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send(());
    }
}

fn code(n: u64) -> Code {
    [Code::Invalid, Code::NotFound, Code::Conflict, Code::Refused, Code::Unavailable, Code::Internal]
        [n as usize]
}

fn server() -> Server {
    server_telling_of_drops().0
}

fn server_telling_of_drops() -> (Server, mpsc::UnboundedReceiver<()>) {
    let (dropped, drops) = mpsc::unbounded_channel();
    let server = Server::new()
        .on(|Echo(n), _| async move { Ok(n) })
        .on(|Fail(n), _| async move { Err(Status::new(code(n), format!("number {n}"))) })
        .on(|Slow(ms), call: Call| async move {
            time::sleep(MS * ms as u32).await;
            Ok(call.peer)
        })
        .on(move |Hang(_), _| {
            let dropped = Dropped(dropped.clone());
            async move {
                let _dropped = dropped;
                std::future::pending().await
            }
        })
        .on(|Produce(n), _| async move { Ok(vec![7; n as usize]) })
        .on(|TimeLeft(_), call: Call| async move { Ok((call.deadline - Instant::now()).as_millis() as u64) })
        .on(|Panic(_), _| async move { panic!("a handler that panics") })
        .on(|Swallow(text), _| async move { Ok(text.len()) });
    (server, drops)
}

#[track_caller]
fn assert_not_sent<T: std::fmt::Debug>(outcome: Result<T, CallError>) {
    assert!(matches!(outcome, Err(CallError::NotSent { .. })), "{outcome:?}");
}

#[track_caller]
fn assert_unknown<T: std::fmt::Debug>(outcome: Result<T, CallError>) {
    assert!(outcome.as_ref().is_err_and(CallError::is_unknown), "{outcome:?}");
}

#[track_caller]
fn assert_status<T: std::fmt::Debug>(outcome: Result<T, CallError>, expected: Code) {
    assert!(matches!(&outcome, Err(CallError::Status(s)) if s.code == expected), "{outcome:?}");
}

#[test]
fn replies_and_errors_come_back() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        for n in [0, 1, u64::MAX] {
            assert_eq!(client.call(&Echo(n), LONG).await, Ok(n));
        }
        for n in 0..6 {
            let expected = CallError::Status(Status::new(code(n), format!("number {n}")));
            assert_eq!(client.call(&Fail(n), LONG).await, Err(expected));
        }
        assert_eq!(client.call(&Produce(3_000_000), LONG).await, Ok(vec![7; 3_000_000]));
        assert_eq!(client.call(&Swallow("x".repeat(3_000_000)), LONG).await, Ok(3_000_000));
    });
}

#[test]
fn what_the_server_does_not_understand_is_invalid() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        assert_status(client.call(&Missing(1), LONG).await, Code::Invalid);
        assert_status(client.call(&MisunderstoodEcho("hello".into()), LONG).await, Code::Invalid);
        assert_eq!(client.call(&Echo(1), LONG).await, Ok(1), "the connection is none the worse for it");
    });
}

#[test]
fn concurrent_calls_share_a_connection_and_end_out_of_order() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        let (ended, mut order) = mpsc::unbounded_channel();
        let calls = (0..20).rev().map(|n| {
            let (client, ended) = (client.clone(), ended.clone());
            async move {
                let peer = client.call(&Slow(n * 20), LONG).await.unwrap();
                ended.send(n).unwrap();
                peer
            }
        });
        let peers = join_all(calls).await;
        assert!(peers.iter().all(|peer| *peer == peers[0]), "all over one connection");
        // The reverse of the order they were made in, so none waited for another.
        for n in 0..20 {
            assert_eq!(order.recv().await, Some(n));
        }
    });
}

#[test]
fn a_call_that_takes_too_long_has_an_unknown_outcome_and_its_handler_is_dropped() {
    cluster::run(|cluster| async move {
        let (server, mut drops) = server_telling_of_drops();
        cluster.serve(server).await;
        let client = cluster.client();
        client.call(&Echo(1), LONG).await.unwrap();
        let begun = Instant::now();
        assert_unknown(client.call(&Hang(1), MS * 300).await);
        assert!(begun.elapsed() >= MS * 300);
        time::timeout(LONG, drops.recv()).await.expect("the handler is dropped");
        assert_eq!(client.call(&Echo(1), LONG).await, Ok(1));
    });
}

#[test]
fn the_deadline_reaches_the_handler() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        let left = client.call(&TimeLeft(0), Duration::from_secs(5)).await.unwrap();
        assert!((1_000..=5_000).contains(&left), "{left} ms");
    });
}

#[test]
fn a_handler_does_not_outlive_its_deadline_even_if_no_one_cancels() {
    cluster::run(|cluster| async move {
        let (server, mut drops) = server_telling_of_drops();
        cluster.serve(server).await;
        // By hand: a client that never cancels. Request 0 of "hang", 200 ms left, body 1.
        let mut stream = TcpStream::connect(cluster.address()).await.unwrap();
        let mut frame = vec![0, 0, 4];
        frame.extend_from_slice(b"hang");
        frame.extend_from_slice(&[0xc0, 0x9a, 0x0c, 1]);
        stream.write_all(&(frame.len() as u32).to_be_bytes()).await.unwrap();
        stream.write_all(&frame).await.unwrap();
        let begun = Instant::now();
        time::timeout(LONG, drops.recv()).await.expect("the handler is dropped");
        assert!(begun.elapsed() >= MS * 190, "{:?}", begun.elapsed());
    });
}

#[test]
fn a_server_that_is_not_there_was_not_sent_anything() {
    cluster::run(|cluster| async move {
        let client = cluster.client();
        let begun = Instant::now();
        assert_not_sent(client.call(&Echo(1), LONG).await);
        assert!(begun.elapsed() < LONG / 2, "a refusal is known at once");
        assert_not_sent(Client::new("no-such-host.invalid:1").call(&Echo(1), MS * 500).await);
        cluster.serve(server()).await;
        assert_eq!(client.call(&Echo(1), LONG).await, Ok(1), "the next call connects again");
    });
}

#[test]
fn calls_in_flight_when_the_server_dies_have_unknown_outcomes() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        client.call(&Echo(1), LONG).await.unwrap();
        let begun = Instant::now();
        let calls = join_all((0..5).map(|n| {
            let client = client.clone();
            async move { client.call(&Hang(n), LONG).await }
        }));
        let ((), outcomes) = tokio::join!(
            async {
                time::sleep(MS * 100).await;
                cluster.kill().await;
            },
            calls
        );
        outcomes.into_iter().for_each(assert_unknown);
        assert!(begun.elapsed() < LONG / 2, "the connection's end is seen at once");
        assert_not_sent(client.call(&Echo(1), LONG).await);
        cluster.serve(server()).await;
        assert_eq!(client.call(&Echo(2), LONG).await, Ok(2));
    });
}

#[test]
fn dropping_a_call_drops_its_handler_and_no_other() {
    cluster::run(|cluster| async move {
        let (server, mut drops) = server_telling_of_drops();
        cluster.serve(server).await;
        let client = cluster.client();
        let other = client.clone();
        let other = task::spawn(async move { other.call(&Slow(1_000), LONG).await });
        assert!(time::timeout(MS * 200, client.call(&Hang(1), LONG)).await.is_err());
        time::timeout(LONG, drops.recv()).await.expect("the handler is dropped");
        assert!(other.await.unwrap().is_ok());
        assert!(drops.try_recv().is_err());
    });
}

#[test]
fn the_end_of_a_client_ends_its_handlers() {
    cluster::run(|cluster| async move {
        let (server, mut drops) = server_telling_of_drops();
        cluster.serve(server).await;
        // By hand: a client that vanishes without a word. Request 0 of "hang", 10 s left, body 1.
        let mut stream = TcpStream::connect(cluster.address()).await.unwrap();
        stream.write_all(b"\0\0\0\x0c\0\0\x04hang\x80\xad\xe2\x04\x01").await.unwrap();
        time::sleep(MS * 200).await;
        assert!(drops.try_recv().is_err());
        drop(stream);
        time::timeout(MS * 3_000, drops.recv()).await.expect("the handler is dropped");
    });
}

#[test]
fn frames_that_are_too_long_are_refused() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        assert_not_sent(client.call(&Swallow("x".repeat(MAX_FRAME)), LONG).await);
        assert_status(client.call(&Produce(MAX_FRAME as u64), LONG).await, Code::Internal);
        let mut stream = TcpStream::connect(cluster.address()).await.unwrap();
        stream.write_all(&(MAX_FRAME as u32 + 1).to_be_bytes()).await.unwrap();
        let end = time::timeout(LONG, stream.read(&mut [0])).await.expect("the server hangs up");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        assert_eq!(client.call(&Echo(1), LONG).await, Ok(1));
    });
}

#[test]
fn garbage_ends_its_own_connection_and_nothing_else() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        client.call(&Echo(1), LONG).await.unwrap();
        let garbage: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\nHost: server-0\r\n\r\n",
            &[0xff; 100],
            &[0, 0, 0, 0],
            &[0, 0, 0, 3, 9, 9, 9],
            &[0, 0, 0, 5, 0, 0, 200, 200, 200],
        ];
        for bytes in garbage {
            let mut stream = TcpStream::connect(cluster.address()).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let end = time::timeout(LONG, stream.read(&mut [0])).await.expect("the server hangs up");
            assert!(matches!(end, Ok(0) | Err(_)), "{end:?} after {bytes:?}");
        }
        // Half a frame, and then nothing: waits for the rest, harms no one.
        let mut stream = TcpStream::connect(cluster.address()).await.unwrap();
        stream.write_all(&[0, 0, 0, 9, 0]).await.unwrap();
        assert_eq!(client.call(&Echo(2), LONG).await, Ok(2));
    });
}

#[test]
fn garbage_from_a_server_is_an_unknown_outcome() {
    cluster::run(|cluster| async move {
        let garbage = |listener: TcpListener| async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_exact(&mut [0; 4]).await.unwrap();
                stream.write_all(&[0, 0, 0, 2, 0, 9]).await.unwrap();
            }
        };
        cluster.listen(garbage).await;
        assert_unknown(cluster.client().call(&Echo(1), LONG).await);
    });
}

#[test]
fn the_last_client_closes_the_connection() {
    cluster::run(|cluster| async move {
        let (ended, mut ends) = mpsc::unbounded_channel();
        let count_ends = |listener: TcpListener| async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let ended = ended.clone();
                task::spawn(async move {
                    let mut requests = Vec::new();
                    // However it ends.
                    let _ = stream.read_to_end(&mut requests).await;
                    ended.send(requests.len()).unwrap();
                });
            }
        };
        cluster.listen(count_ends).await;
        let client = cluster.client();
        let clone = client.clone();
        assert!(time::timeout(MS * 200, client.call(&Hang(1), LONG)).await.is_err());
        drop(client);
        time::sleep(MS * 200).await;
        assert!(ends.try_recv().is_err(), "a clone is left");
        drop(clone);
        let received = time::timeout(LONG, ends.recv()).await.expect("the connection ends").unwrap();
        assert!(received > 10, "the request, at least, was received");
    });
}

/// Accepts connections, says so, and then neither reads nor replies.
async fn silent(listener: TcpListener, accepted: mpsc::UnboundedSender<()>) {
    let mut streams = Vec::new();
    loop {
        streams.push(listener.accept().await.expect("the listener lives"));
        accepted.send(()).expect("the test waits");
    }
}

#[test]
fn a_connection_on_which_nothing_came_is_not_trusted_again() {
    cluster::run(|cluster| async move {
        let (accepted, mut connections) = mpsc::unbounded_channel();
        cluster.listen(|listener| silent(listener, accepted)).await;
        let client = cluster.client();
        let long = client.clone();
        let long = task::spawn(async move { long.call(&Hang(0), MS * 1_500).await });
        time::sleep(MS * 100).await;
        for connection in 0..3 {
            connections.recv().await.unwrap();
            assert!(connections.try_recv().is_err(), "the call in flight stays on connection {connection}");
            let begun = Instant::now();
            assert_unknown(client.call(&Echo(1), MS * 100).await);
            assert!(begun.elapsed() < MS * 1_000);
            task::spawn({
                let client = client.clone();
                async move { client.call(&Echo(2), MS * 100).await }
            });
        }
        assert!(!long.is_finished(), "what was in flight before goes on");
        assert_unknown(long.await.unwrap());
    });
}

#[test]
fn a_connection_on_which_a_call_was_dropped_is_not_trusted_for_ever() {
    cluster::run(|cluster| async move {
        let (accepted, mut connections) = mpsc::unbounded_channel();
        cluster.listen(|listener| silent(listener, accepted)).await;
        let client = cluster.client();
        for _ in 0..3 {
            assert!(time::timeout(MS * 200, client.call(&Hang(0), LONG)).await.is_err());
        }
        assert!(connections.try_recv().is_ok() && connections.try_recv().is_err(), "one so far");
        time::sleep(MS * 1_000).await;
        assert!(time::timeout(MS * 200, client.call(&Hang(0), LONG)).await.is_err());
        assert!(connections.try_recv().is_ok(), "no byte for a second after a call: another connection");
    });
}

#[test]
fn a_connection_that_lives_is_kept_though_a_call_on_it_timed_out() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        let before = client.call(&Slow(0), LONG).await.unwrap();
        let (timed_out, other) = tokio::join!(client.call(&Hang(1), MS * 300), client.call(&Slow(100), LONG));
        assert_unknown(timed_out);
        assert_eq!(other, Ok(before));
        assert_eq!(client.call(&Slow(0), LONG).await, Ok(before));
    });
}

#[test]
fn what_could_not_be_written_was_not_sent() {
    cluster::run(|cluster| async move {
        let (accepted, _connections) = mpsc::unbounded_channel();
        cluster.listen(|listener| silent(listener, accepted)).await;
        let client = cluster.client();
        // More than the buffers between here and there hold, as no one reads.
        let request = Swallow("x".repeat(12 << 20));
        let calls = join_all((0..4).map(|_| client.call(&request, MS * 3_000)));
        let outcomes = calls.await;
        let unknown = outcomes.iter().take_while(|o| o.as_ref().is_err_and(CallError::is_unknown)).count();
        assert!((1..4).contains(&unknown), "{outcomes:?}");
        outcomes.into_iter().skip(unknown).for_each(assert_not_sent);
    });
}

#[test]
fn a_connection_takes_so_many_requests_at_a_time() {
    const CALLS: usize = 600;
    const LIMIT: usize = 256;
    cluster::run(|cluster| async move {
        let running = Arc::new(AtomicUsize::new(0));
        let (open, gate) = watch::channel(false);
        let full = Arc::new(Notify::new());
        let server = Server::new().on({
            let (running, full) = (running.clone(), full.clone());
            move |Echo(n), _| {
                let (running, full, mut gate) = (running.clone(), full.clone(), gate.clone());
                async move {
                    if running.fetch_add(1, Ordering::Relaxed) + 1 == LIMIT {
                        full.notify_one();
                    }
                    gate.wait_for(|open| *open).await.expect("the test holds the gate");
                    Ok(n)
                }
            }
        });
        cluster.serve(server).await;
        let client = cluster.client();
        let calls = join_all((0..CALLS as u64).map(|n| {
            let client = client.clone();
            async move { client.call(&Echo(n), LONG).await }
        }));
        let open_when_full = async {
            full.notified().await;
            time::sleep(MS * 200).await;
            assert_eq!(running.load(Ordering::Relaxed), LIMIT);
            open.send(true).expect("the server watches");
        };
        let (replies, ()) = tokio::join!(calls, open_when_full);
        for (n, reply) in replies.into_iter().enumerate() {
            assert_eq!(reply, Ok(n as u64));
        }
    });
}

#[test]
#[should_panic(expected = "two handlers")]
fn a_method_has_one_handler() {
    let _ = server().on(|Echo(n), _| async move { Ok(n + 1) });
}

/// In the simulation a panic is a finding and ends the run; that is the harness's to test.
#[cfg(not(madsim))]
#[test]
fn a_handler_that_panics_is_an_internal_error() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        assert_status(client.call(&Panic(1), LONG).await, Code::Internal);
        assert_eq!(client.call(&Echo(1), LONG).await, Ok(1));
    });
}
