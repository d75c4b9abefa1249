//! Every checker against the definition: some order of effects, each between invocation and return, that one process
//! after the other could have made. The definition is tried out order by order.

use squall_checkers::{
    Budget, Model, Operation, Verdict, Violation, linearizability,
    model::Call,
    models::{
        ContainerInput, ContainerOutput, Counter, CounterInput, KeyValue, KeyValueInput, KeyValueOutput,
        Mutex, MutexInput, MutexOutput, PerKey, PriorityQueue, Queue, Register, RegisterInput,
        RegisterOutput, Set, SetInput, Stack, WholeSet, WholeSetInput, WholeSetOutput,
    },
    sequential,
};

use squall_checkers_tests::simulated::{Ask, Draw, linearizable};

/// Which condition is meant.
#[derive(Clone, Copy)]
pub enum Condition {
    Linearizable,
    Sequential,
}

/// The definition. Operations of one key are one object, with one state for each.
pub fn holds<M: Model>(model: &M, history: &[Operation<M::Input, M::Output>], condition: Condition) -> bool {
    fn before<I, O>(one: &Operation<I, O>, other: &Operation<I, O>, condition: Condition) -> bool {
        one.precedes(other)
            && match condition {
                Condition::Linearizable => true,
                Condition::Sequential => one.process == other.process,
            }
    }
    fn search<M: Model>(
        model: &M,
        history: &[Operation<M::Input, M::Output>],
        condition: Condition,
        done: &mut Vec<bool>,
        states: &mut Vec<(Option<M::Key>, M::State)>,
    ) -> bool {
        let open = |index: usize, done: &[bool]| !done[index] && history[index].returned.is_some();
        if !(0..history.len()).any(|index| open(index, done)) {
            return true;
        }
        for next in 0..history.len() {
            let operation = &history[next];
            let blocked = (0..history.len())
                .any(|other| open(other, done) && before(&history[other], operation, condition));
            if done[next] || blocked {
                continue;
            }
            let key = model.key(&operation.input);
            let place = states.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
                states.push((key, model.initial()));
                states.len() - 1
            });
            let Some(after) = model.apply(&states[place].1, &operation.input, operation.output()) else {
                continue;
            };
            let state = std::mem::replace(&mut states[place].1, after);
            done[next] = true;
            if search(model, history, condition, done, states) {
                return true;
            }
            done[next] = false;
            states[place].1 = state;
        }
        false
    }
    search(model, history, condition, &mut vec![false; history.len()], &mut Vec::new())
}

/// The model without its faster algorithms.
pub struct Searched<M>(pub M);

impl<M: Model> Model for Searched<M> {
    type State = M::State;
    type Input = M::Input;
    type Output = M::Output;
    type Key = M::Key;

    fn initial(&self) -> M::State {
        self.0.initial()
    }

    fn apply(&self, state: &M::State, input: &M::Input, output: Option<&M::Output>) -> Option<M::State> {
        self.0.apply(state, input, output)
    }

    fn key(&self, input: &M::Input) -> Option<M::Key> {
        self.0.key(input)
    }

    fn reads_only(&self, input: &M::Input, output: Option<&M::Output>) -> bool {
        self.0.reads_only(input, output)
    }

    fn strands(&self, calls: &[Call<'_, M::Input, M::Output>]) -> Vec<squall_checkers::model::Strand> {
        self.0.strands(calls)
    }
}

/// All ways in which `count` operations can overlap, each as the positions of invocations and returns. Operations are in
/// the order of their invocations.
fn shapes(count: usize) -> Vec<Vec<(u64, u64)>> {
    fn go(
        left: usize,
        position: u64,
        open: &mut Vec<usize>,
        shape: &mut Vec<(u64, u64)>,
        all: &mut Vec<Vec<(u64, u64)>>,
    ) {
        if left == 0 && open.is_empty() {
            all.push(shape.clone());
            return;
        }
        if left > 0 {
            open.push(shape.len());
            shape.push((position, 0));
            go(left - 1, position + 1, open, shape, all);
            shape.pop();
            open.pop();
        }
        for place in 0..open.len() {
            let operation = open.remove(place);
            shape[operation].1 = position;
            go(left, position + 1, open, shape, all);
            open.insert(place, operation);
        }
    }
    let mut all = Vec::new();
    go(count, 0, &mut Vec::new(), &mut Vec::new(), &mut all);
    all
}

/// Judges all histories of up to `count` operations, each one of `operations`; `None` is an unknown outcome. In sequential
/// histories, operation i is of process i mod 2.
fn exhaust<M: Model>(
    model: &M,
    count: usize,
    operations: &[(M::Input, Option<M::Output>)],
    condition: Condition,
) where
    M::Input: Clone,
    M::Output: Clone,
{
    let (mut legal, mut illegal) = (0_u64, 0_u64);
    for count in 1..=count {
        for shape in shapes(count) {
            let mut choice = vec![0; count];
            loop {
                let history: Vec<_> = (0..count)
                    .map(|index| {
                        let (invoked, returned) = shape[index];
                        match operations[choice[index]].clone() {
                            (input, Some(output)) => {
                                Operation::ok(index as u64 % 2, input, output, invoked, returned)
                            }
                            (input, None) => Operation::info(index as u64 % 2, input, invoked),
                        }
                    })
                    .collect();
                if matches!(condition, Condition::Linearizable) || one_at_a_time(&history) {
                    let expected = holds(model, &history, condition);
                    *(if expected { &mut legal } else { &mut illegal }) += 1;
                    compare(model, &history, condition, expected);
                }
                let Some(place) = choice.iter().position(|chosen| chosen + 1 < operations.len()) else {
                    break;
                };
                choice[..place].fill(0);
                choice[place] += 1;
            }
        }
    }
    assert!(legal > 100 && illegal > 100, "{legal} legal, {illegal} illegal");
}

/// Whether each process does one thing at a time, but for those of which it never heard again.
fn one_at_a_time<I, O>(history: &[Operation<I, O>]) -> bool {
    history.iter().enumerate().all(|(place, later)| {
        let open = |earlier: &Operation<I, O>| earlier.returned.is_some() && !earlier.precedes(later);
        !history[..place].iter().any(|earlier| earlier.process == later.process && open(earlier))
    })
}

fn compare<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    condition: Condition,
    expected: bool,
) {
    let verdict = match condition {
        Condition::Linearizable => linearizability::check(model, history, Budget::default()),
        Condition::Sequential => sequential::check(model, history, Budget::default()),
    };
    match &verdict {
        Verdict::Legal { .. } => assert!(expected, "called legal: {history:#?}"),
        Verdict::Illegal(violation) => {
            assert!(!expected, "called illegal: {history:#?}\n{violation}");
            assert!(!violation.operations.is_empty(), "{history:#?}\n{violation:#?}");
            for start in &violation.starts {
                let everything = violation.operations.iter().filter(|shown| !shown.optional).count();
                assert!(
                    start.partials.iter().all(|partial| {
                        partial.order.iter().filter(|place| !violation.operations[**place].optional).count()
                            < everything
                    }),
                    "{violation:#?}"
                );
            }
        }
        Verdict::Unknown { reason } => panic!("{reason}: {history:#?}"),
    }
}

fn register() -> Vec<(RegisterInput<u8>, Option<RegisterOutput<u8>>)> {
    use RegisterInput::*;
    use RegisterOutput::*;
    let mut operations = vec![(Write(1), None), (Write(2), None)];
    operations.extend([1, 2].map(|value| (Write(value), Some(Done))));
    operations.extend([0, 1, 2].map(|value| (Read, Some(Value(value)))));
    operations
}

fn compare_and_set() -> Vec<(RegisterInput<u8>, Option<RegisterOutput<u8>>)> {
    use RegisterInput::*;
    use RegisterOutput::*;
    let mut operations = vec![(Write(1), Some(Done)), (CompareAndSet(1, 2), None)];
    operations.extend([false, true].map(|swapped| (CompareAndSet(0, 1), Some(Swapped(swapped)))));
    operations.extend([false, true].map(|swapped| (CompareAndSet(1, 2), Some(Swapped(swapped)))));
    operations.extend([1, 2].map(|value| (Read, Some(Value(value)))));
    operations
}

type Contained = (ContainerInput<u8>, Option<ContainerOutput<u8>>);

fn container(values: &[u8]) -> Vec<Contained> {
    use ContainerInput::*;
    use ContainerOutput::*;
    let mut operations: Vec<Contained> = vec![(Take, Some(Empty)), (Put(values[0]), None)];
    operations.extend(values.iter().map(|value| (Put(*value), Some(Done))));
    operations.extend(values.iter().map(|value| (Take, Some(Taken(*value)))));
    operations
}

fn key_value() -> Vec<(KeyValueInput, Option<KeyValueOutput>)> {
    use KeyValueInput::*;
    use KeyValueOutput::*;
    let key = || "k".to_owned();
    vec![
        (Put(key(), "a".into()), Some(Done)),
        (Append(key(), "b".into()), Some(Done)),
        (Append(key(), "b".into()), None),
        (Delete(key()), Some(Done)),
        (Get(key()), Some(Value(None))),
        (Get(key()), Some(Value(Some("ab".into())))),
        (Get(key()), Some(Value(Some("b".into())))),
    ]
}

#[test]
fn all_small_histories_of_a_register() {
    exhaust(&Register::new(0), 4, &register(), Condition::Linearizable);
    exhaust(&Register::new(0), 4, &compare_and_set()[1..], Condition::Linearizable);
    exhaust(&Searched(Register::new(0)), 3, &register(), Condition::Linearizable);
}

#[test]
fn all_small_histories_of_containers() {
    exhaust(&Queue::new(), 4, &container(&[1, 2]), Condition::Linearizable);
    exhaust(&Stack::new(), 4, &container(&[1, 2]), Condition::Linearizable);
    exhaust(&PriorityQueue::new(), 4, &container(&[1, 2]), Condition::Linearizable);
    exhaust(&PriorityQueue::new(), 3, &container(&[2, 1]), Condition::Linearizable);
    // Takes of which nobody knows what they took.
    let mut blind = container(&[1, 2]);
    blind[1] = (ContainerInput::Take, None);
    exhaust(&Queue::new(), 4, &blind, Condition::Linearizable);
    exhaust(&Stack::new(), 3, &blind, Condition::Linearizable);
    exhaust(&PriorityQueue::new(), 3, &blind, Condition::Linearizable);
}

#[test]
fn all_small_histories_of_other_objects() {
    exhaust(&KeyValue, 4, &key_value(), Condition::Linearizable);
    use CounterInput::{Add, Read};
    let counter = [
        (Add(1), Some(None)),
        (Add(2), Some(Some(2))),
        (Add(1), None),
        (Read, Some(Some(1))),
        (Read, Some(Some(0))),
        (Read, Some(Some(3))),
    ];
    exhaust(&Counter, 4, &counter, Condition::Linearizable);
    let set = [
        (SetInput::Add(1), Some(true)),
        (SetInput::Add(1), None),
        (SetInput::Add(1), Some(false)),
        (SetInput::Remove(1), Some(true)),
        (SetInput::Remove(1), None),
        (SetInput::Contains(1), Some(true)),
        (SetInput::Contains(1), Some(false)),
    ];
    exhaust(&Set::new(), 4, &set, Condition::Linearizable);
    let all = |elements: &[u8]| Some(WholeSetOutput::Elements(elements.iter().copied().collect()));
    let done = || Some(WholeSetOutput::Done(None));
    let grows = [
        (WholeSetInput::Add(1), done()),
        (WholeSetInput::Add(2), Some(WholeSetOutput::Done(Some(true)))),
        (WholeSetInput::Add(2), None),
        (WholeSetInput::Read, all(&[])),
        (WholeSetInput::Read, all(&[1])),
        (WholeSetInput::Read, all(&[1, 2])),
        (WholeSetInput::Remove(1), done()),
    ];
    exhaust(&WholeSet::new(), 4, &grows[..6], Condition::Linearizable);
    exhaust(&WholeSet::new(), 3, &grows, Condition::Linearizable);
    let mutex = [
        (MutexInput::Acquire(0), Some(MutexOutput::Granted(Some(1)))),
        (MutexInput::Acquire(1), Some(MutexOutput::Granted(Some(2)))),
        (MutexInput::Acquire(1), None),
        (MutexInput::Release(0), Some(MutexOutput::Released)),
        (MutexInput::Release(1), Some(MutexOutput::Released)),
        (MutexInput::Acquire(0), Some(MutexOutput::Busy)),
    ];
    exhaust(&Mutex::new(), 3, &mutex, Condition::Linearizable);
    exhaust(&Mutex::fenced(), 4, &mutex, Condition::Linearizable);
}

/// Of two reads of a set that only grows one saw all that the other did, whatever else fits.
#[test]
fn reads_of_a_growing_set_are_a_chain() {
    let judged = |one: &[u8], other: &[u8]| {
        let add = |element| {
            Operation::ok(u64::from(element), WholeSetInput::Add(element), WholeSetOutput::Done(None), 0, 100)
        };
        let read = |process, elements: &[u8], at| {
            let elements = WholeSetOutput::Elements(elements.iter().copied().collect());
            Operation::ok(process, WholeSetInput::Read, elements, at, at + 10)
        };
        let history = [add(1), add(2), add(3), read(4, one, 10), read(5, other, 10)];
        let verdict = linearizability::check(&WholeSet::new(), &history, Budget::default());
        assert_eq!(
            verdict.is_legal(),
            holds(&WholeSet::new(), &history, Condition::Linearizable),
            "{verdict:?}"
        );
        let by = match &verdict {
            Verdict::Legal { by } => by,
            Verdict::Illegal(violation) => violation.by,
            Verdict::Unknown { .. } => panic!("{verdict:?}"),
        };
        assert!(by.starts_with("growing sets"), "{by}");
        verdict.is_legal()
    };
    assert!(judged(&[1], &[1, 2]));
    assert!(judged(&[1, 2], &[1, 2]));
    assert!(!judged(&[1], &[2]));
    assert!(!judged(&[1], &[2, 3]));
    assert!(!judged(&[1, 2], &[2, 3]));
}

/// Five operations, of three kinds each: what takes an addition, a removal and who saw them in what order.
#[test]
fn all_histories_of_five_operations_of_three_kinds() {
    use ContainerInput::*;
    use ContainerOutput::{Done, Empty, Taken};
    let register = register();
    exhaust(&Register::new(0), 5, &[register[0], register[3], register[5]], Condition::Linearizable);
    let queue: [Contained; 3] = [(Put(1), Some(Done)), (Take, Some(Taken(1))), (Take, Some(Empty))];
    exhaust(&Queue::new(), 5, &queue, Condition::Linearizable);
    let set = [
        (SetInput::Add(1), Some(true)),
        (SetInput::Remove(1), Some(true)),
        (SetInput::Contains(1), Some(false)),
    ];
    exhaust(&Set::new(), 5, &set, Condition::Linearizable);
}

#[test]
fn all_small_histories_for_sequential_consistency() {
    exhaust(&Register::new(0), 4, &register(), Condition::Sequential);
    exhaust(&Queue::new(), 4, &container(&[1, 2]), Condition::Sequential);
    let keys: Vec<_> = [1, 2]
        .into_iter()
        .flat_map(|key| {
            [
                ((key, RegisterInput::Write(1)), Some(RegisterOutput::Done)),
                ((key, RegisterInput::Read), Some(RegisterOutput::Value(0))),
                ((key, RegisterInput::Read), Some(RegisterOutput::Value(1))),
            ]
        })
        .collect();
    exhaust(&PerKey::new(Register::new(0)), 4, &keys, Condition::Sequential);
}

/// How `count` operations overlap: invocations and returns.
fn shape(draw: &mut Draw, count: usize) -> Vec<(u64, u64)> {
    let (mut shape, mut open) = (Vec::new(), Vec::new());
    for position in 0.. {
        if shape.len() < count && (open.is_empty() || draw.below(2) == 0) {
            open.push(shape.len());
            shape.push((position, 0));
        } else if !open.is_empty() {
            let place = draw.below(open.len() as u64) as usize;
            let operation: usize = open.swap_remove(place);
            shape[operation].1 = position;
        } else {
            break;
        }
    }
    shape
}

/// Histories of seven operations, drawn: too many to go through them all.
fn sample<M: Model>(model: &M, count: u64, operations: &[(M::Input, Option<M::Output>)], distinct: bool)
where
    M::Input: Clone,
    M::Output: Clone,
{
    let mut verdicts = [0, 0];
    for seed in 0..count {
        let mut draw = Draw::new(seed);
        let size = 5 + draw.below(3) as usize;
        let mut left: Vec<_> = operations.to_vec();
        let mut history = Vec::new();
        for (index, (invoked, returned)) in shape(&mut draw, size).into_iter().enumerate() {
            if left.is_empty() {
                break;
            }
            let chosen = draw.below(left.len() as u64) as usize;
            let (input, output) = if distinct { left.swap_remove(chosen) } else { left[chosen].clone() };
            history.push(match output {
                Some(output) => Operation::ok(index as u64 % 3, input, output, invoked, returned),
                None => Operation::info(index as u64 % 3, input, invoked),
            });
        }
        let expected = holds(model, &history, Condition::Linearizable);
        verdicts[usize::from(expected)] += 1;
        compare(model, &history, Condition::Linearizable, expected);
    }
    assert!(verdicts[0] > count / 100 && verdicts[1] > count / 100, "{verdicts:?}");
}

#[test]
fn many_larger_histories_of_distinct_values() {
    use ContainerInput::*;
    use ContainerOutput::*;
    let mut operations: Vec<Contained> = vec![(Take, Some(Empty)), (Take, Some(Empty))];
    for value in 1..=4 {
        operations.push((Put(value), Some(Done)));
        operations.push((Take, Some(Taken(value))));
    }
    sample(&Queue::new(), 20_000, &operations, true);
    sample(&Stack::new(), 20_000, &operations, true);
    sample(&PriorityQueue::new(), 20_000, &operations, true);
    sample(&Register::new(0), 10_000, &register(), true);
    // With takes of which nobody knows what they took, and calls that may have had no effect.
    operations.extend([(Take, None), (Take, None)]);
    sample(&Queue::new(), 20_000, &operations, true);
    sample(&Stack::new(), 20_000, &operations, true);
    sample(&PriorityQueue::new(), 20_000, &operations, true);
    let mut set: Vec<(SetInput<u8>, Option<bool>)> =
        vec![(SetInput::Add(1), None), (SetInput::Remove(1), None)];
    for answer in [true, true, false, false] {
        set.push((SetInput::Contains(1), Some(answer)));
        set.push((if answer { SetInput::Add(1) } else { SetInput::Remove(1) }, Some(answer)));
        set.push((SetInput::Remove(1), Some(true)));
    }
    sample(&Set::new(), 20_000, &set, true);
    let all = |elements: &[u8]| Some(WholeSetOutput::Elements(elements.iter().copied().collect()));
    let mut grows = vec![(WholeSetInput::Add(4), None)];
    for element in 1..=3 {
        grows.push((WholeSetInput::Add(element), Some(WholeSetOutput::Done(None))));
    }
    for elements in [&[][..], &[1], &[1, 2], &[1, 2, 3], &[1, 2, 4]] {
        grows.push((WholeSetInput::Read, all(elements)));
    }
    sample(&WholeSet::new(), 20_000, &grows, true);
    sample(&Register::new(0), 10_000, &compare_and_set(), false);
}

/// A history of a simulated object, with about every second history damaged: two answers are exchanged, or an operation is moved.
fn perturbed<M: Model>(
    model: &M,
    draw: &mut Draw,
    size: usize,
    processes: u64,
    ask: Ask<M>,
) -> Vec<Operation<M::Input, M::Output>> {
    let mut history = linearizable(model, draw, size, processes, ask);
    let damaged = draw.below(history.len() as u64) as usize;
    match draw.below(4) {
        0 => {
            let other = draw.below(history.len() as u64) as usize;
            if damaged != other {
                let (low, high) = (damaged.min(other), damaged.max(other));
                let (front, back) = history.split_at_mut(high);
                std::mem::swap(&mut front[low].input, &mut back[0].input);
                std::mem::swap(
                    &mut front[low].returned.as_mut().unwrap().output,
                    &mut back[0].returned.as_mut().unwrap().output,
                );
            }
        }
        1 => {
            let by = draw.below(8);
            let operation = &mut history[damaged];
            operation.invoked.index += by;
            operation.returned.as_mut().unwrap().at.index += by;
        }
        _ => {}
    }
    history
}

/// The faster algorithms against the search, on histories that a simulated object made and something may have damaged.
#[test]
fn faster_algorithms_agree_with_the_search() {
    let mut verdicts = [[0; 2]; 4];
    for seed in 0..3_000 {
        let mut draw = Draw::new(seed);
        let size = 6 + draw.below(30) as usize;
        let processes = 1 + draw.below(6);
        let mut both = |which: usize, fast: Verdict<Violation>, slow: Verdict<Violation>, history: String| {
            assert_eq!(fast.is_legal(), slow.is_legal(), "seed {seed}\n{fast:?}\n{slow:?}\n{history}");
            assert!(!fast.is_unknown() && !slow.is_unknown());
            if let Verdict::Legal { by } = fast {
                assert!(!by.starts_with("search"), "{by}");
            }
            verdicts[which][usize::from(fast.is_legal())] += 1;
        };
        macro_rules! compare {
            ($which:expr, $model:expr, $operations:expr) => {
                let history = perturbed(&$model, &mut draw, size, processes, $operations);
                let fast = linearizability::check(&$model, &history, Budget::default());
                let slow = linearizability::check(&Searched($model), &history, Budget::default());
                both($which, fast, slow, format!("{history:#?}"));
            };
        }
        compare!(0, Queue::new(), squall_checkers_tests::simulated::container);
        compare!(1, Stack::new(), squall_checkers_tests::simulated::container);
        compare!(2, PriorityQueue::new(), squall_checkers_tests::simulated::container);
        compare!(3, Register::new(0), squall_checkers_tests::simulated::register);
    }
    for [illegal, legal] in verdicts {
        assert!(illegal > 200 && legal > 200, "{verdicts:?}");
    }
}

/// The same where nobody knows the outcome of every fourth operation. Where what a take brought out is unknown, it may take a
/// search; that is rare.
#[test]
fn faster_algorithms_agree_with_the_search_where_outcomes_are_unknown() {
    let (mut verdicts, mut searched) = ([0; 2], 0);
    for seed in 0..2_000 {
        let mut draw = Draw::new(seed);
        let size = 6 + draw.below(12) as usize;
        let processes = 1 + draw.below(4);
        macro_rules! compare {
            ($model:expr, $operations:expr) => {
                let mut history = perturbed(&$model, &mut draw, size, processes, $operations);
                for operation in &mut history {
                    operation.returned = operation.returned.take().filter(|_| draw.below(4) > 0);
                }
                let fast = linearizability::check(&$model, &history, Budget::default());
                let slow = linearizability::check(&Searched($model), &history, Budget::default());
                assert_eq!(fast.is_legal(), slow.is_legal(), "seed {seed}\n{fast:?}\n{slow:?}\n{history:#?}");
                let by = match &fast {
                    Verdict::Legal { by } => by,
                    Verdict::Illegal(violation) => violation.by,
                    Verdict::Unknown { reason } => panic!("{reason}"),
                };
                searched += u32::from(by.starts_with("search"));
                verdicts[usize::from(fast.is_legal())] += 1;
            };
        }
        compare!(Queue::new(), squall_checkers_tests::simulated::container);
        compare!(Stack::new(), squall_checkers_tests::simulated::container);
        compare!(PriorityQueue::new(), squall_checkers_tests::simulated::container);
        compare!(Register::new(0), squall_checkers_tests::simulated::register);
    }
    assert!(verdicts[0] > 500 && verdicts[1] > 500, "{verdicts:?}");
    assert!(searched > 0 && searched < 400, "{searched} of 8000 by search");
}
