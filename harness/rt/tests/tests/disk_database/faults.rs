//! Disks that fail, fill up, stop half-way and lie, under a database at work.

use squall_rt::world::disk::{DiskEffect, DiskOps, Lost};

use super::*;

const SYNCS: DiskOps = DiskOps { read: false, write: false, sync: true };

/// Works in one process until it is done or an error comes. Returns the error, if any.
async fn attempt(world: &World, node: NodeId, acknowledged: &Arc<AtomicU64>) -> Option<redb::Error> {
    let acknowledged = acknowledged.clone();
    let (done, is_done) = tokio::sync::oneshot::channel();
    world.start(node, |_| async move {
        // Whoever waits has checked that the process ran to its end.
        let _ = done.send(work(&acknowledged).err());
    });
    is_done.await.expect("the process ran to its end")
}

async fn crash(world: &World, node: NodeId, fate: DiskFate) {
    world.crash(node, Death::Power, fate);
    world.sleep(Duration::from_millis(1)).await;
}

/// Lives under an effect, each ending with the first error and a crash, then one without. Returns how many lives had an error.
fn under(seed: u64, fate: DiskFate, effect: DiskEffect) -> u64 {
    in_a_world(seed, move |world| async move {
        let node = world.add_node("a-0");
        let acknowledged = Arc::new(AtomicU64::new(0));
        let id = world.disks().impose(node, effect, world.stream("fault", "f"));
        let mut failed = 0;
        for _ in 0..6 {
            failed += u64::from(attempt(&world, node, &acknowledged).await.is_some());
            crash(&world, node, fate).await;
        }
        assert!(failed == 0 || world.disks().lift(id) >= failed, "an error has a cause");
        world.disks().lift(id);
        for _ in 0..2 {
            let healed = attempt(&world, node, &acknowledged).await;
            assert!(healed.is_none(), "{healed:?}");
            assert_eq!(acknowledged.load(Ordering::Relaxed), COMMITS);
            crash(&world, node, DiskFate::LoseUnsynced).await;
        }
        failed
    })
}

fn each_seed(fates: &[DiskFate], effect: DiskEffect) {
    let mut failed = 0;
    for seed in 0..40 {
        for &fate in fates {
            failed += under(seed, fate, effect);
        }
    }
    assert!(failed > 40, "{effect:?}: only {failed} lives had an error");
}

const POWER: [DiskFate; 2] = [DiskFate::LoseUnsynced, DiskFate::Torn];
const ANY: [DiskFate; 3] = [DiskFate::LoseUnsynced, DiskFate::Torn, DiskFate::Keep];

#[test]
fn errors_of_reads_and_writes_surface_and_lose_nothing() {
    let ops = DiskOps { read: true, write: true, sync: false };
    each_seed(&ANY, DiskEffect::Error { probability: 0.02, ops });
}

#[test]
fn errors_of_syncs_surface_and_lose_nothing_when_the_machine_goes_down_with_them() {
    each_seed(&POWER, DiskEffect::Error { probability: 0.1, ops: SYNCS });
}

#[test]
fn writes_that_stop_part_way_surface_and_lose_nothing() {
    each_seed(&ANY, DiskEffect::Torn { probability: 0.02 });
}

#[test]
fn errors_of_syncs_lose_nothing_when_the_process_alone_dies_of_them_either() {
    // Found here: the kernel that has given up what it could not sync shows it still, redb took it for durable and
    // built on it, and the next loss of power left neither the old state nor the new.
    each_seed(&[DiskFate::Keep], DiskEffect::Error { probability: 0.1, ops: SYNCS });
}

#[test]
fn a_database_that_failed_is_opened_again_in_the_same_process() {
    for effect in [
        DiskEffect::Error { probability: 0.02, ops: DiskOps::ALL },
        DiskEffect::Error { probability: 0.1, ops: SYNCS },
        DiskEffect::Torn { probability: 0.02 },
        DiskEffect::Full { free: 30 * 4096 },
    ] {
        let mut failed = 0;
        for seed in 0..40 {
            failed += in_a_world(seed, move |world| async move {
                let node = world.add_node("a-0");
                let acknowledged = Arc::new(AtomicU64::new(0));
                let id = world.disks().impose(node, effect, world.stream("fault", "f"));
                let (here, known) = (world.clone(), acknowledged.clone());
                let (done, is_done) = tokio::sync::oneshot::channel();
                world.start(node, |_| async move {
                    let failed = (0..10).filter(|_| work(&known).is_err()).count();
                    here.disks().lift(id);
                    work(&known).unwrap();
                    done.send(failed).unwrap();
                });
                let failed = is_done.await.unwrap();
                crash(&world, node, DiskFate::LoseUnsynced).await;
                let healed = attempt(&world, node, &acknowledged).await;
                assert!(healed.is_none(), "{healed:?}");
                assert_eq!(acknowledged.load(Ordering::Relaxed), COMMITS);
                failed
            });
        }
        assert!(failed > 40, "{effect:?}: only {failed} attempts had an error");
    }
}

#[test]
fn short_reads_are_not_even_errors() {
    for seed in 0..20 {
        for fate in ANY {
            assert_eq!(under(seed, fate, DiskEffect::ShortRead { probability: 0.5 }), 0);
        }
    }
}

#[test]
fn a_disk_that_fills_up_anywhere_fails_the_commit_and_goes_on_with_room() {
    let mut failed = 0;
    for pages in 0..120 {
        for fate in ANY {
            let no_room = in_a_world(1, move |world| async move {
                let node = world.add_node("a-0");
                let acknowledged = Arc::new(AtomicU64::new(0));
                let full = DiskEffect::Full { free: pages * 4096 };
                let id = world.disks().impose(node, full, world.stream("fault", "f"));
                let error = attempt(&world, node, &acknowledged).await;
                let touched = world.disks().lift(id);
                assert_eq!(error.is_some(), touched > 0, "{error:?}");
                crash(&world, node, fate).await;
                for _ in 0..2 {
                    let healed = attempt(&world, node, &acknowledged).await;
                    assert!(healed.is_none(), "{healed:?}");
                    crash(&world, node, DiskFate::LoseUnsynced).await;
                }
                assert_eq!(acknowledged.load(Ordering::Relaxed), COMMITS);
                touched > 0
            });
            failed += u64::from(no_room);
        }
    }
    assert!((60..300).contains(&failed), "{failed} of 360");
}

/// Commits under a disk that lies, loses power, and opens the database again: how many transactions it has then, or why it
/// does not open, how many had been acknowledged, and what the world says that the disk has lost.
fn lied_to(seed: u64, fate: DiskFate) -> (Result<u64, String>, u64, Lost) {
    in_a_world(seed, move |world| async move {
        let node = world.add_node("a-0");
        let acknowledged = Arc::new(AtomicU64::new(0));
        world.start(node, |_| async {
            let database = open_database(PATH).unwrap();
            commit(&database, 0).unwrap();
            commit(&database, 1).unwrap();
        });
        world.sleep(Duration::from_millis(1)).await;
        crash(&world, node, DiskFate::LoseUnsynced).await;
        acknowledged.store(2, Ordering::Relaxed);
        let lie = world.disks().impose(node, DiskEffect::LyingSync, world.stream("fault", "lie"));
        assert!(attempt(&world, node, &acknowledged).await.is_none());
        crash(&world, node, fate).await;
        assert!(world.disks().lift(lie) >= COMMITS - 2);
        let (done, is_done) = tokio::sync::oneshot::channel();
        world.start(node, |_| async move {
            // A database that was lied to may come to anything, a panic as well.
            let look =
                || open_database(PATH).map_err(redb::Error::from).and_then(|database| committed(&database));
            done.send(std::panic::catch_unwind(look)).unwrap();
        });
        let held = match is_done.await.unwrap() {
            Ok(held) => held.map_err(|e| e.to_string()),
            Err(_) => Err("it panicked".to_owned()),
        };
        (held, acknowledged.load(Ordering::Relaxed), world.disks().lost(node))
    })
}

#[test]
fn what_a_lying_disk_lost_is_missed_and_the_account_says_who_did_it() {
    let (held, acknowledged, lost) = lied_to(1, DiskFate::LoseUnsynced);
    assert_eq!((held, acknowledged), (Ok(2), COMMITS), "it is back where the disk was last true");
    assert!(lost.bytes > 0);
    let mut broken = 0;
    for seed in 0..40 {
        let (held, acknowledged, lost) = lied_to(seed, DiskFate::Torn);
        if held != Ok(acknowledged) {
            assert!(lost.bytes > 0, "{held:?}");
            broken += 1;
        }
        assert_eq!(lied_to(seed, DiskFate::Torn), (held, acknowledged, lost));
    }
    assert!(broken > 20, "{broken} of 40");
    let (held, acknowledged, lost) = lied_to(1, DiskFate::Keep);
    assert_eq!((held, lost), (Ok(acknowledged), Lost::default()), "only the process died");
}
