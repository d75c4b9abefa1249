//! Faults that overlap: they stack, and each heals just what it did.

use squall::history::Lifecycle::{Crashed, Paused, Resumed, Started};

use crate::told::{ms, run_seed};

fn two(first: &str, second: &str) -> crate::told::Told {
    run_seed(
        "",
        &format!(
            "  - {{ id: first, {first}, at: 2s, for: 1s }}
  - {{ id: second, {second}, at: 2.5s, for: 1s }}"
        ),
        1,
    )
}

/// The latency from the source to the first store while only the first fault, both, only the second and none is there.
fn latencies(told: &crate::told::Told) -> [Vec<Option<u128>>; 4] {
    [(2000, 2490), (2500, 2990), (3000, 3490), (3500, 5000)].map(|(from, to)| {
        let all = told.datagrams("source[0]", "store[0]", from..to);
        let mut all: Vec<_> = all.iter().map(|d| d.latency().map(|latency| latency.as_millis())).collect();
        all.sort_unstable();
        all.dedup();
        all
    })
}

const LINK: &str = "link: 'source -> store[0]'";

#[test]
fn two_delays_of_a_link_add_up() {
    let told = two(&format!("delay: {{ {LINK}, by: 100ms }}"), &format!("delay: {{ {LINK}, by: 30ms }}"));
    assert_eq!(latencies(&told), [vec![Some(101)], vec![Some(131)], vec![Some(31)], vec![Some(1)]]);
}

#[test]
fn two_cuts_of_a_link_hold_until_the_last_heals() {
    let told = two("partition: { isolate: source }", "partition: { split: [source, 'store[0]'] }");
    assert_eq!(latencies(&told), [vec![None], vec![None], vec![None], vec![Some(1)]]);
    assert!(told.reaches("source[0]", "store[1]", 3000..3490), "the first one has healed");
}

#[test]
fn faults_of_different_kinds_on_one_link_do_not_mind_each_other() {
    let told = two(&format!("delay: {{ {LINK}, by: 100ms }}"), &format!("loss: {{ {LINK}, rate: 100% }}"));
    assert_eq!(latencies(&told), [vec![Some(101)], vec![None], vec![None], vec![Some(1)]]);
    let told = two(&format!("hold: {{ {LINK} }}"), &format!("delay: {{ {LINK}, by: 50ms }}"));
    let [_, _, only_second, none] = latencies(&told);
    assert_eq!((only_second, none), (vec![Some(51)], vec![Some(1)]));
}

#[test]
fn a_node_is_down_or_still_while_anything_holds_it() {
    let told = two("pause: { node: 'store[1]' }", "pause: { node: 'store[1]' }");
    assert_eq!(told.lives("store[1]"), [(ms(0), 1, Started), (ms(2000), 1, Paused), (ms(3500), 1, Resumed)]);
    let told = two("crash: { node: 'store[1]' }", "crash: { node: 'store[1]' }");
    assert_eq!(told.lives("store[1]"), [(ms(0), 1, Started), (ms(2000), 1, Crashed), (ms(3500), 2, Started)]);
    assert_eq!((told.touched("first"), told.touched("second")), (1, 0), "the second killed nobody");
    let told = two("leave: { node: 'store[1]' }", "crash: { node: 'store[1]' }");
    let started = told.lives("store[1]").last().cloned().unwrap();
    assert_eq!(started, (ms(3500), 2, Started), "it joins at 3 s and is held down by the crash");
    // A process that is paused dies all the same, and what starts in its place stands still too.
    let told = two("pause: { node: 'store[1]' }", "crash: { node: 'store[1]', disk: keep }");
    assert!(told.events_on("store[1]", "store.tick", 2001..3500).is_empty());
    assert!(told.events_on("store[1]", "store.tick", 3500..5000).len() > 100);
    let told = two("slow: { node: 'store[1]', factor: 10 }", "pause: { node: 'store[1]' }");
    let ticks = |from, to| told.events_on("store[1]", "store.tick", from..to).len();
    assert!((5..=15).contains(&ticks(2001, 2500)), "{}", ticks(2001, 2500));
    assert_eq!(ticks(2501, 3500), 0);
    assert!(ticks(3500, 4500) > 80);
}

#[test]
fn two_faults_of_one_disk_heal_apart() {
    let told = run_seed(
        "params: { files: true }",
        "  - { id: first, disk_stall: { node: 'store[0]', by: 20ms, ops: [sync] }, at: 2s, for: 1s }
  - { id: second, disk_error: { node: 'store[0]', ops: [sync] }, at: 2.5s, for: 1s }",
        1,
    );
    let syncs = |from, to| {
        let mut all: Vec<_> = told
            .events_on("store[0]", "disk.flushed", from..to)
            .iter()
            .map(|seen| (seen.int("took_us") >= 20_000, !seen.text("error").is_empty()))
            .collect();
        all.dedup();
        all
    };
    assert_eq!(syncs(2030, 2490), [(true, false)]);
    assert_eq!(syncs(2550, 2990), [(true, true)]);
    assert_eq!(syncs(3030, 3490), [(false, true)]);
    assert_eq!(syncs(3530, 5900), [(false, false)]);
}

#[test]
fn two_faults_of_calls_each_count_for_themselves() {
    let told =
        two("rpc: { to: store, calls: 1, outcome: error }", "rpc: { to: store, calls: 2, outcome: error }");
    let failed: Vec<_> = told
        .done()
        .into_iter()
        .filter(|call| call.how == crate::told::End::Failed)
        .map(|call| call.start)
        .collect();
    let from = |from| told.done_in(from..5000).into_iter().map(|call| call.start).collect::<Vec<_>>();
    assert_eq!(failed, [from(2000)[0], from(2500)[1]]);
}
