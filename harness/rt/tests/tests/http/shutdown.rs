//! How a server ends.

use super::*;

/// Serves until told to end; says when it has.
async fn serve_until_told(cluster: &Cluster, app: Router) -> (oneshot::Sender<()>, oneshot::Receiver<()>) {
    let (end, told) = oneshot::channel::<()>();
    let (ended, has_ended) = oneshot::channel();
    cluster
        .listen(|listener| async move {
            let told = async { told.await.expect("the test ends it") };
            http::serve_until(listener, app, told).await.expect("the listener lives");
            // The test may be over.
            let _ = ended.send(());
        })
        .await;
    (end, has_ended)
}

#[test]
fn a_graceful_end_finishes_what_is_in_flight_and_takes_nothing_new() {
    cluster::run(|cluster| async move {
        let (end, mut has_ended) = serve_until_told(&cluster, app().0).await;
        let client = Client::new();
        // One connection that is idle, one that never said a word, and three that wait.
        cluster.get(&client, "/").await;
        let mut silent = TcpStream::connect(cluster.address()).await.unwrap();
        let waiting: Vec<_> = ["/slow/600", "/slow/900", "/slow/1200"]
            .into_iter()
            .map(|path| {
                let (client, url) = (Client::new(), cluster.url(path));
                task::spawn(async move { client.get(&url, LONG).await })
            })
            .collect();
        time::sleep(MS * 200).await;
        let begun = Instant::now();
        end.send(()).unwrap();
        time::sleep(MS * 100).await;
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0, "closed");
        assert_not_sent(client.get(&cluster.url("/"), LONG).await);
        assert!(has_ended.try_recv().is_err(), "it waits for those in flight");
        for waiting in waiting {
            assert_status(waiting.await.unwrap(), StatusCode::OK);
        }
        time::timeout(LONG, has_ended).await.expect("it ends with the last of them").unwrap();
        assert!(begun.elapsed() >= MS * 800, "{:?}", begun.elapsed());
    });
}

#[test]
fn a_server_that_is_dropped_ends_everything_at_once() {
    cluster::run(|cluster| async move {
        let (app, mut drops) = app();
        let (drop_it, dropped) = oneshot::channel::<()>();
        cluster
            .listen(|listener| async move {
                tokio::select! {
                    end = http::serve(listener, app) => end.expect("the listener lives"),
                    _ = dropped => {}
                }
                pending().await
            })
            .await;
        let client = Client::new();
        let waiting = task::spawn({
            let (client, url) = (client.clone(), cluster.url("/hang"));
            async move { client.get(&url, LONG).await }
        });
        time::sleep(MS * 200).await;
        let begun = Instant::now();
        drop(drop_it);
        assert_unknown(waiting.await.unwrap());
        drops.recv().await.expect("the handler is dropped");
        assert!(begun.elapsed() < LONG / 2);
        assert_not_sent(client.get(&cluster.url("/"), LONG).await);
    });
}

#[test]
fn a_graceful_end_that_takes_too_long_can_be_cut_short() {
    cluster::run(|cluster| async move {
        let (app, mut drops) = app();
        let (end, told) = oneshot::channel::<()>();
        let (ended, has_ended) = oneshot::channel();
        cluster
            .listen(|listener| async move {
                let told = async { told.await.expect("the test ends it") };
                let serving = http::serve_until(listener, app, told);
                let result = time::timeout(MS * 1_000, serving).await;
                ended.send(result.is_err()).expect("the test waits");
            })
            .await;
        let (client, url) = (Client::new(), cluster.url("/hang"));
        let waiting = task::spawn(async move { client.get(&url, LONG).await });
        time::sleep(MS * 200).await;
        end.send(()).unwrap();
        assert_eq!(has_ended.await, Ok(true), "it waited for the handler that hangs");
        assert_unknown(waiting.await.unwrap());
        drops.recv().await.expect("the handler is dropped");
    });
}
