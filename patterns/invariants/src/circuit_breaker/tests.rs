//! Histories by hand: a good one, and for each class of breach one that shows it. Those that a flaw which ships leaves are named after it.

use std::time::Duration;

use squall::{
    Condition as _, Fields, Invariant, Record,
    check::{Breach, End},
    history::{Kind, Lifecycle},
};

use super::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Opens at half of at least 4 calls of 8, waits 1 s and then 2 s, and wants 2 of 2 probes within 2.5 s.
const RULES: Rules = Rules {
    window: Window::Calls(8),
    minimum_calls: 4,
    failure_rate: 0.5,
    slow_calls: Some(SlowCalls { longer_than: ms(150), rate: 0.75 }),
    wait: ms(1_000),
    backoff: Some(Backoff { factor: 2, max: ms(2_000) }),
    half_open: HalfOpen { probes: 2, successes: 2, max_wait: Some(ms(2_500)) },
};

const LONGEST_CALL: Duration = ms(302);

const RECOVERS_WITHIN: Duration = ms(9_700);

/// A history of one caller and one upstream. Times are in milliseconds.
struct Story {
    rules: Rules,
    records: Vec<Record>,
    now: Duration,
    incarnation: u32,
}

impl Story {
    fn new() -> Self {
        let story = Story { rules: RULES, records: Vec::new(), now: ms(0), incarnation: 1 };
        story.says("breaker.created", Fields::new())
    }

    /// With all calls before it done: the breaker has just opened, at 100 ms, as generation 1.
    fn opened() -> Self {
        let mut story = Story::new().at(100);
        for permit in 1..=4 {
            story = story.call(0, permit, true);
        }
        story.turns("closed", "open", 1)
    }

    /// The breaker is half-open as generation 2 since 1100 ms, nothing admitted.
    fn half_open() -> Self {
        Story::opened().at(1_100).turns("open", "half_open", 2)
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    fn at(mut self, at: u64) -> Self {
        self.now = ms(at);
        self
    }

    fn record(mut self, kind: Kind) -> Self {
        self.records.push(Record { seq: self.records.len() as u64, at: self.now, kind });
        self
    }

    fn event(self, node: &'static str, name: &'static str, fields: Fields) -> Self {
        let incarnation = self.incarnation;
        self.record(Kind::Event { node: node.into(), incarnation, name: name.into(), fields })
    }

    fn says(self, name: &'static str, fields: Fields) -> Self {
        self.event("callers[0]", name, fields.with("breaker", "upstream-0"))
    }

    fn turns(self, from: &str, to: &str, generation: i64) -> Self {
        let fields = Fields::new().with("from", from).with("to", to).with("generation", generation);
        self.says("breaker.transition", fields)
    }

    fn admits(self, generation: i64, permit: i64) -> Self {
        self.says("breaker.admitted", Fields::new().with("generation", generation).with("permit", permit))
    }

    fn rejects(self, generation: i64) -> Self {
        self.says("breaker.rejected", Fields::new().with("generation", generation))
    }

    fn hears(self, permit: i64, failed: bool, late: bool) -> Self {
        let outcome = if failed { "failure" } else { "success" };
        let fields = Fields::new().with("permit", permit).with("outcome", outcome).with("late", late);
        self.says("breaker.result", fields)
    }

    fn takes_back(self, permit: i64, late: bool) -> Self {
        self.says("breaker.returned", Fields::new().with("permit", permit).with("late", late))
    }

    fn ends(self, permit: i64) -> Self {
        self.says("caller.call_ended", Fields::new().with("permit", permit))
    }

    fn reaches(self, permit: i64) -> Self {
        let fields = Fields::new()
            .with("breaker", "upstream-0")
            .with("caller", "callers[0]")
            .with("incarnation", self.incarnation)
            .with("permit", permit);
        self.event("upstream[0]", "upstream.received", fields)
    }

    /// A whole call without duration.
    fn call(self, generation: i64, permit: i64, failed: bool) -> Self {
        self.admits(generation, permit).reaches(permit).hears(permit, failed, false).ends(permit)
    }

    fn show(&self, mut invariant: impl Invariant) -> (Option<Breach>, u64) {
        let mut breach = None;
        for record in &self.records {
            breach = breach.or(invariant.observe(record).err());
        }
        let end = End { healed_at: ms(0), ended_at: self.now };
        let breach = breach.or_else(|| invariant.finish(&end).err());
        (breach, invariant.exercised())
    }

    #[track_caller]
    fn is_correct(&self) {
        let (breach, judged) = self.show(Correctness::new(self.rules));
        assert_eq!(breach, None);
        assert!(judged > 0);
        assert_eq!(self.show(PermitsBalanced::new(LONGEST_CALL)).0, None);
    }

    #[track_caller]
    fn violates(&self, class: &str) {
        let (breach, _) = self.show(Correctness::new(self.rules));
        assert_eq!(breach.map(|breach| breach.class), Some(class));
    }
}

#[test]
fn a_full_cycle_is_correct() {
    Story::opened()
        .at(1_099)
        .rejects(1)
        .at(1_100)
        .turns("open", "half_open", 2)
        .admits(2, 5)
        .admits(2, 6)
        .rejects(2)
        .takes_back(5, false)
        .admits(2, 7)
        .hears(6, false, false)
        .hears(7, false, false)
        .turns("half_open", "closed", 3)
        .call(3, 8, false)
        .is_correct();
}

#[test]
fn the_wait_backs_off_and_a_late_result_changes_nothing() {
    Story::new()
        .at(50)
        .admits(0, 90)
        .admits(0, 91)
        .call(0, 1, true)
        .call(0, 2, true)
        .call(0, 3, false)
        .call(0, 4, false)
        .turns("closed", "open", 1)
        .at(900)
        .hears(90, true, true)
        .at(1_050)
        .turns("open", "half_open", 2)
        .call(2, 5, true)
        .turns("half_open", "open", 3)
        .at(1_060)
        .hears(91, false, true)
        .at(3_049)
        .rejects(3)
        .at(3_050)
        .turns("open", "half_open", 4)
        .is_correct();
}

#[test]
fn a_half_open_period_that_took_too_long_is_over_when_it_should_be() {
    // It ended at 3600 and the second wait of two seconds was over at 5600, but the next call came later.
    Story::half_open()
        .admits(2, 5)
        .at(6_000)
        .turns("half_open", "open", 3)
        .turns("open", "half_open", 4)
        .admits(4, 6)
        .at(6_010)
        .hears(5, false, true)
        .hears(6, false, false)
        .is_correct();
    Story::half_open().admits(2, 5).at(3_599).turns("half_open", "open", 3).violates("opened_too_soon");
    Story::half_open().admits(2, 5).at(3_600).hears(5, false, false).violates("half_open_too_long");
    Story::half_open().at(6_000).turns("half_open", "open", 3).rejects(3).violates("open_too_long");
}

#[test]
fn slow_calls_open_it_by_the_clock_and_not_by_what_is_said() {
    let mut story = Story::new();
    for permit in 1..=4 {
        story = story.at(100).admits(0, permit).at(251).hears(permit, false, false);
    }
    story.rejects(0).violates("did_not_open");
    let mut story = Story::new();
    for permit in 1..=4 {
        story = story.at(100).admits(0, permit).at(250).hears(permit, false, false);
    }
    story.turns("closed", "open", 1).violates("opened_too_soon");
}

#[test]
fn a_time_window_forgets_slot_by_slot() {
    let timed = |second: u64| {
        let window = Window::Time { span: ms(1_000), slots: 4 };
        let story = Story::new().with(|rules| rules.window = window);
        let story = story.at(249).call(0, 1, true).call(0, 2, true);
        story.at(second).call(0, 3, false).call(0, 4, false)
    };
    timed(999).turns("closed", "open", 1).is_correct();
    timed(999).rejects(0).violates("did_not_open");
    timed(1_000).turns("closed", "open", 1).violates("opened_too_soon");
    timed(1_000).call(0, 5, false).is_correct();
}

#[test]
fn thresholds_must_be_met_and_must_be_heeded() {
    let three = || Story::new().at(1).call(0, 1, true).call(0, 2, true).call(0, 3, true);
    three().turns("closed", "open", 1).violates("opened_too_soon");
    three().call(0, 4, true).admits(0, 5).violates("did_not_open");
    // Three failures of eight calls: the older failures are out of the window.
    let mut story = Story::new().at(1);
    for permit in 1..=8 {
        story = story.call(0, permit, matches!(permit, 2 | 6));
    }
    let story = story.call(0, 9, true).call(0, 10, false);
    story.turns("closed", "open", 1).violates("opened_too_soon");
}

#[test]
fn decisions_must_fit_the_state() {
    Story::opened().admits(1, 9).violates("admitted_while_open");
    Story::new().rejects(0).violates("rejected_while_closed");
    Story::new().admits(1, 1).violates("wrong_generation");
    Story::half_open().admits(2, 5).rejects(2).violates("probe_refused");
    Story::half_open().call(2, 5, false).call(2, 6, false).admits(2, 7).violates("did_not_close");
    Story::half_open().call(2, 5, false).turns("half_open", "closed", 3).violates("closed_too_soon");
    Story::opened().at(1_099).turns("open", "half_open", 2).violates("open_too_short");
    Story::opened().at(1_100).turns("open", "half_open", 3).violates("generation_not_next");
    Story::new().turns("closed", "forced_open", 1).violates("not_in_diagram");
    Story::new().turns("open", "half_open", 1).violates("not_in_diagram");
    Story::new().at(1).admits(0, 1).hears(1, false, true).violates("result_discarded");
    Story::new().hears(1, false, false).violates("unknown_permit");
    Story::new().admits(0, 1).admits(0, 1).violates("unknown_permit");
    Story::new().says("breaker.admitted", Fields::new()).violates("unreadable_event");
    Story::new().event("callers[1]", "breaker.rejected", Fields::new()).violates("unreadable_event");
}

#[test]
fn every_call_that_reaches_the_upstream_has_a_permit() {
    // The network may double a call.
    Story::new().admits(0, 1).reaches(1).reaches(1).is_correct();
    Story::new().reaches(1).violates("unguarded_call");
    let mut restarted = Story::new().admits(0, 1);
    restarted.incarnation = 2;
    let restarted = restarted.says("breaker.created", Fields::new()).admits(0, 1).reaches(1);
    let mut straggler = restarted;
    straggler.incarnation = 1;
    straggler.reaches(1).is_correct();
}

#[test]
fn unlimited_probes() {
    Story::half_open().admits(2, 5).admits(2, 6).admits(2, 7).violates("too_many_probes");
    Story::half_open().call(2, 5, false).admits(2, 6).admits(2, 7).violates("too_many_probes");
}

#[test]
fn success_forgives_failures() {
    Story::half_open().call(2, 5, false).call(2, 6, true).rejects(2).violates("did_not_open");
}

#[test]
fn late_failure_extends_open() {
    let story = Story::new().at(50).admits(0, 90);
    let story = story.at(100).call(0, 1, true).call(0, 2, true).call(0, 3, true).call(0, 4, true);
    let story = story.turns("closed", "open", 1).at(300).hears(90, true, true);
    story.at(1_100).rejects(1).violates("open_too_long");
}

#[test]
fn late_success_closes() {
    let story = Story::new().at(50).admits(0, 90);
    let story = story.at(100).call(0, 1, true).call(0, 2, true).call(0, 3, true).call(0, 4, true);
    let story = story.turns("closed", "open", 1).at(300).hears(90, false, true);
    story.turns("open", "closed", 2).violates("not_in_diagram");
    let story = Story::new().at(50).admits(0, 90);
    let story = story.at(100).call(0, 1, true).call(0, 2, true).call(0, 3, true).call(0, 4, true);
    story.turns("closed", "open", 1).hears(90, false, false).violates("late_result_counted");
}

#[test]
fn stale_timers() {
    let recovered = Story::half_open().call(2, 5, false).call(2, 6, false).turns("half_open", "closed", 3);
    recovered.at(1_200).turns("closed", "half_open", 4).violates("not_in_diagram");
    let failed = Story::half_open().call(2, 5, true).turns("half_open", "open", 3);
    failed.at(1_200).turns("open", "half_open", 4).violates("open_too_short");
}

#[test]
fn no_half_open() {
    Story::opened().at(1_100).turns("open", "closed", 2).violates("not_in_diagram");
}

#[test]
fn leaked_probe() {
    let class = |story: Story| {
        let (breach, _) = story.show(PermitsBalanced::new(LONGEST_CALL));
        breach.map(|breach| breach.class)
    };
    assert_eq!(class(Story::half_open().admits(2, 5).ends(5)), Some("permit_leaked"));
    assert_eq!(class(Story::half_open().admits(2, 5).at(9_000)), Some("permit_leaked"));
    assert_eq!(class(Story::half_open().admits(2, 5).at(1_400)), None, "it may still be under way");
    assert_eq!(class(Story::half_open().admits(2, 5).takes_back(5, false).ends(5)), None);
    let twice = Story::new().admits(0, 1).hears(1, false, false).takes_back(1, false);
    assert_eq!(class(twice), Some("permit_returned_twice"));
    let mut crashed = Story::new().admits(0, 1);
    crashed.incarnation = 2;
    assert_eq!(class(crashed.says("breaker.created", Fields::new()).at(9_000)), None);
}

#[test]
fn breakers_must_close_once_all_is_well() {
    let verdict = |story: &Story| {
        let (breach, judged) = story.show(Recovers::new(RECOVERS_WITHIN));
        (breach.map(|breach| breach.class), judged)
    };
    let open = Story::opened();
    assert_eq!(verdict(&open.at(9_699)), (None, 0), "there is time left");
    assert_eq!(verdict(&Story::opened().at(9_700)), (Some("not_recovered"), 1));
    let closed = || Story::half_open().turns("half_open", "closed", 3);
    assert_eq!(verdict(&closed().at(9_700)), (None, 1));
    let late = Story::half_open().at(9_701).turns("half_open", "closed", 3);
    assert_eq!(verdict(&late), (Some("not_recovered"), 1), "closed, but too late");
    assert_eq!(verdict(&Story::new().at(20_000)), (None, 0), "it never opened");
    let degraded = || {
        let fields = Fields::new().with("lasting", 5_000);
        Story::opened().at(1_000).event("upstream[0]", "upstream.degraded", fields)
    };
    assert_eq!(verdict(&degraded().at(15_700)), (None, 0), "well since 6001 ms");
    assert_eq!(verdict(&degraded().at(15_701)), (Some("not_recovered"), 1));
    let restored = degraded().event("upstream[0]", "upstream.restored", Fields::new());
    assert_eq!(verdict(&restored.at(10_700)), (Some("not_recovered"), 1));
    let started = Kind::Node { node: "upstream[0]".into(), incarnation: 2, change: Lifecycle::Started };
    assert_eq!(verdict(&Story::opened().at(1_000).record(started).at(10_699)), (None, 0));
}

#[test]
fn the_condition_tells_which_breaker_is_open() {
    let mut closed = AllClosed::default();
    let mut show = |story: Story| {
        story.records.iter().for_each(|record| closed.observe(record));
        (closed.holds(), closed.because())
    };
    let open = "callers[0]'s breaker towards upstream-0 is Open since 100ms";
    assert_eq!(show(Story::opened()), (false, open.to_owned()));
    assert_eq!(show(Story::half_open().turns("half_open", "closed", 3)), (true, String::new()));
}

/// `did_not_open` and `open_too_long` told neither the threshold nor what was counted.
#[test]
fn a_breach_says_what_it_is_judged_by() {
    let breach = |story: &Story| story.show(Correctness::new(story.rules)).0.expect("a breach");
    let failing = Story::new().at(100).call(0, 1, true).call(0, 2, true).call(0, 3, true).call(0, 4, true);
    let stays_closed = breach(&failing.at(150).admits(0, 5));
    assert_eq!(stays_closed.class, "did_not_open");
    for says in ["4 or more", "50% failed"] {
        assert!(stays_closed.expected.contains(says), "{}", stays_closed.expected);
    }
    for says in ["Closed since 0ns", "at 150ms: 4 calls, 4 failed (100%)", "0 slow (0%)"] {
        assert!(stays_closed.seen.contains(says), "{}", stays_closed.seen);
    }
    assert!(stays_closed.evidence.len() > 4, "the results that count: {:?}", stays_closed.evidence);

    let rejects = breach(&Story::opened().at(1_100).rejects(1));
    assert_eq!(rejects.class, "open_too_long");
    assert!(rejects.expected.contains("callers[0]'s breaker"), "{}", rejects.expected);
    assert!(rejects.expected.contains("is open for 1s (trip 1)"), "{}", rejects.expected);
    assert!(
        rejects.seen.contains("open since 100ms, and it rejects a call at 1.1s, after 1s"),
        "{}",
        rejects.seen
    );
}
