//! The keeper: gives one collector at a time the right to be primary, for a while.
//!
//! A lease is counted by monotonic clocks: the keeper's from when it grants it, the holder's from when it asked, which is
//! earlier. So the holder stops before the keeper gives the lease to another, whatever clocks and delays do (Gray and
//! Cheriton, *Leases*, SOSP 1989).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use redb::{Database, ReadableDatabase, TableDefinition, TableError};
use squall::{BoxError, Node};
use squall_rt::{
    clock, disk,
    net::TcpListener,
    process,
    rpc::{Call, Code, Server, Status},
    time::Instant,
};
use tokio::sync::mpsc;

use super::{
    Params,
    flaw::FlawKind,
    wire::{CALLS, Granted, Lease, LeaseRequest, Purpose, Sealed},
};

/// The last reign: its number, the collector, and which start of it.
const REIGN: TableDefinition<'_, (), (u64, u32, u32)> = TableDefinition::new("reign");

struct Keeper {
    database: Database,
    params: Params,
    /// Until when the last lease may be held.
    held_until: Mutex<Instant>,
}

/// The process of the keeper.
pub async fn run(_node: Node, params: Params) -> Result<(), BoxError> {
    let database = disk::open_database("/keeper.redb")?;
    // It does not know what it granted before it died, so it lets a whole lease pass.
    let grace = if params.is(FlawKind::KeeperForgets) { std::time::Duration::ZERO } else { params.lease.0 };
    let held_until = Mutex::new(Instant::now() + grace);
    let keeper = Arc::new(Keeper { database, params, held_until });
    let listener = TcpListener::bind(("0.0.0.0", CALLS)).await?;
    let (failed, mut failure) = mpsc::channel::<redb::Error>(1);
    let server = Server::new().on(move |Lease(sealed), _: Call| {
        let answer = keeper.answer(&sealed).unwrap_or_else(|e| {
            let status = Status::new(Code::Internal, e.to_string());
            // A full channel: an earlier failure ends the process.
            let _ = failed.try_send(e);
            Err(status)
        });
        async move { answer }
    });
    tokio::select! {
        served = server.serve(listener) => Ok(served?),
        Some(e) = failure.recv() => Err(e.into()),
        () = process::shutdown_requested() => Ok(()),
    }
}

impl Keeper {
    fn answer(&self, sealed: &Sealed) -> Result<Result<Sealed, Status>, redb::Error> {
        let Some(asked) = sealed.open::<LeaseRequest>(Purpose::Lease) else {
            return Ok(Err(Status::new(Code::Invalid, "the seal is broken")));
        };
        let LeaseRequest { request, collector, incarnation } = asked;
        let reign = match self.database.begin_read()?.open_table(REIGN) {
            Ok(table) => table.get(())?.map(|reign| reign.value()),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(e) => return Err(e.into()),
        };
        let mut held_until = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let epoch = match reign {
            Some((epoch, holder, of)) if (holder, of) == (collector, incarnation) => epoch,
            _ if now < *held_until => return Ok(Err(Status::new(Code::Refused, "another is primary"))),
            _ => {
                let epoch = reign.map_or(0, |(epoch, ..)| epoch) + 1;
                let transaction = self.database.begin_write()?;
                transaction.open_table(REIGN)?.insert((), (epoch, collector, incarnation))?;
                transaction.commit()?;
                tracing::info!(target: "effect", epoch, collector, "granted");
                epoch
            }
        };
        let lasts = self.params.lease.0;
        *held_until = now + lasts;
        let until = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default() + lasts;
        let granted = Granted { epoch, lasts, until: until.as_millis() as u64 };
        Ok(Ok(Sealed::new(Purpose::Reply(request), &granted)))
    }
}
