//! Single properties: what each of the cheap checkers must tell apart, one question a test.

use squall_checkers::specific::{
    Bank, Convergence, CounterBounds, GrowingSet, LongFork, MutualExclusion, MutualExclusionFinding,
    QueueFinding, SetFinding, TotalQueue, UniqueIds,
};

/// Whether an addition took effect may be unknown: who shows the element settles it, for all reads after that.
#[test]
fn an_element_that_was_shown_is_known() {
    let mut set = GrowingSet::new();
    set.adding(1);
    assert!(set.read([], 0, 1).is_empty(), "it may come later");
    assert!(set.read([1], 2, 3).is_empty());
    assert!(set.read([], 2, 4).is_empty(), "this read was at the same time");
    assert_eq!(set.read([], 5, 6), [SetFinding::Missing { element: 1, known: 3, invoked: 5 }]);
    assert_eq!(set.finish().lost, [1]);
}

/// Of two reads that began together neither is the later one: nothing shows that the element came back.
#[test]
fn an_element_is_stale_only_if_a_later_read_shows_it() {
    let mut set = GrowingSet::new();
    set.adding(1);
    set.added(1, 0);
    set.read([1], 5, 6);
    set.read([], 5, 7);
    assert_eq!((set.finish().lost, set.finish().stale), (vec![1], vec![]));
    set.read([1], 8, 9);
    assert_eq!((set.finish().lost, set.finish().stale), (vec![], vec![1]));
}

#[test]
fn what_was_refused_was_not_put_in() {
    let mut queue = TotalQueue::new();
    queue.putting("a");
    queue.refused("a");
    assert_eq!(queue.taken("a"), Err(QueueFinding::Unexpected { value: "a" }));
    let mut set = GrowingSet::new();
    set.adding(1);
    set.refused(1);
    assert_eq!(set.read([1], 0, 1), [SetFinding::Unexpected { element: 1 }]);
}

#[test]
fn a_process_is_given_an_id_once_as_well() {
    let mut ids = UniqueIds::new();
    assert!(ids.given(0, 7).is_ok());
    assert!(ids.given(0, 7).is_err());
}

#[test]
fn a_counter_is_bounded_by_what_can_have_been_added_and_taken_away() {
    let mut counter = CounterBounds::new();
    let refused = counter.adding(5);
    counter.refused(refused);
    let _unknown = counter.adding(-3);
    let sure = counter.adding(4);
    let before = counter.reading();
    counter.added(sure);
    for (reading, value, right) in [
        (before, -3, true),
        (before, -4, false),
        (before, 4, true),
        (before, 5, false),
        (counter.reading(), 1, true),
        (counter.reading(), 0, false),
    ] {
        assert_eq!(counter.read(reading, value).is_ok(), right, "{value}");
    }
}

/// What is taken away while a read is under way may be in it or not.
#[test]
fn a_counter_may_be_read_as_it_was_when_the_read_began() {
    let mut counter = CounterBounds::new();
    let (up, down) = (counter.adding(2), counter.adding(-5));
    let reading = counter.reading();
    counter.added(up);
    counter.added(down);
    for (value, right) in [(-6, false), (-5, true), (0, true), (2, true), (3, false)] {
        assert_eq!(counter.read(reading, value).is_ok(), right, "{value}");
    }
}

#[test]
fn money_is_neither_made_nor_owed() {
    assert!(Bank::new(10).read([("a", 12), ("b", -2)]).is_err());
    assert!(Bank::new(10).with_overdraft().read([("a", 12), ("b", -2)]).is_ok());
    assert!(Bank::new(10).with_overdraft().read([("a", 12)]).is_err());
    assert!(Bank::new(i64::MAX).read([("a", i64::MAX), ("b", i64::MAX)]).is_err(), "no sum is too large");
}

/// A read is compared with those that saw less and with those that saw more.
#[test]
fn a_read_forks_from_either_side() {
    for (one, other) in
        [(vec![("x", 1), ("y", 1)], vec![("z", 1)]), (vec![("z", 1)], vec![("x", 1), ("y", 1)])]
    {
        let mut reads = LongFork::new();
        assert!(reads.read(0, one).is_ok());
        assert!(reads.read(1, other).is_err());
        assert!(reads.read(2, [("x", 1), ("y", 1), ("z", 1)]).is_ok(), "what forks off is not kept");
    }
}

#[test]
fn only_the_holder_can_lose_a_lock_and_tokens_rise() {
    let mut lock = MutualExclusion::new();
    assert!(lock.acquired(0, Some(1)).is_ok());
    // One who holds nothing has nothing to lose.
    lock.lost(1);
    lock.releasing(1);
    assert_eq!(lock.acquired(2, Some(2)), Err(MutualExclusionFinding::Overlap { process: 2, holder: 0 }));
    lock.lost(2);
    let again = MutualExclusionFinding::NotGreater { process: 3, token: 2, greatest: 2 };
    assert_eq!(lock.acquired(3, Some(2)), Err(again));
    assert!(lock.accepted(0, 1).is_ok());
    assert!(lock.accepted(2, 5).is_ok());
    assert!(lock.accepted(2, 5).is_ok(), "a holder goes on with its token");
    let stale = MutualExclusionFinding::Stale { process: 3, token: 3, greatest: 5 };
    assert_eq!(lock.accepted(3, 3), Err(stale));
}

#[test]
fn a_replica_that_is_gone_need_not_agree() {
    let mut replicas = Convergence::new();
    replicas.holds("a", 1);
    replicas.holds("b", 2);
    assert!(replicas.finish().is_err());
    replicas.left(&"b");
    assert!(replicas.finish().is_ok());
}
