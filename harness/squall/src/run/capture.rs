//! From `tracing` to the history: code under test reports through ordinary tracing events; in a run they become records.
//!
//! One subscriber serves the whole process, so that tracing's per-call-site caches are filled once and not for every
//! run; it hands each event to the recorder of the run on the calling thread. An event belongs to the history when its
//! target is that of an event the system declares, or `effect` or `role`; all others are logging, and spans are off.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::BTreeSet,
    fmt::{self, Write},
    sync::{Arc, OnceLock},
};

use squall_rt::world::World;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

use super::record::Recorder;
use crate::{history::Fields, system::EventKind};

thread_local! {
    static CURRENT: RefCell<Option<Capture>> = const { RefCell::new(None) };
}

struct Capture {
    recorder: Arc<Recorder>,
    world: Arc<World>,
    declared: Arc<Declared>,
}

/// The events that a system declares, and so which targets belong to its history.
pub(crate) struct Declared {
    targets: Vec<&'static str>,
    names: BTreeSet<&'static str>,
}

/// Targets of events that a system may report without declaring them.
const FREE_TARGETS: [&str; 2] = ["effect", "role"];

impl Declared {
    pub fn new(events: &[EventKind]) -> Arc<Self> {
        let declared = events.iter().filter_map(|event| event.name.split_once('.')).map(|(target, _)| target);
        let mut targets: Vec<_> = declared.chain(FREE_TARGETS).collect();
        targets.sort_unstable();
        targets.dedup();
        Arc::new(Declared { targets, names: events.iter().map(|event| event.name).collect() })
    }

    /// Whether an event of a declared target is declared itself. A spec can only name declared events, so one that is
    /// missing here would be invisible to it.
    fn knows(&self, target: &str, name: &str) -> bool {
        FREE_TARGETS.contains(&target) || self.names.contains(name)
    }
}

/// While it lives, events on this thread go to `recorder`.
pub(crate) struct CaptureGuard {
    /// Keeps the subscriber in place where another one is the process's default.
    _local: Option<tracing::subscriber::DefaultGuard>,
}

impl CaptureGuard {
    pub fn enter(recorder: Arc<Recorder>, world: Arc<World>, declared: Arc<Declared>) -> Self {
        static IS_GLOBAL: OnceLock<bool> = OnceLock::new();
        let global = *IS_GLOBAL.get_or_init(|| tracing::subscriber::set_global_default(Router).is_ok());
        let local = (!global).then(|| tracing::subscriber::set_default(Router));
        CURRENT.with(|current| *current.borrow_mut() = Some(Capture { recorder, world, declared }));
        CaptureGuard { _local: local }
    }
}

impl Drop for CaptureGuard {
    fn drop(&mut self) {
        CURRENT.with(|current| current.borrow_mut().take());
    }
}

/// Routes events to the run on the calling thread.
struct Router;

impl Subscriber for Router {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // madsim's own events are many, and a module path is never the target of a reported event.
        if metadata.is_span() || metadata.target().contains("::") || metadata.target() == "madsim" {
            Interest::never()
        } else {
            Interest::sometimes()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && CURRENT.with(|current| {
                current
                    .borrow()
                    .as_ref()
                    .is_some_and(|capture| capture.declared.targets.contains(&metadata.target()))
            })
    }

    fn event(&self, event: &Event<'_>) {
        let Some((recorder, world, declared)) = CURRENT.with(|current| {
            let current = current.borrow();
            let capture = current.as_ref()?;
            Some((capture.recorder.clone(), capture.world.clone(), capture.declared.clone()))
        }) else {
            return;
        };
        // A dead process reports nothing.
        let Some(life) = world.here() else { return };
        let mut reading = Reading { fields: Fields::new(), name: String::from(event.metadata().target()) };
        event.record(&mut reading);
        if !declared.knows(event.metadata().target(), &reading.name) {
            recorder.give_up(format!(
                "a node reported `{}`, which System::events() does not declare: declare it, or give it another \
                 target if it is logging",
                reading.name
            ));
            return;
        }
        recorder.event(life, Cow::Owned(reading.name), reading.fields);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Reading {
    fields: Fields,
    name: String,
}

impl Visit for Reading {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.name, ".{value:?}").expect("writing to a string succeeds");
        } else {
            self.fields.push(field.name(), format!("{value:?}"));
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.name.push('.');
            self.name.push_str(value);
        } else {
            self.fields.push(field.name(), value);
        }
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push(field.name(), value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push(field.name(), value);
    }
    fn record_i128(&mut self, field: &Field, value: i128) {
        self.fields.push(field.name(), value);
    }
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.fields.push(field.name(), value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push(field.name(), value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push(field.name(), value);
    }
}
