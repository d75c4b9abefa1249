//! Laws over events that a service calls otherwise.

use std::borrow::Cow;

use super::{Breach, Condition, End, Invariant};
use crate::{
    history::{EventKind, Fields, Kind, Record},
    language::model::MappedOf,
};

/// What a law calls events and their fields, and what a service calls them. What is not mapped has the law's names already; an event that
/// bears the name of one that is mapped is not shown to the law.
///
/// ```
/// use squall::check::Mapping;
///
/// // The law's `saga.step_done { saga, step }` is this service's `checkout.ok { order, step }`.
/// let mapping = Mapping::new().event("saga.step_done", "checkout.ok").field("saga", "order");
/// # let _ = mapping;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Mapping(Vec<Event>);

#[derive(Clone, Debug)]
struct Event {
    law: String,
    own: String,
    /// Fields: the law's name, and the service's.
    fields: Vec<(String, String)>,
}

impl Mapping {
    /// Nothing is called otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the law calls `law` is `own` here.
    pub fn event(mut self, law: impl Into<String>, own: impl Into<String>) -> Self {
        self.0.push(Event { law: law.into(), own: own.into(), fields: Vec::new() });
        self
    }

    /// In the event that was mapped last: what the law calls `law` is the field `own`.
    ///
    /// # Panics
    /// When no event was mapped before.
    pub fn field(mut self, law: impl Into<String>, own: impl Into<String>) -> Self {
        let last = self.0.last_mut().expect("a field is one of an event: map that first");
        last.fields.push((law.into(), own.into()));
        self
    }

    /// The invariant, which is shown each event under the names that it knows.
    pub fn invariant(self, law: Box<dyn Invariant>) -> Box<dyn Invariant> {
        Box::new(Mapped { mapping: self, law })
    }

    /// The condition, likewise.
    pub fn condition(self, law: Box<dyn Condition>) -> Box<dyn Condition> {
        Box::new(Mapped { mapping: self, law })
    }

    /// What a spec says.
    pub(super) fn of(spec: &MappedOf) -> Self {
        let mut mapping = Mapping::new();
        for (law, own) in &spec.events {
            mapping = mapping.event(&**law, &**own.event);
            for (law, own) in &own.fields {
                mapping = mapping.field(&**law, &**own);
            }
        }
        mapping
    }

    /// A record as the law is to see it; none if it is not to.
    fn shown<'r>(&self, record: &'r Record) -> Option<Cow<'r, Record>> {
        let Kind::Event { node, incarnation, name, fields } = &record.kind else {
            return Some(Cow::Borrowed(record));
        };
        let Some(event) = self.0.iter().find(|event| event.own == **name) else {
            let is_another = self.0.iter().any(|event| event.law == **name);
            return (!is_another).then_some(Cow::Borrowed(record));
        };
        let mut shown = Fields::new();
        for (own, value) in fields.iter() {
            let called = event.fields.iter().find(|(_, mapped)| mapped == own);
            let taken = event.fields.iter().any(|(law, _)| law == own);
            match called {
                Some((law, _)) => shown.push(law.clone(), value.clone()),
                None if taken => {}
                None => shown.push(own.to_owned(), value.clone()),
            }
        }
        let kind = Kind::Event {
            node: node.clone(),
            incarnation: *incarnation,
            name: event.law.clone().into(),
            fields: shown,
        };
        Some(Cow::Owned(Record { kind, ..record.clone() }))
    }
}

struct Mapped<L: ?Sized> {
    mapping: Mapping,
    law: Box<L>,
}

impl Invariant for Mapped<dyn Invariant> {
    fn name(&self) -> &str {
        self.law.name()
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        self.mapping.shown(record).map_or(Ok(()), |record| self.law.observe(&record))
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        self.law.finish(end)
    }

    fn exercised(&self) -> u64 {
        self.law.exercised()
    }

    fn undecided(&self) -> Option<String> {
        self.law.undecided()
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        self.law.vocabulary()
    }
}

impl Condition for Mapped<dyn Condition> {
    fn name(&self) -> &str {
        self.law.name()
    }

    fn observe(&mut self, record: &Record) {
        if let Some(record) = self.mapping.shown(record) {
            self.law.observe(&record);
        }
    }

    fn holds(&self) -> bool {
        self.law.holds()
    }

    fn because(&self) -> String {
        self.law.because()
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        self.law.vocabulary()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn event(name: &'static str, fields: Fields) -> Record {
        let kind = Kind::Event { node: "n[0]".into(), incarnation: 3, name: name.into(), fields };
        Record { seq: 7, at: Duration::from_secs(1), kind }
    }

    #[test]
    fn a_law_sees_its_own_names() {
        let mapping = Mapping::new()
            .event("saga.step_done", "checkout.ok")
            .field("saga", "order")
            .field("step", "what")
            .event("saga.started", "checkout.begun");
        let fields = Fields::new().with("order", 1).with("what", "charge").with("saga", "no").with("n", 2);
        let shown =
            mapping.shown(&event("checkout.ok", fields)).expect("it is one of the law's").into_owned();
        let expected = Fields::new().with("saga", 1).with("step", "charge").with("n", 2);
        assert_eq!(shown, event("saga.step_done", expected));
        // What the law would take for another is not its own.
        assert!(mapping.shown(&event("saga.started", Fields::new())).is_none());
        let other = event("saga.parked", Fields::new());
        assert_eq!(mapping.shown(&other).as_deref(), Some(&other));
    }

    /// As many sagas are open as have started.
    #[derive(Default)]
    struct NoneStarted(u64);

    impl Condition for NoneStarted {
        fn name(&self) -> &str {
            "none_started"
        }
        fn observe(&mut self, record: &Record) {
            self.0 += u64::from(record.event().is_some_and(|(name, _)| name == "saga.started"));
        }
        fn holds(&self) -> bool {
            self.0 == 0
        }
        fn because(&self) -> String {
            format!("{} started", self.0)
        }
    }

    #[test]
    fn a_condition_does_too() {
        let mapping = Mapping::new().event("saga.started", "checkout.begun");
        let mut condition = mapping.condition(Box::<NoneStarted>::default());
        condition.observe(&event("saga.started", Fields::new()));
        assert!(condition.holds());
        condition.observe(&event("checkout.begun", Fields::new()));
        assert_eq!((condition.holds(), condition.because()), (false, "1 started".to_owned()));
    }
}
