//! A budget that runs out makes a verdict unknown, never legal; and it does not hide what is illegal elsewhere.

use std::time::{Duration, Instant};

use squall_checkers::{
    Budget, Exhausted, Operation, Verdict, linearizability,
    models::{Counter, CounterInput, PerKey, Register, RegisterInput, RegisterOutput},
    sequential,
};

/// 50 clients that add at the same time, and a read that no order explains: 2^50 configurations.
fn hopeless() -> Vec<Operation<CounterInput, Option<i64>>> {
    let additions =
        (0..50).map(|process| Operation::ok(process, CounterInput::Add(1 << process), None, 0, 2));
    additions.chain([Operation::ok(50, CounterInput::Read, Some(-1), 0, 2)]).collect()
}

#[test]
fn steps_run_out() {
    let budget = Budget { steps: 200_000, ..Budget::default() };
    let expected = Verdict::Unknown { reason: Exhausted::Steps { limit: 200_000 } };
    assert_eq!(linearizability::check(&Counter, &hopeless(), budget), expected);
    assert_eq!(sequential::check(&Counter, &hopeless(), budget), expected);
}

#[test]
fn memory_runs_out() {
    let budget = Budget { memory: 4 << 20, ..Budget::default() };
    let expected = Verdict::Unknown { reason: Exhausted::Memory { limit: 4 << 20 } };
    assert_eq!(linearizability::check(&Counter, &hopeless(), budget), expected);
    assert_eq!(sequential::check(&Counter, &hopeless(), budget), expected);
}

#[test]
fn time_runs_out() {
    let limit = Duration::from_millis(20);
    let budget = Budget { time: Some(limit), steps: u64::MAX, memory: u64::MAX };
    let started = Instant::now();
    let verdict = linearizability::check(&Counter, &hopeless(), budget);
    assert_eq!(verdict, Verdict::Unknown { reason: Exhausted::Time { limit } });
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_illegal_key_is_found_beside_a_hopeless_one() {
    for budget in
        [Budget { steps: 500_000, ..Budget::default() }, Budget { memory: 4 << 20, ..Budget::default() }]
    {
        let mut history = Vec::new();
        for operation in hopeless() {
            let returned = operation.returned.expect("all return");
            let (invoked, returned, output) = (operation.invoked.index, returned.at.index, returned.output);
            history.push(Operation::ok(
                operation.process,
                ("hopeless", operation.input),
                output,
                invoked,
                returned,
            ));
        }
        history.push(Operation::ok(0, ("wrong", CounterInput::Read), Some(7), 3, 4));
        let verdict = linearizability::check(&PerKey::new(Counter), &history, budget);
        let violation = verdict.explanation().expect("one key is illegal");
        assert_eq!(violation.key.as_deref(), Some("\"wrong\""));
    }
}

#[test]
fn fifty_clients_at_once_are_judged_right() {
    let mut history = hopeless();
    let read = history.last_mut().expect("a read");
    read.returned.as_mut().expect("it returned").output = Some((1 << 50) - 1);
    assert!(linearizability::check(&Counter, &history, Budget::default()).is_legal());
}

/// Equal operations of unknown outcome are one question, not 2^40.
#[test]
fn many_unknown_outcomes_of_a_kind() {
    let mut history: Vec<_> =
        (0..40).map(|process| Operation::info(process, CounterInput::Add(1), 0)).collect();
    history.push(Operation::ok(40, CounterInput::Read, Some(13), 1, 2));
    assert!(linearizability::check(&Counter, &history, Budget::default()).is_legal());
    history.push(Operation::ok(40, CounterInput::Read, Some(12), 3, 4));
    assert!(linearizability::check(&Counter, &history, Budget::default()).is_illegal());
}

/// Writes of unknown outcome that nobody saw, each another, are no reason to try 2^30 ways: what can be without one of them is not tried with it.
/// Values repeat, so that no faster algorithm applies.
#[test]
fn writes_of_unknown_outcome_do_not_multiply_what_is_tried() {
    let budget = Budget { steps: 1_000_000, ..Budget::default() };
    let lost =
        (0..30).map(|process| Operation::info(100 + process, RegisterInput::Write(1_000 + process), process));
    let mut history: Vec<_> = lost.collect();
    for round in 0..40 {
        let at = 100 + 10 * round;
        let value = round % 3;
        history.push(Operation::ok(0, RegisterInput::Write(value), RegisterOutput::Done, at, at + 3));
        history.push(Operation::ok(2, RegisterInput::Read, RegisterOutput::Value(value), at + 5, at + 6));
    }
    let both = |history: &[_], legal: bool| {
        let register = Register::new(0);
        for verdict in [
            linearizability::check(&register, history, budget),
            sequential::check(&register, history, budget),
        ] {
            assert_eq!((verdict.is_legal(), verdict.is_illegal()), (legal, !legal), "{verdict:?}");
        }
    };
    both(&history, true);
    // Two of them are seen after all.
    history.push(Operation::ok(2, RegisterInput::Read, RegisterOutput::Value(1_007), 900, 901));
    history.push(Operation::ok(2, RegisterInput::Read, RegisterOutput::Value(1_003), 902, 903));
    both(&history, true);
    // One of them comes back.
    history.push(Operation::ok(2, RegisterInput::Read, RegisterOutput::Value(1_007), 904, 905));
    both(&history, false);
}

#[test]
fn a_witness_saves_the_search_and_cannot_mislead() {
    // The subset of additions that the read saw is one of 2^50: the search gives up.
    let budget = Budget { steps: 100_000, ..Budget::default() };
    let mut history = hopeless();
    let seen = [3, 7, 11, 40];
    history[50].returned.as_mut().expect("it returned").output = Some(seen.iter().map(|bit| 1 << bit).sum());
    assert!(linearizability::check(&Counter, &history, budget).is_unknown());
    let mut right = seen.to_vec();
    right.push(50);
    right.extend((0..50).filter(|addition| !seen.contains(addition)));
    let verdict = linearizability::check_witness(&Counter, &history, &right, budget);
    assert_eq!(verdict, Verdict::Legal { by: "witness" });

    // Not in the order of time; an effect is missing; it does not explain the answer: the search decides.
    let two = [
        Operation::ok(0, CounterInput::Add(1), None, 0, 1),
        Operation::ok(0, CounterInput::Read, Some(1), 2, 3),
    ];
    for wrong in [&[1, 0][..], &[1], &[]] {
        let verdict = linearizability::check_witness(&Counter, &two, wrong, budget);
        assert!(matches!(verdict, Verdict::Legal { by } if by != "witness"), "{verdict:?}");
    }
    let lost = [two[0].clone(), Operation::ok(0, CounterInput::Read, Some(0), 2, 3)];
    for order in [&[1, 0][..], &[0, 1]] {
        assert!(linearizability::check_witness(&Counter, &lost, order, budget).is_illegal());
    }
}
