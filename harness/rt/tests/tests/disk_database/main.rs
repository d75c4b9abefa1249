//! A database on the simulated disk holds what was committed, wherever a crash strikes and whatever else is wrong with the
//! disk, as long as it does not lie.
#![cfg(madsim)]

mod crash;
mod faults;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use squall_rt::{
    disk::open_database,
    redb::{self, Database, ReadableDatabase, ReadableTable, TableDefinition},
    world::{Death, DiskFate, NodeId, World},
};
use squall_rt_tests::in_a_world;

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
