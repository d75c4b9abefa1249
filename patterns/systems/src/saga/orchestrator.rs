//! The orchestrator's node: takes orders, and drives each as a saga.

use std::sync::Arc;

use squall::{BoxError, Node};
use squall_patterns::saga::{CancelError, Failure, Orchestrator, Phase, RedbJournal, SubmitError};
use squall_rt::{
    disk,
    net::TcpListener,
    rpc::{Call, Code, Server, Status},
};

use super::{
    Params,
    flaws::{self, Flawed},
    protocol::{Cancel, Cancelled, Order, PORT, Place, Placed},
    steps,
};

/// Who drives the sagas.
#[derive(Clone)]
enum Coordinator {
    Pattern(Orchestrator<Order>),
    /// Of the variants that are wrong as a whole.
    Naive(Arc<flaws::Naive>),
}

/// The process of the orchestrator's node.
pub async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let coordinator = start(&node, &params)?;
    tracing::info!(target: "role", role = "coordinator", epoch = coordinator.epoch(), "acquired");
    let (placing, cancelling) = (coordinator.clone(), coordinator.clone());
    let server = Server::new()
        .on(move |request: Place, _: Call| {
            let coordinator = placing.clone();
            async move { coordinator.place(request).await }
        })
        .on(move |request: Cancel, _: Call| {
            let coordinator = cancelling.clone();
            async move { coordinator.cancel(request).await }
        });
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    tokio::select! {
        biased;
        failure = coordinator.failed() => Err(failure.into()),
        served = server.serve(listener) => Ok(served?),
    }
}

fn start(node: &Node, params: &Params) -> Result<Coordinator, BoxError> {
    if params.flaw == Some(Flawed::CompensatesForward) {
        return Ok(Coordinator::Naive(Arc::new(flaws::Naive::new(node, params))));
    }
    let journal: Arc<dyn squall_patterns::saga::Journal> = match params.flaw {
        Some(Flawed::MemoryOnly) => Arc::new(flaws::MemoryJournal::new(node.incarnation().into())),
        _ => Arc::new(RedbJournal::new(Arc::new(disk::open_database("/saga.redb")?))?),
    };
    let definition = flaws::definition(params, node).unwrap_or_else(|| steps::definition(node));
    Ok(Coordinator::Pattern(Orchestrator::start(definition, journal, params.settings(node.host()))?))
}

impl Coordinator {
    async fn place(&self, Place { saga, order }: Place) -> Result<Placed, Status> {
        match self {
            Coordinator::Pattern(orchestrator) => {
                let handle = orchestrator.submit(&saga, order).map_err(|error| {
                    let code = match error {
                        SubmitError::Conflict => Code::Conflict,
                        SubmitError::Overloaded => Code::Unavailable,
                        SubmitError::Stopped(_) => Code::Internal,
                    };
                    Status::new(code, error.to_string())
                })?;
                Ok(match handle.settled().await.map_err(internal)? {
                    Phase::Completed => Placed::Completed,
                    Phase::Compensated => Placed::Compensated(handle.cause().unwrap_or_default()),
                    _ => Placed::Parked,
                })
            }
            Coordinator::Naive(naive) => Ok(naive.place(&saga, order).await),
        }
    }

    async fn cancel(&self, Cancel { saga }: Cancel) -> Result<Cancelled, Status> {
        let Coordinator::Pattern(orchestrator) = self else { return Ok(Cancelled::TooLate) };
        let Some(handle) = orchestrator.find(&saga).map_err(internal)? else {
            return Ok(Cancelled::NoSuchOrder);
        };
        match handle.cancel().await {
            Ok(()) => Ok(Cancelled::Yes),
            Err(CancelError::TooLate) => Ok(Cancelled::TooLate),
            Err(CancelError::Stopped(failure)) => Err(internal(failure)),
        }
    }

    fn epoch(&self) -> u64 {
        match self {
            Coordinator::Pattern(orchestrator) => orchestrator.token().epoch,
            Coordinator::Naive(naive) => naive.token().epoch,
        }
    }

    async fn failed(&self) -> Failure {
        match self {
            Coordinator::Pattern(orchestrator) => orchestrator.failed().await,
            Coordinator::Naive(_) => std::future::pending().await,
        }
    }
}

fn internal(failure: Failure) -> Status {
    Status::new(Code::Internal, failure.to_string())
}
