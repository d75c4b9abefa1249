//! Hand-made histories: what is right passes, and each kind of wrong is caught at the record that shows it.

use std::time::Duration;

use squall::{
    Condition, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle, Operation},
};

use super::{Current, Elected};

#[derive(Default)]
struct History(Vec<Record>);

impl History {
    fn record(mut self, kind: Kind) -> Self {
        let seq = self.0.len() as u64;
        self.0.push(Record { seq, at: Duration::from_millis(seq), kind });
        self
    }

    fn event(self, node: &'static str, name: &'static str, fields: Fields) -> Self {
        self.record(Kind::Event { node: node.into(), incarnation: 1, name: name.into(), fields })
    }

    /// The value is ten times the version.
    fn written(self, token: i64, writer: &str, version: i64) -> Self {
        let fields = Fields::new().with("token", token).with("writer", writer.to_owned());
        let fields = fields.with("version", version).with("value", version * 10);
        self.event("store[0]", "effect.written", fields)
    }

    fn invoke(self, id: u32, name: &'static str) -> Self {
        self.record(Kind::Invoke(operation(id, name), Fields::new()))
    }

    fn ok(self, id: u32, name: &'static str, version: i64) -> Self {
        let fields = Fields::new().with("version", version).with("value", version * 10);
        self.record(Kind::Ok(operation(id, name), fields))
    }

    fn first_breach(&self, invariant: &mut dyn Invariant) -> Option<(u64, Breach)> {
        self.0.iter().find_map(|record| Some((record.seq, invariant.observe(record).err()?)))
    }

    fn class(&self, invariant: &mut dyn Invariant) -> Option<&'static str> {
        let (seq, breach) = self.first_breach(invariant)?;
        assert_eq!(seq, self.0.len() as u64 - 1, "the last record is the one");
        Some(breach.class)
    }
}

fn operation(id: u32, name: &'static str) -> Operation {
    Operation { id, client: 0, name: name.into() }
}

#[test]
fn a_read_sees_what_was_told_before_it_began() {
    let fine = || {
        let before = History::default().invoke(0, "read").ok(0, "read", 0).invoke(1, "write");
        // A read under way may or may not see the write.
        before.invoke(2, "read").written(1, "a", 1).ok(1, "write", 1).ok(2, "read", 0).invoke(3, "read")
    };
    let mut current = Current::default();
    assert_eq!(fine().ok(3, "read", 1).class(&mut current), None);
    assert_eq!(current.exercised(), 3);
    let class = |history: History| history.class(&mut Current::default());
    assert_eq!(class(fine().ok(3, "read", 0)), Some("stale_read"));
    assert_eq!(class(fine().ok(3, "read", 2)), Some("wrong_value"), "a version that was never made");
}

#[test]
fn a_writer_is_elected_until_it_lays_down_or_dies() {
    let role = |history: History, name| history.event("writers[1]", name, Fields::new());
    let holds = |history: History| {
        let mut elected = Elected::default();
        history.0.iter().for_each(|record| elected.observe(record));
        elected.holds()
    };
    let elected = || role(History::default(), "role.acquired");
    assert!(!holds(History::default()));
    assert!(holds(elected()));
    assert!(!holds(role(elected(), "role.lost")));
    let crash = Kind::Node { node: "writers[1]".into(), incarnation: 1, change: Lifecycle::Crashed };
    assert!(!holds(elected().record(crash)));
}
