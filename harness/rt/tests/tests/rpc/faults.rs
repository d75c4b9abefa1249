//! What the RPC makes of a network and a peer that fail in ways only the simulation can arrange.

use squall_rt::world::{
    Death, DiskFate, NodeId,
    net::{BlockMode, EffectId, LinkEffect},
};

use super::{cluster::Cluster, *};

/// Cuts the server off from the client, both ways.
fn block(cluster: &Cluster) -> [EffectId; 2] {
    [(cluster.client, cluster.server), (cluster.server, cluster.client)].map(|(from, to)| {
        let stream = cluster.world.stream("test", "block");
        cluster.world.net().impose(from, to, LinkEffect::Block(BlockMode::Drop), stream)
    })
}

fn heal(cluster: &Cluster, effects: [EffectId; 2]) {
    for effect in effects {
        cluster.world.net().lift(effect);
    }
}

#[test]
fn no_connection_through_a_partition_means_not_sent_and_healing_is_noticed_soon() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        let effects = block(&cluster);
        let begun = Instant::now();
        assert_not_sent(client.call(&Echo(1), MS * 700).await);
        assert!((MS * 700..MS * 701).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        let waiting = client.clone();
        let waiting = task::spawn(async move { waiting.call(&Echo(2), LONG).await });
        time::sleep(MS * 10_500).await;
        heal(&cluster, effects);
        let healed = Instant::now();
        assert_eq!(waiting.await.unwrap(), Ok(2));
        assert!(healed.elapsed() < MS * 1_100, "{:?}", healed.elapsed());
    });
}

#[test]
fn a_partition_in_mid_call_is_an_unknown_outcome_and_the_next_call_gets_through() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        client.call(&Echo(1), LONG).await.unwrap();
        let effects = block(&cluster);
        for _ in 0..3 {
            let outcome = client.call(&Echo(2), MS * 400).await;
            assert!(
                matches!(outcome, Err(CallError::Unknown { .. } | CallError::NotSent { .. })),
                "{outcome:?}"
            );
        }
        time::sleep(MS * 60_000).await;
        heal(&cluster, effects);
        let healed = Instant::now();
        assert_eq!(client.call(&Echo(3), LONG).await, Ok(3));
        assert!(healed.elapsed() < MS * 1_100, "{:?}", healed.elapsed());
    });
}

#[test]
fn a_server_that_lost_power_in_mid_call_is_an_unknown_outcome() {
    cluster::run(|cluster| async move {
        cluster.serve(server()).await;
        let client = cluster.client();
        client.call(&Echo(1), LONG).await.unwrap();
        let call = client.clone();
        let call = task::spawn(async move { call.call(&Hang(1), MS * 900).await });
        time::sleep(MS * 100).await;
        cluster.world.crash(cluster.server, Death::Power, DiskFate::LoseUnsynced);
        time::sleep(MS * 100).await;
        cluster.serve(server()).await;
        assert_unknown(call.await.unwrap());
        assert_eq!(client.call(&Echo(2), LONG).await, Ok(2));
    });
}

#[test]
fn a_client_that_died_leaves_no_handler_behind() {
    cluster::run(|cluster| async move {
        let (server, mut drops) = server_telling_of_drops();
        cluster.serve(server).await;
        let other = cluster.world.add_node("other-0");
        let client = cluster.client();
        cluster.world.start(other, |_| async move {
            let _ = client.call(&Hang(1), LONG).await;
        });
        time::sleep(MS * 200).await;
        assert!(drops.try_recv().is_err());
        cluster.world.crash(other, Death::Process, DiskFate::Keep);
        time::timeout(MS * 1_000, drops.recv()).await.expect("the handler is dropped");
    });
}

/// How long after a client was cut off in mid-call the server drops the handler.
fn handler_outlives(cut_off: impl FnOnce(&Cluster, NodeId) + Send + 'static) -> Duration {
    let (told, tells) = std::sync::mpsc::channel();
    cluster::run(|cluster| async move {
        let (server, mut drops) = server_telling_of_drops();
        cluster.serve(server).await;
        let other = cluster.world.add_node("other-0");
        let client = cluster.client();
        cluster.world.start(other, |_| async move {
            let _ = client.call(&Hang(1), LONG * 1_000).await;
        });
        time::sleep(MS * 60_000).await;
        assert!(drops.try_recv().is_err(), "a silent client that is there is waited for");
        let begun = Instant::now();
        cut_off(&cluster, other);
        time::timeout(MS * 600_000, drops.recv()).await.expect("the handler is dropped");
        told.send(begun.elapsed()).unwrap();
    });
    tells.recv().unwrap()
}

#[test]
fn a_client_whose_machine_is_gone_leaves_no_handler_behind_for_longer_than_keepalive_takes() {
    let after_power_loss = handler_outlives(|cluster, other| {
        cluster.world.crash(other, Death::Power, DiskFate::Keep);
    });
    // Up to 15 s until the first probe, then three, 5 s apart.
    assert!((MS * 15_000..MS * 31_000).contains(&after_power_loss), "{after_power_loss:?}");
    let after_forgetting = handler_outlives(|cluster, other| {
        // The kernel of the client forgets the connection and says nothing, and its process does not come back to it.
        assert_eq!(cluster.world.net().half_open(other, cluster.server), 1);
        cluster.world.pause(other);
    });
    assert!(after_forgetting < MS * 15_100, "{after_forgetting:?}");
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    let run = |seed| {
        cluster::run_seeded(seed, |cluster| async move {
            cluster.serve(server()).await;
            let client = cluster.client();
            let calls = (0..200).map(|n| {
                let client = client.clone();
                async move {
                    time::sleep(squall_rt::rng::duration(MS..MS * 500)).await;
                    match n % 3 {
                        0 => drop(client.call(&Echo(n), LONG).await),
                        1 => drop(client.call(&Hang(n), MS * 50).await),
                        _ => drop(time::timeout(MS * 30, client.call(&Slow(n), LONG)).await),
                    }
                }
            });
            let kill = async {
                time::sleep(MS * 300).await;
                cluster.kill().await;
                cluster.serve(server()).await;
            };
            tokio::join!(join_all(calls), kill);
        })
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}
