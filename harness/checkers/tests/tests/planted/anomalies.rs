//! Anomalies planted into legal histories: each must be found, and shown by few operations, among them the planted ones.
//! Without what is planted, each history is legal.

use proptest::{prelude::*, test_runner::RngSeed};
use squall_checkers::{
    Budget, Model, Operation, Violation, linearizability,
    models::{
        ContainerInput, ContainerOutput, Counter, CounterInput, KeyValue, KeyValueInput, KeyValueOutput,
        Mutex, MutexInput, MutexOutput, PerKey, PriorityQueue, Queue, Register, RegisterInput,
        RegisterOutput, Stack,
    },
    specific::{GrowingSet, SetFinding, TotalQueue, UniqueIds},
};

use squall_checkers_tests::simulated::{Ask, Draw, container, linearizable, register};

/// A legal history with room for operations between any two of its moments.
fn legal<M: Model>(
    model: &M,
    draw: &mut Draw,
    size: usize,
    ask: Ask<M>,
) -> Vec<Operation<M::Input, M::Output>> {
    let mut history = linearizable(model, draw, size, 4, ask);
    for operation in &mut history {
        operation.invoked.index *= 10;
        if let Some(returned) = &mut operation.returned {
            returned.at.index *= 10;
        }
    }
    let verdict = linearizability::check(model, &history, Budget::default());
    assert!(verdict.is_legal(), "{verdict:?}");
    history
}

/// The explanation of a history that is illegal because of some operations.
fn found<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    planted: &[usize],
    most: usize,
) -> Violation {
    let verdict = linearizability::check(model, history, Budget::default());
    let violation = verdict.explanation().expect("an anomaly was planted").clone();
    assert!(
        violation.operations.iter().any(|shown| planted.contains(&shown.index)),
        "{violation}\n{violation:#?}"
    );
    assert!(violation.operations.len() <= most, "{violation}\n{violation:#?}");
    violation
}

/// All ordered pairs of positions for which something holds.
fn pairs<T>(items: &[T], wanted: impl Fn(&T, &T) -> bool) -> Vec<(usize, usize)> {
    let all = (0..items.len()).flat_map(|one| (0..items.len()).map(move |other| (one, other)));
    all.filter(|(one, other)| one != other && wanted(&items[*one], &items[*other])).collect()
}

/// Exchanges what two takes brought out, which one may not exchange: the first put before the second, the first taken
/// before the second.
fn exchange<M>(model: &M, seed: u64, most: usize, wrong: impl Fn(&Value, &Value) -> bool)
where
    M: Model<State = Vec<u32>, Input = ContainerInput<u32>, Output = ContainerOutput<u32>>,
{
    let mut draw = Draw::new(seed);
    let mut history = legal(model, &mut draw, 60, container);
    let mut values = Vec::new();
    for (take, operation) in history.iter().enumerate() {
        let Some(ContainerOutput::Taken(value)) = operation.output() else { continue };
        let put = history
            .iter()
            .position(|other| other.input == ContainerInput::Put(*value))
            .expect("it was put in");
        values.push(Value { value: *value, put: history[put].clone(), take: operation.clone(), place: take });
    }
    let candidates = pairs(&values, |one, other| one.take.precedes(&other.take) && wrong(one, other));
    if candidates.is_empty() {
        return;
    }
    let (one, other) = candidates[draw.below(candidates.len() as u64) as usize];
    let (one, other) = (&values[one], &values[other]);
    history[one.place].returned.as_mut().unwrap().output = ContainerOutput::Taken(other.value);
    history[other.place].returned.as_mut().unwrap().output = ContainerOutput::Taken(one.value);
    // A value that now leaves too late shows by its put alone.
    let put = |value: &Value| history.iter().position(|other| *other == value.put).expect("it was put in");
    found(model, &history, &[one.place, other.place, put(one), put(other)], most);
}

#[derive(Debug)]
struct Value {
    value: u32,
    put: Operation<ContainerInput<u32>, ContainerOutput<u32>>,
    take: Operation<ContainerInput<u32>, ContainerOutput<u32>>,
    place: usize,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: RngSeed::Fixed(16), ..ProptestConfig::default() })]

    /// An old value is read after a newer one was written.
    #[test]
    fn a_stale_read(seed: u64) {
        let mut draw = Draw::new(seed);
        let model = Register::new(0);
        let mut history = legal(&model, &mut draw, 80, register);
        let is_write = |operation: &Operation<RegisterInput<u32>, _>| matches!(operation.input, RegisterInput::Write(_));
        let old = pairs(&history, |one, other| is_write(one) && is_write(other) && one.precedes(other));
        prop_assume!(!old.is_empty());
        let (old, new) = old[draw.below(old.len() as u64) as usize];
        let RegisterInput::Write(value) = history[old].input else { unreachable!() };
        let after = history[new].returned.as_ref().unwrap().at.index + 1;
        let planted = history.len();
        history.push(Operation::ok(9, RegisterInput::Read, RegisterOutput::Value(value), after, after + 1));
        // Two writes in order, or two at once and reads that tell their order; and the stale read. What is left is 1-minimal, not the least.
        let violation = found(&model, &history, &[planted], 6);
        prop_assert!(violation.by.starts_with("zones"));

        // The same among many keys.
        let many: Vec<_> = history
            .iter()
            .flat_map(|operation| (0..5).map(move |key| (key, operation)))
            .filter(|(key, operation)| *key == 3 || operation.process != 9)
            .map(|(key, operation)| {
                let returned = operation.returned.clone().unwrap();
                Operation::ok(operation.process, (key, operation.input), returned.output, operation.invoked.index, returned.at.index)
            })
            .collect();
        let planted = many.iter().position(|operation| operation.process == 9).unwrap();
        let violation = found(&PerKey::new(Register::new(0)), &many, &[planted], 4);
        prop_assert_eq!(violation.key.as_deref(), Some("3"));
    }

    /// A value is read that nobody wrote.
    #[test]
    fn an_invented_read(seed: u64) {
        let mut draw = Draw::new(seed);
        let model = Register::new(0);
        let mut history = legal(&model, &mut draw, 40, register);
        let at = 10 * draw.below(80) + 1;
        history.push(Operation::ok(9, RegisterInput::Read, RegisterOutput::Value(1_000_000), at, at + 1));
        let violation = found(&model, &history, &[history.len() - 1], 1);
        prop_assert!(violation.summary.contains("the read returned 1000000"), "{}", violation.summary);
    }

    /// One value overtakes another.
    #[test]
    fn exchanged_values(seed: u64) {
        exchange(&Queue::new(), seed, 4, |one, other| one.put.precedes(&other.put));
        exchange(&PriorityQueue::new(), seed, 4, |one, other| {
            one.value < other.value && one.put.precedes(&one.take) && other.put.precedes(&one.take)
        });
        exchange(&Stack::new(), seed, 8, |one, other| other.put.precedes(&one.put) && one.put.precedes(&one.take));
    }

    /// What was put in is gone.
    #[test]
    fn a_lost_value(seed: u64) {
        fn lost<M>(model: &M, seed: u64)
        where
            M: Model<State = Vec<u32>, Input = ContainerInput<u32>, Output = ContainerOutput<u32>>,
        {
            let mut draw = Draw::new(seed);
            let mut history = legal(model, &mut draw, 40, container);
            let end = history.iter().map(|operation| operation.returned.as_ref().unwrap().at.index).max().unwrap();
            history.push(Operation::ok(9, ContainerInput::Put(999_999), ContainerOutput::Done, end + 1, end + 2));
            history.push(Operation::ok(9, ContainerInput::Take, ContainerOutput::Empty, end + 3, end + 4));
            let violation = found(model, &history, &[history.len() - 1], 2);
            assert_eq!(violation.operations.len(), 2, "{violation}");
        }
        lost(&Queue::new(), seed);
        lost(&Stack::new(), seed);
        lost(&PriorityQueue::new(), seed);
    }

    /// What was taken out comes out again.
    #[test]
    fn a_duplicate(seed: u64) {
        fn duplicate<M>(model: &M, seed: u64)
        where
            M: Model<State = Vec<u32>, Input = ContainerInput<u32>, Output = ContainerOutput<u32>>,
        {
            let mut draw = Draw::new(seed);
            let mut history = legal(model, &mut draw, 40, container);
            let taken = history.iter().find_map(|operation| match operation.output() {
                Some(ContainerOutput::Taken(value)) => Some(*value),
                _ => None,
            });
            let Some(taken) = taken else { return };
            let end = history.iter().map(|operation| operation.returned.as_ref().unwrap().at.index).max().unwrap();
            history.push(Operation::ok(9, ContainerInput::Take, ContainerOutput::Taken(taken), end + 1, end + 2));
            found(model, &history, &[history.len() - 1], 3);
        }
        duplicate(&Queue::new(), seed);
        duplicate(&Stack::new(), seed);
        duplicate(&PriorityQueue::new(), seed);
    }

    /// An addition is forgotten. The explanation starts from what the counter held, not from the beginning.
    #[test]
    fn a_lost_update(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut history = legal(&Counter, &mut draw, 100, |draw, _, count| match draw.below(2) {
            0 => (CounterInput::Add(1), None),
            _ => (CounterInput::Read, Some(*count)),
        });
        let end = history.iter().map(|operation| operation.returned.as_ref().unwrap().at.index).max().unwrap();
        let sum: i64 = history
            .iter()
            .map(|operation| match operation.input {
                CounterInput::Add(more) => more,
                CounterInput::Read => 0,
            })
            .sum();
        history.push(Operation::ok(9, CounterInput::Add(1), None, end + 1, end + 2));
        history.push(Operation::ok(9, CounterInput::Read, Some(sum), end + 3, end + 4));
        let violation = found(&Counter, &history, &[history.len() - 1], 1);
        prop_assert_eq!(&violation.starts[0].state, &(sum + 1).to_string());
        prop_assert_eq!(violation.starts.len(), 1);
        prop_assert!(!violation.around.is_empty());
    }

    /// A lock has two holders.
    #[test]
    fn two_holders(seed: u64, token in 0_u64..20) {
        let mut draw = Draw::new(seed);
        let mut history = Vec::new();
        let rounds = 10;
        for round in 0..rounds {
            let process = draw.below(3);
            let at = 100 * round;
            history.push(Operation::ok(process, MutexInput::Acquire(process), MutexOutput::Granted(Some(round)), at, at + 20));
            history.push(Operation::ok(process, MutexInput::Release(process), MutexOutput::Released, at + 60, at + 80));
        }
        prop_assert!(linearizability::check(&Mutex::fenced(), &history, Budget::default()).is_legal());
        let at = 100 * draw.below(rounds) + 30;
        history.push(Operation::ok(9, MutexInput::Acquire(9), MutexOutput::Granted(Some(token)), at, at + 10));
        let violation = found(&Mutex::new(), &history, &[history.len() - 1], 3);
        prop_assert!(violation.to_string().contains("acquire by 9"), "{}", violation);
    }

    /// Cheap checkers find what is planted, and nothing else.
    #[test]
    fn cheap_checkers_find_exactly_that(seed: u64, size in 2_u32..60) {
        let mut draw = Draw::new(seed);
        let (lost, twice, late) = (draw.below(u64::from(size)) as u32, draw.below(u64::from(size)) as u32, draw.below(u64::from(size)) as u32);

        let mut queue = TotalQueue::new();
        for value in 0..size {
            queue.putting(value);
            queue.put(value);
        }
        for value in (0..size).filter(|value| *value != lost) {
            prop_assert!(queue.taken(value).is_ok());
        }
        prop_assert_eq!(queue.taken(twice).is_err(), twice != lost);
        prop_assert!(queue.taken(size).is_err());
        let report = queue.finish();
        let gone = if twice == lost { vec![] } else { vec![lost] };
        prop_assert_eq!(&report.lost, &gone);
        let doubled = if twice == lost { vec![] } else { vec![twice] };
        prop_assert_eq!(&report.duplicated, &doubled);
        prop_assert_eq!(&report.unexpected, &[size]);

        let mut ids = UniqueIds::new();
        for id in 0..size {
            prop_assert!(ids.given(u64::from(id), id).is_ok());
        }
        prop_assert_eq!(ids.given(99, twice).unwrap_err().first, u64::from(twice));

        let mut set = GrowingSet::new();
        for element in 0..size {
            set.adding(element);
            set.added(element, u64::from(element));
        }
        let after = u64::from(size);
        let findings = set.read((0..size).filter(|element| *element != late), after, after + 1);
        prop_assert_eq!(findings, [SetFinding::Missing { element: late, known: u64::from(late), invoked: after }]);
        prop_assert!(set.read(0..size, after + 2, after + 3).is_empty());
        let findings = set.read((0..size).filter(|element| *element != lost), after + 4, after + 5);
        prop_assert_eq!(findings.len(), 1);
        set.adding(size + 1);
        set.added(size + 1, after + 6);
        let report = set.finish();
        prop_assert_eq!(&report.lost, &[lost]);
        prop_assert_eq!(&report.stale, &(if late == lost { vec![] } else { vec![late] }));
        prop_assert_eq!(&report.never_read, &[size + 1]);
        prop_assert!(report.unexpected.is_empty());
    }
}

/// What a lost put of a key-value store looks like, whole.
#[test]
fn an_explanation_in_full() {
    let key = || "x".to_owned();
    let value = |value: &str| KeyValueOutput::Value(Some(value.to_owned()));
    let history = [
        Operation::ok(0, KeyValueInput::Put(key(), "a".into()), KeyValueOutput::Done, 0, 1),
        Operation::ok(1, KeyValueInput::Get(key()), value("a"), 2, 3),
        Operation::ok(0, KeyValueInput::Put(key(), "b".into()), KeyValueOutput::Done, 4, 5),
        Operation::ok(1, KeyValueInput::Get("y".into()), KeyValueOutput::Value(None), 6, 7),
        Operation::ok(2, KeyValueInput::Get(key()), value("a"), 8, 10),
        Operation::info(1, KeyValueInput::Put(key(), "c".into()), 9),
    ];
    let verdict = linearizability::check(&KeyValue, &history, Budget::default());
    let violation = verdict.explanation().expect("b was lost");
    assert_eq!(
        violation.to_string(),
        "\
no order explains 3 operations on the key-value store under key \"x\": the get returned \"a\", but \"b\" is there
  starting from nothing; in brackets from which event to which each took:
  [0..1] process 0: put \"a\"
  (around) [2..3] process 1: get -> \"a\"
  [4..5] process 0: put \"b\"
  [8..10] process 2: get -> \"a\"
  (around) [9..] process 1: put \"c\"
  from nothing: put \"a\", then put \"b\" leads to \"b\"
    and next cannot be process 2's: the get returned \"a\", but \"b\" is there
"
    );
    let data = serde_json::to_value(&verdict).expect("plain data");
    assert_eq!(data["illegal"]["starts"][0]["partials"][0]["order"], serde_json::json!([0, 1]));
    assert_eq!(data["illegal"]["operations"][2]["index"], 4);
}
