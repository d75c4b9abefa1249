//! What clients do.

use std::time::Duration;

use squall::{Node, Outcome};
use squall_rt::time;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use super::{
    Op, PORT, Params,
    proto::{TakeManyRequest, TakeRequest, allocator_client::AllocatorClient},
};

/// A client's connections.
pub struct Session {
    allocators: Vec<AllocatorClient<Channel>>,
    patience: Duration,
}

impl Session {
    pub(super) fn new(client: &Node, params: &Params) -> Self {
        let connect = |host: String| {
            let endpoint = Endpoint::from_shared(format!("http://{host}:{PORT}"));
            let endpoint = endpoint.expect("a host name makes a URI").timeout(params.patience.0);
            AllocatorClient::new(endpoint.connect_lazy())
        };
        let allocators = client.hosts("allocators").into_iter().map(connect).collect();
        Session { allocators, patience: params.patience.0 }
    }

    pub(super) async fn perform(&mut self, op: Op) -> Outcome {
        let (Op::Take { allocator: position } | Op::TakeMany { allocator: position, .. }) = op;
        let count = self.allocators.len();
        let allocator = &mut self.allocators[position as usize % count];
        match op {
            Op::Take { .. } => match allocator.take(TakeRequest {}).await {
                Ok(id) => Outcome::ok().with("id", id.into_inner().id),
                Err(status) => lost(&status),
            },
            Op::TakeMany { count, .. } => {
                let mut stream = match allocator.take_many(TakeManyRequest { count }).await {
                    Ok(stream) => stream.into_inner(),
                    Err(status) => return lost(&status),
                };
                let mut taken: Vec<String> = Vec::new();
                loop {
                    // tonic's time-out is over when the stream begins.
                    match time::timeout(self.patience, stream.message()).await {
                        Ok(Ok(Some(id))) => taken.push(id.id.to_string()),
                        Ok(Ok(None)) => {
                            return Outcome::ok().with("ids", taken.join(" "));
                        }
                        Ok(Err(status)) => return lost(&status).with("ids", taken.join(" ")),
                        Err(_) => {
                            return Outcome::unknown("the stream stands still").with("ids", taken.join(" "));
                        }
                    }
                }
            }
        }
    }
}

fn lost(status: &Status) -> Outcome {
    let told = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        // What an allocator says that has none.
        Code::ResourceExhausted => Outcome::failed(told),
        _ => Outcome::unknown(told),
    }
}
