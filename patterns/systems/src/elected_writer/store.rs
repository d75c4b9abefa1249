//! The store: one register, and the highest token it has seen. It does nothing for a lower one.

use std::net::Ipv4Addr;

use redb::{Database, ReadableTable, TableDefinition};
use squall::BoxError;
use squall_rt::{
    disk, rng,
    time::{self, Duration},
};
use tonic::{Request, Response, Status, transport::Server};

use super::{
    PORT, Params, WriterFlaw,
    proto::{
        FenceRequest, Register, StoreRequest,
        store_server::{Store, StoreServer},
    },
};

/// The highest token, the version and the value.
const REGISTER: TableDefinition<'_, (), (u64, u64, u64)> = TableDefinition::new("register");

pub(super) async fn run(params: Params) -> Result<(), BoxError> {
    let database = disk::open_database("/store.redb")?;
    let setup = database.begin_write()?;
    setup.open_table(REGISTER)?;
    setup.commit()?;
    // An empty range has no duration in it.
    let works = params.store_works.0.max(Duration::from_nanos(1));
    Server::builder()
        .add_service(StoreServer::new(Fenced { database, works, flaw: params.flaw }))
        .serve((Ipv4Addr::UNSPECIFIED, PORT).into())
        .await
        .map_err(|error| format!("{error:?}").into())
}

struct Fenced {
    database: Database,
    works: Duration,
    flaw: Option<WriterFlaw>,
}

/// What a request with a token came to.
enum Done {
    /// This is in the register now.
    Accepted(Register),
    /// A higher token was here before.
    Refused { highest: u64 },
}

impl Fenced {
    /// Lets a token through if none higher was here, and writes the value if there is one.
    fn enter(&self, token: u64, value: Option<u64>) -> Result<Done, redb::Error> {
        let transaction = self.database.begin_write()?;
        let register = {
            let mut table = transaction.open_table(REGISTER)?;
            let (highest, version, held) = table.get(())?.map_or((0, 0, 0), |entry| entry.value());
            if token < highest && self.flaw != Some(WriterFlaw::Unfenced) {
                return Ok(Done::Refused { highest });
            }
            let version = if value.is_some() { version + 1 } else { version };
            let value = value.unwrap_or(held);
            table.insert((), (token.max(highest), version, value))?;
            Register { version, value }
        };
        transaction.commit()?;
        Ok(Done::Accepted(register))
    }

    async fn answer(
        &self,
        token: u64,
        writer: &str,
        value: Option<u64>,
    ) -> Result<Response<Register>, Status> {
        time::sleep(rng::duration(Duration::ZERO..self.works)).await;
        match self.enter(token, value).map_err(|error| Status::internal(error.to_string()))? {
            Done::Accepted(register) => {
                let Register { version, value: held } = register;
                if value.is_some() {
                    tracing::info!(target: "effect", token, writer, version, value = held, "written");
                } else {
                    tracing::info!(target: "effect", token, writer, "fenced");
                }
                Ok(Response::new(register))
            }
            Done::Refused { highest } => {
                tracing::info!(target: "store", token, writer, highest, "refused");
                Err(Status::failed_precondition(format!("token {token} is older than {highest}")))
            }
        }
    }
}

#[tonic::async_trait]
impl Store for Fenced {
    async fn fence(&self, request: Request<FenceRequest>) -> Result<Response<Register>, Status> {
        let FenceRequest { token, writer } = request.into_inner();
        self.answer(token, &writer, None).await
    }

    async fn write(&self, request: Request<StoreRequest>) -> Result<Response<Register>, Status> {
        let StoreRequest { token, writer, value } = request.into_inner();
        self.answer(token, &writer, Some(value)).await
    }
}
