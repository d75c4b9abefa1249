//! The orchestrator's side of the steps: calls over the network, and what their ends mean.

use std::marker::PhantomData;

use futures_util::{FutureExt, future::BoxFuture};
use squall::Node;
use squall_patterns::saga::{Attempt, Compensate, Compensation, Definition, Execution, Step};
use squall_rt::rpc::Client;

use super::protocol::{
    Answer, Charge, ConfirmOrder, CreateOrder, Do, Head, Order, PORT, Reserve, Reversible, Ship, Undo, Work,
    shard,
};

/// The checkout saga, over the services that `node` sees.
pub fn definition(node: &Node) -> Definition<Order> {
    Definition::new("checkout")
        .undoable(Remote::<CreateOrder>::new(node))
        .undoable(Remote::<Reserve>::new(node))
        .undoable(Remote::<Charge>::new(node))
        .pivot(Remote::<Ship>::new(node))
        .forward(Remote::<ConfirmOrder>::new(node))
}

/// A step done by a service on other nodes.
pub struct Remote<W> {
    /// One connection to each node of the service for steps, and one for compensations, so that these do not queue behind the
    /// very requests that had no answer.
    forward: Vec<Client>,
    backward: Vec<Client>,
    work: PhantomData<fn() -> W>,
}

impl<W: Work> Remote<W> {
    /// The step at the nodes of its service.
    pub fn new(node: &Node) -> Self {
        let connect =
            || node.hosts(W::GROUP).iter().map(|host| Client::new(format!("{host}:{PORT}"))).collect();
        Remote { forward: connect(), backward: connect(), work: PhantomData }
    }
}

/// The node of a service that is responsible for this work of this saga.
fn responsible<'a, W: Work>(nodes: &'a [Client], saga: &str, work: &W) -> &'a Client {
    let by = work.pool();
    &nodes[shard(by.as_deref().unwrap_or(saga), nodes.len())]
}

fn head(attempt: &Attempt<'_, Order>) -> Head {
    Head { token: attempt.token.clone(), key: attempt.key.to_owned(), saga: attempt.saga.to_owned() }
}

impl<W: Work> Step<Order> for Remote<W> {
    fn name(&self) -> &'static str {
        W::STEP
    }

    fn execute<'a>(&'a self, attempt: Attempt<'a, Order>) -> BoxFuture<'a, Execution> {
        async move {
            let work = W::of(attempt.input);
            let node = responsible(&self.forward, attempt.saga, &work);
            match node.call(&Do { head: head(&attempt), work }, attempt.within).await {
                Ok(Answer::Done) => Execution::Done(Vec::new()),
                Ok(Answer::Refused(reason)) => Execution::Refused { reason },
                Ok(Answer::Differs) => Execution::Unknown { reason: "its key is taken".to_owned() },
                Ok(Answer::Fenced) => Execution::Fenced,
                Err(error) => Execution::Unknown { reason: error.to_string() },
            }
        }
        .boxed()
    }
}

impl<W: Reversible> Compensate<Order> for Remote<W> {
    fn compensate<'a>(&'a self, attempt: Attempt<'a, Order>) -> BoxFuture<'a, Compensation> {
        async move {
            let work = W::of(attempt.input);
            let node = responsible(&self.backward, attempt.saga, &work);
            match node.call(&Undo::<W> { head: head(&attempt), work: PhantomData }, attempt.within).await {
                Ok(Answer::Done) => Compensation::Done,
                Ok(Answer::Fenced) => Compensation::Fenced,
                Ok(other) => Compensation::Unknown { reason: format!("{other:?}") },
                Err(error) => Compensation::Unknown { reason: error.to_string() },
            }
        }
        .boxed()
    }
}
