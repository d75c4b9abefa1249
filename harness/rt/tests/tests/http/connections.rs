//! Which connections are made, kept, trusted and closed.

use super::*;

/// A server without HTTP: answers each request, by hand, with the same bytes; says when a connection begins and ends.
async fn by_hand(
    listener: TcpListener,
    answer: &'static [u8],
    close: bool,
    events: mpsc::UnboundedSender<&'static str>,
) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("the listener lives");
        let events = events.clone();
        // The test may be over.
        let _ = events.send("begins");
        task::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(1..) = stream.read(&mut buffer).await {
                stream.write_all(answer).await.expect("the client waits");
                if close {
                    break;
                }
            }
            let _ = events.send("ends");
        });
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_connection_is_used_again() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        let clone = client.clone();
        let mut peers = BTreeSet::new();
        for _ in 0..20 {
            peers.insert(cluster.get(&client, "/peer").await);
            peers.insert(cluster.get(&clone, "/peer").await);
        }
        assert_eq!(peers.len(), 1, "{peers:?}");
        // Answers with a body, without one, and with an error do not differ in that.
        for path in ["/fail", "/nowhere", "/produce/100000", "/produce/0"] {
            client.get(&cluster.url(path), LONG).await.unwrap();
        }
        peers.insert(cluster.get(&client, "/peer").await);
        assert_eq!(peers.len(), 1, "{peers:?}");
    });
}

#[test]
fn no_more_connections_are_kept_than_allowed() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        for (max_idle_per_host, expected) in [(0, 7), (2, 4), (8, 3)] {
            let client = Client::with_config(Config { max_idle_per_host, ..Config::default() });
            // Three at once, and again three at once, and one.
            let mut peers = BTreeSet::new();
            for count in [3, 3, 1] {
                peers.extend(join_all((0..count).map(|_| cluster.get(&client, "/peer"))).await);
            }
            assert_eq!(peers.len(), expected, "{max_idle_per_host} kept: {peers:?}");
        }
    });
}

#[test]
fn the_connection_of_a_request_that_was_given_up_is_not_used_again() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        let first = cluster.get(&client, "/peer").await;
        assert_unknown(client.get(&cluster.url("/slow/400"), MS * 100).await);
        let second = cluster.get(&client, "/peer").await;
        assert_ne!(first, second);
        assert!(time::timeout(MS * 100, client.get(&cluster.url("/slow/400"), LONG)).await.is_err());
        let third = cluster.get(&client, "/peer").await;
        assert_ne!(second, third);
    });
}

#[test]
fn a_connection_that_the_server_closed_is_replaced_without_a_word() {
    cluster::run(|cluster| async move {
        let (events, mut seen) = mpsc::unbounded_channel();
        cluster.listen(|listener| by_hand(listener, OK, true, events)).await;
        let client = Client::new();
        for _ in 0..5 {
            assert_eq!(cluster.get(&client, "/").await, "ok");
            assert_eq!(seen.recv().await, Some("begins"));
            assert_eq!(seen.recv().await, Some("ends"));
            time::sleep(MS * 50).await;
        }
    });
}

#[test]
fn what_is_idle_for_too_long_is_closed() {
    cluster::run(|cluster| async move {
        let (events, mut seen) = mpsc::unbounded_channel();
        cluster.listen(|listener| by_hand(listener, OK, false, events)).await;
        let client = Client::with_config(Config { idle_timeout: MS * 500, ..Config::default() });
        let begun = Instant::now();
        for _ in 0..10 {
            assert_eq!(cluster.get(&client, "/").await, "ok");
            time::sleep(MS * 100).await;
        }
        assert_eq!(seen.recv().await, Some("begins"));
        assert_eq!(time::timeout(LONG, seen.recv()).await, Ok(Some("ends")));
        assert!(begun.elapsed() >= MS * 1_400, "kept while it is used: {:?}", begun.elapsed());
        assert_eq!(cluster.get(&client, "/").await, "ok");
        assert_eq!(seen.recv().await, Some("begins"));
    });
}

#[test]
fn the_last_client_closes_the_connections() {
    cluster::run(|cluster| async move {
        let (events, mut seen) = mpsc::unbounded_channel();
        cluster.listen(|listener| by_hand(listener, OK, false, events)).await;
        let client = Client::new();
        let clone = client.clone();
        assert_eq!(cluster.get(&client, "/").await, "ok");
        drop(client);
        time::sleep(MS * 200).await;
        assert_eq!(seen.recv().await, Some("begins"));
        assert!(seen.try_recv().is_err(), "a clone is left");
        drop(clone);
        assert_eq!(time::timeout(LONG, seen.recv()).await, Ok(Some("ends")));
    });
}

#[test]
fn garbage_and_half_an_answer_are_unknown_outcomes() {
    cluster::run(|cluster| async move {
        let answers: [&'static [u8]; 5] = [
            b"What?\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Len",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nwords",
        ];
        for answer in answers {
            let (events, _) = mpsc::unbounded_channel();
            cluster.listen(move |listener| by_hand(listener, answer, true, events)).await;
            let begun = Instant::now();
            assert_unknown(Client::new().get(&cluster.url("/"), LONG).await);
            assert!(begun.elapsed() < LONG / 2, "the connection's end is seen at once");
            cluster.kill().await;
        }
    });
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    cluster::run(|cluster| async move {
        let (events, _seen) = mpsc::unbounded_channel();
        let answer = b"HTTP/1.0 200 OK\r\n\r\nall of it";
        cluster.listen(|listener| by_hand(listener, answer, true, events)).await;
        assert_eq!(cluster.get(&Client::new(), "/").await, "all of it");
    });
}

#[test]
fn what_a_server_sends_unasked_is_no_answer_to_a_later_request() {
    cluster::run(|cluster| async move {
        let (events, mut seen) = mpsc::unbounded_channel();
        let two =
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        cluster.listen(|listener| by_hand(listener, two, false, events)).await;
        let client = Client::new();
        for _ in 0..3 {
            assert_eq!(cluster.get(&client, "/").await, "ok");
            time::sleep(MS * 50).await;
        }
        let connections = std::iter::from_fn(|| seen.try_recv().ok()).filter(|event| *event == "begins");
        assert_eq!(connections.count(), 3, "none was trusted twice");
    });
}
