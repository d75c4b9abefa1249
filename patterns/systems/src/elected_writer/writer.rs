//! A writer: serves clients while it is elected, and refuses them otherwise.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use squall::{BoxError, Node};
use squall_rt::{
    task,
    time::{Duration, Instant},
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};

use super::{
    PORT, Params, WriterFlaw, election,
    proto::{
        FenceRequest, ReadRequest, Register, StoreRequest, WriteRequest,
        store_client::StoreClient,
        writer_server::{Writer, WriterServer},
    },
};

pub(super) async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let host = |group| node.hosts(group).into_iter().next().ok_or("a writer needs a store and an etcd");
    let store = Endpoint::from_shared(format!("http://{}:{PORT}", host("store")?))
        .map_err(|error| format!("{error:?}"))?
        .timeout(params.call_timeout.0)
        .connect_lazy();
    let etcd = host("etcd")?;
    let desk = Arc::new(Desk {
        name: node.name(),
        params,
        store: StoreClient::new(store),
        one_write: tokio::sync::Mutex::new(()),
        term: Mutex::default(),
        remembered: Mutex::default(),
    });
    task::spawn(election::stand_for_ever(desk.clone(), etcd));
    Server::builder()
        .add_service(WriterServer::new(AtDesk(desk)))
        .serve((Ipv4Addr::UNSPECIFIED, PORT).into())
        .await
        .map_err(|error| format!("{error:?}").into())
}

/// What a writer has while it is elected.
struct Term {
    token: u64,
    /// Until when it can be sure of its lease.
    until: Instant,
    /// What the store holds. Nobody else can have changed it.
    register: Register,
}

/// A writer's work and its right to do it.
pub(super) struct Desk {
    pub name: String,
    pub params: Params,
    store: StoreClient<Channel>,
    one_write: tokio::sync::Mutex<()>,
    term: Mutex<Option<Term>>,
    /// What the store held at the end of the last term. Of no use to anyone who knows what he is doing.
    remembered: Mutex<Option<Register>>,
}

impl Desk {
    fn term(&self) -> MutexGuard<'_, Option<Term>> {
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> MutexGuard<'_, Option<Register>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when a lease can be relied on that was granted or renewed by a request sent at `sent`.
    pub fn sure_until(&self, sent: Instant) -> Instant {
        sent + Duration::from_secs(u64::from(self.params.lease.saturating_sub(1)))
    }

    /// Fences the store and takes up the work.
    pub async fn take_up(&self, token: u64, until: Instant) -> Result<(), Status> {
        let request = FenceRequest { token, writer: self.name.clone() };
        let mut register = self.store.clone().fence(request).await?.into_inner();
        if self.params.flaw == Some(WriterFlaw::TrustsMemory)
            && let Some(remembered) = *self.remembered()
        {
            register = remembered;
        }
        *self.term() = Some(Term { token, until, register });
        tracing::info!(target: "role", role = "writer", token, "acquired");
        Ok(())
    }

    /// The lease was renewed. False if the term is over.
    pub fn go_on(&self, until: Instant) -> bool {
        let mut term = self.term();
        if let Some(term) = term.as_mut() {
            term.until = until;
        }
        term.is_some()
    }

    /// Whether the term is not over.
    pub fn is_taken_up(&self) -> bool {
        self.term().is_some()
    }

    /// Ends the term, if there is one.
    pub fn lay_down(&self) {
        if let Some(Term { token, register, .. }) = self.term().take() {
            *self.remembered() = Some(register);
            tracing::info!(target: "role", role = "writer", token, "lost");
        }
    }

    /// What the register holds, and the token to change it with.
    fn in_office(&self) -> Result<(u64, Register), Status> {
        let term = self.term();
        let term = term.as_ref().ok_or_else(|| Status::failed_precondition("not elected"))?;
        if Instant::now() >= term.until && self.params.flaw != Some(WriterFlaw::LeaseIgnored) {
            return Err(Status::failed_precondition("the lease may be over"));
        }
        Ok((term.token, term.register))
    }

    async fn write(&self, value: u64) -> Result<Register, Status> {
        let _one = self.one_write.lock().await;
        let (token, _) = self.in_office()?;
        let request = StoreRequest { token, writer: self.name.clone(), value };
        match self.store.clone().write(request).await {
            Ok(register) => {
                let register = register.into_inner();
                if let Some(term) = self.term().as_mut().filter(|term| term.token == token) {
                    term.register = register;
                }
                Ok(register)
            }
            Err(status) => {
                // It may have got through, or may still, until the next term's fence.
                if self.term().as_ref().is_some_and(|term| term.token == token) {
                    self.lay_down();
                }
                Err(match status.code() {
                    Code::FailedPrecondition => status,
                    _ => Status::unknown(format!("the store did not answer: {}", status.message())),
                })
            }
        }
    }
}

impl Desk {
    /// Answers a write from memory. Flawed: the store hears of it later, or never.
    async fn write_behind(self: Arc<Self>, value: u64) -> Result<Register, Status> {
        let token = self.in_office()?.0;
        let answer = {
            let mut term = self.term();
            let term = term.as_mut().ok_or_else(|| Status::failed_precondition("not elected"))?;
            term.register = Register { version: term.register.version + 1, value };
            term.register
        };
        task::spawn(async move {
            let _one = self.one_write.lock().await;
            let request = StoreRequest { token, writer: self.name.clone(), value };
            if self.store.clone().write(request).await.is_err()
                && self.term().as_ref().is_some_and(|term| term.token == token)
            {
                self.lay_down();
            }
        });
        Ok(answer)
    }
}

struct AtDesk(Arc<Desk>);

#[tonic::async_trait]
impl Writer for AtDesk {
    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<Register>, Status> {
        let value = request.into_inner().value;
        match self.0.params.flaw {
            Some(WriterFlaw::AnswersFirst) => self.0.clone().write_behind(value).await,
            _ => self.0.write(value).await,
        }
        .map(Response::new)
    }

    async fn read(&self, _: Request<ReadRequest>) -> Result<Response<Register>, Status> {
        self.0.in_office().map(|(_, register)| Response::new(register))
    }
}
