//! The commands a sensor executes: each once, however often its request comes, and durably before it is answered. They are in
//! a log of their own, which is all there is: the offset follows from it, and what is known of requests.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, PoisonError},
};

use squall::{BoxError, Node};
use squall_rt::rpc::{Code, Status};
use tokio::sync::mpsc;

use super::{
    Params,
    flaw::FlawKind,
    log::{AppendError, Entry, Log},
    wire::{AdjustRequest, Adjusted, Purpose, Sealed},
};

/// A command that was executed.
#[derive(Clone, Copy)]
struct Executed {
    request: u64,
    by: i64,
    /// The offset after it.
    offset: i64,
}

impl Entry for Executed {
    fn numbers(&self) -> [u64; 4] {
        [self.request, self.by.cast_unsigned(), self.offset.cast_unsigned(), 0]
    }

    fn from_numbers([request, by, offset, _]: [u64; 4]) -> Self {
        Executed { request, by: by.cast_signed(), offset: offset.cast_signed() }
    }
}

struct State {
    log: Log<Executed>,
    offset: i64,
    /// The offset after each request.
    executed: BTreeMap<u64, i64>,
}

/// The commands of one sensor.
pub struct Commands {
    state: Mutex<State>,
    sensor: u32,
    params: Params,
}

impl Commands {
    /// Opens the log.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn open(node: &Node, params: &Params) -> io::Result<Self> {
        let (log, found) = Log::<Executed>::open("/commands.log", None)?;
        let offset = found.entries.last().map_or(0, |last| last.offset);
        let executed = found.entries.iter().map(|command| (command.request, command.offset)).collect();
        let state = Mutex::new(State { log, offset, executed });
        Ok(Commands { state, sensor: node.index(), params: params.clone() })
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
            Err(AppendError::Full) => Err(Status::new(Code::Unavailable, "the disk is full")),
            Err(AppendError::Broken(e)) => {
                let status = Status::new(Code::Internal, e.to_string());
                // A full channel: an earlier failure ends the process.
                let _ = failed.try_send(e.into());
                Err(status)
            }
        }
    }

    fn adjust(&self, request: &AdjustRequest) -> Result<i64, AppendError> {
        let &AdjustRequest { request, intent, by, .. } = request;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.executed.get(&request).copied();
        if let Some(offset) = before.filter(|_| !self.params.is(FlawKind::NoRequestIds)) {
            tracing::info!(target: "sensor", request, intent, "repeated");
            return Ok(offset);
        }
        let offset = state.offset.wrapping_add(by);
        let sensor = self.sensor;
        let written = self.write(&mut state.log, Executed { request, by, offset });
        if let Err(AppendError::Broken(_)) = &written {
            tracing::info!(target: "effect", sensor, request, intent, by, offset, "adjustment_uncertain");
        }
        written?;
        state.offset = offset;
        state.executed.insert(request, offset);
        tracing::info!(target: "effect", sensor, request, intent, by, offset, "adjusted");
        Ok(offset)
    }

    fn write(&self, log: &mut Log<Executed>, command: Executed) -> Result<(), AppendError> {
        log.append(&[command])?;
        // Flawed otherwise: it is in the page cache, and the machine may lose power.
        if !self.params.is(FlawKind::CommandsBeforeSync) {
            log.sync()?;
        }
        Ok(())
    }
}
