//! Hand-made histories: what is told when, and what is no violation.

use super::*;
use crate::{
    history::Operation,
    language::{model::SpecificOf, promises::property},
};

/// A check in a history that grows.
struct Watched {
    check: Specific,
    next: u32,
    seq: u64,
}

impl Watched {
    fn new(name: &str, yaml: &str) -> Self {
        let of: SpecificOf = serde_yaml::from_str(yaml).expect("arguments");
        let property = property(name).expect("a property");
        Watched { check: Specific::new(name.to_owned(), &Spec { property, of }), next: 0, seq: 0 }
    }

    fn record(&mut self, kind: Kind) -> Result<(), Breach> {
        let (seq, at) = (self.seq, Duration::from_millis(self.seq));
        self.seq += 1;
        self.check.observe(&Record { seq, at, kind })
    }

    fn invoke(&mut self, name: &'static str, input: Fields) -> (Operation, Result<(), Breach>) {
        let operation = Operation { id: self.next, client: self.next % 3, name: name.into() };
        self.next += 1;
        let heard = self.record(Kind::Invoke(operation.clone(), input));
        (operation, heard)
    }

    fn call(&mut self, name: &'static str, input: Fields, output: Fields) -> Result<(), Breach> {
        let (operation, heard) = self.invoke(name, input);
        heard.and_then(|()| self.record(Kind::Ok(operation, output)))
    }

    fn event(&mut self, node: &'static str, name: &'static str, fields: Fields) -> Result<(), Breach> {
        self.record(Kind::Event { node: node.into(), incarnation: 1, name: name.into(), fields })
    }

    fn end(&mut self) -> Result<(), Breach> {
        let at = Duration::from_millis(self.seq);
        self.check.finish(&End { healed_at: at, ended_at: at })
    }
}

fn none() -> Fields {
    Fields::new()
}

#[test]
fn a_violation_is_told_at_the_record_that_shows_it() {
    let mut ids = Watched::new("unique_ids", "{ ops: { take: give, lease.granted: give }, value: id }");
    ids.call("take", none(), none().with("id", 7)).expect("the first");
    assert_eq!(ids.check.exercised(), 0, "one id alone cannot be wrong");
    ids.call("look", none(), none().with("id", 7)).expect("nothing is said of it");
    ids.event("a[0]", "lease.granted", none().with("id", 8)).expect("another");
    let breach = ids.event("a[1]", "lease.granted", none().with("id", 7)).expect_err("it was given before");
    assert_eq!(breach.class, "given_twice");
    assert_eq!(breach.seen, "7 was given to client 0, and then to a[1]");
    assert_eq!(breach.evidence, [1, 5]);
    assert_eq!(ids.check.exercised(), 1);
}

#[test]
fn keys_values_and_conditions_are_fields() {
    let mut counter = Watched::new(
        "counter_bounds",
        "{ ops: { deposit: { verb: add, value: amount, where: { sort: cash } }, look: { verb: read, value: balance } }, key: account }",
    );
    let deposit =
        |account: &str, sort: &str| none().with("account", account).with("amount", 5).with("sort", sort);
    counter.call("deposit", deposit("a", "cash"), none()).expect("it is no read");
    counter.call("deposit", deposit("a", "cheque"), none()).expect("it is no read");
    counter.call("deposit", deposit("b", "cash"), none()).expect("it is no read");
    let look = |counter: &mut Watched, saw: i64| {
        counter.call("look", none().with("account", "a"), none().with("balance", saw))
    };
    look(&mut counter, 5).expect("the cheque does not count");
    let breach = look(&mut counter, 10).expect_err("that is more than there is");
    assert_eq!(
        (breach.class, &*breach.expected),
        ("above_bounds", "a read between 5, which is surely counted, and 5, which can be")
    );
    assert!(breach.seen.starts_with("of account a, client"), "{breach:?}");
}

#[test]
fn what_says_nothing_is_undecided_with_the_nearest_field() {
    let mut ids = Watched::new("unique_ids", "{ ops: { take: give }, value: idd }");
    ids.call("take", none().with("from", 1), none().with("id", 7)).expect("no violation");
    let why = ids.check.undecided().expect("there is no id");
    assert!(why.contains("did you mean `id`?") && why.contains("`from`"), "{why}");
    let mut counter = Watched::new("counter_bounds", "{ ops: { add: add, read: read }, value: value }");
    counter.call("add", none().with("value", "seven"), none()).expect("no violation");
    assert!(counter.check.undecided().expect("no number").contains("given seven, a text"));
    assert!(counter.end().is_ok());
}

#[test]
fn a_declared_stale_read_and_an_operation_without_an_end_break_nothing() {
    let mut set = Watched::new(
        "growing_set",
        "{ ops: { add: { verb: add, value: x }, list: { verb: read, value: xs } } }",
    );
    set.call("add", none().with("x", 1), none()).expect("no read");
    let (_, heard) = set.invoke("add", none().with("x", 2));
    heard.expect("no read");
    set.call("list", none(), none().with("xs", "").with("stale", true)).expect("declared");
    assert_eq!(set.check.exercised(), 0);
    set.call("list", none(), none().with("xs", "1 2")).expect("the second may be there");
    set.call("list", none(), none().with("xs", "1")).expect_err("now it must");
}

#[test]
fn a_queue_loses_what_was_put_in_before_the_heal() {
    let queue = || Watched::new("total_queue", "{ ops: { send: put, receive: take }, value: message }");
    let message = |text: &str| none().with("message", text);
    let mut lost = queue();
    lost.call("send", message("a"), none()).expect("no take");
    assert_eq!(lost.end().expect_err("it never came out").class, "lost");
    let mut late = queue();
    late.call("send", message("a"), none()).expect("no take");
    let start = End { healed_at: Duration::ZERO, ended_at: Duration::from_millis(9) };
    assert!(late.check.finish(&start).is_ok(), "it was put in after the heal");
}

#[test]
fn a_holder_that_dies_holds_nothing() {
    let lock = "{ ops: { role.acquired: acquire, role.lost: lose } }";
    let crash = || Kind::Node { node: "a".into(), incarnation: 1, change: Lifecycle::Crashed };
    for (dies, legal) in [(true, true), (false, false)] {
        let mut watched = Watched::new("mutual_exclusion", lock);
        watched.event("a", "role.acquired", none()).expect("the first");
        if dies {
            watched.record(crash()).expect("no acquisition");
        }
        assert_eq!(watched.event("b", "role.acquired", none()).is_ok(), legal);
    }
}

#[test]
fn replicas_are_compared_at_the_end() {
    let mut replicas = Watched::new("convergence", "{ ops: { store.applied: hold }, value: last }");
    replicas.event("a", "store.applied", none().with("last", 3)).expect("nothing before the end");
    replicas.event("b", "store.applied", none().with("last", 2)).expect("nothing before the end");
    let breach = replicas.end().expect_err("they differ");
    assert_eq!(breach.seen, "a holds 3; b holds 2");
}

/// Who holds something is in the answer; one that fails has none.
#[test]
fn a_read_that_failed_names_no_replica() {
    let mut replicas = Watched::new("convergence", "{ ops: { read: hold }, value: balance, by: replica }");
    let (operation, heard) = replicas.invoke("read", none());
    heard.expect("it begins");
    replicas.record(Kind::Fail(operation, none().with("reason", "behind"))).expect("it had no effect");
    assert_eq!(replicas.check.undecided(), None);
    replicas.call("read", none(), none().with("balance", 3)).expect("no violation");
    assert!(replicas.check.undecided().expect("nobody is named").contains("`replica`"));
}
