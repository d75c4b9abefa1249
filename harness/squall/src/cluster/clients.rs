//! Clients: each performs its planned operations one after the other, and what it is told enters the history.

use std::{
    borrow::Cow,
    collections::{BTreeSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use squall_rt::world::World;
use tokio::sync::Notify;

use crate::{
    history::{Fields, Kind, Operation, Value},
    language::model::PlannedOperation,
    record::Recorder,
    system::{ClientDriver, Outcome},
};

/// What a client has before it and in hand. It outlives the client's process.
#[derive(Default)]
struct Client {
    planned: VecDeque<(u32, PlannedOperation)>,
    open: Option<Operation>,
    /// Rung when the caller gives up on the open operation.
    cancel: Arc<Notify>,
}

/// All clients of a run.
pub(crate) struct Clients {
    recorder: Arc<Recorder>,
    clients: Vec<Mutex<Client>>,
    /// Operations that are not performed after all.
    left_out: BTreeSet<u32>,
}

impl Clients {
    pub fn new(
        recorder: Arc<Recorder>,
        count: u32,
        operations: &[PlannedOperation],
        left_out: BTreeSet<u32>,
    ) -> Arc<Self> {
        let mut clients: Vec<_> = (0..count).map(|_| Client::default()).collect();
        for (id, operation) in operations.iter().enumerate() {
            clients[operation.client as usize].planned.push_back((id as u32, operation.clone()));
        }
        Arc::new(Clients { recorder, clients: clients.into_iter().map(Mutex::new).collect(), left_out })
    }

    pub fn count(&self) -> u32 {
        self.clients.len() as u32
    }

    fn client(&self, index: u32) -> MutexGuard<'_, Client> {
        self.clients[index as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a client's process takes its operations from.
    pub fn driver(self: &Arc<Self>, index: u32, world: Arc<World>) -> Box<dyn ClientDriver> {
        Box::new(Driver { clients: self.clone(), index, world })
    }

    /// A client's process died: it will never learn how its operation ended.
    pub fn crashed(&self, index: u32) {
        self.abandon(index, "the client crashed");
    }

    /// The caller gives up: the future of the open operation is dropped where it stands. Returns whether there was one.
    pub fn cancel(&self, index: u32) -> bool {
        let (open, cancel) = {
            let client = self.client(index);
            (client.open.is_some(), client.cancel.clone())
        };
        if open {
            self.abandon(index, "the caller gave up");
            cancel.notify_one();
        }
        open
    }

    /// The run is over: operations that are still open have an unknown outcome.
    pub fn close(&self) {
        for index in 0..self.count() {
            self.abandon(index, "the run ended");
        }
    }

    fn abandon(&self, index: u32, reason: &str) {
        let open = self.client(index).open.take();
        if let Some(operation) = open {
            self.recorder.record(Kind::Info(operation, Fields::new().with("reason", reason)));
        }
    }
}

/// Drives one client.
struct Driver {
    clients: Arc<Clients>,
    index: u32,
    world: Arc<World>,
}

impl Driver {
    /// Waits for the time of the next operation, and records its invocation. `None` when there is none left.
    async fn wait(&mut self) -> Option<serde_json::Value> {
        let (id, planned) = loop {
            let (id, planned) = self.clients.client(self.index).planned.pop_front()?;
            self.world.sleep_until(planned.at.0).await;
            if !self.clients.left_out.contains(&id) {
                break (id, planned);
            }
        };
        let operation = Operation { id, client: self.index, name: Cow::Owned(planned.name().to_owned()) };
        self.clients.client(self.index).open = Some(operation.clone());
        let arguments = arguments(&planned.op);
        self.clients.recorder.record(Kind::Invoke(operation, arguments));
        Some(planned.op)
    }
}

impl ClientDriver for Driver {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<serde_json::Value>> + Send + '_>> {
        Box::pin(self.wait())
    }

    fn cancelled(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let cancel = self.clients.client(self.index).cancel.clone();
        Box::pin(async move { cancel.notified().await })
    }

    fn complete(&mut self, outcome: Outcome) {
        if self.world.here().is_none() {
            return;
        }
        let Some(operation) = self.clients.client(self.index).open.take() else { return };
        self.clients.recorder.record(match outcome {
            Outcome::Ok(fields) => Kind::Ok(operation, fields),
            Outcome::Failed(fields) => Kind::Fail(operation, fields),
            Outcome::Unknown(fields) => Kind::Info(operation, fields),
        });
    }
}

/// The arguments of an operation: the fields of its variant.
fn arguments(op: &serde_json::Value) -> Fields {
    let mut fields = Fields::new();
    let Some((_, inner)) = op.as_object().and_then(|map| map.iter().next()) else { return fields };
    match inner {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                fields.push(name.clone(), value_of(value));
            }
        }
        serde_json::Value::Null => {}
        other => fields.push("value", value_of(other)),
    }
    fields
}

fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::String(s) => Value::Text(s.clone()),
        serde_json::Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => Value::Int(i),
            (None, Some(x)) if !n.is_u64() => Value::Float(x),
            _ => Value::Text(n.to_string()),
        },
        other => Value::Text(other.to_string()),
    }
}
