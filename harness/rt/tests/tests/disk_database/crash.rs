//! A crash at every boundary between two calls that change the disk: writes, changes of length and of names, syncs.

use super::*;

/// One life of a process that works on the database, its disk cut off after so many changes if at all; then a crash.
async fn life(
    world: &World,
    node: NodeId,
    acknowledged: &Arc<AtomicU64>,
    cut: Option<(u64, DiskFate)>,
) -> u64 {
    let before = world.disks().changes(node);
    let acknowledged = acknowledged.clone();
    let (done, is_done) = tokio::sync::oneshot::channel();
    world.start(node, |_| async move {
        // Whoever waits has checked that the process ran to its end.
        let _ = done.send(work(&acknowledged));
    });
    if let Some((changes, fate)) = cut {
        world.disks().cut_power_after(node, changes, fate);
    }
    let outcome = is_done.await.expect("the process ran to its end");
    assert!(cut.is_some() || outcome.is_ok(), "{outcome:?}");
    let changes = world.disks().changes(node) - before;
    world.crash(node, Death::Power, cut.map_or(DiskFate::Keep, |(_, fate)| fate));
    world.sleep(Duration::from_millis(1)).await;
    changes
}

/// Crashes first at `points[0]`, then, in the life after that, at `points[1]` and so on; in the end all must be there.
fn crash_at(seed: u64, fate: DiskFate, points: Vec<u64>) {
    in_a_world(seed, move |world| async move {
        let node = world.add_node("a-0");
        let acknowledged = Arc::new(AtomicU64::new(0));
        for point in points {
            life(&world, node, &acknowledged, Some((point, fate))).await;
        }
        life(&world, node, &acknowledged, None).await;
        assert_eq!(acknowledged.load(Ordering::Relaxed), COMMITS);
        life(&world, node, &acknowledged, None).await;
    });
}

fn crash_points() -> u64 {
    let points = in_a_world(0, |world| async move {
        let node = world.add_node("a-0");
        life(&world, node, &Arc::new(AtomicU64::new(0)), None).await
    });
    assert!(points > 50, "creating and ten commits are only {points} changes");
    points
}

#[test]
fn every_crash_point_when_unsynced_writes_are_lost() {
    for point in 0..crash_points() {
        crash_at(1, DiskFate::LoseUnsynced, vec![point]);
    }
}

#[test]
fn every_crash_point_when_unsynced_writes_are_kept() {
    for point in 0..crash_points() {
        crash_at(1, DiskFate::Keep, vec![point]);
    }
}

#[test]
fn every_crash_point_when_unsynced_writes_are_torn() {
    for point in 0..crash_points() {
        for seed in 0..3 {
            crash_at(seed, DiskFate::Torn, vec![point]);
        }
    }
}

#[test]
fn a_crash_while_the_last_crash_is_being_repaired() {
    for first in (20..crash_points()).step_by(7) {
        for second in 0..12 {
            crash_at(first ^ second, DiskFate::Torn, vec![first, second]);
        }
    }
}

#[test]
fn a_dead_process_does_not_tidy_up_its_database() {
    // redb marks a database as cleanly closed when it is dropped. That of a dead process is dropped as well, and must
    // not: the next life would skip the repair that the crash calls for.
    in_a_world(1, |world| async move {
        let node = world.add_node("a-0");
        let (opened, is_open) = tokio::sync::oneshot::channel();
        world.start(node, |_| async move {
            let database = open_database(PATH).unwrap();
            commit(&database, 0).unwrap();
            opened.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(database);
        });
        is_open.await.unwrap();
        let before = world.disks().changes(node);
        world.crash(node, Death::Process, DiskFate::Keep);
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(world.disks().changes(node), before);
        let acknowledged = Arc::new(AtomicU64::new(1));
        life(&world, node, &acknowledged, None).await;
        assert_eq!(acknowledged.load(Ordering::Relaxed), COMMITS);
    });
}
