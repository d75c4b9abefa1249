//! What judging single objects costs, over length, concurrency and keys. `cargo bench -p squall-checkers --bench objects`

use divan::{Bencher, counter::ItemsCount};
use squall_checkers::{
    Budget, Model, Operation, Verdict, linearizability,
    models::{Counter, CounterInput, PerKey, PriorityQueue, Queue, Register, Stack},
};
use squall_checkers_tests::simulated::{Draw, container, linearizable, register, registers};

fn main() {
    divan::main();
}

/// Enough for all histories here.
const BUDGET: Budget = Budget { steps: 1 << 40, memory: 1 << 34, time: None };

fn judge<M>(bencher: Bencher<'_, '_>, model: M, history: Vec<Operation<M::Input, M::Output>>)
where
    M: Model + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    bencher.counter(ItemsCount::new(history.len())).bench(|| {
        let verdict = linearizability::check(&model, &history, BUDGET);
        assert!(verdict.is_legal());
        verdict
    });
}

const LENGTHS: [usize; 3] = [10_000, 100_000, 1_000_000];

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn register_by_length(bencher: Bencher<'_, '_>, length: usize) {
    judge(
        bencher,
        Register::new(0),
        linearizable(&Register::new(0), &mut Draw::new(1), length, 10, register),
    );
}

#[divan::bench(args = [2, 10, 50, 200], sample_count = 3)]
fn register_by_concurrency(bencher: Bencher<'_, '_>, processes: u64) {
    judge(
        bencher,
        Register::new(0),
        linearizable(&Register::new(0), &mut Draw::new(1), 100_000, processes, register),
    );
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn queue_by_length(bencher: Bencher<'_, '_>, length: usize) {
    judge(bencher, Queue::new(), linearizable(&Queue::new(), &mut Draw::new(1), length, 10, container));
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn stack_by_length(bencher: Bencher<'_, '_>, length: usize) {
    judge(bencher, Stack::new(), linearizable(&Stack::new(), &mut Draw::new(1), length, 10, container));
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn priority_queue_by_length(bencher: Bencher<'_, '_>, length: usize) {
    judge(
        bencher,
        PriorityQueue::new(),
        linearizable(&PriorityQueue::new(), &mut Draw::new(1), length, 10, container),
    );
}

#[divan::bench(args = [1, 1_000, 100_000], sample_count = 3)]
fn million_on_registers_by_keys(bencher: Bencher<'_, '_>, keys: u64) {
    judge(bencher, PerKey::new(Register::new(0)), registers(1_000_000, keys, u32::MAX));
}

#[divan::bench(args = [1, 1_000], sample_count = 3)]
fn million_by_search(bencher: Bencher<'_, '_>, keys: u64) {
    judge(bencher, PerKey::new(Register::new(0)), registers(1_000_000, keys, 20));
}

#[divan::bench(args = [10_000, 100_000], sample_count = 3)]
fn counter_by_length(bencher: Bencher<'_, '_>, length: usize) {
    let history =
        linearizable(&Counter, &mut Draw::new(1), length, 5, |draw, _, count| match draw.below(2) {
            0 => (CounterInput::Add(1), None),
            _ => (CounterInput::Read, Some(*count)),
        });
    judge(bencher, Counter, history);
}

/// 50 clients, all concurrent, one counter without answers and a read that cannot be: the budget ends it.
#[divan::bench(sample_count = 3)]
fn hopeless(bencher: Bencher<'_, '_>) {
    let mut history: Vec<_> =
        (0..50).map(|process| Operation::ok(process, CounterInput::Add(1 << process), None, 0, 2)).collect();
    history.push(Operation::ok(50, CounterInput::Read, Some(-1), 0, 2));
    bencher.bench(|| {
        let verdict =
            linearizability::check(&Counter, &history, Budget { steps: 5_000_000, ..Budget::default() });
        assert!(matches!(verdict, Verdict::Unknown { .. }));
    });
}
