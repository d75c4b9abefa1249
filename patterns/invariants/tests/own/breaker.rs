//! A breaker that reports as `guard`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use squall::{BoxError, Condition, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, System};
use squall_invariants::circuit_breaker::{HalfOpen, Rules, Window, conditions, laws};
use squall_rt::{
    task,
    time::{self, Instant},
};

use super::{Op, Params, wait};

/// Opens when 2 of the last 4 calls failed, for a second; one good probe closes it.
const RULES: Rules = Rules {
    window: Window::Calls(4),
    minimum_calls: 4,
    failure_rate: 0.5,
    slow_calls: None,
    wait: Duration::from_secs(1),
    backoff: None,
    half_open: HalfOpen { probes: 1, successes: 1, max_wait: None },
};

#[derive(Clone, Copy, PartialEq)]
enum State {
    Shut,
    Open(Instant),
    Probing,
}

/// The breaker: what it takes for a call's round is all that is right or wrong with it.
struct Guard {
    state: State,
    round: i64,
    tickets: i64,
    last: VecDeque<bool>,
    probing: bool,
    heeds_late: bool,
}

impl Guard {
    fn turn(&mut self, to: State) {
        let name = |state| match state {
            State::Shut => "closed",
            State::Open(_) => "open",
            State::Probing => "half_open",
        };
        let was = name(self.state);
        self.state = to;
        self.round += 1;
        self.last.clear();
        self.probing = false;
        tracing::info!(target: "guard", guard = "g", was, is = name(to), round = self.round, "moved");
    }

    fn enter(&mut self) -> Option<(i64, i64)> {
        if let State::Open(since) = self.state
            && since.elapsed() >= RULES.wait
        {
            self.turn(State::Probing);
        }
        let free = match self.state {
            State::Shut => true,
            State::Open(_) => false,
            State::Probing => !self.probing,
        };
        if !free {
            tracing::info!(target: "guard", guard = "g", round = self.round, "sent_away");
            return None;
        }
        self.probing = self.state == State::Probing;
        self.tickets += 1;
        tracing::info!(target: "guard", guard = "g", round = self.round, ticket = self.tickets, "let_in");
        Some((self.tickets, self.round))
    }

    fn leave(&mut self, (ticket, round): (i64, i64), good: bool) {
        let stale = round != self.round && !self.heeds_late;
        let outcome = if good { "success" } else { "failure" };
        tracing::info!(target: "guard", guard = "g", ticket, outcome, stale, "heard");
        if stale {
            return;
        }
        self.last.push_back(good);
        if self.last.len() > 4 {
            self.last.pop_front();
        }
        let bad = self.last.iter().filter(|good| !**good).count();
        match (self.state, good) {
            (State::Shut, _) if self.last.len() == 4 && bad >= 2 => self.turn(State::Open(Instant::now())),
            (State::Probing | State::Open(_), true) => self.turn(State::Shut),
            (State::Probing, false) => self.turn(State::Open(Instant::now())),
            _ => {}
        }
    }
}

struct Guarded;

impl System for Guarded {
    const NAME: &'static str = "guarded";
    const ABOUT: &'static str = "a breaker of somebody else's";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_: &Params) -> Vec<Group> {
        vec![Group { name: "callers", size: 1 }]
    }

    fn operations(_: &Params) -> Operations<Op> {
        wait()
    }

    fn events() -> &'static [EventKind] {
        &[
            EventKind { name: "guard.born", fields: &["guard"], about: "it is there" },
            EventKind { name: "guard.moved", fields: &["guard", "was", "is", "round"], about: "it moved" },
            EventKind { name: "guard.let_in", fields: &["guard", "round", "ticket"], about: "a call goes" },
            EventKind { name: "guard.sent_away", fields: &["guard", "round"], about: "a call does not" },
            EventKind {
                name: "guard.heard",
                fields: &["guard", "ticket", "outcome", "stale"],
                about: "a call ended",
            },
        ]
    }

    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        laws(RULES, Duration::from_secs(1), Duration::from_secs(3))
    }

    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        conditions()
    }

    fn flaws() -> &'static [Flaw] {
        &[Flaw {
            name: "heeds_late",
            about: "it heeds what calls of an earlier round come to",
            violates: "breaker_correctness",
        }]
    }

    fn apply_variant(params: &mut Params, _: &'static str) {
        params.flawed = true;
    }

    /// Calls every 20 ms; those of the second second fail, and every seventh takes its time.
    async fn run_node(_: Node, params: Params) -> Result<(), BoxError> {
        let guard = Guard {
            state: State::Shut,
            round: 0,
            tickets: 0,
            last: VecDeque::new(),
            probing: false,
            heeds_late: params.flawed,
        };
        tracing::info!(target: "guard", guard = "g", "born");
        let (guard, start) = (Arc::new(Mutex::new(guard)), Instant::now());
        for call in 0u64.. {
            time::sleep(Duration::from_millis(20)).await;
            let good = !(1..2).contains(&start.elapsed().as_secs());
            let Some(ticket) = guard.lock().expect("nobody panics").enter() else { continue };
            let guard = guard.clone();
            task::spawn(async move {
                time::sleep(Duration::from_millis(if call % 7 == 0 { 300 } else { 5 })).await;
                guard.lock().expect("nobody panics").leave(ticket, good);
            });
        }
        Ok(())
    }

    async fn open_session(_: Node, _: Params) {}

    async fn perform((): &mut (), Op::Wait: Op) -> Outcome {
        Outcome::ok()
    }
}

const NAMES: &str = "{ events: {
    breaker.created: { event: guard.born, fields: { breaker: guard } },
    breaker.transition: { event: guard.moved, fields: { breaker: guard, from: was, to: is, generation: round } },
    breaker.admitted: { event: guard.let_in, fields: { breaker: guard, generation: round, permit: ticket } },
    breaker.rejected: { event: guard.sent_away, fields: { breaker: guard, generation: round } },
    breaker.result: { event: guard.heard, fields: { breaker: guard, permit: ticket, late: stale } } } }";

fn checks() -> String {
    format!(
        "- breaker_correctness: {NAMES}\n- permits_balanced: {NAMES}\n- breaker_recovers: {NAMES}\n\
         - eventually: {{ within: 2s, that: {{ breakers_closed: {NAMES} }} }}\n"
    )
}

#[test]
fn a_good_one_passes_and_is_judged() {
    let judged = [("breaker_correctness", 100), ("breaker_recovers", 1), ("eventually breakers_closed", 1)];
    super::passes::<Guarded>(&checks(), &judged);
}

#[test]
fn one_that_heeds_late_results_is_caught() {
    super::caught::<Guarded>(&checks(), "breaker_correctness", "late_result_counted");
}
