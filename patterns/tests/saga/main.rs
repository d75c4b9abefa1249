//! The saga pattern by itself: one process, participants in memory, and a journal that can be made to fail at any point.
//! Runs in both worlds.

use std::{sync::Arc, time::Duration};

use squall_patterns::saga::{
    CancelError, Entry, Failure, Journal, JournalError, Phase, RedbJournal, SubmitError, Token,
};

mod bench;
mod participant;

use self::bench::{Bench, FailingJournal, Mode, Reply, database, in_a_world};

/// One step's script: what its next attempts come to.
const NO_ANSWER: Reply = Reply::Unknown { executed: false };
const REPLY_LOST: Reply = Reply::Unknown { executed: true };

#[test]
fn a_saga_completes_and_later_steps_see_earlier_outputs() {
    in_a_world(|| async {
        let bench = Bench::new();
        let saga = bench.start().submit("s", 7).unwrap();
        assert_eq!(saga.settled().await, Ok(Phase::Completed));
        assert_eq!(bench.calls(), ["a 0", "b 1", "c 2", "d 3"], "each once, with the outputs so far");
        assert_eq!(bench.net("s"), [1, 1, 1, 1]);
    });
}

#[test]
fn a_refusal_is_compensated_in_reverse() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("c", [Reply::Refused]);
        let saga = bench.start().submit("s", 7).unwrap();
        assert_eq!(saga.settled().await, Ok(Phase::Compensated));
        assert_eq!(bench.calls(), ["a 0", "b 1", "c 2", "-b", "-a"]);
        assert_eq!(bench.net("s"), [0, 0, 0, 0]);
        assert_eq!(saga.cause().as_deref(), Some("c was refused: no"));
    });
}

#[test]
fn an_unknown_outcome_is_repeated_under_the_same_key() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("b", [REPLY_LOST, NO_ANSWER]);
        let saga = bench.start().submit("s", 7).unwrap();
        assert_eq!(saga.settled().await, Ok(Phase::Completed));
        assert_eq!(bench.calls(), ["a 0", "b 1", "b 1", "b 1", "c 2", "d 3"]);
        assert_eq!(bench.net("s"), [1, 1, 1, 1], "the second and third attempt changed nothing");
    });
}

#[test]
fn a_step_in_doubt_is_compensated_too() {
    in_a_world(|| async {
        for (last, why) in [(REPLY_LOST, "it took effect"), (NO_ANSWER, "it did not")] {
            let bench = Bench::new();
            bench.script("b", [NO_ANSWER, NO_ANSWER, last]);
            let saga = bench.start().submit("s", 7).unwrap();
            assert_eq!(saga.settled().await, Ok(Phase::Compensated));
            assert_eq!(bench.calls(), ["a 0", "b 1", "b 1", "b 1", "-b", "-a"], "{why}");
            assert_eq!(bench.net("s"), [0, 0, 0, 0], "{why}");
            assert!(bench.late("s", "b"), "{why}; an attempt that arrives now has no effect");
            assert_eq!(bench.net("s"), [0, 0, 0, 0]);
        }
    });
}

#[test]
fn a_compensation_that_cannot_be_had_parks_the_saga_and_is_not_reported_as_done() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("c", [Reply::Refused]);
        bench.script("-b", [NO_ANSWER; 4]);
        let orchestrator = bench.start();
        let saga = orchestrator.submit("s", 7).unwrap();
        assert_eq!(saga.settled().await, Ok(Phase::Parked));
        assert_eq!(orchestrator.parked(), ["s"]);
        assert_eq!(bench.net("s"), [1, 1, 0, 0]);
        saga.unpark();
        while saga.phase() != Phase::Compensated {
            squall_rt::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(bench.net("s"), [0, 0, 0, 0]);
        assert!(orchestrator.parked().is_empty());
    });
}

#[test]
fn after_the_pivot_it_goes_forward_only() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("d", [NO_ANSWER; 6]);
        let mut settings = bench.settings();
        settings.revisit_parked = Some(Duration::from_millis(10));
        let orchestrator = bench.start_with(bench.journal.clone(), settings);
        let saga = orchestrator.submit("s", 7).unwrap();
        assert_eq!(saga.settled().await, Ok(Phase::Parked));
        assert_eq!(saga.cancel().await, Err(CancelError::TooLate));
        while saga.phase() != Phase::Completed {
            squall_rt::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(bench.net("s"), [1, 1, 1, 1]);
    });
}

#[test]
fn a_step_after_the_pivot_that_is_refused_parks_the_saga() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("d", [Reply::Refused]);
        let saga = bench.start().submit("s", 7).unwrap();
        assert_eq!(saga.settled().await, Ok(Phase::Parked));
        assert_eq!(bench.net("s"), [1, 1, 1, 0], "nothing is undone: it is a person's turn");
    });
}

#[test]
fn a_cancelled_saga_never_completes_and_one_past_its_pivot_cannot_be_cancelled() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("b", [Reply::Slow, NO_ANSWER]);
        let orchestrator = bench.start();
        let saga = orchestrator.submit("s", 7).unwrap();
        assert_eq!(saga.cancel().await, Ok(()));
        assert_eq!(saga.settled().await, Ok(Phase::Compensated));
        assert_eq!(bench.net("s"), [0, 0, 0, 0]);
        assert_eq!(saga.cancel().await, Ok(()), "it is cancelled already");

        let done = orchestrator.submit("t", 7).unwrap();
        assert_eq!(done.settled().await, Ok(Phase::Completed));
        assert_eq!(done.cancel().await, Err(CancelError::TooLate));
        let found = orchestrator.find("t").unwrap().unwrap();
        assert_eq!(found.phase(), Phase::Completed, "also once it is over and only in the journal");
        assert_eq!(found.cancel().await, Err(CancelError::TooLate));
        assert!(orchestrator.find("u").unwrap().is_none());
    });
}

/// A saga with everything in it: retries, lost replies, and the given way to end.
async fn crash_everywhere(script: &[(&'static str, &[Reply])], ends: Phase) {
    let mut points = 0;
    for mode in [Mode::Lost, Mode::WrittenButUnreported] {
        for at in 0.. {
            let bench = Bench::new();
            for (step, replies) in script {
                bench.script(step, replies.iter().copied());
            }
            let failing = Arc::new(FailingJournal::new(bench.journal.clone(), at, mode));
            let first = bench.start_with(failing.clone(), bench.settings());
            if let Ok(saga) = first.submit("s", 7) {
                let _ = saga.settled().await;
            }
            if !failing.has_failed() {
                assert_eq!(bench.ended("s"), Some(ends), "it was not disturbed");
                break;
            }
            points += 1;
            let Failure::Journal(_) = first.failed().await else { panic!("the journal failed") };
            let second = bench.start();
            let Some(saga) = second.find("s").unwrap() else {
                assert_eq!((at, mode), (0, Mode::Lost), "only a start that was lost leaves no saga");
                continue;
            };
            while !saga.phase().is_over() {
                squall_rt::time::sleep(Duration::from_millis(1)).await;
            }
            let all = if saga.phase() == Phase::Completed { 1 } else { 0 };
            assert_eq!(bench.net("s"), [all; 4], "crash {mode:?} at append {at}");
            assert!(bench.journal.open().unwrap().is_empty());
        }
    }
    assert!(points > 8, "there were only {points} points to crash at");
}

#[test]
fn a_crash_at_any_point_of_a_saga_that_completes() {
    in_a_world(|| async {
        crash_everywhere(&[("b", &[REPLY_LOST]), ("d", &[REPLY_LOST])], Phase::Completed).await;
    });
}

#[test]
fn a_crash_at_any_point_of_a_saga_that_turns_back() {
    in_a_world(|| async {
        crash_everywhere(&[("c", &[Reply::Refused]), ("-b", &[REPLY_LOST])], Phase::Compensated).await;
    });
}

#[test]
fn a_crash_at_any_point_of_a_saga_in_doubt() {
    in_a_world(|| async {
        crash_everywhere(&[("c", &[REPLY_LOST; 3]), ("-c", &[NO_ANSWER])], Phase::Compensated).await;
    });
}

#[test]
fn submitting_again_gives_the_same_saga() {
    in_a_world(|| async {
        let bench = Bench::new();
        let orchestrator = bench.start();
        orchestrator.submit("s", 7).unwrap();
        let again = orchestrator.submit("s", 7).unwrap();
        assert_eq!(orchestrator.submit("s", 8).err(), Some(SubmitError::Conflict));
        assert_eq!(again.settled().await, Ok(Phase::Completed));
        assert_eq!(orchestrator.submit("s", 7).unwrap().settled().await, Ok(Phase::Completed));
        assert_eq!(orchestrator.submit("s", 8).err(), Some(SubmitError::Conflict));
        assert_eq!(bench.net("s"), [1, 1, 1, 1]);
    });
}

#[test]
fn a_second_start_fences_the_first_off() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("a", [Reply::Slow]);
        let first = bench.start();
        first.submit("s", 7).unwrap();
        let second = bench.start();
        let saga = second.find("s").unwrap().unwrap();
        assert_eq!(saga.settled().await, Ok(Phase::Completed));
        assert_eq!(first.failed().await, Failure::Fenced);
        assert_eq!(first.submit("t", 7).err(), Some(SubmitError::Stopped(Failure::Fenced)));
        assert_eq!(bench.net("s"), [1, 1, 1, 1]);
    });
}

#[test]
fn a_participant_that_has_seen_a_later_start_stops_the_orchestrator() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.see_epoch(5);
        let orchestrator = bench.start();
        let saga = orchestrator.submit("s", 7).unwrap();
        assert_eq!(saga.settled().await, Err(Failure::Fenced));
        assert_eq!(bench.net("s"), [0, 0, 0, 0]);
    });
}

#[test]
fn sagas_in_flight_and_open_sagas_are_bounded() {
    in_a_world(|| async {
        let bench = Bench::new();
        bench.script("b", [Reply::Slow; 3]);
        let mut settings = bench.settings();
        (settings.max_running, settings.max_open) = (1, 3);
        let orchestrator = bench.start_with(bench.journal.clone(), settings);
        let sagas: Vec<_> =
            ["s", "t", "u"].map(|id| orchestrator.submit(id, 7).unwrap()).into_iter().collect();
        assert_eq!(orchestrator.submit("v", 7).err(), Some(SubmitError::Overloaded));
        for saga in sagas {
            assert_eq!(saga.settled().await, Ok(Phase::Completed));
        }
        assert_eq!(bench.most_at_once(), 1);
        assert!(orchestrator.submit("v", 7).is_ok(), "there is room again");
    });
}

#[test]
fn the_journal_takes_each_position_once_and_from_the_latest_start_only() {
    let journal = RedbJournal::new(database()).unwrap();
    let token = |epoch| Token { coordinator: "c".to_owned(), epoch };
    let start = Entry::Started { definition: "d".to_owned(), input: vec![1] };
    let end = Entry::Ended { completed: true };
    assert_eq!(journal.claim_epoch("c").unwrap(), 1);
    journal.append(&token(1), "s", 0, std::slice::from_ref(&start)).unwrap();
    assert_eq!(journal.claim_epoch("c").unwrap(), 2);
    assert!(matches!(
        journal.append(&token(1), "s", 1, std::slice::from_ref(&end)),
        Err(JournalError::Superseded { by: 2 })
    ));
    assert!(matches!(
        journal.append(&token(2), "s", 0, std::slice::from_ref(&end)),
        Err(JournalError::Taken)
    ));
    assert_eq!(journal.load("s").unwrap(), std::slice::from_ref(&start), "refused entries leave no trace");
    assert_eq!(journal.open().unwrap(), ["s"]);
    assert!(!journal.forget("s").unwrap(), "it is open");
    journal.append(&token(2), "s", 1, std::slice::from_ref(&end)).unwrap();
    assert!(journal.open().unwrap().is_empty());
    assert!(journal.forget("s").unwrap());
    assert!(journal.load("s").unwrap().is_empty());
}
