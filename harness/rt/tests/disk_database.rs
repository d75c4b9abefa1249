//! A database on the simulated disk holds what was committed, wherever a crash strikes.
#![cfg(madsim)]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use squall_rt::{
    disk::open_database,
    redb::{self, Database, ReadableDatabase, ReadableTable, TableDefinition},
    world::{self, Death, DiskFate, NodeId, World},
};

const COMMITS: u64 = 10;
/// Small rows, and now and then one that spans pages.
const ROWS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("rows");
const PATH: &str = "/data/db.redb";

fn row(commit: u64, n: u64) -> Vec<u8> {
    vec![commit as u8 ^ n as u8; if n == 3 { 10_000 } else { 40 }]
}

/// Transaction number `commit` adds five rows and removes those of an earlier one in passing.
fn commit(database: &Database, commit: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(ROWS)?;
        for n in 0..5 {
            table.insert((commit, n), &row(commit, n)[..])?;
        }
        if let Some(earlier) = commit.checked_sub(4) {
            table.remove((earlier, 3))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// How many transactions the database holds, each of them whole.
fn committed(database: &Database) -> Result<u64, redb::Error> {
    let table = match database.begin_read()?.open_table(ROWS) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
        table => table?,
    };
    let count = table.last()?.map_or(0, |(key, _)| key.value().0 + 1);
    let mut expected = Vec::new();
    for commit in 0..count {
        for n in (0..5).filter(|&n| n != 3 || commit + 4 >= count) {
            expected.push(((commit, n), row(commit, n)));
        }
    }
    let mut found = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        found.push((key.value(), value.value().to_vec()));
    }
    assert_eq!(found, expected);
    Ok(count)
}

/// Opens the database, checks that it holds what was acknowledged, and goes on from there until all is committed or the
/// disk fails.
fn work(acknowledged: &AtomicU64) -> Result<(), redb::Error> {
    let mut database = open_database(PATH)?;
    // Now and then, as it costs more than all the rest.
    if acknowledged.load(Ordering::Relaxed).is_multiple_of(4) {
        assert!(database.check_integrity()?);
    }
    let held = committed(&database)?;
    let known = acknowledged.load(Ordering::Relaxed);
    assert!(held == known || held == known + 1, "{held} transactions are there, {known} were acknowledged");
    acknowledged.store(held, Ordering::Relaxed);
    for n in held..COMMITS {
        commit(&database, n)?;
        acknowledged.store(n + 1, Ordering::Relaxed);
    }
    Ok(())
}

fn in_a_world<F, T>(seed: u64, main: impl FnOnce(Arc<World>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let run = std::thread::spawn(move || world::run(seed, main).expect("nothing is spawned outside"));
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

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
