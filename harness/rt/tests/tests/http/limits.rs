//! What is too long or too slow.

use super::*;

/// Sends bytes, by hand, and reads until the server hangs up; gives what it said.
async fn raw(cluster: &Cluster, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(cluster.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    // However it ends.
    let _ = time::timeout(LONG, stream.read_to_end(&mut said)).await.expect("the server hangs up");
    String::from_utf8(said).expect("text")
}

async fn serve_with(cluster: &Cluster, limit: impl FnOnce(Server) -> Server) {
    let server = limit(Server::new(app().0));
    cluster.listen(|listener| async move { server.serve(listener).await.expect("the listener lives") }).await;
}

#[test]
fn a_request_that_is_too_long_is_refused() {
    cluster::run(|cluster| async move {
        serve_with(&cluster, |server| server.max_body(1_000)).await;
        let client = Client::new();
        for (length, status) in [(1_000, StatusCode::OK), (1_001, StatusCode::PAYLOAD_TOO_LARGE)] {
            let request = Request::post(cluster.url("/echo")).body(vec![7; length].into()).unwrap();
            assert_status(client.request(request, LONG).await, status);
        }
        // One that does not say how long it is.
        let head = "POST /echo HTTP/1.1\r\nHost: server-0\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
        let said = raw(&cluster, format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
        let said = raw(&cluster, format!("{head}{chunk}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 413 Payload Too Large"), "{said}");
    });
}

#[test]
fn extractors_have_axums_limit_until_the_router_lifts_it() {
    cluster::run(|cluster| async move {
        let app = Router::new().route("/echo", post(async |body: Bytes| body));
        cluster.serve(app).await;
        let request = Request::post(cluster.url("/echo")).body(vec![7; 2_100_000].into()).unwrap();
        assert_status(Client::new().request(request, LONG).await, StatusCode::PAYLOAD_TOO_LARGE);
    });
}

#[test]
fn a_response_that_is_too_long_is_an_unknown_outcome() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::with_config(Config { max_response: 1_000, ..Config::default() });
        assert_status(client.get(&cluster.url("/produce/1000"), LONG).await, StatusCode::OK);
        assert_unknown(client.get(&cluster.url("/produce/1001"), LONG).await);
        assert_unknown(client.get(&cluster.url("/never_ends/2"), LONG).await);
        assert_status(client.get(&cluster.url("/produce/1000"), LONG).await, StatusCode::OK);
    });
}

#[test]
fn a_head_that_does_not_come_closes_its_connection() {
    cluster::run(|cluster| async move {
        serve_with(&cluster, |server| server.head_timeout(MS * 300)).await;
        for begin in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: server-0\r\n"] {
            let begun = Instant::now();
            assert_eq!(raw(&cluster, begin.as_bytes()).await, "", "after {begin:?}");
            assert!((MS * 300..LONG / 2).contains(&begun.elapsed()), "{:?} after {begin:?}", begun.elapsed());
        }
        // A handler may take longer than that.
        assert_eq!(cluster.get(&Client::new(), "/slow/900").await, "done");
    });
}

#[test]
fn a_connection_that_the_server_closed_for_being_idle_does_no_harm() {
    cluster::run(|cluster| async move {
        serve_with(&cluster, |server| server.head_timeout(MS * 300)).await;
        let client = Client::new();
        let first = cluster.get(&client, "/peer").await;
        time::sleep(MS * 600).await;
        assert_ne!(cluster.get(&client, "/peer").await, first);
    });
}

#[test]
fn garbage_ends_its_own_connection_and_nothing_else() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        let peer = cluster.get(&client, "/peer").await;
        for garbage in [
            &b"\xff\xff\xff\xff\r\n\r\n"[..],
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        ] {
            let said = raw(&cluster, garbage).await;
            assert!(said.starts_with("HTTP/1.1 400 Bad Request"), "{said:?} after {garbage:?}");
        }
        assert_eq!(cluster.get(&client, "/peer").await, peer);
    });
}

#[test]
fn a_slow_reader_slows_the_handler_down() {
    cluster::run(|cluster| async move {
        let made = Arc::new(AtomicU64::new(0));
        let counted = made.clone();
        let chunks = move || {
            let made = counted.clone();
            let chunk = move |_| {
                made.fetch_add(100_000, Ordering::Relaxed);
                Ok::<_, Infallible>(Bytes::from_static(&[7; 100_000]))
            };
            async { Body::from_stream(stream::iter((0..1_000).map(chunk))) }
        };
        cluster.serve(Router::new().route("/", get(chunks))).await;
        let mut stream = TcpStream::connect(cluster.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: server-0\r\nConnection: close\r\n\r\n").await.unwrap();
        time::sleep(MS * 500).await;
        let waiting = made.load(Ordering::Relaxed);
        assert!(waiting < 50_000_000, "{waiting} bytes made that nobody reads");
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 100_000_000);
        assert!(said.len() > 100_000_000);
    });
}
