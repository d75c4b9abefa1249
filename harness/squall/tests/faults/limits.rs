//! `limits:`: a strike that would break more than allowed is left out, and the history says so.

use crate::told::{ms, run_seed};

#[test]
fn no_more_of_a_group_is_down_than_allowed() {
    let told = run_seed(
        "limits: { max_down: 1 }",
        "  - { id: first, crash: { node: 'store[0]', restart_after: 1s }, at: 2s }
  - { id: still, pause: { node: 'store[1]' }, at: 2.2s, for: 500ms }
  - { id: again, restart: { node: 'store[2]' }, at: 2.4s }
  - { id: gone, leave: { node: 'store[2]' }, at: 2.5s }
  - { id: same, crash: { node: 'store[0]', restart_after: 1s }, at: 2.6s }
  - { id: other, crash: { node: source, restart_after: 100ms }, at: 2.7s }
  - { id: clients, crash: { node: clients, restart_after: 100ms }, at: 2.8s }
  - { id: later, pause: { node: 'store[1]' }, at: 4s, for: 500ms }",
        1,
    );
    let limit = "left out, 2 of store would be down at once (limits.max_down is 1)";
    assert_eq!(told.starts("still"), [(ms(2200), format!("pause store[1]: {limit}").as_str())]);
    assert_eq!(told.starts("again"), [(ms(2400), format!("restart store[2]: {limit}").as_str())]);
    assert_eq!(told.starts("gone"), [(ms(2500), format!("leave store[2]: {limit}").as_str())]);
    for id in ["still", "again", "gone"] {
        assert_eq!((told.heals(id), told.touched(id)), (vec![], 0), "{id}");
    }
    assert_eq!(
        told.starts("same")[0].1,
        "crash store[0] (unsynced writes lost)",
        "no more than is down already"
    );
    for id in ["first", "other", "clients", "later"] {
        assert_eq!(
            told.touched(id),
            1,
            "{id}: each group for itself, clients not counted, and after the heal"
        );
    }
    assert!(told.events_on("store[1]", "store.tick", 2000..4000).len() > 180);
    assert_eq!(told.lives("store[2]").len(), 1);
}

#[test]
fn a_strike_at_several_is_left_out_as_a_whole() {
    let told = run_seed(
        "limits: { max_down: { store: 2, clients: 0 } }",
        "  - { id: all, pause: { node: store }, at: 2s, for: 500ms }
  - { id: two, pause: { node: minority(store) }, at: 3s, for: 500ms }
  - { id: clients, pause: { node: clients }, at: 3s, for: 500ms }
  - { id: source, pause: { node: source }, at: 3s, for: 500ms }",
        1,
    );
    assert_eq!(
        told.starts("all")[0].1,
        "pause store[0], store[1], store[2]: left out, 3 of store would be down at once (limits.max_down is 2)"
    );
    assert!(told.starts("clients")[0].1.contains("left out, 1 of clients"));
    assert_eq!(["all", "two", "clients", "source"].map(|id| told.touched(id)), [0, 1, 0, 1]);
}

#[test]
fn no_more_faults_are_active_than_allowed() {
    let told = run_seed(
        "limits: { max_concurrent: 2 }",
        "  - { id: a, delay: { link: clients -> store, by: 5ms }, at: 2s, for: 1s }
  - { id: b, loss: { link: source -> store, rate: 50% }, at: 2.1s, for: 500ms }
  - { id: c, clock_jump: { node: store, by: 1s }, at: 2.2s, for: 100ms }
  - { id: now, reset: { link: source -> store }, at: 2.3s }
  - { id: d, clock_jump: { node: store, by: 1s }, at: 2.7s, for: 100ms }",
        1,
    );
    assert_eq!(
        told.starts("c"),
        [(ms(2200), "clock_jump: left out, 2 faults are active (limits.max_concurrent)")]
    );
    assert_eq!((told.heals("c"), told.touched("c")), (vec![], 0));
    assert!(told.touched("now") > 0, "what is over at once is never one too many");
    assert_eq!(told.heals("d")[0].0, ms(2800), "after the heal of `b` there is room");
}

/// A fault that stays for good has nothing left to heal: it is not active.
#[test]
fn who_joined_to_stay_takes_no_room() {
    let told = run_seed(
        "limits: { max_concurrent: 1 }",
        "  - { id: more, join: { group: store }, at: 1.5s }
  - { id: fewer, leave: { node: 'store[2]' }, at: 2s }
  - { id: it, clock_jump: { node: store, by: 1s }, at: 2.5s, for: 100ms }",
        1,
    );
    for id in ["more", "fewer", "it"] {
        assert!(told.touched(id) > 0, "{id}: {:?}", told.starts(id));
    }
}

#[test]
fn without_limits_nothing_is_left_out() {
    let told = run_seed("", "  - { id: all, crash: { node: all, restart_after: 500ms }, at: 2s }", 1);
    assert_eq!(told.touched("all"), 5);
}
