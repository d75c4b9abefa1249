//! The command node: accounts, the event log, and a relay for each replica.

use std::sync::Arc;

use squall::{BoxError, Node};
use squall_patterns::{
    cqrs::{
        CommandError, Commands, ReadLog, Relay, RelaySettings,
        account::{Account, AccountEvent},
    },
    event_log::{EventLog, GroupCommit, Log, LogError},
};
use squall_rt::{
    disk,
    net::TcpListener,
    redb::Database,
    rpc::{Call, Client, Code, Server, Status},
    task,
};
use tokio::sync::mpsc;

use super::{
    Params,
    flaws::{BareLog, FlawKind, Unchecked},
    protocol::{PORT, Submit},
};

/// The process of the command node.
pub async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let database = Arc::new(disk::open_database("/accounts.redb")?);
    match params.flaw {
        Some(FlawKind::HighWaterMark) => {
            serve(node, &params, BareLog::numbered_early(database.clone())?, database).await
        }
        Some(FlawKind::UnsyncedLog) => {
            // Of its own, so that the relay's commits do not sync it in passing.
            let unsynced = Arc::new(disk::open_database("/unsynced.redb")?);
            serve(node, &params, BareLog::unsynced(unsynced)?, database).await
        }
        flaw => {
            let log = GroupCommit::start(EventLog::open(database.clone())?, params.group_commit.0);
            if flaw == Some(FlawKind::NoExpectedVersion) {
                serve(node, &params, Unchecked(log), database).await
            } else {
                serve(node, &params, log, database).await
            }
        }
    }
}

async fn serve(
    node: Node,
    params: &Params,
    log: impl Log<AccountEvent>,
    database: Arc<Database>,
) -> Result<(), BoxError> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (failed, mut failure) = mpsc::channel::<LogError>(1);
    for replica in node.hosts("replicas") {
        let settings = RelaySettings {
            batch: params.ship_batch.max(1) as usize,
            timeout: params.ship_timeout.0,
            heartbeat: params.heartbeat.0,
            ..RelaySettings::default()
        };
        let client = Client::new(format!("{replica}:{PORT}"));
        let relay = Relay::new(log.clone(), database.clone(), replica, client, settings);
        let failed = failed.clone();
        task::spawn(async move {
            if let Err(e) = relay.run().await {
                // A full channel: another relay has ended the process already.
                let _ = failed.try_send(e);
            }
        });
    }
    let accounts = Commands::<Account, _>::new(log.clone());
    let server = Server::new()
        .on(move |submit: Submit, _: Call| {
            let accounts = accounts.clone();
            async move {
                let Submit { account, id, command } = submit;
                tracing::info!(target: "cqrs", stream = account, cause = format!("{id:032x}"), "submitted");
                accounts.handle(&account, id, &command).await.map_err(status)
            }
        })
        .on(move |read: ReadLog<AccountEvent>, _: Call| {
            let log = log.clone();
            async move { read.answer(&log) }
        });
    tokio::select! {
        served = server.serve(listener) => Ok(served?),
        Some(e) = failure.recv() => Err(e.into()),
    }
}

fn status<R: std::fmt::Display>(e: CommandError<R>) -> Status {
    let code = match e {
        CommandError::Refused(_) => Code::Refused,
        CommandError::CauseReused => Code::Conflict,
        CommandError::Contended => Code::Unavailable,
        CommandError::Log(_) => Code::Internal,
    };
    Status::new(code, e.to_string())
}
