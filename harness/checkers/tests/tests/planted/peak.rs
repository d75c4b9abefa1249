//! How much memory a check takes at its peak, by what is really allocated.

#![allow(unsafe_code, reason = "an allocator that counts is unsafe by its trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use squall_checkers::{
    Budget, Exhausted, Operation, Verdict, linearizability,
    models::{ContainerInput, ContainerOutput, Counter, CounterInput, Queue},
    sequential,
    transactions::{self, Assume, History, Level},
};

/// Counts what each thread holds: a check runs on one, and tests beside it on others.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    /// How many bytes are allocated, and the most there were.
    static HELD: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

fn count(bytes: i64) {
    // While a thread ends there is nothing left to count with.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

// SAFETY: all is done by the system's allocator, with the same arguments. Moving to a larger place counts both places, as the
// default of `realloc` allocates, copies and frees.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

/// The most bytes that were allocated at once beyond those before.
fn peak<T>(of: impl FnOnce() -> T) -> (i64, T) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = of();
    (HELD.get().1 - before, result)
}

const LIMIT: u64 = 24 << 20;
const BUDGET: Budget = Budget { steps: u64::MAX, memory: LIMIT, time: None };
/// What the history itself takes, a fixed number of words for each call.
const BESIDES: i64 = 1 << 20;

/// Checks one that is undecided when the memory is full, and how much it took.
fn fills<E: std::fmt::Debug>(what: &str, check: impl FnOnce() -> Verdict<E>) {
    let (peak, verdict) = peak(check);
    let full = Exhausted::Memory { limit: LIMIT };
    assert!(matches!(&verdict, Verdict::Unknown { reason } if *reason == full), "{what}: {verdict:?}");
    assert!(peak < LIMIT as i64 + BESIDES, "{what} took {peak} bytes");
    // What is counted is what there is: not much less is used than is allowed.
    assert!(peak > LIMIT as i64 / 4, "{what} took {peak} bytes");
}

/// 50 clients, all concurrent, on one object.
#[test]
fn fifty_clients_at_once_stay_within_the_budget() {
    let mut counter: Vec<_> =
        (0..50).map(|process| Operation::ok(process, CounterInput::Add(1 << process), None, 0, 2)).collect();
    counter.push(Operation::ok(50, CounterInput::Read, Some(-1), 0, 2));
    fills("linearizability", || linearizability::check(&Counter, &counter, BUDGET));
    fills("sequential consistency", || sequential::check(&Counter, &counter, BUDGET));

    // States that are large themselves. A value is put in twice, so that no faster algorithm applies.
    let mut queue: Vec<_> = (0..50)
        .map(|process| Operation::ok(process, ContainerInput::Put(process % 49), ContainerOutput::Done, 0, 2))
        .collect();
    queue.push(Operation::ok(50, ContainerInput::Take, ContainerOutput::Taken(99), 0, 2));
    fills("a queue", || linearizability::check(&Queue::new(), &queue, BUDGET));
}

/// 40 transactions that nothing orders, and three that no order explains though there is no cycle.
#[test]
fn transactions_that_nothing_orders_stay_within_the_budget() {
    let mut builder = History::builder();
    let (x, y) = (builder.key("x"), builder.key("y"));
    for other in 0..40 {
        let key = builder.key(&format!("k{other}"));
        builder.begin(other).write(key, 1).commit(None);
    }
    builder.begin(100).write(x, 1).write(y, 1).commit(None);
    builder.begin(101).write(x, 2).write(y, 2).commit(None);
    builder.begin(102).read(x, Some(1)).read(y, Some(2)).commit(None);
    let history = builder.build().unwrap();
    fills("an order of transactions", || {
        transactions::check(&history, Level::Serializable, &Assume::default(), BUDGET)
    });
}
