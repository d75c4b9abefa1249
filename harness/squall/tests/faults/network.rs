//! Faults of links: what becomes of datagrams, of calls over TCP, of connections.

use std::{collections::BTreeSet, time::Duration};

use crate::told::{Datagram, End, Told, ms, round, run, run_seed, run_with};

const LINK: &str = "source -> store[0]";

fn datagrams(told: &Told, from: u64, to: u64) -> Vec<Datagram> {
    told.datagrams("source[0]", "store[0]", from..to)
}

/// Before and after the fault a datagram arrives once, after a millisecond.
fn is_calm_around(told: &Told) {
    for (from, to) in [(100, 1990), (3010, 5900)] {
        for datagram in datagrams(told, from, to) {
            assert_eq!(datagram.got.len(), 1, "{datagram:?}");
            assert_eq!(datagram.latency(), Some(ms(1)), "{datagram:?}");
        }
    }
    assert!(
        told.events_in("udp.bad", 0..1990).is_empty() && told.events_in("udp.bad", 3010..6000).is_empty()
    );
}

/// Links that the fault does not name are as ever.
fn others_are_untouched(told: &Told) {
    for (from, to) in [("source[0]", "store[1]"), ("store[1]", "store[0]"), ("store[0]", "store[1]")] {
        for datagram in told.datagrams(from, to, 1500..3500) {
            assert_eq!((datagram.got.len(), datagram.latency()), (1, Some(ms(1))), "{datagram:?}");
        }
    }
}

#[test]
fn delay_is_added_and_taken_off() {
    let told = run(&format!("delay: {{ link: '{LINK}', by: 100ms, jitter: 10ms }}, for: 1s"));
    told.lasted_from_2_to_3(
        "delay of 100ms and up to 10ms more on source[0] -> store[0]",
        "delay of 100ms and up to 10ms more on source[0] -> store[0]",
    );
    let during = datagrams(&told, 2000, 2990);
    assert!(during.len() > 40);
    for datagram in &during {
        let latency = datagram.latency().expect("late, not lost");
        assert!((ms(101)..=ms(111)).contains(&latency), "{datagram:?}");
    }
    let latencies: BTreeSet<_> = during.iter().map(Datagram::latency).collect();
    assert!(latencies.len() > 20, "jitter is drawn for each: {latencies:?}");
    is_calm_around(&told);
    others_are_untouched(&told);
}

#[test]
fn a_delay_of_both_ways_counts_twice_for_a_call() {
    let told = run("delay: { link: clients <-> store, by: 50ms }, for: 1s");
    let during: Vec<_> = told.done_in(2000..2800).into_iter().filter(|done| done.how == End::Ok).collect();
    assert!(during.len() > 3);
    assert!(during.iter().all(|done| done.took() == ms(102)), "{during:#?}");
    told.calls_are_well(3000..5000);
}

#[test]
fn loss_takes_the_share_it_says() {
    let told = run(&format!("loss: {{ link: '{LINK}', rate: 50% }}, for: 1s"));
    told.lasted_from_2_to_3("loss of 50% on source[0] -> store[0]", "loss of 50% on source[0] -> store[0]");
    let during = datagrams(&told, 2000, 2999);
    let lost = during.iter().filter(|datagram| datagram.got.is_empty()).count();
    assert!((13..37).contains(&lost), "{lost} of {}", during.len());
    assert!(told.touched("it") >= lost as u64, "those of the line count too");
    is_calm_around(&told);
    others_are_untouched(&told);
}

#[test]
fn loss_of_everything_leaves_calls_unanswered_and_loss_of_some_makes_them_slow() {
    let told = run("loss: { link: clients -> store, rate: 100% }, for: 1s");
    let during = told.done_in(2000..2600);
    assert!(!during.is_empty() && during.iter().all(|done| done.how != End::Ok), "{during:#?}");
    told.calls_are_well(3500..5000);
    let told = run("loss: { link: clients <-> store, rate: 30% }, for: 1s");
    let during = told.done_in(2000..3000);
    assert!(
        during.iter().any(|done| done.how == End::Ok && done.took() > ms(150)),
        "a lost segment is sent again: {during:#?}"
    );
}

#[test]
fn losses_in_bursts_come_one_after_another() {
    let spec = "loss: { link: source -> store[0], rate: { burst: { rate: 50%, length: 8 } } }, for: 2.9s";
    let told = run(&spec.replace("source -> store[0]", "'source -> store[0]'"));
    let during = datagrams(&told, 2000, 4899);
    let lost: Vec<bool> = during.iter().map(|datagram| datagram.got.is_empty()).collect();
    let runs = lost.chunk_by(|a, b| a == b).filter(|chunk| chunk[0]).map(<[bool]>::len).collect::<Vec<_>>();
    let mean = runs.iter().sum::<usize>() as f64 / runs.len() as f64;
    assert!(mean > 3.5, "by themselves at 50% they would be 2 long on average: {runs:?}");
    assert!(told.starts("it")[0].1.contains("loss of 50% in bursts of 8"), "{:?}", told.starts("it"));
}

#[test]
fn duplicates_arrive_twice_while_it_lasts() {
    let told = run(&format!("duplicate: {{ link: '{LINK}', rate: 50%, within: 5ms }}, for: 1s"));
    told.lasted_from_2_to_3(
        "duplicates of 50% within 5ms on source[0] -> store[0]",
        "duplicates of 50% within 5ms on source[0] -> store[0]",
    );
    let during = datagrams(&told, 2000, 2999);
    let twice: Vec<_> = during.iter().filter(|datagram| datagram.got.len() == 2).collect();
    assert!((13..37).contains(&twice.len()), "{} of {}", twice.len(), during.len());
    assert!(during.iter().all(|datagram| (1..=2).contains(&datagram.got.len())));
    for datagram in twice {
        assert!(round(datagram.got[1] - datagram.got[0]) <= ms(5), "{datagram:?}");
    }
    is_calm_around(&told);
    others_are_untouched(&told);
}

#[test]
fn reordered_datagrams_are_overtaken() {
    let told = run(&format!("reorder: {{ link: '{LINK}', rate: 30%, by: 50ms }}, for: 1s"));
    told.lasted_from_2_to_3(
        "reordering of 30% by 50ms on source[0] -> store[0]",
        "reordering of 30% by 50ms on source[0] -> store[0]",
    );
    let during = datagrams(&told, 2000, 2940);
    let held = during.iter().filter(|datagram| datagram.latency() == Some(ms(51))).count();
    assert!(held > 5, "{held}");
    assert!(during.iter().all(|datagram| [ms(1), ms(51)].map(Some).contains(&datagram.latency())));
    let mut by_arrival = during.clone();
    by_arrival.sort_by_key(|datagram| datagram.got[0]);
    assert!(!by_arrival.is_sorted_by_key(|datagram| datagram.n));
    is_calm_around(&told);
    others_are_untouched(&told);
}

#[test]
fn corrupt_changes_datagrams_and_costs_tcp_time() {
    let told = run(&format!("corrupt: {{ link: '{LINK}', rate: 100% }}, for: 1s"));
    told.lasted_from_2_to_3(
        "corruption of 100% on source[0] -> store[0]",
        "corruption of 100% on source[0] -> store[0]",
    );
    let bad = told.events_in("udp.bad", 2000..3002);
    assert!(bad.len() > 40 && bad.iter().all(|seen| seen.node == "store[0]"), "{}", bad.len());
    assert!(datagrams(&told, 2000, 2999).iter().all(|datagram| datagram.got.is_empty()));
    is_calm_around(&told);
    others_are_untouched(&told);
    let told = run("corrupt: { link: clients -> store, rate: 30% }, for: 1s");
    assert!(
        told.done_in(2000..3000).iter().any(|done| done.took() > ms(150)),
        "the checksum makes it a loss"
    );
    let planned: BTreeSet<u64> = told.done().iter().map(|done| done.n).collect();
    assert!(
        told.events("call.executed").iter().all(|seen| planned.contains(&seen.int("n"))),
        "nothing is changed"
    );
}

#[test]
fn tampering_is_believed() {
    let told = run(&format!("tamper: {{ link: '{LINK}', rate: 100% }}, for: 1s"));
    told.lasted_from_2_to_3(
        "tampering with 100% on source[0] -> store[0]",
        "tampering with 100% on source[0] -> store[0]",
    );
    assert!(told.events_on("store[0]", "udp.bad", 2000..3002).len() > 40);
    is_calm_around(&told);
    others_are_untouched(&told);
    // Over TCP too: what arrives is wrong, and neither end's checksum says so.
    let told = run("tamper: { link: clients -> store, rate: 100% }, for: 1s");
    let during = told.done_in(2000..2990);
    let planned: BTreeSet<u64> = told.done().iter().map(|done| done.n).collect();
    let strange = told
        .events_in("call.executed", 2000..3002)
        .iter()
        .filter(|seen| !planned.contains(&seen.int("n")))
        .count();
    assert!(
        strange > 0 || during.iter().any(|done| done.how != End::Ok),
        "a frame that was changed is executed as it came, or is no frame: {during:#?}"
    );
    told.calls_are_well(3600..5000);
}

const BULK: &str = "workload: { clients: 1, ops: 40, rate: 10/s, mix: { bulk: 1 } }";

#[test]
fn bandwidth_lets_so_much_through() {
    // 10 kB and their headers take 100 ms at 100 kB/s.
    let told = run_with(BULK, "bandwidth: { link: clients -> store, limit: 100kB/s }, for: 1s");
    told.lasted_from_2_to_3(
        "bandwidth of 100kB/s on clients[0] -> store[0], clients[0] -> store[1], clients[0] -> store[2]",
        "bandwidth of 100kB/s on clients[0] -> store[0], clients[0] -> store[1], clients[0] -> store[2]",
    );
    let during: Vec<_> = told.done_in(2000..2800).into_iter().filter(|done| done.how == End::Ok).collect();
    assert!(during.len() >= 4, "{during:#?}");
    assert!(during.iter().all(|done| (ms(100)..ms(130)).contains(&done.took())), "{during:#?}");
    let before = told.done_in(1000..2000);
    assert!(before.iter().all(|done| done.took() < ms(20)), "{before:#?}");
    let after = told.done_in(3200..5000);
    assert!(after.len() > 8 && after.iter().all(|done| done.took() < ms(20)), "{after:#?}");
}

#[test]
fn a_narrow_link_with_a_short_queue_drops() {
    let queued = run(&format!("bandwidth: {{ link: '{LINK}', limit: 2kB/s }}, for: 1s"));
    let lost = |told: &Told| datagrams(told, 2000, 2999).iter().filter(|d| d.got.is_empty()).count();
    assert_eq!(lost(&queued), 0, "without a limit to the queue they wait");
    let short = run(&format!("bandwidth: {{ link: '{LINK}', limit: 2kB/s, queue: 200B }}, for: 1s"));
    assert!(lost(&short) > 10, "{}", lost(&short));
}

#[test]
fn what_is_held_arrives_at_the_heal_in_order() {
    let told = run(&format!("hold: {{ link: '{LINK}' }}, for: 1s"));
    told.lasted_from_2_to_3("hold on source[0] -> store[0]", "hold on source[0] -> store[0]");
    let during = datagrams(&told, 2000, 2999);
    assert!(during.len() > 40);
    for datagram in &during {
        assert!(datagram.got.len() == 1 && (ms(3000)..ms(3002)).contains(&datagram.got[0]), "{datagram:?}");
    }
    let order: Vec<_> = told
        .events_on("store[0]", "udp.got", 3000..3002)
        .iter()
        .filter(|seen| seen.text("from") == "source-0")
        .map(|seen| seen.int("n"))
        .collect();
    assert!(order.is_sorted(), "{order:?}");
    assert!(told.touched("it") >= during.len() as u64, "those of the line count too");
    is_calm_around(&told);
    others_are_untouched(&told);
}

#[test]
fn replayed_datagrams_and_requests_come_once_more() {
    let told = run(&format!("replay: {{ link: '{LINK}', rate: 50%, after: 200ms..300ms }}, for: 1s"));
    told.lasted_from_2_to_3(
        "replay of 50% after 200ms..300ms on source[0] -> store[0]",
        "replay of 50% after 200ms..300ms on source[0] -> store[0]",
    );
    let twice: Vec<_> =
        datagrams(&told, 2000, 2999).into_iter().filter(|datagram| datagram.got.len() == 2).collect();
    assert!((13..37).contains(&twice.len()), "{}", twice.len());
    for datagram in &twice {
        let later = round(datagram.got[1] - datagram.got[0]);
        assert!((ms(200)..=ms(300)).contains(&later), "{datagram:?}");
    }
    others_are_untouched(&told);

    let told = run("replay: { link: clients -> store, rate: 100%, after: 50ms }, for: 1s");
    let executed = |n: u64| {
        let all = told.events("call.executed");
        all.into_iter().filter(|seen| seen.int("n") == n).map(|seen| seen.at).collect::<Vec<_>>()
    };
    let during = told.done_in(2000..2990);
    assert!(during.len() > 8);
    for done in during {
        assert_eq!(done.how, End::Ok, "the caller notices nothing");
        let at = executed(done.n);
        assert_eq!(at.len(), 2, "executed again, for nobody: {done:?} {at:?}");
        assert_eq!(round(at[1] - at[0]), ms(50));
    }
    for done in told.done_in(3010..5000) {
        assert_eq!(executed(done.n).len(), 1);
    }
    assert!(told.touched("it") >= 9);
}

/// The moments at which the source's line broke, with how.
fn breaks(told: &Told) -> Vec<(Duration, String)> {
    told.events("line.ended").iter().map(|seen| (round(seen.at), seen.text("how").to_owned())).collect()
}

#[test]
fn a_reset_is_felt_by_both_ends_at_once_and_new_connections_are_made() {
    let told = run("reset: { link: store -> source }");
    told.was_at_2(
        "connections reset between store[0] and source[0], store[1] and source[0], store[2] and source[0]: 1",
    );
    assert_eq!(breaks(&told), [(ms(2000), "ConnectionReset".to_owned())], "an idle reader learns it at once");
    told.calls_are_well(2000..5000);
    let told = run("reset: { link: clients -> store }");
    assert!(breaks(&told).is_empty(), "the line is another pair of nodes");
    told.calls_are_well(2100..5000);
    assert!(told.touched("it") > 0);
}

#[test]
fn who_is_half_open_learns_it_by_sending() {
    let told = run("half_open: { node: 'store[0]', peer: source }");
    told.was_at_2("half-open: connections with source[0] forgotten by store[0]: 1");
    let breaks = breaks(&told);
    assert_eq!(breaks.len(), 1, "{breaks:?}");
    let (at, how) = &breaks[0];
    let wrote = round(told.events_in("line.wrote", 2000..6000)[0].at);
    assert!(wrote > ms(2000), "idle for a while");
    assert_eq!((*at, how.as_str()), (wrote + ms(2), "ConnectionReset"), "the answer to its next byte");
    told.calls_are_well(2000..5000);
    // `rest` are those that are not among the nodes: clients and the other stores too.
    let told = run("half_open: { node: 'store[0]', peer: rest }");
    assert!(told.starts("it")[0].1.ends_with("forgotten by store[0]: 2"));
    let next = &told.done_in(2000..2200)[0];
    assert_eq!(
        next.took(),
        ms(4),
        "the client's last acknowledgement was answered by a reset, so it connects anew"
    );
    told.calls_are_well(2000..5000);
}

#[test]
fn a_link_from_one_of_a_group_to_one_of_it_has_two_ends() {
    for seed in 0..20 {
        let told = run_seed(
            "",
            "  - { id: it, delay: { link: one(store) -> one(store), by: 10ms }, at: 2s, for: 1s }\n",
            seed,
        );
        let (_, what) = told.starts("it")[0];
        let link = what.rsplit_once(" on ").expect("it names the links").1;
        let (from, to) = link.split_once(" -> ").unwrap_or_else(|| panic!("seed {seed}: {what}"));
        assert!(from.starts_with("store[") && to.starts_with("store[") && from != to, "seed {seed}: {what}");
    }
}
