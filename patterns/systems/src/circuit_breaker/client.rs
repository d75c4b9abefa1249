//! What clients do.

use std::time::Duration;

use squall::{Node, Outcome};
use squall_rt::{
    rpc::{CallError, Client, Method},
    task,
};

use super::{
    Op, Params,
    wire::{Degrade, PORT, Relay, Relayed, Request},
};

/// How long an operator waits for the upstream to take an order.
const OPERATOR_PATIENCE: Duration = Duration::from_secs(1);

/// A client's connections.
pub struct Session {
    callers: Vec<Client>,
    upstreams: Vec<Client>,
    patience: Duration,
}

impl Session {
    pub(super) fn new(client: &Node, params: &Params) -> Self {
        let connect =
            |group| client.hosts(group).iter().map(|host| Client::new(format!("{host}:{PORT}"))).collect();
        Session {
            callers: connect("callers"),
            upstreams: connect("upstream"),
            patience: params.call_timeout.0 * 3,
        }
    }

    pub(super) async fn perform(&self, op: Op) -> Outcome {
        let work = |upstream| Relay { upstream, request: Request::Work };
        match op {
            Op::Call { caller, upstream } => self.relay(caller, work(upstream), self.patience).await,
            Op::HurriedCall { caller, upstream, patience } => {
                self.relay(caller, work(upstream), Duration::from_millis(patience)).await
            }
            Op::BadCall { caller, upstream } => {
                self.relay(caller, Relay { upstream, request: Request::Nonsense }, self.patience).await
            }
            Op::Burst { caller, upstream, calls } => self.burst(caller, upstream, calls).await,
            Op::Degrade { upstream, errors, slow, lasting } => {
                self.order(upstream, Degrade { errors, slow, lasting }).await
            }
            Op::Restore { upstream } => {
                self.order(upstream, Degrade { errors: 0, slow: 0, lasting: 0 }).await
            }
        }
    }

    async fn relay(&self, caller: u32, request: Relay, patience: Duration) -> Outcome {
        let counter = self.counter(caller, request.upstream);
        relayed(&counter, pick(&self.callers, caller).call(&request, patience).await)
    }

    /// What counts the work that an upstream does for a caller.
    fn counter(&self, caller: u32, upstream: u32) -> String {
        let (caller, upstream) =
            (caller as usize % self.callers.len(), upstream as usize % self.upstreams.len());
        format!("callers[{caller}]/upstream[{upstream}]")
    }

    /// Several calls at once: unknown when any is, else failed when all have.
    async fn burst(&self, caller: u32, upstream: u32, calls: u32) -> Outcome {
        let client = pick(&self.callers, caller);
        let calls: Vec<_> = (0..calls)
            .map(|_| {
                let (client, patience) = (client.clone(), self.patience);
                let work = Relay { upstream, request: Request::Work };
                let counter = self.counter(caller, upstream);
                task::spawn(async move { relayed(&counter, client.call(&work, patience).await) })
            })
            .collect();
        let (mut done, mut failed, mut unknown) = (0u32, 0u32, 0u32);
        for call in calls {
            match call.await {
                Ok(Outcome::Ok(_)) => done += 1,
                Ok(Outcome::Failed(_)) => failed += 1,
                Ok(Outcome::Unknown(_)) | Err(_) => unknown += 1,
            }
        }
        let outcome = if unknown > 0 {
            Outcome::unknown("some calls were not answered")
        } else if done > 0 {
            Outcome::ok()
        } else {
            Outcome::failed("every call failed")
        };
        outcome.with("done", done).with("failed", failed).with("unknown", unknown)
    }

    async fn order(&self, upstream: u32, request: Degrade) -> Outcome {
        match pick(&self.upstreams, upstream).call(&request, OPERATOR_PATIENCE).await {
            Ok(()) => Outcome::ok(),
            Err(error) => lost(&error),
        }
    }
}

fn pick(clients: &[Client], position: u32) -> &Client {
    &clients[position as usize % clients.len()]
}

fn relayed(counter: &str, result: Result<<Relay as Method>::Reply, CallError>) -> Outcome {
    match result {
        Ok(Relayed::Done(count)) => Outcome::ok().with("counter", counter).with("count", count),
        Ok(Relayed::Failed(reason)) => Outcome::failed(reason),
        Ok(Relayed::Unknown(reason)) => Outcome::unknown(reason),
        Err(error) => lost(&error),
    }
}

fn lost(error: &CallError) -> Outcome {
    if error.is_unknown() { Outcome::unknown(error) } else { Outcome::failed(error) }
}
