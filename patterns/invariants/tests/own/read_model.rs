//! A journal of bookings and a view of its sums, which report as `journal` and `view`.

use std::{collections::BTreeMap, time::Duration};

use squall::{BoxError, Condition, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, System};
use squall_invariants::{
    cqrs::{Rules, conditions, laws},
    event_log,
};
use squall_rt::time;

use super::{Op, Params, wait};

const RULES: Rules = Rules { log: event_log::Rules { floor: None }, grace: Duration::from_millis(500) };

/// Each booking changes an account by an amount.
struct Books;

/// The sums, and how many bookings are in each.
#[derive(Default)]
struct View {
    rows: BTreeMap<&'static str, (i64, i64)>,
    seen: usize,
}

impl View {
    /// Takes up what the journal has beyond what it has seen. The flawed one begins with the last that it has.
    fn follow(&mut self, journal: &[(&'static str, i64)], flawed: bool) {
        let from = if flawed { self.seen.saturating_sub(1) } else { self.seen };
        for (account, amount) in &journal[from..] {
            let (bookings, sum) = self.rows.entry(account).or_default();
            *bookings += 1;
            *sum += amount;
        }
        tracing::info!(target: "view", from = from + 1, to = journal.len(), "took_up");
        self.seen = journal.len();
    }

    fn show(&self, account: &'static str) {
        let (bookings, sum) = self.rows.get(account).copied().unwrap_or_default();
        tracing::info!(target: "view", account, bookings, sum, as_of = self.seen, "showed");
    }
}

impl System for Books {
    const NAME: &'static str = "books";
    const ABOUT: &'static str = "a read model of somebody else's";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_: &Params) -> Vec<Group> {
        vec![Group { name: "bookkeeper", size: 1 }]
    }

    fn operations(_: &Params) -> Operations<Op> {
        wait()
    }

    fn events() -> &'static [EventKind] {
        const {
            &[
                EventKind::new("journal.writes", &["line", "account", "nth", "amount"], "a line is written"),
                EventKind::new("journal.wrote", &["from", "to"], "these lines are in"),
                EventKind::new("view.begun", &["as_of"], "there is a view"),
                EventKind::new("view.took_up", &["from", "to"], "these lines are in the view"),
                EventKind::new("view.showed", &["account", "bookings", "sum", "as_of"], "a sum was shown"),
            ]
        }
    }

    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        laws(RULES)
    }

    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        conditions(RULES)
    }

    fn flaws() -> &'static [Flaw] {
        const {
            &[Flaw {
                name: "counts_twice",
                about: "the last line it has seen is taken up again",
                violates: "projection_correctness",
            }]
        }
    }

    fn apply_variant(params: &mut Params, _: &'static str) {
        params.flawed = true;
    }

    async fn run_node(_: Node, params: Params) -> Result<(), BoxError> {
        let (mut journal, mut nths, mut view) = (Vec::new(), BTreeMap::<_, i64>::new(), View::default());
        tracing::info!(target: "view", as_of = 0, "begun");
        for n in 1i64.. {
            time::sleep(Duration::from_millis(50)).await;
            let account = if n % 2 == 0 { "rent" } else { "wages" };
            let nth = nths.entry(account).or_default();
            *nth += 1;
            tracing::info!(target: "journal", line = n, account, nth = *nth, amount = n * 10, "writes");
            journal.push((account, n * 10));
            tracing::info!(target: "journal", from = n, to = n, "wrote");
            if n % 4 == 0 {
                view.follow(&journal, params.flawed);
            }
            view.show(account);
        }
        Ok(())
    }

    async fn open_session(_: Node, _: Params) {}

    async fn perform((): &mut (), Op::Wait: Op) -> Outcome {
        Outcome::ok()
    }
}

const LOG: &str = "event_log.staged: { event: journal.writes, fields: { position: line, stream: account, version: nth, quantity: amount } },
    effect.committed: { event: journal.wrote, fields: { first: from, last: to } }";

fn checks() -> String {
    let view = format!(
        "{{ events: {{ {LOG},
    cqrs.opened: {{ event: view.begun, fields: {{ position: as_of }} }},
    effect.projected: {{ event: view.took_up, fields: {{ first: from, last: to }} }},
    cqrs.exposed: {{ event: view.showed, fields: {{ key: account, version: bookings, quantity: sum, position: as_of }} }} }} }}"
    );
    format!(
        "- event_log_integrity: {{ events: {{ {LOG} }} }}\n- projection_correctness: {view}\n\
         - eventually: {{ within: 1s, that: {{ replicas_caught_up: {view} }} }}\n"
    )
}

#[test]
fn a_good_one_passes_and_is_judged() {
    let judged =
        [("event_log_integrity", 100), ("projection_correctness", 100), ("eventually replicas_caught_up", 1)];
    super::passes::<Books>(&checks(), &judged);
}

#[test]
fn one_that_counts_twice_is_caught() {
    super::caught::<Books>(&checks(), "projection_correctness", "applied_twice");
}
