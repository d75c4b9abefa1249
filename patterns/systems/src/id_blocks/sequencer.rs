//! The sequencer: gives every request a block after all earlier ones, and a repeated request the same block again.

use std::net::Ipv4Addr;

use redb::{Database, Durability, ReadableTable, TableDefinition};
use squall::BoxError;
use squall_rt::disk;
use tonic::{Request, Response, Status, transport::Server};

use super::{
    IdFlaw, PORT, Params,
    proto::{
        Block, ReserveRequest,
        sequencer_server::{Sequencer, SequencerServer},
    },
};

/// The first number that is in no block yet.
const MARK: TableDefinition<'_, (), u64> = TableDefinition::new("mark");
/// By allocator: its last request, and the block it got. An allocator has no more than one request under way.
const LAST: TableDefinition<'_, &str, (&str, u64, u32)> = TableDefinition::new("last");

pub(super) async fn run(params: Params) -> Result<(), BoxError> {
    let database = disk::open_database("/sequencer.redb")?;
    let setup = database.begin_write()?;
    setup.open_table(MARK)?;
    setup.open_table(LAST)?;
    setup.commit()?;
    let durability = match params.flaw {
        Some(IdFlaw::LazyMark) => Durability::None,
        _ => Durability::Immediate,
    };
    Server::builder()
        .add_service(SequencerServer::new(Marks { database, durability }))
        .serve((Ipv4Addr::UNSPECIFIED, PORT).into())
        .await
        .map_err(|error| format!("{error:?}").into())
}

struct Marks {
    database: Database,
    durability: Durability,
}

impl Marks {
    /// The block for a request, and whether the request has it already.
    fn reserve(&self, asked: &ReserveRequest) -> Result<(Block, bool), redb::Error> {
        let ReserveRequest { allocator, request, size } = asked;
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        let (first, size) = {
            let mut last = transaction.open_table(LAST)?;
            if let Some(entry) = last.get(&**allocator)? {
                let (answered, first, size) = entry.value();
                if answered == request {
                    return Ok((Block { first, size }, true));
                }
            }
            let mut marks = transaction.open_table(MARK)?;
            let first = marks.get(())?.map_or(1, |mark| mark.value());
            marks.insert((), first + u64::from(*size))?;
            last.insert(&**allocator, (&**request, first, *size))?;
            (first, *size)
        };
        transaction.commit()?;
        Ok((Block { first, size }, false))
    }
}

#[tonic::async_trait]
impl Sequencer for Marks {
    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<Block>, Status> {
        let asked = request.into_inner();
        let (block, repeated) = self.reserve(&asked).map_err(|error| Status::internal(error.to_string()))?;
        let ReserveRequest { allocator, request, .. } = asked;
        let Block { first, size } = block;
        tracing::info!(target: "effect", allocator, request, first, size, repeated, "reserved");
        Ok(Response::new(block))
    }
}
