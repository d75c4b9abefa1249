//! Hand-made histories: what is right passes, and each kind of wrong is caught at the record that shows it.

use std::{borrow::Cow, time::Duration};

use squall::{
    Condition, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle, Operation, Phase},
};

use super::{CaughtUp, ProjectionCorrectness};
use crate::{
    event_log::{LogIntegrity, Rules},
    judged::judged,
};

const RULES: Rules = Rules { floor: Some(0) };

const COMMAND: &str = "command[0]";
const REPLICA: &str = "replicas[0]";

/// A history under construction.
#[derive(Default)]
struct History {
    records: Vec<Record>,
    /// How much later the next record is than the number of those before it in milliseconds.
    late: Duration,
}

impl History {
    fn new() -> Self {
        Self::default()
    }

    fn record(mut self, kind: Kind) -> Self {
        let seq = self.records.len() as u64;
        self.records.push(Record { seq, at: self.late + Duration::from_millis(seq), kind });
        self
    }

    /// A while without anything of note.
    fn a_while(mut self) -> Self {
        self.late += Duration::from_secs(1);
        self.record(Kind::Phase(Phase::End))
    }

    fn event(self, node: &'static str, incarnation: u32, name: &'static str, fields: Fields) -> Self {
        self.record(Kind::Event { node: node.into(), incarnation, name: name.into(), fields })
    }

    /// What and where, and how it came about: the cause, the index in its batch, and what the batch expected.
    fn staged_as(
        self,
        position: i64,
        (stream, version): (&str, i64),
        (cause, index, expected): (&str, i64, &str),
        quantity: i64,
    ) -> Self {
        let fields = Fields::new()
            .with("position", position)
            .with("stream", stream)
            .with("version", version)
            .with("expected", expected)
            .with("cause", cause)
            .with("index", index)
            .with("kind", if quantity < 0 { "withdrawn" } else { "deposited" })
            .with("quantity", quantity);
        self.event(COMMAND, 1, "event_log.staged", fields)
    }

    /// An event of a command of its own, which expected what it found.
    fn staged(self, position: i64, stream: &str, version: i64, cause: &str, quantity: i64) -> Self {
        let expected = (version - 1).to_string();
        self.staged_as(position, (stream, version), (cause, 0, &expected), quantity)
    }

    fn committed(self, first: i64, last: i64) -> Self {
        self.event(COMMAND, 1, "effect.committed", Fields::new().with("first", first).with("last", last))
    }

    /// Staged and committed.
    fn appended(self, position: i64, stream: &str, version: i64, cause: &str, quantity: i64) -> Self {
        self.staged(position, stream, version, cause, quantity).committed(position, position)
    }

    fn log_opened(self, position: i64) -> Self {
        self.event(COMMAND, 2, "event_log.opened", Fields::new().with("position", position))
    }

    fn decided(self, cause: &str, version: i64) -> Self {
        let fields = Fields::new().with("stream", "a").with("cause", cause).with("version", version);
        self.event(COMMAND, 1, "cqrs.decided", fields.with("accepted", true))
    }

    fn rejected(self, cause: &str) -> Self {
        self.event(COMMAND, 1, "event_log.rejected", Fields::new().with("stream", "a").with("cause", cause))
    }

    fn told_ok(self, command: &str, stream: &str, version: i64, position: i64) -> Self {
        let fields = Fields::new()
            .with("wrote", stream)
            .with("version", version)
            .with("position", position)
            .with("command", command);
        self.record(Kind::Ok(operation(), fields))
    }

    fn told_failed(self, command: &str) -> Self {
        self.record(Kind::Fail(operation(), Fields::new().with("reason", "no").with("command", command)))
    }

    fn opened(self, incarnation: u32, generation: i64, position: i64, fresh: bool) -> Self {
        let fields = Fields::new().with("projection", "balances").with("generation", generation);
        self.event(
            REPLICA,
            incarnation,
            "cqrs.opened",
            fields.with("position", position).with("fresh", fresh),
        )
    }

    fn projected_in(self, generation: i64, first: i64, last: i64, count: i64) -> Self {
        let fields = Fields::new()
            .with("projection", "balances")
            .with("generation", generation)
            .with("first", first)
            .with("last", last)
            .with("count", count);
        self.event(REPLICA, 1, "effect.projected", fields)
    }

    fn projected(self, first: i64, last: i64) -> Self {
        self.projected_in(1, first, last, last - first + 1)
    }

    fn exposed_by(self, incarnation: u32, key: &str, version: i64, quantity: i64, position: i64) -> Self {
        let fields = Fields::new()
            .with("key", key)
            .with("version", version)
            .with("quantity", quantity)
            .with("position", position)
            .with("stale", false);
        self.event(REPLICA, incarnation, "cqrs.exposed", fields)
    }

    fn exposed(self, key: &str, version: i64, quantity: i64, position: i64) -> Self {
        self.exposed_by(1, key, version, quantity, position)
    }

    fn rebuild_started(self, generation: i64) -> Self {
        let fields = Fields::new().with("projection", "balances").with("generation", generation);
        self.event(REPLICA, 1, "cqrs.rebuild_started", fields)
    }

    fn rebuilt(self, generation: i64, position: i64, equal: bool) -> Self {
        let fields = Fields::new()
            .with("projection", "balances")
            .with("generation", generation)
            .with("position", position)
            .with("rows", 1)
            .with("equal", equal);
        self.event(REPLICA, 1, "cqrs.rebuilt", fields)
    }

    fn crashed(self, node: &'static str) -> Self {
        self.record(Kind::Node { node: node.into(), incarnation: 1, change: Lifecycle::Crashed })
    }

    /// The breach, which must be at the last record.
    fn judged_by(&self, invariant: &mut impl Invariant) -> Option<Breach> {
        judged(&self.records, invariant)
    }

    fn log_breach(&self) -> Option<&'static str> {
        self.judged_by(&mut LogIntegrity::new(RULES)).map(|breach| breach.class)
    }

    fn projection_breach(&self) -> Option<&'static str> {
        self.judged_by(&mut ProjectionCorrectness::default()).map(|breach| breach.class)
    }

    fn caught_up(&self) -> CaughtUp {
        let mut condition = CaughtUp::new(Duration::from_secs(1));
        for record in &self.records {
            condition.observe(record);
        }
        condition
    }
}

fn operation() -> Operation {
    Operation { id: 0, client: 0, name: Cow::Borrowed("deposit") }
}

/// Two events of a, one of b.
fn three() -> History {
    History::new().appended(1, "a", 1, "c1", 10).appended(2, "b", 1, "c2", 5).appended(3, "a", 2, "c3", -4)
}

// event_log_integrity

#[test]
fn a_sound_log_passes() {
    let history = three()
        .told_ok("c1", "a", 1, 1)
        .decided("c4", 1)
        .decided("c4", 2)
        .staged_as(4, ("a", 3), ("c4", 0, "2"), 1)
        .staged_as(5, ("a", 4), ("c4", 1, "2"), -7)
        .committed(4, 5)
        .rejected("c5")
        .told_failed("c5")
        .staged(6, "b", 2, "c6", 1)
        .crashed(COMMAND)
        .log_opened(5)
        // What was staged at 6 did not become durable; another event takes its place.
        .appended(6, "b", 2, "c7", 1)
        .told_ok("c7", "b", 2, 6)
        .log_opened(6);
    let mut invariant = LogIntegrity::new(RULES);
    assert_eq!(history.judged_by(&mut invariant), None);
    assert_eq!(invariant.exercised(), 8, "six events and two acknowledgements");
}

#[test]
fn an_event_that_became_durable_unreported_is_known_when_the_log_is_opened() {
    let history = three().staged(4, "a", 3, "c4", 1).crashed(COMMAND).log_opened(4).told_ok("c4", "a", 3, 4);
    assert_eq!(history.log_breach(), None);
}

#[test]
fn flaw_unsynced_log_a_log_that_lost_what_it_had_committed() {
    assert_eq!(three().crashed(COMMAND).log_opened(2).log_breach(), Some("committed_lost"));
}

#[test]
fn flaw_no_expected_version_an_event_on_a_version_that_was_not_decided_on() {
    let history = three().decided("c4", 2).decided("c5", 2).appended(4, "a", 3, "c4", 1);
    assert_eq!(
        history.staged_as(5, ("a", 4), ("c5", 0, "any"), 1).committed(5, 5).log_breach(),
        Some("lost_update")
    );
}

#[test]
fn an_append_that_ignores_what_it_expected() {
    for (expected, version) in [("1", 3), ("none", 3), ("3", 3)] {
        let history = three().staged_as(4, ("a", version), ("c4", 0, expected), 1).committed(4, 4);
        assert_eq!(history.log_breach(), Some("expectation_ignored"), "{expected}");
    }
    let history = three().staged_as(4, ("new", 1), ("c4", 0, "exists"), 1).committed(4, 4);
    assert_eq!(history.log_breach(), Some("expectation_ignored"));
}

#[test]
fn versions_with_a_gap_or_twice() {
    assert_eq!(three().appended(4, "a", 4, "c4", 1).log_breach(), Some("version_gap"));
    assert_eq!(three().appended(4, "a", 2, "c4", 1).log_breach(), Some("version_gap"));
}

#[test]
fn a_stream_in_another_order_than_the_log() {
    let history = History::new().appended(7, "a", 1, "c1", 1).appended(4, "a", 2, "c2", 1);
    assert_eq!(history.log_breach(), Some("order_differs"));
}

#[test]
fn a_command_with_two_effects() {
    assert_eq!(three().appended(4, "a", 3, "c1", 10).log_breach(), Some("double_effect"));
}

#[test]
fn a_batch_of_which_a_part_is_durable() {
    let history = three()
        .staged_as(4, ("a", 3), ("c4", 0, "2"), 1)
        .staged_as(5, ("a", 4), ("c4", 1, "2"), 1)
        .crashed(COMMAND)
        .log_opened(4);
    assert_eq!(history.log_breach(), Some("torn_batch"));
}

#[test]
fn a_batch_in_another_order() {
    let history = three().staged_as(4, ("a", 3), ("c4", 1, "2"), 1).committed(4, 4);
    assert_eq!(history.log_breach(), Some("batch_order"));
}

#[test]
fn an_account_that_is_overdrawn() {
    let history = three().appended(4, "a", 3, "c4", -7);
    assert_eq!(history.log_breach(), Some("overdrawn"));
    assert_eq!(history.judged_by(&mut LogIntegrity::default()), None, "where a sum may be anything");
}

#[test]
fn a_log_that_tells_the_least_is_judged_by_that() {
    let plain = |position: i64, version: i64| {
        Fields::new().with("position", position).with("stream", "a").with("version", version)
    };
    let staged = |history: History, fields| history.event(COMMAND, 1, "event_log.staged", fields);
    let two = staged(staged(History::new(), plain(1, 1)), plain(2, 2)).committed(1, 2);
    assert_eq!(two.log_breach(), None);
    assert_eq!(staged(two, plain(3, 2)).committed(3, 3).log_breach(), Some("version_gap"));
    let mute = staged(History::new(), Fields::new().with("position", 1));
    assert_eq!(mute.log_breach(), Some("unreadable_event"));
}

#[test]
fn acknowledgements_of_what_is_not_there() {
    for (command, stream, version, position) in
        [("c3", "a", 2, 4), ("c3", "a", 2, 2), ("c1", "a", 2, 3), ("c3", "b", 2, 3), ("c3", "a", 3, 3)]
    {
        let history = three().told_ok(command, stream, version, position);
        assert_eq!(history.log_breach(), Some("acknowledged_not_committed"));
    }
    let staged = three().staged(4, "a", 3, "c4", 1).told_ok("c4", "a", 3, 4);
    assert_eq!(staged.log_breach(), Some("acknowledged_not_committed"), "acknowledged before the commit");
}

#[test]
fn a_failure_that_was_none() {
    assert_eq!(three().told_failed("c2").log_breach(), Some("failed_yet_effective"));
    assert_eq!(
        three().told_failed("c4").appended(4, "a", 3, "c4", 1).log_breach(),
        Some("failed_yet_effective")
    );
    assert_eq!(
        three().rejected("c4").appended(4, "a", 3, "c4", 1).log_breach(),
        Some("failed_yet_effective")
    );
}

// projection_correctness

#[test]
fn a_sound_replica_passes() {
    let history = three()
        .opened(1, 1, 0, true)
        .exposed("a", 0, 0, 0)
        .projected(1, 2)
        .exposed("a", 1, 10, 2)
        .projected(3, 3)
        .exposed("a", 2, 6, 3)
        .exposed("nobody", 0, 0, 3)
        .crashed(REPLICA)
        .opened(2, 1, 3, false)
        .exposed_by(2, "b", 1, 5, 3)
        .rebuild_started(2)
        .projected_in(2, 1, 2, 2)
        .rebuild_started(2)
        .projected_in(2, 1, 3, 3)
        .rebuilt(2, 3, true)
        .appended(4, "b", 2, "c4", 1)
        .projected_in(2, 4, 4, 1)
        .exposed_by(2, "b", 2, 6, 4)
        // A new disk.
        .crashed(REPLICA)
        .opened(3, 1, 0, true)
        .projected(1, 4)
        .exposed_by(3, "a", 2, 6, 4);
    let mut invariant = ProjectionCorrectness::default();
    assert_eq!(history.judged_by(&mut invariant), None);
    assert_eq!(invariant.exercised(), 13, "six commits of rows and seven answers");
}

#[test]
fn positions_that_were_never_filled_are_not_missed() {
    let history = History::new().appended(2, "a", 1, "c1", 1).appended(5, "a", 2, "c2", 1);
    let history = history.opened(1, 1, 0, true).projected_in(1, 2, 5, 2).exposed("a", 2, 2, 5);
    assert_eq!(history.projection_breach(), None);
}

#[test]
fn flaw_double_count_an_event_that_is_applied_twice() {
    let history = three().opened(1, 1, 0, true).projected(1, 2).projected(2, 3);
    assert_eq!(history.projection_breach(), Some("applied_twice"));
}

#[test]
fn flaw_acknowledged_before_applied_events_that_are_left_out() {
    assert_eq!(three().opened(1, 1, 0, true).projected(2, 3).projection_breach(), Some("skipped"));
    let within = three().opened(1, 1, 0, true).projected_in(1, 1, 3, 2);
    assert_eq!(within.projection_breach(), Some("skipped"));
    let after_crash = three().opened(1, 1, 0, true).projected(1, 1).crashed(REPLICA).opened(2, 1, 1, false);
    assert_eq!(after_crash.projected(3, 3).projection_breach(), Some("skipped"));
}

#[test]
fn flaw_checkpoint_before_apply_a_checkpoint_that_the_rows_have_not_reached() {
    let history = three().opened(1, 1, 0, true).projected(1, 1).crashed(REPLICA).opened(2, 1, 3, false);
    assert_eq!(history.projection_breach(), Some("checkpoint_ahead"));
}

#[test]
fn a_checkpoint_that_was_lost() {
    let history = three().opened(1, 1, 0, true).projected(1, 3).crashed(REPLICA).opened(2, 1, 1, false);
    assert_eq!(history.projection_breach(), Some("checkpoint_lost"));
}

#[test]
fn flaw_high_water_mark_an_event_below_where_a_replica_is() {
    let history = History::new().appended(2, "a", 1, "c2", 1).opened(1, 1, 0, true).projected(2, 2);
    assert_eq!(history.appended(1, "b", 1, "c1", 1).projection_breach(), Some("passed_over"));
}

#[test]
fn rows_that_are_not_the_fold() {
    let caught_up = || three().opened(1, 1, 0, true).projected(1, 3);
    assert_eq!(caught_up().exposed("a", 2, 10, 3).projection_breach(), Some("wrong_row"));
    assert_eq!(caught_up().exposed("a", 1, 6, 3).projection_breach(), Some("wrong_row"));
    assert_eq!(caught_up().exposed("nobody", 0, 5, 3).projection_breach(), Some("wrong_row"));
    assert_eq!(
        caught_up().exposed("a", 2, 6, 2).projection_breach(),
        Some("wrong_row"),
        "newer than it says"
    );
}

#[test]
fn a_replica_that_answers_from_the_future_or_goes_back() {
    let caught_up = || three().opened(1, 1, 0, true).projected(1, 3);
    assert_eq!(caught_up().exposed("a", 2, 6, 4).projection_breach(), Some("ahead_of_log"));
    let back = caught_up().exposed("b", 1, 5, 3).exposed("b", 1, 5, 2);
    assert_eq!(back.projection_breach(), Some("position_backwards"));
    let uncommitted = three().staged(4, "a", 3, "c4", 1).opened(1, 1, 0, true).projected(1, 4);
    assert_eq!(uncommitted.projection_breach(), Some("applied_uncommitted"));
}

#[test]
fn a_rebuild_that_comes_to_something_else() {
    let history = three().opened(1, 1, 0, true).projected(1, 3).rebuild_started(2).projected_in(2, 1, 3, 3);
    assert_eq!(history.rebuilt(2, 3, false).projection_breach(), Some("rebuild_differs"));
}

// replicas_caught_up

#[test]
fn caught_up_means_every_replica_at_the_head() {
    assert!(!three().caught_up().holds(), "a log and no replica");
    let behind = three().opened(1, 1, 0, true).projected(1, 2).a_while();
    assert!(!behind.caught_up().holds());
    assert_eq!(behind.caught_up().because(), "replicas[0] is at 2 of 3");
    let there = behind.projected(3, 3);
    assert!(there.caught_up().holds());
    assert!(there.caught_up().because().is_empty());
    let down = there.crashed(REPLICA);
    assert!(!down.caught_up().holds());
    assert_eq!(down.caught_up().because(), "replicas[0] is down, at 3 of 3");
    let back = down.opened(2, 1, 3, false);
    assert!(back.caught_up().holds());
    let late = back.appended(4, "a", 3, "c4", 1);
    assert!(late.caught_up().holds(), "it is on its way");
    let next = late.a_while();
    assert!(!next.caught_up().holds(), "it should have come");
    let next = next.projected(4, 4).appended(5, "a", 4, "c5", 1);
    assert!(next.caught_up().holds());
    assert!(!next.log_opened(3).caught_up().holds(), "the log has lost what the replica holds");
}

#[test]
fn a_generation_that_is_not_live_does_not_count() {
    let rebuilding =
        three().opened(1, 1, 0, true).projected(1, 2).rebuild_started(2).projected_in(2, 1, 3, 3).a_while();
    assert!(!rebuilding.caught_up().holds());
    assert!(rebuilding.rebuilt(2, 3, true).caught_up().holds());
}
