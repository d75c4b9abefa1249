//! A caller: relays its clients' calls to the upstreams, each behind a breaker, and makes some of its own.

use std::{sync::Arc, time::Duration};

use squall::{BoxError, Node};
use squall_patterns::circuit_breaker::{Breakers, Outcome};
use squall_rt::{
    net::TcpListener,
    rpc::{Call, CallError, Client, Code, Server},
    task, time,
};

use super::{
    Params,
    flaws::Flawed,
    guard::{Guard, Ticket},
    wire::{PORT, Relay, Relayed, Request, Serve},
};

/// A breaker for calls to the host of this name.
type NewGuard = dyn Fn(&str) -> Result<Arc<dyn Guard>, BoxError> + Send + Sync;

/// The process of a caller. `guard` makes the breaker towards an upstream, by its host name.
///
/// # Errors
/// What `guard` says, and those of the network.
pub async fn run(
    node: Node,
    params: Params,
    guard: impl Fn(&str) -> Result<Arc<dyn Guard>, BoxError>,
) -> Result<(), BoxError> {
    let upstreams = node.hosts("upstream").into_iter().map(|host| {
        Ok(Upstream {
            guard: guard(&host)?,
            client: Client::new(format!("{host}:{PORT}")),
            host,
            caller: node.name(),
            incarnation: node.incarnation(),
            timeout: params.call_timeout.0,
        })
    });
    let upstreams: Arc<[Upstream]> = upstreams.collect::<Result<_, BoxError>>()?;
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    for position in 0..upstreams.len() {
        task::spawn(refresh(upstreams.clone(), position, params.refresh_every.0));
    }
    Server::new()
        .on(move |Relay { upstream, request }: Relay, _: Call| {
            let upstreams = upstreams.clone();
            async move { Ok(upstreams[upstream as usize % upstreams.len()].call(request).await) }
        })
        .serve(listener)
        .await?;
    Ok(())
}

/// The breakers that parameters ask for.
pub(super) fn guards(params: &Params) -> Result<Box<NewGuard>, BoxError> {
    let config = params.checked_breaker()?;
    if let Some(flaw) = params.flaw {
        return Ok(Box::new(move |host| Ok(Arc::new(Flawed::new(host, config, flaw)))));
    }
    let breakers = Breakers::new(config)?;
    Ok(Box::new(move |host| Ok(Arc::new(breakers.get(&host.to_owned())))))
}

async fn refresh(upstreams: Arc<[Upstream]>, position: usize, every: Duration) {
    loop {
        time::sleep(every).await;
        upstreams[position].call(Request::Read).await;
    }
}

/// An upstream as a caller sees it.
struct Upstream {
    host: String,
    guard: Arc<dyn Guard>,
    client: Client,
    caller: String,
    incarnation: u32,
    timeout: Duration,
}

/// A call that the breaker let through. The fields are dropped in this order: first the ticket is given back, then the end is
/// reported.
struct Admitted<'a> {
    ticket: Option<Box<dyn Ticket>>,
    _end: End<'a>,
}

/// Reports, at the very end of a call, that there is nothing left of it: a ticket that has not come back by now never will.
struct End<'a> {
    host: &'a str,
    permit: u64,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        tracing::info!(target: "caller", breaker = self.host, permit = self.permit, "call_ended");
    }
}

impl Upstream {
    async fn call(&self, request: Request) -> Relayed {
        let Some(ticket) = self.guard.acquire() else {
            return Relayed::Failed("the breaker is open".into());
        };
        let permit = ticket.id();
        let mut admitted = Admitted { ticket: Some(ticket), _end: End { host: &self.host, permit } };
        let call = Serve { caller: self.caller.clone(), incarnation: self.incarnation, permit, request };
        let result = self.client.call(&call, self.timeout).await;
        let outcome = match &result {
            Ok(_) => Outcome::Success,
            Err(CallError::Status(status)) if status.code == Code::Invalid => Outcome::Ignored,
            Err(_) => Outcome::Failure,
        };
        if let Some(ticket) = admitted.ticket.take() {
            ticket.record(outcome);
        }
        match result {
            Ok(count) => Relayed::Done(count),
            Err(error) if error.is_unknown() => Relayed::Unknown(error.to_string()),
            Err(error) => Relayed::Failed(error.to_string()),
        }
    }
}
