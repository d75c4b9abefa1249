//! The upstream: does its work and counts it durably; fails and is slow when told to.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{BoxError, Flaws, Node};
use squall_rt::{
    disk,
    net::TcpListener,
    rng,
    rpc::{Call, Code, Server, Status},
    task,
    time::{self, Instant},
};

use super::wire::{Degrade, PORT, Request, Serve};

/// How often it worked, by caller.
const WORK_DONE: TableDefinition<'_, &str, u64> = TableDefinition::new("work_done");
/// The share of calls that fail in percent, how long each takes in ms, and for how long in ms.
const DEGRADATION: TableDefinition<'_, (), (u32, u64, u64)> = TableDefinition::new("degradation");

/// What is wrong with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum FlawedUpstream {
    /// The upstream reads its count, works, and writes one more: what it counted meanwhile is lost.
    #[violates("unique_ids")]
    CountsLate,
}

/// How long a flawed upstream works, at most.
const WORKS: Duration = Duration::from_millis(20);

/// How it is told to fail.
#[derive(Clone, Copy)]
struct Degradation {
    errors: u32,
    slow: Duration,
    until: Instant,
}

struct Upstream {
    host: String,
    database: Database,
    flaw: Option<FlawedUpstream>,
    degradation: Mutex<Option<Degradation>>,
}

pub(super) async fn run(node: Node, flaw: Option<FlawedUpstream>) -> Result<(), BoxError> {
    let database = disk::open_database("/upstream.redb")?;
    let setup = database.begin_write()?;
    setup.open_table(WORK_DONE)?;
    setup.open_table(DEGRADATION)?;
    setup.commit()?;
    let host = node.host().to_owned();
    let upstream = Arc::new(Upstream { host, database, flaw, degradation: Mutex::new(None) });
    if let Some(degrade) = upstream.degraded_before()? {
        // How long it was away it cannot know: it begins anew.
        upstream.clone().degraded(&degrade);
    }
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let degraded = upstream.clone();
    Server::new()
        .on(move |request: Serve, _: Call| upstream.clone().serve(request))
        .on(move |request: Degrade, _: Call| {
            let done = degraded.clone().degrade(&request);
            async move { done.map_err(internal) }
        })
        .serve(listener)
        .await?;
    Ok(())
}

impl Upstream {
    async fn serve(self: Arc<Self>, call: Serve) -> Result<u64, Status> {
        let Serve { caller, incarnation, permit, request } = call;
        tracing::info!(target: "upstream", breaker = &*self.host, caller, incarnation, permit, "received");
        if request == Request::Nonsense {
            return Err(Status::new(Code::Invalid, "there is no such work"));
        }
        let degradation = *self.degradation();
        if let Some(Degradation { errors, slow, .. }) = degradation.filter(|it| Instant::now() < it.until) {
            if !slow.is_zero() {
                time::sleep(slow).await;
            }
            if rng::range(0..100) < u64::from(errors) {
                return Err(Status::new(Code::Unavailable, "degraded"));
            }
        }
        if request == Request::Read {
            return counted(&self.database, &caller).map_err(internal);
        }
        let count = match self.flaw {
            Some(FlawedUpstream::CountsLate) => count_late(&self.database, &caller).await,
            None => count(&self.database, &caller),
        }
        .map_err(internal)?;
        tracing::info!(target: "effect", caller, count, "counted");
        Ok(count)
    }

    fn degradation(&self) -> MutexGuard<'_, Option<Degradation>> {
        self.degradation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it was told before it crashed, if that was not over.
    fn degraded_before(&self) -> Result<Option<Degrade>, redb::Error> {
        let table = self.database.begin_read()?.open_table(DEGRADATION)?;
        let entry = table.get(())?.map(|entry| entry.value());
        Ok(entry.map(|(errors, slow, lasting)| Degrade { errors, slow, lasting }))
    }

    fn degrade(self: Arc<Self>, request: &Degrade) -> Result<(), redb::Error> {
        let Degrade { errors, slow, lasting } = *request;
        self.store((lasting > 0).then_some((errors, slow, lasting)))?;
        self.degraded(request);
        Ok(())
    }

    /// From now on it is, until its time is over.
    fn degraded(self: Arc<Self>, request: &Degrade) {
        let Degrade { errors, slow, lasting } = *request;
        if lasting == 0 {
            *self.degradation() = None;
            tracing::info!(target: "upstream", "restored");
            return;
        }
        let until = Instant::now() + Duration::from_millis(lasting);
        *self.degradation() = Some(Degradation { errors, slow: Duration::from_millis(slow), until });
        tracing::info!(target: "upstream", errors, slow, lasting, "degraded");
        task::spawn(async move {
            time::sleep_until(until).await;
            if self.degradation().is_some_and(|it| it.until == until) {
                // If it cannot be forgotten, it begins anew at the next start, as it would after a crash.
                let _ = self.store(None);
            }
        });
    }

    fn store(&self, degradation: Option<(u32, u64, u64)>) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(DEGRADATION)?;
            match degradation {
                Some(degradation) => table.insert((), degradation)?,
                None => table.remove(())?,
            };
        }
        transaction.commit()?;
        Ok(())
    }
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

fn internal(error: redb::Error) -> Status {
    Status::new(Code::Internal, error.to_string())
}
