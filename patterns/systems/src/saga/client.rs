//! Customers.

use squall::{Node, Outcome};
use squall_rt::rpc::{CallError, Client, Code, Method};

use super::{
    Op, Params,
    protocol::{CONFIRMED_VERSION, Cancel, Cancelled, LookUp, Order, PORT, Place, Placed, shard},
};

/// What a customer keeps: connections, and the orders placed so far.
pub struct Session {
    name: String,
    params: Params,
    orchestrators: Vec<Client>,
    orders: Vec<Client>,
    placed: Vec<String>,
}

impl Session {
    /// A customer at `node`.
    pub fn new(node: &Node, params: Params) -> Self {
        let connect =
            |group| node.hosts(group).iter().map(|host| Client::new(format!("{host}:{PORT}"))).collect();
        Session {
            // A restarted customer must not use the ids of the one before.
            name: format!("c{}-{}", node.index(), node.incarnation()),
            params,
            orchestrators: connect("orchestrator"),
            orders: connect("orders"),
            placed: Vec::new(),
        }
    }

    /// Performs one operation.
    pub async fn perform(&mut self, op: Op) -> Outcome {
        match op {
            Op::Place { item, quantity, cents, card, remote } => {
                self.place(Order { item, quantity, cents, card, remote }).await
            }
            Op::Cancel { back } => match self.own_order(back) {
                Some(saga) => self.cancel(saga).await,
                None => Outcome::failed("no order yet"),
            },
            Op::Read { back } => match self.own_order(back) {
                Some(saga) => self.read(saga).await,
                None => Outcome::failed("no order yet"),
            },
        }
    }

    fn own_order(&self, back: u8) -> Option<String> {
        let last = self.placed.len().checked_sub(1)?;
        Some(self.placed[last.saturating_sub(back.into())].clone())
    }

    async fn place(&mut self, order: Order) -> Outcome {
        let saga = format!("{}-{}", self.name, self.placed.len() + 1);
        self.placed.push(saga.clone());
        match self.ask(&self.orchestrators, &saga, &Place { saga: saga.clone(), order }).await {
            Ok(Placed::Completed) => {
                Outcome::ok().with("wrote", saga.clone()).with("version", CONFIRMED_VERSION)
            }
            Ok(Placed::Compensated(cause)) => Outcome::failed(cause),
            Ok(Placed::Parked) => Outcome::unknown("parked"),
            Err(outcome) => outcome,
        }
        .with("saga", saga)
    }

    async fn cancel(&self, saga: String) -> Outcome {
        match self.ask(&self.orchestrators, &saga, &Cancel { saga: saga.clone() }).await {
            Ok(Cancelled::Yes) => Outcome::ok(),
            Ok(Cancelled::TooLate) => Outcome::failed("too late"),
            Ok(Cancelled::NoSuchOrder) => Outcome::failed("no such order"),
            Err(outcome) => outcome,
        }
        .with("saga", saga)
    }

    async fn read(&self, saga: String) -> Outcome {
        match self.ask(&self.orders, &saga, &LookUp { saga: saga.clone() }).await {
            Ok(seen) => Outcome::ok()
                .with("read", saga.clone())
                .with("version", seen.version)
                .with("state", seen.state),
            Err(outcome) => outcome,
        }
        .with("saga", saga)
    }

    async fn ask<M: Method>(&self, nodes: &[Client], saga: &str, request: &M) -> Result<M::Reply, Outcome> {
        let node = &nodes[shard(saga, nodes.len())];
        node.call(request, self.params.patience.0).await.map_err(|error| match &error {
            CallError::NotSent { .. } => Outcome::failed(&error),
            // Refused before anything was logged.
            CallError::Status(status) if status.code == Code::Unavailable => Outcome::failed(&error),
            CallError::Status(_) | CallError::Unknown { .. } => Outcome::unknown(&error),
        })
    }
}
