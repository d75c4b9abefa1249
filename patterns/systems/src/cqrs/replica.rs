//! A read replica: takes shipments, answers reads, and rebuilds itself from the command node's log when it is told to.

use std::sync::Arc;

use squall::{BoxError, Node};
use squall_patterns::cqrs::{
    Projector, ReadError, ReadLog, ReadModel, RebuildError, Ship,
    account::{AccountEvent, Balance, Balances},
};
use squall_rt::{
    disk,
    net::TcpListener,
    rpc::{Call, CallError, Client, Code, Server, Status},
};

use super::{
    Params,
    flaws::{AckFirst, BareModel, FlawKind},
    protocol::{Audit, Get, PORT, Rebuild, RebuildDone},
};

/// At most so many events in one answer of the log: few, so that a rebuild has many steps for faults to come between.
const REBUILD_BATCH: u32 = 8;

/// The process of a replica.
pub async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let database = disk::open_database("/balances.redb")?;
    let server = match params.flaw {
        Some(FlawKind::AcknowledgedBeforeApplied) => server(AckFirst::start(Projector::open(database)?)),
        Some(FlawKind::DoubleCount) => server(BareModel::counting_twice(database)?),
        Some(FlawKind::CheckpointBeforeApply) => server(BareModel::checkpoint_first(database)?),
        _ => {
            let projector = Projector::<Balances>::open(database)?;
            let log = node.hosts("command").into_iter().next().ok_or("there is no command node")?;
            with_rebuild(server(projector.clone()), projector, Client::new(format!("{log}:{PORT}")), &params)
        }
    };
    server.serve(TcpListener::bind(("0.0.0.0", PORT)).await?).await?;
    Ok(())
}

fn server(model: impl ReadModel<AccountEvent, Row = Balance>) -> Server {
    let (filled, audited) = (model.clone(), model.clone());
    Server::new()
        .on(move |ship: Ship<AccountEvent>, _: Call| {
            let model = filled.clone();
            async move { ship.deliver(&model).await }
        })
        .on(move |get: Get, _: Call| {
            let model = model.clone();
            async move { model.read(&get.account, get.token, get.wait, get.behind).await.map_err(unread) }
        })
        .on(move |audit: Audit, _: Call| {
            let model = audited.clone();
            async move {
                let Audit { accounts, token, wait, behind } = audit;
                let Some((first, others)) = accounts.split_first() else { return Ok(Vec::new()) };
                let mut views = vec![model.read(first, token, wait, behind).await.map_err(unread)?];
                // From here on there is no await, so all are of one moment.
                for account in others {
                    views.push(model.view(account).map_err(|e| unread(ReadError::Log(e)))?);
                }
                Ok(views)
            }
        })
}

fn unread(e: ReadError) -> Status {
    let code = match e {
        ReadError::Behind { .. } => Code::Unavailable,
        ReadError::Log(_) => Code::Internal,
    };
    Status::new(code, e.to_string())
}

fn with_rebuild(server: Server, projector: Projector<Balances>, log: Client, params: &Params) -> Server {
    let (log, timeout) = (Arc::new(log), params.call_timeout.0);
    server.on(move |_: Rebuild, _: Call| {
        let (projector, log) = (projector.clone(), log.clone());
        async move {
            let fetch = |after| {
                let log = log.clone();
                async move { log.call(&ReadLog::<AccountEvent>::new(after, REBUILD_BATCH), timeout).await }
            };
            let rebuilt = projector.rebuild(fetch).await.map_err(status)?;
            Ok(RebuildDone { position: rebuilt.position, rows: rebuilt.rows })
        }
    })
}

fn status(e: RebuildError<CallError>) -> Status {
    let code = match e {
        RebuildError::Busy => Code::Conflict,
        RebuildError::Source(_) | RebuildError::SourceBehind => Code::Unavailable,
        RebuildError::Log(_) => Code::Internal,
    };
    Status::new(code, e.to_string())
}
