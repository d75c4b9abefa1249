//! HTTP, in both worlds: over the simulated network and over real sockets.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream};
use serde::{Deserialize, Serialize};
use squall_rt::{
    clock,
    http::{
        self, Bytes, Client, Config, Error, Method, Peer, Request, Response, Server, StatusCode,
        axum::{
            Extension, Json, Router,
            body::Body,
            extract::{DefaultBodyLimit, Path, Query, State},
            routing::{get, post},
        },
        header,
    },
    net::{TcpListener, TcpStream},
    task,
    time::{self, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, oneshot},
};

use self::cluster::Cluster;

#[path = "rpc/cluster.rs"]
mod cluster;
#[path = "http/connections.rs"]
mod connections;
#[cfg(madsim)]
#[path = "http/faults.rs"]
mod faults;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/shutdown.rs"]
mod shutdown;

const MS: Duration = Duration::from_millis(1);
/// Long enough for anything that is going to happen.
const LONG: Duration = Duration::from_secs(20);

/// Reports the end of a handler that was dropped rather than finished.
struct Dropped(mpsc::UnboundedSender<()>);
impl Drop for Dropped {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send(());
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Deserialize)]
struct Sum {
    a: u64,
    b: u64,
}

#[derive(Clone)]
struct Shared {
    served: Arc<AtomicU64>,
    dropped: mpsc::UnboundedSender<()>,
}

async fn slow(Path(millis): Path<u32>, State(shared): State<Shared>) -> String {
    shared.served.fetch_add(1, Ordering::Relaxed);
    time::sleep(MS * millis).await;
    "done".into()
}

async fn hang(State(shared): State<Shared>) {
    let _dropped = Dropped(shared.dropped);
    pending().await
}

/// So many chunks of 1 KB, and then none, and no end either.
async fn never_ends(Path(chunks): Path<usize>) -> Body {
    let chunk = || Ok::<_, Infallible>(Bytes::from_static(&[7; 1_000]));
    Body::from_stream(stream::iter((0..chunks).map(move |_| chunk())).chain(stream::pending()))
}

async fn order(Json(mut order): Json<Order>) -> (StatusCode, Json<Order>) {
    order.count += 1;
    (StatusCode::CREATED, Json(order))
}

/// Routes for all tests, and word of the handlers that were dropped.
fn app() -> (Router, mpsc::UnboundedReceiver<()>) {
    let (dropped, drops) = mpsc::unbounded_channel();
    let shared = Shared { served: Arc::default(), dropped };
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/path/{name}/{n}", get(async |Path((name, n)): Path<(String, u8)>| format!("{name} {n}")))
        .route("/sum", get(async |Query(Sum { a, b }): Query<Sum>| Json(a + b)))
        .route("/order", post(order))
        .route("/peer", get(async |Extension(Peer(peer)): Extension<Peer>| peer.to_string()))
        .route("/served", get(async |State(s): State<Shared>| s.served.load(Ordering::Relaxed).to_string()))
        .route("/fail", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "no luck")))
        .route("/slow/{millis}", get(slow))
        .route("/hang", get(hang).post(hang))
        .route("/never_ends/{chunks}", get(never_ends))
        .route("/produce/{n}", get(async |Path(n): Path<usize>| vec![7; n]))
        .route("/echo", post(async |body: Bytes| body).layer(DefaultBodyLimit::disable()))
        .route("/panic", get(async || -> () { panic!("a handler that panics") }))
        .with_state(shared);
    (app, drops)
}

impl Cluster {
    async fn serve(&self, app: Router) {
        self.listen(|listener| async move { http::serve(listener, app).await.expect("the listener lives") })
            .await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// GET by a client, to succeed; gives the body.
    async fn get(&self, client: &Client, path: &str) -> String {
        let response = client.get(&self.url(path), LONG).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        String::from_utf8(response.into_body().into()).expect("text")
    }
}

type Outcome = Result<Response<Bytes>, Error>;

#[track_caller]
fn assert_not_sent(outcome: Outcome) {
    assert!(matches!(outcome, Err(Error::NotSent { .. })), "{outcome:?}");
}

#[track_caller]
fn assert_unknown(outcome: Outcome) {
    assert!(outcome.as_ref().is_err_and(Error::is_unknown), "{outcome:?}");
}

#[track_caller]
fn assert_status(outcome: Outcome, expected: StatusCode) {
    assert!(outcome.as_ref().is_ok_and(|r| r.status() == expected), "{outcome:?}");
}

#[test]
fn extractors_and_responses_work() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        assert_eq!(cluster.get(&client, "/").await, "hello");
        assert_eq!(cluster.get(&client, "/path/two%20words/7").await, "two words 7");
        assert_eq!(cluster.get(&client, "/sum?a=40&b=2").await, "42");
        let order = Order { item: "tea".into(), count: 1 };
        let response = client.post_json(&cluster.url("/order"), &order, LONG).await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        let reply: Order = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(reply, Order { item: "tea".into(), count: 2 });
    });
}

#[test]
fn what_the_server_declines_is_a_response() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        for (path, status) in [
            ("/fail", StatusCode::INTERNAL_SERVER_ERROR),
            ("/nowhere", StatusCode::NOT_FOUND),
            ("/order", StatusCode::METHOD_NOT_ALLOWED),
            ("/path/a/300", StatusCode::BAD_REQUEST),
            ("/sum?a=1", StatusCode::BAD_REQUEST),
        ] {
            assert_status(client.get(&cluster.url(path), LONG).await, status);
        }
        let outcome = client.post_json(&cluster.url("/order"), &"no order", LONG).await;
        assert_status(outcome, StatusCode::UNPROCESSABLE_ENTITY);
    });
}

#[test]
fn every_request_reaches_the_handler_once() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        join_all((0..40).map(|n| {
            let (client, url) = (client.clone(), cluster.url(&format!("/slow/{}", n % 7)));
            async move { assert_status(client.get(&url, LONG).await, StatusCode::OK) }
        }))
        .await;
        assert_eq!(cluster.get(&client, "/served").await, "40");
    });
}

#[test]
fn requests_run_at_the_same_time() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        let (ended, mut order) = mpsc::unbounded_channel();
        let requests = (0..10).rev().map(|n| {
            let (client, url, ended) =
                (client.clone(), cluster.url(&format!("/slow/{}", n * 40)), ended.clone());
            async move {
                assert_status(client.get(&url, LONG).await, StatusCode::OK);
                ended.send(n).unwrap();
            }
        });
        join_all(requests).await;
        // The reverse of the order they were made in, so none waited for another.
        for n in 0..10 {
            assert_eq!(order.recv().await, Some(n));
        }
    });
}

#[test]
fn large_bodies_go_both_ways() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let body: Bytes = (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let request = Request::post(cluster.url("/echo")).body(body.clone()).unwrap();
        let response = Client::new().request(request, LONG).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(*response.body() == body, "8 MB came back changed");
    });
}

#[test]
fn the_date_is_the_nodes_own() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let before = clock::now();
        let response = Client::new().get(&cluster.url("/"), LONG).await.unwrap();
        let date = httpdate::parse_http_date(response.headers()[header::DATE].to_str().unwrap()).unwrap();
        assert!(date + MS * 1_000 >= before && date <= clock::now(), "{date:?} after {before:?}");
    });
}

#[test]
fn what_cannot_be_sent_is_not_sent() {
    cluster::run(|cluster| async move {
        let client = Client::new();
        let begun = Instant::now();
        assert_not_sent(client.get(&cluster.url("/"), LONG).await);
        assert!(begun.elapsed() < LONG / 2, "a refusal is known at once");
        assert_not_sent(client.get("http://no-such-host.invalid/", MS * 500).await);
        for url in ["/path", "https://server-0:7000/", "ftp://server-0/", "http://", "no url", ""] {
            assert_not_sent(client.get(url, LONG).await);
        }
        let connect = Request::builder().method(Method::CONNECT).uri(cluster.url("/"));
        assert_not_sent(client.request(connect.body(Bytes::new()).unwrap(), LONG).await);
        cluster.serve(app().0).await;
        assert_eq!(cluster.get(&client, "/").await, "hello", "the next request connects again");
    });
}

#[test]
fn the_deadline_covers_a_handler_that_hangs_and_a_body_that_never_ends() {
    cluster::run(|cluster| async move {
        let (app, mut drops) = app();
        cluster.serve(app).await;
        let client = Client::new();
        for path in ["/hang", "/never_ends/3"] {
            let begun = Instant::now();
            assert_unknown(client.get(&cluster.url(path), MS * 300).await);
            assert!((MS * 300..LONG).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        }
        time::timeout(LONG, drops.recv()).await.expect("the handler is dropped");
        assert_eq!(cluster.get(&client, "/").await, "hello");
    });
}

#[test]
fn dropping_a_request_drops_its_handler() {
    cluster::run(|cluster| async move {
        let (app, mut drops) = app();
        cluster.serve(app).await;
        let client = Client::new();
        let other = task::spawn({
            let (client, url) = (client.clone(), cluster.url("/slow/1000"));
            async move { client.get(&url, LONG).await }
        });
        assert!(time::timeout(MS * 200, client.get(&cluster.url("/hang"), LONG)).await.is_err());
        time::timeout(LONG, drops.recv()).await.expect("the handler is dropped");
        assert_status(other.await.unwrap(), StatusCode::OK);
        assert!(drops.try_recv().is_err());
    });
}

#[test]
fn a_server_that_dies_leaves_unknown_outcomes() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        let begun = Instant::now();
        let requests = join_all(["/hang", "/never_ends/0", "/never_ends/100"].map(|path| {
            let (client, url) = (client.clone(), cluster.url(path));
            async move { client.get(&url, LONG).await }
        }));
        let ((), outcomes) = tokio::join!(
            async {
                time::sleep(MS * 100).await;
                cluster.kill().await;
            },
            requests
        );
        outcomes.into_iter().for_each(assert_unknown);
        assert!(begun.elapsed() < LONG / 2, "the connection's end is seen at once");
        assert_not_sent(client.get(&cluster.url("/"), LONG).await);
        cluster.serve(app().0).await;
        assert_eq!(cluster.get(&client, "/").await, "hello");
    });
}

#[cfg(not(madsim))]
#[test]
fn a_handler_that_panics_answers_500() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        assert_status(client.get(&cluster.url("/panic"), LONG).await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(cluster.get(&client, "/").await, "hello");
    });
}

#[cfg(madsim)]
#[test]
#[should_panic(expected = "a handler that panics")]
fn a_handler_that_panics_ends_the_run() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let _ = Client::new().get(&cluster.url("/panic"), LONG).await;
    });
}
