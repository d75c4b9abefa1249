//! `network:`: zones, links between and within them, single links; and that nodes that join have the right ones.

use std::collections::BTreeSet;

use crate::told::{Told, ms, run_seed};

const NETWORK: &str = "network:
  default: { latency: 1ms }
  zones:
    east: { nodes: ['store[0]', source], within: { latency: 5ms } }
    west: { nodes: ['store[1]', 'store[2]'] }
  between_zones: { latency: 30ms }
  links:
    'source -> store': { latency: 10ms }
    'source -> store[2]': { latency: 20ms }
";

/// The one latency that all datagrams from one to another have.
fn latency(told: &Told, from: &str, to: &str) -> u128 {
    let all = told.datagrams(from, to, 2600..5900);
    let all: BTreeSet<_> = all.iter().map(|datagram| datagram.latency().map(|l| l.as_millis())).collect();
    match all.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(latency)] => *latency,
        other => panic!("{from} to {to}: {other:?}"),
    }
}

#[test]
fn later_rules_win() {
    let told = run_seed(NETWORK, "", 1);
    for (from, to, expected) in [
        ("store[1]", "store[2]", 1),
        ("store[0]", "store[1]", 30),
        ("store[2]", "store[0]", 30),
        ("source[0]", "store[0]", 10),
        ("source[0]", "store[1]", 10),
        ("source[0]", "store[2]", 20),
    ] {
        assert_eq!(latency(&told, from, to), expected, "{from} to {to}");
    }
    let within = NETWORK.replace("    'source -> store': { latency: 10ms }\n", "");
    assert_eq!(latency(&run_seed(&within, "", 1), "source[0]", "store[0]"), 5);
}

#[test]
fn who_joins_has_the_links_of_its_group_and_zone() {
    let network = "network:
  default: { latency: 1ms }
  zones:
    east: { nodes: [store], within: { latency: 5ms } }
    west: { nodes: [source] }
  between_zones: { latency: 30ms }
  links:
    'store -> store[0]': { latency: 7ms }
";
    let told = run_seed(network, "  - { id: it, join: { group: store }, at: 2.5s }", 1);
    for (from, to, expected) in [
        ("store[3]", "store[1]", 5),
        ("store[1]", "store[3]", 5),
        ("store[3]", "store[0]", 7),
        ("source[0]", "store[3]", 30),
        ("source[0]", "store[1]", 30),
    ] {
        assert_eq!(latency(&told, from, to), expected, "{from} to {to}");
    }
    // A node of its own is not in a zone that names other nodes.
    let told = run_seed(NETWORK, "  - { id: it, join: { group: store }, at: 2.5s }", 1);
    assert_eq!(latency(&told, "store[3]", "store[0]"), 1);
    assert_eq!(latency(&told, "source[0]", "store[3]"), 10);
}

/// Which links a drawn end means is settled at the start: who joins later draws nothing anew.
#[test]
fn a_drawn_link_stays_the_one_that_was_drawn() {
    let network =
        "network: { default: { latency: 1ms }, links: { 'source -> one(store)': { latency: 40ms } } }";
    for seed in 0..8 {
        let slow = |told: &Told, stores: &[&str]| {
            let of = stores.iter().filter(|store| latency(told, "source[0]", store) == 40);
            of.map(ToString::to_string).collect::<Vec<_>>()
        };
        let stores = ["store[0]", "store[1]", "store[2]", "store[3]"];
        let before = slow(&run_seed(network, "", seed), &stores[..3]);
        assert_eq!(before.len(), 1);
        let joined = run_seed(network, "  - { id: it, join: { group: store }, at: 2.5s }", seed);
        assert_eq!(slow(&joined, &stores), before, "seed {seed}");
    }
}

#[test]
fn a_link_loses_duplicates_jitters_and_is_narrow_without_any_fault() {
    let told = run_seed(
        "network: { default: { latency: 1ms, jitter: 4ms }, links: { 'source -> store[0]': { loss: 20%, duplicate: 20% } } }",
        "",
        1,
    );
    let all = told.datagrams("source[0]", "store[0]", 100..5900);
    let counts = [0, 1, 2].map(|n| all.iter().filter(|datagram| datagram.got.len() == n).count());
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    for datagram in told.datagrams("source[0]", "store[1]", 100..5900) {
        assert!((ms(1)..=ms(5)).contains(&datagram.latency().expect("not lost")));
    }
}
