//! Partitions: which links each shape cuts, and what becomes of packets at the cut.

use std::collections::{BTreeMap, BTreeSet};

use crate::told::{End, Told, ms, run, run_seed, run_with};

const STORES: [&str; 5] = ["store[0]", "store[1]", "store[2]", "store[3]", "store[4]"];

/// Who each of five stores still hears from.
fn heard(told: &Told, from: u64, to: u64) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let of = |store: &&'static str| {
        let others = STORES.into_iter().filter(|other| other != store);
        (*store, others.filter(|other| told.reaches(other, store, from..to)).collect())
    };
    STORES.iter().map(of).collect()
}

fn five(fault: &str, seed: u64) -> Told {
    let told =
        run_seed("topology: { store: 5 }", &format!("  - {{ id: it, {fault}, at: 2s, for: 1s }}"), seed);
    for (from, to) in [(200, 1990), (3010, 5900)] {
        assert!(heard(&told, from, to).values().all(|heard| heard.len() == 4), "all links are there");
    }
    assert!(told.touched("it") > 0);
    told
}

#[test]
fn an_isolated_node_hears_nobody_and_nobody_hears_it() {
    let told = run("partition: { isolate: 'store[1]' }, for: 1s");
    told.lasted_from_2_to_3(
        "partition (drop) store[1] | everyone else",
        "partition (drop) store[1] | everyone else",
    );
    for (from, to) in [("source[0]", "store[1]"), ("store[0]", "store[1]"), ("store[1]", "store[0]")] {
        assert!(told.reaches(from, to, 200..1990), "before");
        assert!(!told.reaches(from, to, 2000..2999), "{from} to {to}");
        assert!(told.reaches(from, to, 3000..5900), "after");
    }
    assert!(told.reaches("source[0]", "store[0]", 200..5900));
    told.calls_are_well(2000..5000);
}

#[test]
fn every_shape_that_cuts_off_the_clients_leaves_calls_unanswered() {
    for cut in ["isolate: store", "isolate: clients", "split: [store, rest]", "split: [clients, store]"] {
        let told = run(&format!("partition: {{ {cut} }}, for: 1s"));
        let during = told.done_in(2000..2600);
        assert!(during.iter().all(|done| done.how != End::Ok), "{cut}: {during:#?}");
        assert!(during.iter().any(|done| done.how == End::Unknown), "{cut}: a request was on its way");
        assert!(told.events_in("call.executed", 2010..3000).is_empty(), "{cut}");
        told.calls_are_well(3500..5000);
        assert!(told.touched("it") > 0);
    }
}

#[test]
fn sides_of_a_split_hear_their_own_and_others_hear_everyone() {
    let told = five("partition: { split: ['store[0]', 'store[1]'] }", 1);
    let heard = heard(&told, 2000, 2999);
    assert_eq!(heard["store[0]"], BTreeSet::from(["store[2]", "store[3]", "store[4]"]));
    assert_eq!(heard["store[2]"].len(), 4, "on no side");
    assert_eq!(told.starts("it")[0].1, "partition (drop) store[0] | store[1]");
}

#[test]
fn halves_are_drawn_and_cut_apart() {
    let mut seen = BTreeSet::new();
    for seed in 0..4 {
        let told = five("partition: { halves: store }", seed);
        let heard = heard(&told, 2000, 2999);
        let mut sides: Vec<BTreeSet<&str>> = Vec::new();
        for (store, others) in heard {
            let mut side = others.clone();
            side.insert(store);
            if !sides.contains(&side) {
                sides.push(side);
            }
        }
        sides.sort_by_key(BTreeSet::len);
        assert_eq!(sides.iter().map(BTreeSet::len).collect::<Vec<_>>(), [2, 3], "{sides:?}");
        assert!(sides[0].is_disjoint(&sides[1]));
        let name = |side: &BTreeSet<&str>| side.iter().copied().collect::<Vec<_>>().join(", ");
        let told_so = format!("partition (drop) {} | {}", name(&sides[0]), name(&sides[1]));
        assert_eq!(told.starts("it")[0].1, told_so);
        seen.insert(told_so);
    }
    assert!(seen.len() > 1, "drawn for each seed");
}

#[test]
fn in_a_ring_each_hears_another_majority() {
    let told = five("partition: { ring: store }", 1);
    let heard = heard(&told, 2000, 2999);
    let views: BTreeSet<BTreeSet<&str>> = heard
        .iter()
        .map(|(store, others)| {
            assert_eq!(others.len(), 2, "with itself three of five: {store} hears {others:?}");
            others.iter().copied().chain([*store]).collect()
        })
        .collect();
    assert_eq!(views.len(), 5, "{views:?}");
    assert!(told.starts("it")[0].1.starts_with("partition (drop) ring store["));
}

#[test]
fn a_bridge_is_heard_by_both_halves() {
    let told = five("partition: { bridge: store }", 1);
    let heard = heard(&told, 2000, 2999);
    let mut counts: Vec<_> = heard.values().map(BTreeSet::len).collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 2, 2, 2, 4], "{heard:?}");
    let (bridge, _) = heard.iter().find(|(_, others)| others.len() == 4).unwrap();
    assert!(told.starts("it")[0].1.ends_with(&format!("(bridge {bridge})")), "{:?}", told.starts("it"));
}

#[test]
fn one_way_cuts_one_direction() {
    let told = run("partition: { one_way: 'store[0] -> store[1]' }, for: 1s");
    told.lasted_from_2_to_3("partition (drop) store[0] -> store[1]", "partition (drop) store[0] -> store[1]");
    assert!(!told.reaches("store[0]", "store[1]", 2000..2999));
    assert!(told.reaches("store[1]", "store[0]", 2000..2999));
    let told = run("partition: { one_way: store -> clients }, for: 1s");
    let during = told.done_in(2000..2600);
    assert!(during[0].how == End::Unknown && during.iter().all(|done| done.how != End::Ok), "{during:#?}");
    assert!(!told.events_in("call.executed", 2000..3000).is_empty(), "requests arrive, and are executed");
}

#[test]
fn a_cut_drops_rejects_or_holds() {
    let told = run("partition: { isolate: 'store[0]', mode: reject }, for: 1s");
    let during = told.done_in(2000..2600);
    assert!(
        during.iter().any(|done| done.how == End::Failed && done.reason.contains("refused")),
        "{during:#?}"
    );
    told.calls_are_well(3100..5000);
    let told = run("partition: { isolate: 'store[0]', mode: hold }, for: 1s");
    assert!(told.events_in("call.executed", 2010..3000).is_empty());
    let late = told.datagrams("source[0]", "store[0]", 2000..2999);
    assert!(late.iter().all(|datagram| datagram.got.len() == 1 && datagram.got[0] >= ms(3000)), "{late:?}");
}

#[test]
fn targets_may_be_everyone_or_a_zone() {
    let zones = "network: { default: { latency: 1ms }, zones: { east: { nodes: ['store[0]', source] }, west: { nodes: ['store[1]'] } } }";
    let told = run_with(zones, "partition: { split: [zone(east), zone(west)] }, for: 1s");
    assert!(
        !told.reaches("source[0]", "store[1]", 2000..2999)
            && !told.reaches("store[0]", "store[1]", 2000..2999)
    );
    assert!(told.reaches("source[0]", "store[0]", 2000..2999), "within a zone");
    assert!(told.reaches("store[2]", "store[1]", 2000..2999), "in no zone");
    assert_eq!(told.starts("it")[0].1, "partition (drop) store[0], source[0] | store[1]");
    let told = run("loss: { link: all -> all, rate: 100% }, for: 1s");
    for (from, to) in [("source[0]", "store[1]"), ("store[0]", "store[2]")] {
        assert!(!told.reaches(from, to, 2000..2999) && told.reaches(from, to, 3000..5900));
    }
    assert!(
        told.starts("it")[0].1.ends_with("and 17 more"),
        "five nodes have twenty links: {:?}",
        told.starts("it")
    );
}
