//! From `tracing` to the history: code under test reports through ordinary tracing events; in a run they become records.
//!
//! One subscriber serves the whole process, so that tracing's per-call-site caches are filled once and not for every
//! run; it hands each event to the recorder of the run on the calling thread. An event belongs to the history when its
//! target is that of an event the system declares, or `effect` or `role`; all others, and the lines of the `log` crate, are logging, and go
//! to the run's log as far as that is wanted. What is not wanted costs what a disabled event costs.
//!
//! Code under test may put a subscriber of its own in place, and then nothing that it reports is seen. madsim enters a span around each
//! poll of a task, which belongs to the subscriber that it was made under: ours, which looks at its end whether it is still the one in force. Within
//! a poll, a subscriber that is made has tracing ask every other about its call sites again, ours too. (One that was made before the run and is in
//! force for a part of a poll only is not noticed.)

mod lines;
mod spans;

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

use squall_rt::world::{self, World};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{DefaultGuard, Interest},
};

use self::{lines::Lines, spans::Spans};
use super::Recorder;
use crate::{
    confine,
    history::{EventKind, Fields},
    log::{Level, Log, Logged},
};

thread_local! {
    static CURRENT: RefCell<Option<Capture>> = const { RefCell::new(None) };
    /// What is polled now: the number of the span around it.
    static POLLED: Cell<u64> = const { Cell::new(0) };
}

/// Whether some other thread wants to know what is polled.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);
/// How many polls there were since then.
static POLLS: AtomicU64 = AtomicU64::new(0);
/// As [`POLLED`], of the run whose poll was the last to begin: in a worker there is but one.
static POLLED_LAST: AtomicU64 = AtomicU64::new(0);

/// What is polled, for another thread than the run's: the number of the poll, and that of the process, as the
/// [world](World::process) knows it. Nothing is known before the first call.
pub(crate) fn polled() -> (u64, Option<u64>) {
    IS_WATCHED.store(true, Ordering::Relaxed);
    (POLLS.load(Ordering::Relaxed), POLLED_LAST.load(Ordering::Relaxed).checked_sub(1))
}

struct Capture {
    recorder: Arc<Recorder>,
    world: Arc<World>,
    declared: Arc<Declared>,
    log: Arc<RunLog>,
    spans: RefCell<Spans>,
}

/// The log of one run, as far as it is wanted.
#[derive(Default)]
pub(crate) struct RunLog {
    most: Level,
    lines: Mutex<Lines>,
}

impl RunLog {
    /// Keeps lines up to and with this level.
    pub fn new(most: Level) -> Arc<Self> {
        Arc::new(RunLog { most, lines: Mutex::default() })
    }

    /// Takes out what was said.
    pub fn take(&self) -> Log {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether such a line is wanted. One that is not is counted.
    fn wants(&self, level: Level, target: &str) -> bool {
        if is_madsims(target) || self.most == Level::Off {
            return false;
        }
        if level > self.most {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).unwanted += 1;
        }
        level <= self.most
    }
}

/// madsim's own lines are many, and none of the service's business.
fn is_madsims(target: &str) -> bool {
    target.strip_prefix("madsim").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The most that any run of this process wanted of its log.
static MOST: AtomicU8 = AtomicU8::new(Level::Off as u8);

/// Whether lines of the `log` crate come to us.
static HAS_LOGGER: AtomicBool = AtomicBool::new(false);

/// Makes this process's lines of the `log` crate ours. For processes that are there for runs and nothing else: there is no way back.
pub(crate) fn take_logger() {
    HAS_LOGGER.store(log::set_logger(&Logger).is_ok(), Ordering::Relaxed);
}

/// Has this process listen, up to and with this level. While the guard lives, where there is one, it does so on this thread alone: the
/// process has a subscriber of its own.
pub(crate) fn listen(most: Level) -> Option<DefaultGuard> {
    static IS_GLOBAL: OnceLock<bool> = OnceLock::new();
    let global = *IS_GLOBAL.get_or_init(|| tracing::subscriber::set_global_default(Router).is_ok());
    let local = (!global).then(|| tracing::subscriber::set_default(Router));
    if MOST.fetch_max(most as u8, Ordering::Relaxed) < most as u8 {
        tracing::callsite::rebuild_interest_cache();
        if HAS_LOGGER.load(Ordering::Relaxed) {
            // To count the lines that are not wanted takes seeing them.
            log::set_max_level(log::LevelFilter::Trace);
        }
    }
    local
}

/// The events that a system declares with their fields, and so which targets belong to its history; and its roles.
pub(crate) struct Declared {
    targets: Vec<&'static str>,
    events: BTreeMap<&'static str, &'static [&'static str]>,
    /// None given: any will do.
    roles: &'static [&'static str],
}

/// Targets of events that a system may report without declaring them.
const FREE_TARGETS: [&str; 2] = ["effect", "role"];

impl Declared {
    pub fn new(events: &[EventKind], roles: &'static [&'static str]) -> Arc<Self> {
        let declared = events.iter().filter_map(|event| event.name.split_once('.')).map(|(target, _)| target);
        let mut targets: Vec<_> = declared.chain(FREE_TARGETS).collect();
        targets.sort_unstable();
        targets.dedup();
        Arc::new(Declared {
            targets,
            events: events.iter().map(|event| (event.name, event.fields)).collect(),
            roles,
        })
    }

    /// Why an event of a declared target is not as declared, if so. A spec can only name declared events, fields and roles, so one
    /// that is missing here would be invisible to it.
    fn objection(&self, target: &str, name: &str, fields: &Fields) -> Option<String> {
        let Some(known) = self.events.get(name) else {
            return (!FREE_TARGETS.contains(&target)).then(|| {
                format!(
                    "a node reported `{name}`, which System::events() does not declare: declare it, or give it another \
                     target if it is logging"
                )
            });
        };
        if let Some((field, _)) = fields.iter().find(|(field, _)| !known.contains(field)) {
            return Some(format!(
                "a node reported `{name}` with the field `{field}`, which System::events() does not declare: add it to the \
                 event's fields, or leave it out"
            ));
        }
        let role = fields.text("role").filter(|_| target == "role" && !self.roles.is_empty())?;
        (!self.roles.contains(&role)).then(|| {
            format!("a node reported `{name}` of the role `{role}`, which System::roles() does not declare: add it there")
        })
    }
}

/// While it lives, events on this thread go to `recorder`, and log lines to `log`.
pub(crate) struct CaptureGuard(());

impl CaptureGuard {
    pub fn enter(
        recorder: Arc<Recorder>,
        world: Arc<World>,
        declared: Arc<Declared>,
        log: Arc<RunLog>,
    ) -> Self {
        let capture = Capture { recorder, world, declared, log, spans: RefCell::default() };
        world::put_aside(put_spans_aside);
        CURRENT.with(|current| *current.borrow_mut() = Some(capture));
        CaptureGuard(())
    }
}

/// The spans that code is in while a call of its blocks are not those of others that run meanwhile.
fn put_spans_aside() -> Box<dyn FnOnce()> {
    let left = with_current(|capture| capture.spans.borrow_mut().leave()).unwrap_or_default();
    Box::new(move || {
        with_current(|capture| capture.spans.borrow_mut().enter_again(left));
    })
}

impl Drop for CaptureGuard {
    fn drop(&mut self) {
        // A subscriber that is in force to the end may have been put there by the very last poll.
        look_for_blindness();
        CURRENT.with(|current| current.borrow_mut().take());
    }
}

/// Calls `f` with the run on this thread, if there is one.
fn with_current<T>(f: impl FnOnce(&Capture) -> T) -> Option<T> {
    CURRENT
        .try_with(|current| current.try_borrow().ok().and_then(|current| current.as_ref().map(f)))
        .ok()
        .flatten()
}

/// What is said of whoever has our subscriber replaced.
const SEE_NOTHING: &str = "what nodes report is not seen then, and cannot be judged: report to the subscriber that is there, or put yours in \
                           place in `main`, or with `try_init`, which lets squall's be";

/// Gives up the run if it is not ours to see what is reported.
fn look_for_blindness() {
    if !tracing::dispatcher::get_default(tracing::Dispatch::is::<Router>) {
        with_current(|capture| {
            let polled = POLLED.get().checked_sub(1).and_then(|number| capture.world.process(number));
            let who = polled.map(|node| capture.recorder.name_for_panic(node));
            confine::refuse_by(
                who.as_deref(),
                "put a tracing subscriber of its own in place (tracing::subscriber::set_default)",
                SEE_NOTHING,
            );
        });
    }
}

impl Capture {
    /// Adds a line to the log, unless its process is dead.
    fn say(&self, level: Level, target: &str, text: String, parent: Option<&span::Id>) {
        let Some(place) = self.recorder.place() else { return };
        let spans = self.spans.borrow().told(parent);
        let line = Logged::new(place, level, target, text, spans);
        self.recorder.said(&line);
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

fn level_of(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

/// Routes events to the run on the calling thread.
struct Router;

/// Whether it is the span that madsim enters around each poll of a task, or that of a node, which is its parent.
fn is_of_tasks(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && metadata.target() == "madsim::sim::task"
        && matches!(metadata.name(), "task" | "node")
}

impl Subscriber for Router {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_of_tasks(metadata) {
            if metadata.name() == "task" {
                // Not for the first time: all are asked about again when there is a new subscriber.
                with_current(|_| confine::look_at_new_subscriber(SEE_NOTHING));
            }
            return Interest::always();
        }
        // Logging costs nothing where nobody wants it. A module path is never the target of a reported event.
        let is_logging = metadata.is_span() || metadata.target().contains("::");
        let unwanted = is_logging && MOST.load(Ordering::Relaxed) == Level::Off as u8;
        if unwanted || is_madsims(metadata.target()) { Interest::never() } else { Interest::sometimes() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let wanted = with_current(|capture| {
            if metadata.is_span() {
                !is_madsims(metadata.target()) && level_of(*metadata.level()) <= capture.log.most
            } else {
                capture.declared.targets.contains(&metadata.target())
                    || capture.log.wants(level_of(*metadata.level()), metadata.target())
            }
        });
        wanted == Some(true) || is_of_tasks(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let target = event.metadata().target();
        let Some((recorder, world, declared)) = with_current(|capture| {
            (capture.recorder.clone(), capture.world.clone(), capture.declared.clone())
        }) else {
            return;
        };
        if !declared.targets.contains(&target) {
            let mut reading = Reading::default();
            event.record(&mut reading);
            let level = level_of(*event.metadata().level());
            with_current(|capture| capture.say(level, target, reading.told(), event.parent()));
            return;
        }
        if recorder.is_judging() {
            confine::refuse_by(
                Some("an invariant or a condition"),
                &format!("reported an event of `{target}`"),
                "nodes and clients report, and invariants say what they find by a Breach",
            );
            return;
        }
        // A dead process reports nothing.
        let Some(life) = world.here() else { return };
        let mut reading = Reading { fields: Fields::new(), name: String::from(target) };
        event.record(&mut reading);
        if let Some(objection) = declared.objection(target, &reading.name, &reading.fields) {
            recorder.give_up(objection);
            return;
        }
        recorder.event(life, Cow::Owned(reading.name), reading.fields);
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Reading::default();
        if is_of_tasks(attributes.metadata()) {
            // A node's span goes by the node's number, and so do those of its tasks.
            if let Some(node) = attributes.parent() {
                return node.clone();
            }
            attributes.record(&mut fields);
            let number = fields.fields.text("id").and_then(|number| number.parse::<u64>().ok());
            return span::Id::from_u64(number.unwrap_or(0) + 1);
        }
        attributes.record(&mut fields);
        let name = attributes.metadata().name();
        let add = |capture: &Capture| {
            capture.spans.borrow_mut().add(name, fields, attributes.parent(), attributes.is_root())
        };
        with_current(add).unwrap_or(span::Id::from_u64(spans::FIRST))
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        if id.into_u64() >= spans::FIRST {
            with_current(|capture| capture.spans.borrow_mut().record(id, values));
        }
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, id: &span::Id) {
        if id.into_u64() >= spans::FIRST {
            with_current(|capture| capture.spans.borrow_mut().enter(id));
        } else {
            POLLED.set(id.into_u64());
            if IS_WATCHED.load(Ordering::Relaxed) {
                POLLED_LAST.store(id.into_u64(), Ordering::Relaxed);
                POLLS.fetch_add(1, Ordering::Relaxed);
                with_current(|capture| capture.recorder.begin_poll(id.into_u64() - 1));
            }
        }
    }

    fn exit(&self, id: &span::Id) {
        if id.into_u64() >= spans::FIRST {
            with_current(|capture| capture.spans.borrow_mut().exit(id));
        } else {
            look_for_blindness();
        }
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        if id.into_u64() >= spans::FIRST {
            with_current(|capture| capture.spans.borrow_mut().refer(id));
        }
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        if id.into_u64() >= spans::FIRST {
            with_current(|capture| capture.spans.borrow_mut().close(&id));
        }
        false
    }
}

fn level_of_log(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

/// Routes lines of the `log` crate to the run on the calling thread.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let level = level_of_log(metadata.level());
        with_current(|capture| capture.log.wants(level, metadata.target())).unwrap_or(false)
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = level_of_log(record.level());
        let text = record.args().to_string();
        with_current(|capture| capture.say(level, record.target(), text, None));
    }

    fn flush(&self) {}
}

/// The fields of an event or a span, and its message, which follows what `name` begins with.
#[derive(Default)]
struct Reading {
    fields: Fields,
    name: String,
}

impl Reading {
    fn separate(&mut self) {
        if !self.name.is_empty() {
            self.name.push('.');
        }
    }

    /// The message and the fields, as a line.
    fn told(&self) -> String {
        match (self.name.is_empty(), self.fields.is_empty()) {
            (_, true) => self.name.clone(),
            (true, false) => self.fields.to_string(),
            (false, false) => format!("{} {}", self.name, self.fields),
        }
    }
}

impl Visit for Reading {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.separate();
            write!(self.name, "{value:?}").expect("writing to a string succeeds");
        } else {
            self.fields.push(field.name(), format!("{value:?}"));
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.separate();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_declared_is_named_with_its_remedy() {
        let event = |name, fields| EventKind { name, fields, about: "" };
        let declared = Declared::new(
            &[event("saga.done", &["saga", "step"]), event("role.acquired", &["role"])],
            &["leader"],
        );
        let said = |target: &str, name: &str, fields: &[(&'static str, &str)]| {
            let fields = fields.iter().fold(Fields::new(), |all, (name, value)| all.with(*name, *value));
            declared.objection(target, name, &fields)
        };
        assert_eq!(said("saga", "saga.done", &[("step", "1")]), None, "a field may be missing");
        assert_eq!(said("effect", "effect.charged", &[("any", "1")]), None, "effects need no declaration");
        assert_eq!(said("role", "role.acquired", &[("role", "leader")]), None);
        let event = said("saga", "saga.gone", &[]).expect("it is not declared");
        assert!(event.contains("`saga.gone`") && event.contains("declare it"), "{event}");
        let field = said("saga", "saga.done", &[("saga", "1"), ("stepp", "2")]).expect("it is not declared");
        assert!(
            field.contains("`saga.done`") && field.contains("`stepp`") && field.contains("add it"),
            "{field}"
        );
        let role = said("role", "role.acquired", &[("role", "boss")]).expect("it is not declared");
        assert!(role.contains("`boss`") && role.contains("System::roles()"), "{role}");
    }
}
