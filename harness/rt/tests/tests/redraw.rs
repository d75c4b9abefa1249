//! Drawing the rest of a run anew: what has happened stays, what is on its way arrives, and the rest is another run.
#![cfg(madsim)]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use squall_rt::{
    net::UdpSocket,
    world::{
        self, World,
        net::{Latency, LinkEffect, LinkPolicy, LossModel},
    },
};

/// What arrived when: the number that the sender drew, and how many branches of a `select!` its first one won.
type Log = Vec<(Duration, u64, u64)>;

/// When the rest is drawn anew.
const MOMENT: Duration = Duration::from_millis(100);

/// A run in which everything draws: links, an effect on one, nodes, `select!`, the scheduler. With a key the rest is drawn
/// anew at [`MOMENT`].
fn run(key: Option<u64>) -> Log {
    let log = Arc::new(Mutex::new(Log::new()));
    let seen = log.clone();
    let simulate = move || {
        world::run(7, |world: Arc<World>| async move {
            world.net().set_default(LinkPolicy {
                latency: Latency::Exponential {
                    min: Duration::from_millis(1),
                    mean: Duration::from_millis(8),
                },
                ..LinkPolicy::default()
            });
            let [a, b] = ["a", "b"].map(|name| world.add_node(name));
            let loss = LinkEffect::Loss { model: LossModel::Independent(0.3) };
            world.net().impose(a, b, loss, world.stream("effect", "loss"));
            world.start(b, |_| async move {
                let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
                let mut packet = [0; 16];
                loop {
                    socket.recv_from(&mut packet).await.unwrap();
                    let [drawn, won] =
                        [0, 8].map(|at| u64::from_le_bytes(packet[at..at + 8].try_into().unwrap()));
                    seen.lock().unwrap().push((World::current().now(), drawn, won));
                }
            });
            world.start(a, |_| async {
                let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
                loop {
                    squall_rt::time::sleep(Duration::from_millis(1)).await;
                    let drawn = squall_rt::rng::u64();
                    let mut won = 0_u64;
                    for _ in 0..10 {
                        tokio::select! {
                            () = std::future::ready(()) => won += 1,
                            () = std::future::ready(()) => {}
                        }
                    }
                    let packet = [drawn.to_le_bytes(), won.to_le_bytes()].concat();
                    // Nobody listens yet when the first are sent.
                    let _ = socket.send_to(&packet, "b:53").await;
                }
            });
            world.sleep_until(MOMENT).await;
            if let Some(key) = key {
                world.redraw(key).await;
            }
            world.sleep_until(MOMENT * 3).await;
        })
        .expect("nothing on the real runtime");
    };
    std::thread::spawn(simulate).join().expect("the run does not panic");
    let log = log.lock().unwrap();
    log.clone()
}

fn before(log: &Log) -> Vec<(Duration, u64, u64)> {
    log.iter().copied().filter(|(at, ..)| *at < MOMENT).collect()
}

#[test]
fn what_was_before_stays_and_the_rest_is_another() {
    let original = run(None);
    assert!(before(&original).len() > 30 && original.len() > 100, "{}", original.len());
    let mut ends = BTreeSet::from([original.clone()]);
    for key in 0..8 {
        let drawn_anew = run(Some(key));
        assert_eq!(before(&drawn_anew), before(&original), "key {key}");
        assert!(ends.insert(drawn_anew), "the future of key {key} is another's");
    }
}

#[test]
fn what_is_on_its_way_arrives_when_it_would_have() {
    let (original, drawn_anew) = (run(None), run(Some(1)));
    let sent_before: BTreeSet<u64> = {
        // What is drawn by a node before the moment is drawn in both.
        let numbers = |log: &Log| log.iter().map(|(_, drawn, _)| *drawn).collect::<BTreeSet<u64>>();
        numbers(&original).intersection(&numbers(&drawn_anew)).copied().collect()
    };
    let arrivals = |log: &Log| -> Log {
        log.iter().copied().filter(|(at, drawn, _)| *at > MOMENT && sent_before.contains(drawn)).collect()
    };
    let underway = arrivals(&original);
    assert!(!underway.is_empty(), "something is on its way at that moment");
    let micros = |log: &Log| -> Vec<(u128, u64)> {
        // The processes' own steps take some nanoseconds each, in another order.
        log.iter().map(|(at, drawn, _)| (at.as_micros(), *drawn)).collect()
    };
    assert_eq!(micros(&underway), micros(&arrivals(&drawn_anew)));
}

#[test]
fn the_same_key_gives_the_same_future() {
    assert_eq!(run(Some(3)), run(Some(3)));
}

#[test]
fn each_thing_that_draws_draws_something_else() {
    let (original, drawn_anew) = (run(None), run(Some(2)));
    let after = |log: &Log| log.iter().copied().filter(|(at, ..)| *at > MOMENT * 2).collect::<Log>();
    let (one, other) = (after(&original), after(&drawn_anew));
    let numbers = |log: &Log| log.iter().map(|(_, drawn, _)| *drawn).collect::<BTreeSet<u64>>();
    assert!(numbers(&one).is_disjoint(&numbers(&other)), "the nodes' own numbers");
    let won = |log: &Log| log.iter().map(|(.., won)| *won).collect::<Vec<_>>();
    assert_ne!(won(&one), won(&other), "branches of select");
    assert_ne!(one.len(), other.len(), "how many packets are lost");
}
