//! What is aimed at, measured: `cargo bench -p squall-checkers --bench goals` prints a table.
//!
//! Times are those of the processor, where the system tells them (Linux), so that what else a machine does costs little. Each is the best of
//! a few.

use std::{fs, hint::black_box, time::Instant};

use squall_checkers::{
    Budget, Verdict, linearizability,
    models::{PerKey, PriorityQueue, Queue, Register, Stack},
    sessions::{self, Guarantee},
    transactions::{self, Assume, Level},
};
use squall_checkers_tests::simulated::{Draw, Kind, container, linearizable, register, registers, store};

/// Enough for all histories here.
const BUDGET: Budget = Budget { steps: 1 << 40, memory: 1 << 34, time: None };
const REPEATS: usize = 3;
const LENGTHS: [usize; 3] = [62_500, 250_000, 1_000_000];

fn main() {
    println!("| what | aim | length | seconds | ns for each | by |");
    println!("|---|---|---|---|---|---|");
    for length in LENGTHS {
        let history = registers(length, 1_000, u32::MAX);
        told("operations on 1,000 registers", "2 s", length, || {
            linearizability::check(&PerKey::new(Register::new(0)), &history, BUDGET)
        });
    }
    for length in LENGTHS {
        let history = linearizable(&Register::new(0), &mut Draw::new(1), length, 10, register);
        told("operations on one register", "5 s", length, || {
            linearizability::check(&Register::new(0), &history, BUDGET)
        });
    }
    for length in LENGTHS {
        let history = registers(length, 1, 20);
        told("the same, values repeat", "", length, || {
            linearizability::check(&PerKey::new(Register::new(0)), &history, BUDGET)
        });
    }
    for length in LENGTHS {
        let history = linearizable(&Queue::new(), &mut Draw::new(1), length, 10, container);
        told("operations on one queue", "", length, || {
            linearizability::check(&Queue::new(), &history, BUDGET)
        });
    }
    for length in LENGTHS {
        let history = linearizable(&Stack::new(), &mut Draw::new(1), length, 10, container);
        told("operations on one stack", "", length, || {
            linearizability::check(&Stack::new(), &history, BUDGET)
        });
    }
    for length in LENGTHS {
        let history = linearizable(&PriorityQueue::new(), &mut Draw::new(1), length, 10, container);
        told("operations on one priority queue", "", length, || {
            linearizability::check(&PriorityQueue::new(), &history, BUDGET)
        });
    }
    for length in [6_250, 25_000, 100_000] {
        let history = store(length, 4, Kind::Lists, false).build().expect("a history");
        told("transactions on lists, strictly serializable", "2 s", length, || {
            transactions::check(&history, Level::StrictSerializable, &Assume::default(), BUDGET)
        });
    }
    for length in LENGTHS {
        let history = store(length, 1, Kind::Registers, false).build().expect("a history");
        told("operations on registers, causal", "10 s", length, || {
            sessions::check(&history, Guarantee::Causal, BUDGET)
        });
    }
}

/// Prints a line of the table. For an aim, the longest history is the one that it is for.
fn told<E>(what: &str, aim: &str, length: usize, check: impl Fn() -> Verdict<E>) {
    let mut best = f64::INFINITY;
    let mut by = "";
    for _ in 0..REPEATS {
        let begun = seconds();
        let verdict = black_box(check());
        best = best.min(seconds() - begun);
        let Verdict::Legal { by: told } = verdict else { panic!("{what}: a legal history was not found so") };
        by = told;
    }
    println!("| {what} | {aim} | {length} | {best:.2} | {:.0} | {by} |", best * 1e9 / length as f64);
}

/// What this thread has had of a processor, or else the time of day.
fn seconds() -> f64 {
    thread_local!(static START: Instant = Instant::now());
    let had = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let had = had.and_then(|had| had.split(' ').next()?.parse::<u64>().ok());
    had.map_or_else(|| START.with(|start| start.elapsed()).as_secs_f64(), |had| had as f64 / 1e9)
}
