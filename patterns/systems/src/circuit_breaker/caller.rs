//! A caller: relays its clients' calls to the upstreams, each behind a breaker, and makes some of its own.

use std::{sync::Arc, time::Duration};

use squall::{BoxError, Node};
use squall_patterns::circuit_breaker::{Breakers, Config, Outcome};
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

pub(super) async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let config = params.checked_breaker()?;
    let hosts = node.hosts("upstream");
    let guards = guards(&hosts, config, &params)?;
    let upstreams = hosts.iter().zip(guards).map(|(host, guard)| Upstream {
        host: host.clone(),
        guard,
        client: Client::new(format!("{host}:{PORT}")),
        caller: node.name(),
        incarnation: node.incarnation(),
        timeout: params.call_timeout.0,
    });
    let upstreams: Arc<[Upstream]> = upstreams.collect();
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

/// A breaker for each upstream.
fn guards(hosts: &[String], config: Config, params: &Params) -> Result<Vec<Arc<dyn Guard>>, BoxError> {
    if let Some(flaw) = params.flaw {
        let flawed = |host: &String| Arc::new(Flawed::new(host, config, flaw)) as Arc<dyn Guard>;
        return Ok(hosts.iter().map(flawed).collect());
    }
    let breakers = Breakers::new(config)?;
    Ok(hosts.iter().map(|host| Arc::new(breakers.get(host)) as Arc<dyn Guard>).collect())
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
