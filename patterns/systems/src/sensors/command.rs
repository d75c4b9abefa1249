//! The commands a sensor executes: each once, however often its request comes, and durably before it is answered. They are in
//! a database of their own.

use redb::{Database, ReadableTable, TableDefinition};
use squall::{BoxError, Node};
use squall_rt::{
    disk,
    rpc::{Code, Status},
};
use tokio::sync::mpsc;

use super::{
    Params,
    flaw::FlawKind,
    wire::{AdjustRequest, Adjusted, Purpose, Sealed},
};

/// The offset after each request that was executed.
const EXECUTED: TableDefinition<'_, u64, i64> = TableDefinition::new("executed");
/// The offset.
const OFFSET: TableDefinition<'_, (), i64> = TableDefinition::new("offset");

/// The commands of one sensor.
pub struct Commands {
    database: Database,
    sensor: u32,
    params: Params,
}

impl Commands {
    /// Opens the database.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(node: &Node, params: &Params) -> Result<Self, BoxError> {
        let database = disk::open_database("/commands.redb")?;
        Ok(Commands { database, sensor: node.index(), params: params.clone() })
    }

    /// Executes a command. It is done when this returns: there is no await at which it could be dropped half-way.
    ///
    /// # Errors
    /// What the client is told. A failure of the disk goes to `failed` as well, as the process cannot go on.
    pub fn execute(&self, sealed: &Sealed, failed: &mpsc::Sender<BoxError>) -> Result<Sealed, Status> {
        let unsigned = self.params.is(FlawKind::UnsignedCommands);
        let request: Option<AdjustRequest> =
            if unsigned { sealed.open_unchecked() } else { sealed.open(Purpose::Adjust) };
        let Some(request) = request.filter(|request| unsigned || request.sensor == self.sensor) else {
            tracing::info!(target: "sensor", "forged");
            return Err(Status::new(Code::Invalid, "the seal is broken"));
        };
        tracing::info!(target: "sensor", request = request.request, intent = request.intent, "commanded");
        match self.adjust(&request) {
            Ok(offset) => Ok(Sealed::new(Purpose::Reply(request.request), &Adjusted { offset })),
            Err(e) => {
                let status = Status::new(Code::Internal, e.to_string());
                // A full channel: an earlier failure ends the process.
                let _ = failed.try_send(e.into());
                Err(status)
            }
        }
    }

    fn adjust(&self, request: &AdjustRequest) -> Result<i64, redb::Error> {
        let &AdjustRequest { request, intent, by, .. } = request;
        let transaction = self.database.begin_write()?;
        let offset = {
            let mut executed = transaction.open_table(EXECUTED)?;
            let before = executed.get(request)?.map(|offset| offset.value());
            if let Some(offset) = before.filter(|_| !self.params.is(FlawKind::NoRequestIds)) {
                tracing::info!(target: "sensor", request, intent, "repeated");
                return Ok(offset);
            }
            let mut offsets = transaction.open_table(OFFSET)?;
            let offset = offsets.get(())?.map_or(0, |offset| offset.value()).wrapping_add(by);
            offsets.insert((), offset)?;
            executed.insert(request, offset)?;
            offset
        };
        transaction.commit()?;
        let sensor = self.sensor;
        tracing::info!(target: "effect", sensor, request, intent, by, offset, "adjusted");
        Ok(offset)
    }
}
