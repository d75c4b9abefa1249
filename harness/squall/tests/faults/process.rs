//! Faults of processes: crash, pause, restart, slow, cancel.

use squall::history::Lifecycle::{Crashed, Exited, Paused, Resumed, Started, Stopping};

use crate::told::{End, Told, ms, round, run, run_with};

/// What the first store found on its disk when it came back, and how many puts had been executed by the end of its life.
fn found(told: &Told) -> (u64, u64, u64) {
    let found: Vec<_> =
        told.events("disk.found").into_iter().filter(|seen| seen.node == "store[0]").collect();
    assert_eq!(found.len(), 2, "it died once");
    let puts = told.events("call.executed").iter().filter(|seen| seen.at < found[1].at).count() as u64;
    (found[1].int("synced"), found[1].int("unsynced"), puts)
}

fn crash(disk: &str) -> Told {
    let told = run(&format!("crash: {{ node: 'store[0]', disk: {disk}, restart_after: 1s }}"));
    assert_eq!(told.lives("store[0]"), [(ms(0), 1, Started), (ms(2000), 1, Crashed), (ms(3000), 2, Started)]);
    assert!(told.events_on("store[0]", "store.tick", 2001..3000).is_empty());
    assert!(told.done_in(2000..2600).iter().all(|call| call.how != End::Ok));
    assert_eq!(told.touched("it"), 1);
    told.calls_are_well(3600..5000);
    told
}

#[test]
fn a_crash_leaves_on_the_disk_what_it_says() {
    let told = crash("keep");
    told.lasted_from_2_to_3("crash store[0] (disk kept)", "restart store[0]");
    let (synced, unsynced, puts) = found(&told);
    assert_eq!((synced, unsynced), (puts, puts), "a process's death leaves the page cache");
    let refused = |told: &Told| told.done_in(2000..2600).iter().any(|call| call.reason.contains("refused"));
    assert!(refused(&told), "and the kernel answers");

    let told = crash("lose_unsynced");
    told.lasted_from_2_to_3("crash store[0] (unsynced writes lost)", "restart store[0]");
    let (synced, unsynced, puts) = found(&told);
    assert_eq!((synced, unsynced), (puts, 0), "a power loss takes what was not synced");
    assert!(!refused(&told), "silence");

    let told = crash("torn");
    told.lasted_from_2_to_3("crash store[0] (unsynced writes torn)", "restart store[0]");
    let (synced, _, puts) = found(&told);
    assert_eq!(synced, puts);

    let told = crash("wiped");
    told.lasted_from_2_to_3("crash store[0] (disk wiped)", "restart store[0]");
    let (synced, unsynced, _) = found(&told);
    assert_eq!((synced, unsynced), (0, 0));
}

#[test]
fn a_pause_stops_everything_and_forgets_nothing() {
    let told = run("pause: { node: 'store[0]' }, for: 1s");
    told.lasted_from_2_to_3("pause store[0]", "resume store[0]");
    assert_eq!(told.lives("store[0]"), [(ms(0), 1, Started), (ms(2000), 1, Paused), (ms(3000), 1, Resumed)]);
    assert!(told.events_on("store[0]", "store.tick", 2001..3000).is_empty());
    assert!(told.events_on("store[0]", "udp.sent", 2001..3000).is_empty());
    let waiting = told.datagrams("source[0]", "store[0]", 2001..2999);
    assert!(
        waiting.iter().all(|datagram| datagram.got.len() == 1 && datagram.got[0] >= ms(3000)),
        "the kernel lives on, and packets queue: {waiting:?}"
    );
    assert!(told.done_in(2001..2600).iter().all(|call| call.how == End::Unknown));
    assert!(told.events_on("store[1]", "store.tick", 2000..3000).len() > 80);
    told.calls_are_well(3600..5000);
}

const RESTART: &str = "restart: { node: 'store[0]', grace: 500ms, restart_after: 1s }";

#[test]
fn who_listens_ends_in_good_order() {
    let told = run_with("params: { ending: orderly }", RESTART);
    told.lasted_from_2_to_3("restart store[0]: asked to end within 500ms", "start store[0]");
    assert_eq!(
        told.events("end.asked").iter().map(|seen| (round(seen.at), seen.node)).collect::<Vec<_>>(),
        [(ms(2000), "store[0]")]
    );
    assert_eq!(
        told.lives("store[0]"),
        [
            (ms(0), 1, Started),
            (ms(2000), 1, Stopping),
            (ms(2200), 1, Exited("done".into())),
            (ms(3000), 2, Started)
        ]
    );
    assert!(told.done_in(2000..2190).iter().all(|call| call.how == End::Ok), "it finishes what it has");
}

#[test]
fn who_takes_too_long_is_killed_after_the_grace_period() {
    let told = run_with("params: { ending: stubborn }", RESTART);
    told.lasted_from_2_to_3("restart store[0]: asked to end within 500ms", "start store[0]");
    assert_eq!(told.events("end.asked").len(), 1);
    assert_eq!(
        told.lives("store[0]"),
        [(ms(0), 1, Started), (ms(2000), 1, Stopping), (ms(2500), 1, Crashed), (ms(3000), 2, Started)]
    );
    assert!(told.events_on("store[0]", "store.tick", 2000..2500).len() > 40, "it works on until then");
    assert_eq!(found(&told).1, found(&told).2, "the page cache outlives it");
}

#[test]
fn who_does_not_listen_dies_at_once() {
    let told = run_with("params: { ending: deaf }", RESTART);
    let lives = told.lives("store[0]");
    assert_eq!(lives[1..], [(ms(2000), 1, Stopping), (ms(2000), 1, Crashed), (ms(3000), 2, Started)]);
    // Without times of its own: a grace period of a second, and the start 100 ms after it.
    let told = run_with("params: { ending: stubborn }", "restart: { node: 'store[0]' }");
    let lives = told.lives("store[0]");
    assert_eq!(lives[2..], [(ms(3000), 1, Crashed), (ms(3100), 2, Started)]);
}

#[test]
fn a_slow_process_gets_its_share_of_the_time() {
    let told = run("slow: { node: 'store[0]', factor: 10 }, for: 1s");
    told.lasted_from_2_to_3("slow store[0], 10 times", "slow store[0], 10 times");
    let ticks = |node, from, to| told.events_on(node, "store.tick", from..to).len();
    let (before, during, after) =
        (ticks("store[0]", 1000, 2000), ticks("store[0]", 2000, 3000), ticks("store[0]", 3000, 4000));
    assert!(before > 80 && after > 80, "{before} {after}");
    // It runs for 10 ms of each 100 ms, and a tick that is due while it stands still comes when it runs.
    assert!((10..=25).contains(&during), "{during} ticks of {before}");
    for seen in told.events_on("store[0]", "store.tick", 2001..3000) {
        assert!(seen.at.as_millis() % 100 >= 90, "it runs at the end of each period: {:?}", seen.at);
    }
    assert!(ticks("store[1]", 2000, 3000) > 80, "the others are not slowed");
    assert_eq!(told.touched("it"), 10, "once in each period");
    // Another period.
    let told = run("slow: { node: 'store[0]', factor: 2, period: 500ms }, for: 1s");
    let during = told.events_on("store[0]", "store.tick", 2001..3000);
    assert!(during.iter().all(|seen| seen.at.as_millis() % 500 >= 250), "{during:?}");
}

#[test]
fn a_cancelled_operation_is_dropped_midway_and_the_next_goes_on() {
    let work = "workload: { clients: 1, ops: 30, rate: 10/s, mix: { work: 1 } }";
    let told = run_with(work, "cancel: { client: clients }");
    told.was_at_2("cancel what clients[0] is doing");
    assert_eq!(told.touched("it"), 1);
    let done = told.done();
    let cancelled: Vec<_> =
        done.iter().filter(|call| call.how == End::Unknown && round(call.end) == ms(2000)).collect();
    assert_eq!(cancelled.len(), 1, "{done:#?}");
    let call = cancelled[0];
    assert_eq!(call.reason, "the caller gave up");
    let of = |name| told.events(name).iter().filter(|seen| seen.int("n") == call.n).count();
    assert_eq!((of("work.begun"), of("work.done")), (1, 0), "half of it is done, and stays so");
    let next = done.iter().find(|other| other.start >= call.end).expect("it goes on");
    assert_eq!(next.how, End::Ok, "{next:?}");
    assert_eq!(round(next.start), ms(2000), "at once: it is behind its plan");
    // Nobody is in the middle of anything: nothing happens.
    let idle = "workload: { clients: 1, ops: 1, rate: 10/s }";
    assert_eq!(run_with(idle, "cancel: { client: 'clients[0]' }").touched("it"), 0);
}
