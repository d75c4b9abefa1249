//! The upstream: does its work and counts it durably; fails and is slow when told to.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{BoxError, Node};
use squall_rt::{
    clock, disk,
    net::TcpListener,
    rng,
    rpc::{Call, Code, Server, Status},
    time,
};

use super::wire::{Degrade, PORT, Request, Serve};

/// How often it worked, by caller.
const WORK_DONE: TableDefinition<'_, &str, u64> = TableDefinition::new("work_done");
/// The share of calls that fail in percent, how long each takes in ms, and until when in Unix ms.
const DEGRADATION: TableDefinition<'_, (), (u32, u64, u64)> = TableDefinition::new("degradation");

/// What is wrong with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlawedUpstream {
    /// It reads its count, works, and writes one more.
    CountsLate,
}

impl FlawedUpstream {
    /// The flaw that `variant` names, if it is one of an upstream.
    pub(super) fn named(name: &str) -> Option<Self> {
        (name == "counts_late").then_some(FlawedUpstream::CountsLate)
    }
}

/// How long a flawed upstream works, at most.
const WORKS: Duration = Duration::from_millis(20);

pub(super) async fn run(node: Node, flaw: Option<FlawedUpstream>) -> Result<(), BoxError> {
    let database = Arc::new(disk::open_database("/upstream.redb")?);
    let setup = database.begin_write()?;
    setup.open_table(WORK_DONE)?;
    setup.open_table(DEGRADATION)?;
    setup.commit()?;
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (host, degraded): (Arc<str>, _) = (node.host().into(), database.clone());
    Server::new()
        .on(move |request: Serve, _: Call| serve(host.clone(), database.clone(), flaw, request))
        .on(move |request: Degrade, _: Call| {
            let done = degrade(&degraded, request);
            async move { done }
        })
        .serve(listener)
        .await?;
    Ok(())
}

async fn serve(
    host: Arc<str>,
    database: Arc<Database>,
    flaw: Option<FlawedUpstream>,
    call: Serve,
) -> Result<u64, Status> {
    let Serve { caller, incarnation, permit, request } = call;
    tracing::info!(target: "upstream", breaker = &*host, caller, incarnation, permit, "received");
    if request == Request::Nonsense {
        return Err(Status::new(Code::Invalid, "there is no such work"));
    }
    let (errors, slow) = degradation(&database).map_err(internal)?;
    if !slow.is_zero() {
        time::sleep(slow).await;
    }
    if rng::range(0..100) < u64::from(errors) {
        return Err(Status::new(Code::Unavailable, "degraded"));
    }
    if request == Request::Read {
        return counted(&database, &caller).map_err(internal);
    }
    let count = match flaw {
        Some(FlawedUpstream::CountsLate) => count_late(&database, &caller).await,
        None => count(&database, &caller),
    }
    .map_err(internal)?;
    tracing::info!(target: "effect", caller, count, "counted");
    Ok(count)
}

fn counted(database: &Database, caller: &str) -> Result<u64, redb::Error> {
    let table = database.begin_read()?.open_table(WORK_DONE)?;
    Ok(table.get(caller)?.map_or(0, |count| count.value()))
}

fn count(database: &Database, caller: &str) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let count = {
        let mut table = transaction.open_table(WORK_DONE)?;
        let count = table.get(caller)?.map_or(0, |count| count.value()) + 1;
        table.insert(caller, count)?;
        count
    };
    transaction.commit()?;
    Ok(count)
}

/// Flawed: what is counted while it works is overwritten.
async fn count_late(database: &Database, caller: &str) -> Result<u64, redb::Error> {
    let count = counted(database, caller)? + 1;
    time::sleep(rng::duration(Duration::ZERO..WORKS)).await;
    let transaction = database.begin_write()?;
    transaction.open_table(WORK_DONE)?.insert(caller, count)?;
    transaction.commit()?;
    Ok(count)
}

fn degradation(database: &Database) -> Result<(u32, Duration), redb::Error> {
    let table = database.begin_read()?.open_table(DEGRADATION)?;
    Ok(match table.get(())?.map(|entry| entry.value()) {
        Some((errors, slow, until)) if unix_ms() < until => (errors, Duration::from_millis(slow)),
        _ => (0, Duration::ZERO),
    })
}

fn degrade(database: &Database, request: Degrade) -> Result<(), Status> {
    let Degrade { errors, slow, lasting } = request;
    let store = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(DEGRADATION)?.insert((), (errors, slow, unix_ms().saturating_add(lasting)))?;
        transaction.commit()?;
        Ok(())
    };
    store().map_err(internal)?;
    if lasting > 0 {
        tracing::info!(target: "upstream", errors, slow, lasting, "degraded");
    } else {
        tracing::info!(target: "upstream", "restored");
    }
    Ok(())
}

fn unix_ms() -> u64 {
    clock::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn internal(error: redb::Error) -> Status {
    Status::new(Code::Internal, error.to_string())
}
