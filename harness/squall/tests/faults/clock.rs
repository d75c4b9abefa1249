//! Faults of clocks: how far off the wall clock is, and that monotonic time never is.

use std::collections::BTreeSet;

use crate::told::{Told, ms, run, run_seed};

/// How far the clock of a store was ahead at each of its ticks, in microseconds. Monotonic time is right at all of them.
fn ahead(told: &Told, node: &str, from: u64, to: u64) -> Vec<(u64, i64)> {
    let all = told.events_on(node, "store.tick", 0..6000);
    // All clocks are right at the start.
    let (began, wall) = (all[0].at.as_micros() as u64, all[0].int("wall_us"));
    let offsets: Vec<_> = all
        .iter()
        .map(|seen| {
            let passed = seen.at.as_micros() as u64 - began;
            let off = seen.int("mono_us").abs_diff(passed);
            assert!(off <= 5, "Instant is right whatever the clock says: {seen:?}");
            (seen.at.as_micros() as u64, seen.int("wall_us") as i64 - wall as i64 - passed as i64)
        })
        .filter(|(at, _)| (from * 1000..to * 1000).contains(at))
        .collect();
    assert!(offsets.len() > 20);
    offsets
}

fn distinct(told: &Told, node: &str, from: u64, to: u64) -> BTreeSet<i64> {
    ahead(told, node, from, to).into_iter().map(|(_, offset)| offset).collect()
}

/// The clock is right, to the rounding of two readings.
fn is_right(told: &Told, node: &str, from: u64, to: u64) {
    let offsets = distinct(told, node, from, to);
    assert!(offsets.iter().all(|us| us.abs() <= 5), "{node} {from}..{to}: {offsets:?}");
}

fn is_calm_around(told: &Told) {
    is_right(told, "store[0]", 0, 2000);
    is_right(told, "store[0]", 3001, 6000);
}

#[test]
fn a_jump_sets_all_clocks_by_the_same() {
    let told = run("clock_jump: { node: store, by: -1h }, for: 1s");
    told.lasted_from_2_to_3(
        "clock jump: store[0] 1h behind, store[1] 1h behind, store[2] 1h behind",
        "clock jump: right again",
    );
    for node in ["store[0]", "store[2]"] {
        let offsets = distinct(&told, node, 2001, 3000);
        assert!(offsets.iter().all(|us| (us + 3_600_000_000).abs() <= 5), "{offsets:?}");
    }
    is_calm_around(&told);
    let told = run("clock_jump: { node: 'store[0]', by: 300ms }, for: 1s");
    assert!(distinct(&told, "store[0]", 2001, 3000).iter().all(|us| (us - 300_000).abs() <= 5));
    is_right(&told, "store[1]", 0, 6000);
}

#[test]
fn a_skew_is_each_node_s_own() {
    let told = run("clock_skew: { node: store, by: -2s..2s }, for: 1s");
    let offsets: BTreeSet<_> = ["store[0]", "store[1]", "store[2]"]
        .iter()
        .map(|node| {
            let offsets = ahead(&told, node, 2001, 3000);
            let (least, most) =
                (offsets.iter().map(|o| o.1).min().unwrap(), offsets.iter().map(|o| o.1).max().unwrap());
            assert!(most - least <= 5, "it stays the same: {least} {most}");
            assert!(most.abs() <= 2_000_005);
            least / 1000
        })
        .collect();
    assert_eq!(offsets.len(), 3, "{offsets:?}");
    let what = told.starts("it")[0].1;
    assert!(what.starts_with("clock skew: store[0] ") && what.matches(',').count() == 2, "{what}");
    assert_eq!(told.heals("it"), [(ms(3000), "clock skew: right again")]);
    assert!(told.touched("it") > 0);
    is_calm_around(&told);
}

#[test]
fn a_drift_builds_up_and_is_gone_in_one_step() {
    let told = run("clock_drift: { node: 'store[0]', rate: 5% }, for: 1s");
    told.lasted_from_2_to_3("clock drift: store[0] by 50000 ppm", "clock drift: right again");
    for (at, offset) in ahead(&told, "store[0]", 2001, 3000) {
        let built_up = (at as i64 - 2_000_000) / 20;
        assert!((offset - built_up).abs() <= 5, "at {at}: {offset}, not {built_up}");
    }
    is_calm_around(&told);
    let told = run("clock_drift: { node: 'store[0]', rate: -10%..-5% }, for: 1s");
    let last = ahead(&told, "store[0]", 2001, 3000).last().copied().unwrap();
    assert!((-100_000..=-48_000).contains(&last.1), "{last:?}");
}

#[test]
fn a_strobe_goes_ahead_and_back_in_turns() {
    let told = run("clock_strobe: { node: 'store[0]', by: 200ms, every: 50ms }, for: 1s");
    told.lasted_from_2_to_3(
        "clock strobe: store[0] 200ms ahead and back every 50ms",
        "clock strobe: right again",
    );
    let mut seen = BTreeSet::new();
    for (at, offset) in ahead(&told, "store[0]", 2001, 3000) {
        let expected = if (at - 2_000_000) / 50_000 % 2 == 0 { 200_000 } else { 0 };
        assert!((offset - expected).abs() <= 5, "at {at}: {offset}");
        seen.insert(expected);
    }
    assert_eq!(seen.len(), 2);
    is_calm_around(&told);
}

#[test]
fn clock_faults_add_up_and_heal_apart() {
    let told = run_seed(
        "",
        "  - { id: one, clock_jump: { node: store, by: 1s }, at: 2s, for: 1s }
  - { id: other, clock_skew: { node: 'store[0]', by: -300ms }, at: 2.5s, for: 1s }",
        1,
    );
    for (from, to, expected) in
        [(2001, 2500, 1_000_000), (2501, 3000, 700_000), (3001, 3500, -300_000), (3501, 6000, 0)]
    {
        let offsets = distinct(&told, "store[0]", from, to);
        assert!(offsets.iter().all(|us| (us - expected).abs() <= 5), "{from}..{to}: {offsets:?}");
    }
}

/// Drawn for each node from a stream of its own: naming more nodes changes no other's.
#[test]
fn a_node_s_skew_does_not_depend_on_who_else_is_struck() {
    let skew = |target: &str| {
        let told = run(&format!("clock_skew: {{ node: {target}, by: -2s..2s }}, for: 1s"));
        distinct(&told, "store[1]", 2001, 3000)
    };
    assert_eq!(skew("store"), skew("'store[1]'"));
}
