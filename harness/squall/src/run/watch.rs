//! The run's watcher of its world: it writes the trace, and lets faults strike that wait for a message, a call or a sync.
//!
//! It is there only if a trace is asked for or a fault waits for such an event. Seeing changes nothing; what strikes does so before
//! the packet leaves, the handler runs, the reply leaves, the sync begins.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use squall_rt::world::{
    NodeId,
    watch::{CallStage, Message, PacketFate, Ticket, Watcher, WorldEvent},
};

use super::trigger::{Due, Triggers};
use crate::{
    history::Fields,
    record::Listener,
    trace::{MessageFate, TraceEvent, Traced, TracedCall, TracedSync},
};

#[derive(Default)]
struct State {
    names: Vec<Arc<str>>,
    trace: Vec<Traced>,
    /// Where in the trace each packet is whose fate may change. No `HashMap`: making one shifts the order of those that code under
    /// test makes on this thread.
    open: BTreeMap<Message, usize>,
    /// What was set off and has yet to strike.
    due: BTreeMap<Ticket, (Due, Duration)>,
    tickets: Ticket,
}

/// Watches one run.
pub(crate) struct Watch {
    /// Whether a trace is asked for.
    traces: bool,
    /// How many records the history has.
    recorded: AtomicU64,
    /// Faults that wait for an event of the world.
    pub triggers: Triggers,
    state: Mutex<State>,
}

impl Watch {
    pub fn new(traces: bool) -> Arc<Self> {
        Arc::new(Watch {
            traces,
            recorded: AtomicU64::new(0),
            triggers: Triggers::default(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the trace.
    pub fn take(&self) -> Vec<Traced> {
        let mut state = self.state();
        state.open = BTreeMap::new();
        std::mem::take(&mut state.trace)
    }
}

impl Listener for Watch {
    fn node(&self, name: &Arc<str>) {
        self.state().names.push(name.clone());
    }

    fn recorded(&self) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
    }
}

impl Watcher for Watch {
    fn see(&self, at: Duration, event: WorldEvent<'_>) -> Option<Ticket> {
        let mut state = self.state();
        if let WorldEvent::Ended { message, fate } = event {
            state.end(message, fate);
            return None;
        }
        if self.traces {
            let after = self.recorded.load(Ordering::Relaxed);
            let event = state.traced(event)?;
            state.trace.push(Traced { at, after, event });
        }
        if self.traces
            && let WorldEvent::Sent { message, .. } = event
        {
            let last = state.trace.len() - 1;
            state.open.insert(message, last);
        }
        let name = name(event);
        let mut fields = None;
        let due = self.triggers.due(|pattern| {
            pattern.is_of(name) && pattern.matches(name, fields.get_or_insert_with(|| state.fields(event)))
        })?;
        state.tickets += 1;
        let ticket = state.tickets;
        state.due.insert(ticket, (due, at));
        Some(ticket)
    }

    fn act(&self, ticket: Ticket) {
        let due = self.state().due.remove(&ticket);
        if let Some((due, at)) = due {
            due.strike(at);
        }
    }
}

impl State {
    fn name(&self, node: NodeId) -> String {
        self.names[node.index()].to_string()
    }

    /// An event as the trace has it; none for what became of a packet.
    fn traced(&self, event: WorldEvent<'_>) -> Option<TraceEvent> {
        Some(match event {
            WorldEvent::Ended { .. } => return None,
            WorldEvent::Sent { message: Message { from, to, kind, number }, bytes } => TraceEvent::Message {
                from: self.name(from),
                to: self.name(to),
                kind: kind.into(),
                number,
                bytes: bytes as u64,
                fate: MessageFate::InFlight,
            },
            WorldEvent::Call { stage, from, to, method, number } => {
                let (from, to) = (self.name(from), self.name(to));
                let call = TracedCall { from, to, method: method.to_owned(), number };
                match stage {
                    CallStage::Called => TraceEvent::Called(call),
                    CallStage::Arrived => TraceEvent::Arrived(call),
                    CallStage::Replied => TraceEvent::Replied(call),
                }
            }
            WorldEvent::Sync { node, number } => {
                TraceEvent::Sync(TracedSync { node: self.name(node), number })
            }
            WorldEvent::Synced { node, number } => {
                TraceEvent::Synced(TracedSync { node: self.name(node), number })
            }
        })
    }

    /// Writes down what became of a packet. Its first arrival is the last word.
    fn end(&mut self, message: Message, ended: PacketFate) {
        let Some(&at) = self.open.get(&message) else { return };
        if let Some(Traced { event: TraceEvent::Message { fate, .. }, .. }) = self.trace.get_mut(at) {
            *fate = ended.into();
        }
        if matches!(ended, PacketFate::Delivered(_)) {
            self.open.remove(&message);
        }
    }

    fn fields(&self, event: WorldEvent<'_>) -> Fields {
        match event {
            WorldEvent::Ended { .. } => Fields::new(),
            WorldEvent::Sent { message: Message { from, to, kind, .. }, .. } => Fields::new()
                .with("from", self.name(from))
                .with("to", self.name(to))
                .with("kind", kind.name()),
            WorldEvent::Call { from, to, method, .. } => {
                Fields::new().with("from", self.name(from)).with("to", self.name(to)).with("method", method)
            }
            WorldEvent::Sync { node, .. } | WorldEvent::Synced { node, .. } => {
                Fields::new().with("node", self.name(node))
            }
        }
    }
}

/// The event's name in specs; what became of a packet has none.
fn name(event: WorldEvent<'_>) -> &'static str {
    match event {
        WorldEvent::Ended { .. } => "",
        WorldEvent::Sent { .. } => "net.sent",
        WorldEvent::Call { stage: CallStage::Called, .. } => "rpc.called",
        WorldEvent::Call { stage: CallStage::Arrived, .. } => "rpc.arrived",
        WorldEvent::Call { stage: CallStage::Replied, .. } => "rpc.replied",
        WorldEvent::Sync { .. } => "disk.sync",
        WorldEvent::Synced { .. } => "disk.synced",
    }
}
