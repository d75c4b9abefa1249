//! What becomes of requests when network and peers fail in ways only the simulation can arrange.

use squall_rt::world::{
    self, Death, DiskFate, World,
    net::{BlockMode, EffectId, LinkEffect},
};

use super::*;

/// Cuts the server off from the client, both ways.
fn block(cluster: &Cluster) -> [EffectId; 2] {
    [(cluster.client, cluster.server), (cluster.server, cluster.client)].map(|(from, to)| {
        let stream = cluster.world.stream("test", "block");
        cluster.world.net().impose(from, to, LinkEffect::Block(BlockMode::Drop), stream)
    })
}

fn heal(world: &World, effects: [EffectId; 2]) {
    for effect in effects {
        world.net().lift(effect);
    }
}

#[test]
fn no_connection_through_a_partition_means_not_sent_and_healing_is_noticed_soon() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        let effects = block(&cluster);
        let begun = Instant::now();
        assert_not_sent(client.get(&cluster.url("/"), MS * 700).await);
        assert!((MS * 700..MS * 702).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        let waiting = task::spawn({
            let (client, url) = (client.clone(), cluster.url("/"));
            async move { client.get(&url, LONG).await }
        });
        time::sleep(MS * 10_500).await;
        heal(&cluster.world, effects);
        let healed = Instant::now();
        assert_status(waiting.await.unwrap(), StatusCode::OK);
        assert!(healed.elapsed() < MS * 1_100, "{:?}", healed.elapsed());
    });
}

#[test]
fn a_partition_under_a_kept_connection_is_an_unknown_outcome_and_the_next_request_gets_through() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        cluster.get(&client, "/").await;
        let effects = block(&cluster);
        let begun = Instant::now();
        assert_unknown(client.get(&cluster.url("/slow/1"), MS * 400).await);
        assert!((MS * 400..MS * 402).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_not_sent(client.get(&cluster.url("/slow/1"), MS * 400).await);
        time::sleep(MS * 60_000).await;
        heal(&cluster.world, effects);
        let healed = Instant::now();
        assert_eq!(cluster.get(&client, "/served").await, "0", "what was given up is not executed later");
        assert!(healed.elapsed() < MS * 1_100, "{:?}", healed.elapsed());
    });
}

#[test]
fn a_server_that_lost_power_in_mid_response_is_an_unknown_outcome() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        let waiting = task::spawn({
            let (client, url) = (client.clone(), cluster.url("/never_ends/50"));
            async move { client.get(&url, MS * 900).await }
        });
        time::sleep(MS * 100).await;
        cluster.world.crash(cluster.server, Death::Power, DiskFate::LoseUnsynced);
        time::sleep(MS * 100).await;
        cluster.serve(app().0).await;
        assert_unknown(waiting.await.unwrap());
        assert_eq!(cluster.get(&client, "/").await, "hello");
    });
}

#[test]
fn a_kept_connection_to_a_server_that_lost_power_is_found_out_by_the_next_request() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        cluster.get(&client, "/").await;
        cluster.world.crash(cluster.server, Death::Power, DiskFate::LoseUnsynced);
        time::sleep(MS * 100).await;
        cluster.serve(app().0).await;
        let begun = Instant::now();
        // Its bytes went out, and only the reset in answer to them says that nobody knows this connection.
        assert_unknown(client.get(&cluster.url("/"), LONG).await);
        assert!(begun.elapsed() < MS * 100, "{:?}", begun.elapsed());
        assert_eq!(cluster.get(&client, "/").await, "hello");
    });
}

#[test]
fn a_kept_connection_that_was_reset_costs_the_next_request_nothing() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        for _ in 0..5 {
            cluster.get(&client, "/").await;
            cluster.kill().await;
            cluster.serve(app().0).await;
        }
        assert_eq!(cluster.get(&client, "/").await, "hello");
    });
}

#[test]
fn a_request_of_which_no_byte_was_taken_is_not_sent() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let client = Client::new();
        cluster.get(&client, "/").await;
        // The request stands in the channel to the connection's task, which has not run yet, when its time is over.
        assert_not_sent(client.get(&cluster.url("/slow/1"), Duration::ZERO).await);
        time::sleep(MS * 1_000).await;
        assert_eq!(cluster.get(&client, "/served").await, "0");
    });
}

#[test]
fn a_client_that_died_leaves_no_handler_behind() {
    cluster::run(|cluster| async move {
        let (app, mut drops) = app();
        cluster.serve(app).await;
        let other = cluster.world.add_node("other-0");
        let url = cluster.url("/hang");
        cluster.world.start(other, |_| async move {
            let _ = Client::new().get(&url, LONG).await;
        });
        time::sleep(MS * 200).await;
        assert!(drops.try_recv().is_err());
        cluster.world.crash(other, Death::Process, DiskFate::Keep);
        time::timeout(MS * 1_000, drops.recv()).await.expect("the handler is dropped");
    });
}

#[test]
fn a_client_outlives_the_process_of_its_connections() {
    cluster::run(|cluster| async move {
        cluster.serve(app().0).await;
        let other = cluster.world.add_node("other-0");
        let client = Client::new();
        for _ in 0..3 {
            let (done, is_done) = oneshot::channel();
            let (client, url) = (client.clone(), cluster.url("/peer"));
            cluster.world.start(other, |_| async move {
                done.send(client.get(&url, LONG).await).expect("the test waits");
            });
            assert_status(is_done.await.unwrap(), StatusCode::OK);
            cluster.world.crash(other, Death::Process, DiskFate::Keep);
            time::sleep(MS * 2).await;
        }
    });
}

/// A minute of requests of every kind over a bad network, with partitions and crashes. Gives the digest of the network,
/// how many requests ended in which way, and when it was over.
fn storm(seed: u64) -> (u64, [u64; 3], Duration) {
    let run = std::thread::spawn(move || {
        world::run(seed, async |world: Arc<World>| {
            let policy = world::net::LinkPolicy {
                latency: world::net::Latency::Exponential { min: MS, mean: MS * 8 },
                loss: world::net::LossModel::Independent(0.02),
                bandwidth: Some(1 << 20),
                ..world::net::LinkPolicy::default()
            };
            world.net().set_default(policy);
            let server = world.add_node("server-0");
            let serve = |world: &World| {
                world.start(server, |_| async {
                    let listener = TcpListener::bind("0.0.0.0:7000").await.expect("the port is free");
                    http::serve(listener, app().0).await.expect("the listener lives");
                });
            };
            serve(&world);
            let counts: Arc<[AtomicU64; 3]> = Arc::default();
            let clients: Vec<_> = (0..4)
                .map(|n| {
                    let node = world.add_node(&format!("client-{n}"));
                    let counts = counts.clone();
                    world.start(node, |_| async move {
                        let client = Client::new();
                        let paths = ["/", "/slow/300", "/produce/200000", "/never_ends/9", "/sum?a=1&b=2"];
                        for path in paths.into_iter().cycle() {
                            let (client, counts) = (client.clone(), counts.clone());
                            task::spawn(async move {
                                let url = format!("http://server-0:7000{path}");
                                let within = squall_rt::rng::duration(MS * 50..MS * 2_000);
                                let end = match client.get(&url, within).await {
                                    Ok(_) => 0,
                                    Err(Error::NotSent { .. }) => 1,
                                    Err(Error::Unknown { .. }) => 2,
                                };
                                counts[end].fetch_add(1, Ordering::Relaxed);
                            });
                            time::sleep(squall_rt::rng::duration(MS * 10..MS * 400)).await;
                        }
                    });
                    node
                })
                .collect();
            let mut faults = world.stream("test", "faults");
            for round in 0..10 {
                world.sleep(faults.duration(MS * 100, MS * 3_000)).await;
                let client = clients[faults.pick(4)];
                let effects = [(client, server), (server, client)].map(|(from, to)| {
                    let stream = world.stream("fault", &format!("{round} {from:?}"));
                    world.net().impose(from, to, LinkEffect::Block(BlockMode::Drop), stream)
                });
                world.sleep(faults.duration(MS * 100, MS * 3_000)).await;
                heal(&world, effects);
                let death = if faults.chance(0.5) { Death::Power } else { Death::Process };
                world.crash(server, death, DiskFate::Keep);
                world.sleep(faults.duration(MS, MS * 1_000)).await;
                serve(&world);
            }
            (world.net().digest(), counts.each_ref().map(|n| n.load(Ordering::Relaxed)), world.now())
        })
        .expect("nothing is spawned outside")
    });
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[test]
fn the_same_seed_gives_the_same_packets_alone_after_others_and_beside_others() {
    let first = storm(1);
    assert!(first.1.iter().all(|count| *count > 10), "requests end in every way: {:?}", first.1);
    let others: Vec<_> = (2..5).map(storm).collect();
    assert_eq!(storm(1), first);
    let beside: Vec<_> = (1..5).map(|seed| std::thread::spawn(move || storm(seed))).collect();
    let beside: Vec<_> = beside.into_iter().map(|run| run.join().unwrap()).collect();
    assert_eq!(beside[0], first);
    assert_eq!(beside[1..], others);
    assert!(others.iter().all(|other| other.0 != first.0));
}
