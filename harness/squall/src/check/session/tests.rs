//! Hand-made histories, each judged record by record.

use std::{borrow::Cow, time::Duration};

use crate::{
    check::{
        Breach, Invariant,
        builtin::{builtin, builtins},
    },
    history::{Fields, Kind, Operation, Record},
};

/// A history under construction, judged as it grows.
struct Judged {
    invariant: Box<dyn Invariant>,
    seq: u64,
    breach: Option<Breach>,
}

impl Judged {
    fn by(name: &str) -> Self {
        Judged { invariant: builtin(name).expect("a built-in invariant"), seq: 0, breach: None }
    }

    fn record(mut self, kind: Kind) -> Self {
        let record = Record { seq: self.seq, at: Duration::from_millis(self.seq), kind };
        self.seq += 1;
        if let Err(breach) = self.invariant.observe(&record) {
            self.breach.get_or_insert(breach);
        }
        self
    }

    fn invoke(self, client: u32, id: u32) -> Self {
        self.record(Kind::Invoke(operation(client, id), Fields::new()))
    }

    fn ok(self, client: u32, id: u32, fields: Fields) -> Self {
        self.record(Kind::Ok(operation(client, id), fields))
    }

    fn write(self, client: u32, id: u32, key: &str, version: i64) -> Self {
        self.invoke(client, id).ok(client, id, wrote(key, version))
    }

    fn read(self, client: u32, id: u32, key: &str, version: i64) -> Self {
        self.invoke(client, id).ok(client, id, read(key, version))
    }

    fn class(&self) -> Option<&str> {
        self.breach.as_ref().map(|breach| breach.class)
    }

    fn holds(self, exercised: u64) {
        assert_eq!(self.breach, None);
        assert_eq!(self.invariant.exercised(), exercised);
    }
}

fn operation(client: u32, id: u32) -> Operation {
    Operation { id, client, name: Cow::Borrowed("op") }
}

fn wrote(key: &str, version: i64) -> Fields {
    Fields::new().with("wrote", key).with("version", version)
}

fn read(key: &str, version: i64) -> Fields {
    Fields::new().with("read", key).with("version", version)
}

#[test]
fn every_builtin_is_found_under_its_name() {
    for (name, about) in builtins() {
        assert_eq!(builtin(name).expect("listed").name(), name);
        assert!(!about.is_empty());
    }
    assert!(builtin("nothing_of_the_kind").is_none());
}

#[test]
fn a_session_that_reads_its_writes_holds() {
    Judged::by("read_your_writes")
        .write(0, 0, "a", 3)
        .read(0, 1, "a", 3)
        .read(0, 2, "a", 7)
        .read(0, 3, "b", 0)
        .holds(2);
}

#[test]
fn a_read_below_the_own_write_is_stale() {
    let judged = Judged::by("read_your_writes").write(0, 0, "a", 3).read(0, 1, "a", 2);
    assert_eq!(judged.class(), Some("stale_read"));
    assert_eq!(
        judged.breach.expect("a breach").evidence,
        [1, 2],
        "the write's completion and the read's invocation"
    );
}

#[test]
fn a_later_lower_write_does_not_lower_the_bar() {
    let judged = Judged::by("read_your_writes").write(0, 0, "a", 5).write(0, 1, "a", 4).read(0, 2, "a", 4);
    assert_eq!(judged.class(), Some("stale_read"));
}

#[test]
fn other_sessions_and_other_keys_are_not_bound() {
    Judged::by("read_your_writes").write(0, 0, "a", 3).read(1, 1, "a", 0).read(0, 2, "b", 0).holds(0);
}

#[test]
fn a_read_that_was_under_way_when_the_write_completed_is_not_bound() {
    Judged::by("read_your_writes")
        .invoke(0, 0)
        .write(0, 1, "a", 3)
        .ok(0, 0, read("a", 2))
        .read(0, 2, "a", 3)
        .holds(1);
}

#[test]
fn a_declared_stale_read_is_allowed_and_proves_nothing() {
    Judged::by("read_your_writes")
        .write(0, 0, "a", 3)
        .invoke(0, 1)
        .ok(0, 1, read("a", 1).with("stale", true))
        .holds(0);
    let judged = Judged::by("read_your_writes").write(0, 0, "a", 3).invoke(0, 1).ok(
        0,
        1,
        read("a", 1).with("stale", false),
    );
    assert_eq!(judged.class(), Some("stale_read"), "`stale = false` declares nothing");
}

#[test]
fn writes_that_are_not_known_to_have_happened_bind_no_one() {
    Judged::by("read_your_writes")
        .invoke(0, 0)
        .record(Kind::Info(operation(0, 0), wrote("a", 3)))
        .invoke(0, 1)
        .record(Kind::Fail(operation(0, 1), wrote("a", 4)))
        .read(0, 2, "a", 0)
        .holds(0);
}

#[test]
fn a_read_modify_write_is_judged_before_it_raises_the_bar() {
    let both = |version: i64| read("a", version).with("wrote", "a");
    Judged::by("read_your_writes").invoke(0, 0).ok(0, 0, both(1)).invoke(0, 1).ok(0, 1, both(2)).holds(1);
}

#[test]
fn keys_may_be_numbers() {
    let judged = Judged::by("read_your_writes")
        .invoke(0, 0)
        .ok(0, 0, Fields::new().with("wrote", 7).with("version", 2))
        .invoke(0, 1)
        .ok(0, 1, Fields::new().with("read", 7).with("version", 1));
    assert_eq!(judged.class(), Some("stale_read"));
}

#[test]
fn an_access_without_a_version_is_reported_rather_than_passed_over() {
    for fields in [Fields::new().with("wrote", "a"), Fields::new().with("read", "a").with("version", "3")] {
        let judged = Judged::by("read_your_writes").invoke(0, 0).ok(0, 0, fields);
        assert_eq!(judged.class(), Some("malformed_outcome"));
    }
}

#[test]
fn reads_that_go_backwards_are_caught() {
    let judged = Judged::by("monotonic_reads").read(0, 0, "a", 4).read(0, 1, "a", 3);
    assert_eq!(judged.class(), Some("backward_read"));
    assert_eq!(judged.breach.expect("a breach").evidence, [1, 2]);
}

#[test]
fn monotonic_reads_look_at_reads_of_one_session_and_key_alone() {
    Judged::by("monotonic_reads")
        .write(0, 0, "a", 9)
        .read(0, 1, "a", 4)
        .read(1, 2, "a", 3)
        .read(0, 3, "b", 1)
        .read(0, 4, "a", 4)
        .holds(1);
}

#[test]
fn a_declared_stale_read_does_not_lower_the_bar() {
    let judged = Judged::by("monotonic_reads")
        .read(0, 0, "a", 4)
        .invoke(0, 1)
        .ok(0, 1, read("a", 2).with("stale", true))
        .read(0, 2, "a", 3);
    assert_eq!(judged.class(), Some("backward_read"));
}
