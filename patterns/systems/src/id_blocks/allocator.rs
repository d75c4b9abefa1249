//! An allocator: hands out the numbers of its block, and reserves the next one in good time.

use std::{net::Ipv4Addr, ops::Range, pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use squall::{BoxError, Node};
use squall_rt::{rng, task, time};
use tokio::sync::Mutex;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};

use super::{
    IdFlaw, PORT, Params,
    proto::{
        Block, Id, ReserveRequest, TakeManyRequest, TakeRequest,
        allocator_server::{Allocator, AllocatorServer},
        sequencer_client::SequencerClient,
    },
};

/// How often a caller's request is sent before the caller is told that there are no numbers.
const ATTEMPTS: u32 = 2;
/// How often the stock is looked at.
const WATCH_EVERY: time::Duration = time::Duration::from_millis(50);
/// What making the next number of a stream takes.
const STREAM_PACE: time::Duration = time::Duration::from_millis(5);

pub(super) async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let sequencer = node.hosts("sequencer").into_iter().next().ok_or("an allocator needs a sequencer")?;
    let channel = Endpoint::from_shared(format!("http://{sequencer}:{PORT}"))
        .map_err(|error| format!("{error:?}"))?
        .timeout(params.reserve_timeout.0)
        .connect_lazy();
    let allocator = Shared(Arc::new(Stock {
        params: params.clone(),
        host: node.host(),
        // So that no request of this start is taken for one of an earlier start.
        boot: rng::u64(),
        state: Mutex::new(State {
            sequencer: SequencerClient::new(channel),
            block: 0..0,
            spare: None,
            unanswered: None,
            requests: 0,
        }),
    }));
    let watched = allocator.clone();
    task::spawn(async move {
        loop {
            let mut state = watched.0.state.lock().await;
            if state.left() < u64::from(params.low_water) {
                // It says so itself, and tries again.
                let _ = watched.0.restock(&mut state).await;
            }
            drop(state);
            time::sleep(WATCH_EVERY).await;
        }
    });
    Server::builder()
        .add_service(AllocatorServer::new(allocator))
        .serve((Ipv4Addr::UNSPECIFIED, PORT).into())
        .await
        .map_err(|error| format!("{error:?}").into())
}

#[derive(Clone)]
struct Shared(Arc<Stock>);

struct Stock {
    params: Params,
    host: String,
    boot: u64,
    state: Mutex<State>,
}

struct State {
    sequencer: SequencerClient<Channel>,
    block: Range<u64>,
    /// The next block.
    spare: Option<Range<u64>>,
    /// The request under way. It is repeated until it is answered: a new one would waste the block it may have got.
    unanswered: Option<String>,
    requests: u64,
}

impl State {
    fn left(&self) -> u64 {
        let size = |range: &Range<u64>| range.end - range.start;
        size(&self.block) + self.spare.as_ref().map_or(0, size)
    }

    fn next(&mut self) -> Option<u64> {
        if self.block.is_empty() {
            self.block = self.spare.take()?;
        }
        self.block.next()
    }
}

impl Stock {
    /// Asks for a block, once.
    async fn restock(&self, state: &mut State) -> Result<(), Status> {
        let request = match state.unanswered.take() {
            Some(request) => request,
            None => {
                state.requests += 1;
                match self.params.flaw {
                    Some(IdFlaw::NumberedFromOne) => format!("{}", state.requests),
                    _ => format!("{:016x}/{}", self.boot, state.requests),
                }
            }
        };
        state.unanswered = Some(request.clone());
        let asked = ReserveRequest {
            allocator: self.host.clone(),
            request: request.clone(),
            size: self.params.block,
        };
        let Block { first, size } = match state.sequencer.reserve(asked).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                tracing::info!(target: "allocator", request, code = ?status.code(), "unanswered");
                if self.params.flaw == Some(IdFlaw::GoesOnAlone) && state.block.end > 0 {
                    let first = state.spare.as_ref().unwrap_or(&state.block).end;
                    Block { first, size: self.params.block }
                } else {
                    return Err(status);
                }
            }
        };
        state.unanswered = None;
        tracing::info!(target: "allocator", first, size, "stocked");
        state.spare = Some(first..first + u64::from(size));
        Ok(())
    }

    async fn take(&self) -> Result<Id, Status> {
        let mut state = self.state.lock().await;
        for _ in 0..ATTEMPTS {
            if let Some(id) = state.next() {
                tracing::info!(target: "effect", id, "issued");
                return Ok(Id { id });
            }
            // Tried again, or told below.
            let _ = self.restock(&mut state).await;
        }
        state.next().map_or_else(
            || Err(Status::resource_exhausted("out of numbers, and the sequencer does not answer")),
            |id| {
                tracing::info!(target: "effect", id, "issued");
                Ok(Id { id })
            },
        )
    }
}

#[tonic::async_trait]
impl Allocator for Shared {
    async fn take(&self, _: Request<TakeRequest>) -> Result<Response<Id>, Status> {
        self.0.take().await.map(Response::new)
    }

    type TakeManyStream = Pin<Box<dyn Stream<Item = Result<Id, Status>> + Send>>;

    async fn take_many(
        &self,
        request: Request<TakeManyRequest>,
    ) -> Result<Response<Self::TakeManyStream>, Status> {
        let stock = self.0.clone();
        let ids = stream::unfold((stock, request.into_inner().count), |(stock, left)| async move {
            let left = left.checked_sub(1)?;
            time::sleep(STREAM_PACE).await;
            let id = stock.take().await;
            // An error is the last that is said.
            let left = if id.is_ok() { left } else { 0 };
            Some((id, (stock, left)))
        });
        Ok(Response::new(Box::pin(ids)))
    }
}
