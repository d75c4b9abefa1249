//! Hand-made histories, each judged at its end.

use super::*;
use crate::{history::Operation as Asked, language::promises::PROMISES};

/// A history under construction.
#[derive(Default)]
struct History {
    records: Vec<Record>,
    next: u32,
}

impl History {
    fn record(&mut self, kind: Kind) {
        let seq = self.records.len() as u64;
        self.records.push(Record { seq, at: Duration::from_millis(seq), kind });
    }

    fn invoke(&mut self, client: u32, name: &'static str, fields: Fields) -> Asked {
        let asked = Asked { id: self.next, client, name: name.into() };
        self.next += 1;
        self.record(Kind::Invoke(asked.clone(), fields));
        asked
    }

    /// An operation that is over before anything else happens.
    fn call(mut self, client: u32, name: &'static str, input: Fields, output: Fields) -> Self {
        let asked = self.invoke(client, name, input);
        self.record(Kind::Ok(asked, output));
        self
    }

    fn unknown(mut self, client: u32, name: &'static str, input: Fields) -> Self {
        let asked = self.invoke(client, name, input);
        self.record(Kind::Info(asked, Fields::new()));
        self
    }

    fn write(self, client: u32, key: &str, version: i64) -> Self {
        self.call(client, "put", Fields::new(), Fields::new().with("wrote", key).with("version", version))
    }

    fn read(self, client: u32, key: &str, version: i64) -> Self {
        self.call(client, "get", Fields::new(), Fields::new().with("read", key).with("version", version))
    }

    fn judged(&self, mut check: Consistent) -> (Result<(), Breach>, Consistent) {
        for record in &self.records {
            check.observe(record).expect("nothing is judged before the end");
        }
        let end = End { healed_at: Duration::ZERO, ended_at: Duration::from_secs(1) };
        (check.finish(&end), check)
    }

    fn class(&self, promise: &str) -> Option<&'static str> {
        self.judged(Consistent::builtin(promise).expect("a promise")).0.err().map(|breach| breach.class)
    }
}

fn by_model(yaml: &str) -> Consistent {
    let of = serde_yaml::from_str(yaml).expect("arguments");
    Consistent::new("it".to_owned(), &Spec { promise: "linearizable".to_owned(), of })
}

#[test]
fn every_promise_is_one() {
    for (name, about) in PROMISES {
        assert!(promise(name).is_some(), "{name}");
        assert!(!about.is_empty());
    }
    assert!(promise("read_your_writes").is_none(), "it is judged as a run goes");
}

#[test]
fn a_stale_read_is_sequential_and_not_linearizable() {
    let stale = History::default().write(0, "a", 1).write(0, "a", 2).read(1, "a", 1);
    assert!(stale.class("linearizable").is_some());
    assert_eq!(stale.class("sequential"), None);
    let (breach, check) = stale.judged(Consistent::builtin("linearizable").expect("a promise"));
    let breach = breach.expect_err("it is stale");
    assert_eq!(breach.evidence.iter().max(), Some(&5), "{breach:?}");
    assert_eq!(check.exercised(), 3);
    let picture =
        Consistent::builtin("linearizable").expect("a promise").picture(&stale.records).expect("a picture");
    assert!(picture.contains("session 1"), "{picture}");
}

#[test]
fn a_fork_is_causal_and_not_sequential() {
    // Each writes and does not see the other's write.
    let fork = History::default().write(0, "a", 1).write(1, "b", 1).read(0, "b", 0).read(1, "a", 0);
    assert_eq!(fork.class("causal"), None);
    assert!(fork.class("sequential").is_some());
    let backwards = History::default().write(0, "a", 1).write(0, "b", 1).read(1, "b", 1).read(1, "a", 0);
    assert!(backwards.class("causal").is_some());
    assert!(backwards.class("pram").is_some());
    assert_eq!(backwards.class("read_committed"), None);
}

#[test]
fn two_writes_of_one_version_are_a_lost_update() {
    let lost = History::default().write(0, "a", 1).write(1, "a", 1);
    assert_eq!(lost.class("linearizable"), Some("version_made_twice"));
}

#[test]
fn what_nobody_is_known_to_have_written_is_no_breach_by_itself() {
    let unknown =
        History::default().unknown(0, "put", Fields::new()).read(1, "a", 7).read(1, "a", 8).read(2, "a", 8);
    let (judged, check) = unknown.judged(Consistent::builtin("linearizable").expect("a promise"));
    assert!(judged.is_ok());
    assert_eq!(check.undecided(), None, "it was written at some time, and that will do");
    assert!(History::default().read(1, "a", 8).read(2, "a", 7).class("linearizable").is_some());
}

#[test]
fn a_declared_stale_read_is_judged_by_nothing() {
    let declared = Fields::new().with("read", "a").with("version", 1).with("stale", true);
    let history =
        History::default().write(0, "a", 1).write(0, "a", 2).call(1, "get", Fields::new(), declared);
    assert_eq!(history.class("linearizable"), None);
}

#[test]
fn operations_are_calls_on_a_model() {
    let value = |value: i64| Fields::new().with("amount", value);
    let read = |saw: i64| {
        History::default()
            .call(0, "deposit", value(5), Fields::new())
            .unknown(0, "deposit", value(2))
            .call(1, "audit", Fields::new(), Fields::new())
            .call(1, "look", Fields::new(), value(saw))
    };
    let counter = || by_model("{ model: counter, value: amount, ops: { deposit: add, look: read } }");
    for (saw, legal) in [(5, true), (7, true), (6, false), (0, false)] {
        let (judged, check) = read(saw).judged(counter());
        assert_eq!(judged.is_ok(), legal, "{saw}: {judged:?}");
        assert_eq!(check.exercised(), 2);
        if let Err(breach) = judged {
            assert_eq!(breach.class, "not_linearizable");
            assert!(breach.evidence.contains(&7), "the read's answer: {breach:?}");
        }
    }
}

#[test]
fn a_swap_takes_what_it_expects_from_a_field() {
    let swap = |expected: i64, to: i64| {
        History::default()
            .call(0, "write", Fields::new().with("value", 1), Fields::new())
            .call(0, "cas", Fields::new().with("expected", expected).with("value", to), Fields::new())
            .call(1, "read", Fields::new(), Fields::new().with("value", to))
    };
    assert!(swap(1, 2).judged(by_model("{ model: register }")).0.is_ok());
    assert!(swap(3, 2).judged(by_model("{ model: register }")).0.is_err());
}

#[test]
fn a_budget_that_runs_out_is_undecided() {
    let mut history = History::default();
    let asked: Vec<Asked> =
        (0..14).map(|i| history.invoke(i, "add", Fields::new().with("value", 1 << i))).collect();
    for asked in asked {
        history.record(Kind::Info(asked, Fields::new()));
    }
    let history = history.call(20, "read", Fields::new(), Fields::new().with("value", 3)).call(
        20,
        "read",
        Fields::new(),
        Fields::new().with("value", 2),
    );
    let (judged, check) = history.judged(by_model("{ model: counter, budget: 1us }"));
    assert!(judged.is_ok());
    assert!(check.undecided().expect("ten steps are not enough").contains("undecided after 10 steps"));
    let (judged, _) = history.judged(by_model("{ model: counter }"));
    assert!(judged.is_err());
}

/// A mistake in a check is no violation: a spec that expects one would be content with it.
#[test]
fn what_a_model_does_not_know_is_named_and_nothing_is_decided() {
    let history = History::default().call(0, "push", Fields::new(), Fields::new());
    let (judged, check) = history.judged(by_model("{ model: register }"));
    assert!(judged.is_ok());
    let why = check.undecided().expect("a register has no push");
    assert!(why.contains("`push` is nothing that can be asked here"), "{why}");
}

#[test]
fn each_operation_has_its_value_where_it_says() {
    let history = |saw: i64| {
        History::default().call(0, "deposit", Fields::new().with("amount", 5), Fields::new()).call(
            1,
            "look",
            Fields::new(),
            Fields::new().with("balance", saw),
        )
    };
    let check = || {
        by_model(
            "{ model: counter, ops: { deposit: { verb: add, value: amount }, look: { verb: read, value: balance } } }",
        )
    };
    assert!(history(5).judged(check()).0.is_ok());
    assert!(history(4).judged(check()).0.is_err());
}
