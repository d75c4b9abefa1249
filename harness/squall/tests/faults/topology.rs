//! Faults of the topology: nodes join and leave.

use squall::history::Lifecycle::{Crashed, Exited, Started, Stopping};

use crate::told::{Told, ms, run, run_seed, run_with};

/// What the source saw of the members, and when.
fn members(told: &Told) -> Vec<(u64, String)> {
    let seen = told.events("member.seen");
    seen.iter().map(|seen| (seen.at.as_millis() as u64, seen.text("stores").to_owned())).collect()
}

fn seen(at: [u64; 3], stores: [&str; 3]) -> Vec<(u64, String)> {
    at.into_iter().zip(stores.map(str::to_owned)).collect()
}

const THREE: &str = "store-0,store-1,store-2";

#[test]
fn who_joins_is_listed_named_on_reachable_and_leaves_at_the_heal() {
    let told = run("join: { group: store, count: 2 }, for: 1s");
    told.lasted_from_2_to_3("join: 2 more of store", "leave: 2 of store");
    assert_eq!(told.touched("it"), 2);
    let members = members(&told);
    assert_eq!(
        members,
        seen([0, members[1].0, members[2].0], [THREE, "store-0,store-1,store-2,store-3,store-4", THREE])
    );
    assert!((2000..=2010).contains(&members[1].0) && (3000..=3010).contains(&members[2].0));
    for node in ["store[3]", "store[4]"] {
        assert_eq!(
            told.lives(node),
            [(ms(2000), 1, Started), (ms(3000), 1, Stopping), (ms(3000), 1, Crashed)]
        );
        let found = told.events_on(node, "disk.found", 0..6000);
        assert!(found.len() == 1 && found[0].int("synced") == 0, "a disk with nothing on it");
        assert!(told.reaches("source[0]", node, 2050..2950) && told.reaches("store[0]", node, 2050..2950));
        assert!(told.reaches(node, "store[0]", 2050..2950));
    }
    told.calls_are_well(1000..5000);
}

#[test]
fn without_an_end_who_joins_stays_and_who_leaves_is_gone_for_good() {
    let told = run("join: { group: store }");
    assert_eq!(told.starts("it"), [(ms(2000), "join: 1 more of store")]);
    assert_eq!((told.heals("it"), told.touched("it")), (vec![], 1));
    assert_eq!(members(&told).last().unwrap().1, "store-0,store-1,store-2,store-3");
    assert!(told.events_on("store[3]", "store.tick", 5000..6000).len() > 80, "settle does not end it");

    let told = run_with("params: { ending: orderly }", "leave: { node: 'store[2]' }");
    assert_eq!(told.starts("it"), [(ms(2000), "leave store[2]")]);
    assert_eq!((told.heals("it"), told.touched("it")), (vec![], 1));
    assert_eq!(members(&told).last().unwrap().1, "store-0,store-1");
    assert_eq!(
        told.lives("store[2]"),
        [(ms(0), 1, Started), (ms(2000), 1, Stopping), (ms(2200), 1, Exited("done".into()))],
        "neither the supervisor nor settle brings it back"
    );
}

#[test]
fn who_leaves_for_a_while_comes_back_with_its_disk() {
    let told = run_with("params: { ending: stubborn }", "leave: { node: 'store[0]', grace: 300ms }, for: 1s");
    told.lasted_from_2_to_3("leave store[0]: asked to end within 300ms", "join store[0]");
    assert_eq!(
        told.lives("store[0]"),
        [(ms(0), 1, Started), (ms(2000), 1, Stopping), (ms(2300), 1, Crashed), (ms(3000), 2, Started)]
    );
    let puts = told.events_in("call.executed", 0..2999).len() as u64;
    let found = told.events_on("store[0]", "disk.found", 3000..6000);
    assert_eq!((found[0].int("synced"), found[0].int("unsynced")), (puts, puts));
    let members = members(&told);
    assert_eq!(members, seen([0, members[1].0, members[2].0], [THREE, "store-1,store-2", THREE]));
    assert!(members[1].0 <= 2010 && members[2].0 <= 3010, "{members:?}");
    told.calls_are_well(3600..5000);
}

#[test]
fn who_has_left_cannot_leave_again_and_names_go_on_from_the_last() {
    let told = run_seed(
        "",
        "  - { id: gone, leave: { node: 'store[1]' }, at: 1.5s }
  - { id: again, leave: { node: 'store[1]' }, at: 2s }
  - { id: first, join: { group: store }, at: 2.5s, for: 500ms }
  - { id: second, join: { group: store }, at: 3.5s }",
        1,
    );
    assert_eq!(told.starts("again"), [(ms(2000), "leave: no such node now")]);
    assert_eq!(told.touched("again"), 0);
    assert_eq!(members(&told).last().unwrap().1, "store-0,store-2,store-4", "a name is not used twice");
}

/// Whoever has left is no longer what its group means.
#[test]
fn targets_do_not_mean_who_has_left() {
    for seed in 0..10 {
        let told = run_seed(
            "",
            "  - { id: gone, leave: { node: 'store[1]' }, at: 1.5s }
  - { id: it, pause: { node: one(store) }, at: 2s, for: 1s }",
            seed,
        );
        assert_ne!(told.starts("it")[0].1, "pause store[1]", "seed {seed}");
        assert_eq!(told.touched("it"), 1);
    }
}
