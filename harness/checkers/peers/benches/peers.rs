//! squall-checkers beside what else is published in Rust, on the same histories, in one run:
//! `cargo bench --manifest-path harness/checkers/peers/Cargo.toml`.
//!
//! - **stateright** 0.31, `LinearizabilityTester`: for models of few operations. It remembers no configurations, copies what is
//!   left at each step and goes one stack frame deeper for each operation, so it is asked for hundreds of them at most.
//! - **adya** 0.1, Elle's analysis of lists in Rust: without its database drivers.
//!
//! porcupine-rs and awdit are not published on crates.io, so that they are not here.
//!
//! What to look at are ratios, and how each grows: the histories are legal, and each checker is given them in its own form before
//! the clock runs.

use adya::history::{Interner, Mop, Op, OpType, ReadValue, Scalar};
use divan::{Bencher, counter::ItemsCount};
use squall_checkers_tests::simulated::{Draw, linearizable, register};
use squall_checkers::{
    Budget, Operation, linearizability,
    models::{Register, RegisterInput, RegisterOutput},
    transactions::{self, Assume, History, Level, Operation as Access},
};
use stateright::semantics::{
    ConsistencyTester, LinearizabilityTester,
    register::{Register as Cell, RegisterOp, RegisterRet},
};

fn main() {
    divan::main();
}

type Call = Operation<RegisterInput<u32>, RegisterOutput<u32>>;

/// A register that works, asked by some clients.
fn calls(length: usize, clients: u64) -> Vec<Call> {
    linearizable(&Register::new(0), &mut Draw::new(1), length, clients, register)
}

const LENGTHS: [usize; 3] = [100, 200, 400];

#[divan::bench(args = LENGTHS, sample_count = 10)]
fn register_squall(bencher: Bencher, length: usize) {
    let history = calls(length, 3);
    bencher.counter(ItemsCount::new(length)).bench(|| {
        assert!(linearizability::check(&Register::new(0), &history, Budget::default()).is_legal());
    });
}

#[divan::bench(args = LENGTHS, sample_count = 10)]
fn register_stateright(bencher: Bencher, length: usize) {
    let mut events: Vec<(u64, &Call, bool)> = Vec::new();
    let history = calls(length, 3);
    for call in &history {
        events.push((call.invoked.index, call, false));
        events.extend(call.returned.as_ref().map(|returned| (returned.at.index, call, true)));
    }
    events.sort_by_key(|&(at, ..)| at);
    let mut tester: LinearizabilityTester<u64, Cell<u32>> = LinearizabilityTester::new(Cell(0));
    for (_, call, returns) in events {
        let told = match (returns, call.input, call.output()) {
            (false, RegisterInput::Write(value), _) => {
                tester.on_invoke(call.process, RegisterOp::Write(value))
            }
            (false, ..) => tester.on_invoke(call.process, RegisterOp::Read),
            (true, _, Some(RegisterOutput::Value(value))) => {
                tester.on_return(call.process, RegisterRet::ReadOk(*value))
            }
            (true, ..) => tester.on_return(call.process, RegisterRet::WriteOk),
        };
        told.expect("each client does one thing at a time");
    }
    bencher.counter(ItemsCount::new(length)).bench(|| assert!(tester.is_consistent()));
}

/// A strictly serializable store of lists, asked by 16 sessions: up to 4 reads and appends a transaction, ten keys at once, each
/// replaced after 100 appends.
fn lists(count: usize) -> History {
    let mut draw = Draw::new(count as u64);
    let mut builder = History::builder();
    let mut keys: Vec<(usize, Vec<i64>)> = (0..10).map(|key| (key, Vec::new())).collect();
    let (mut next, mut value) = (keys.len(), 0);
    for number in 0..count as u64 {
        let named: Vec<_> = keys.iter().map(|(key, _)| builder.key(&key.to_string())).collect();
        let mut txn = builder.begin((number % 16) as u32).at(2 * number);
        for _ in 0..=draw.below(4) {
            let at = draw.below(10) as usize;
            let list = &mut keys[at].1;
            txn = if draw.below(2) == 0 {
                value += 1;
                list.push(value);
                txn.append(named[at], value)
            } else {
                txn.read_list(named[at], list)
            };
        }
        // It ends when 15 others have begun, before the next of its session.
        txn.commit(2 * number + 31);
        for (key, list) in keys.iter_mut().filter(|(_, list)| list.len() >= 100) {
            (*key, *list) = (next, Vec::new());
            next += 1;
        }
    }
    builder.build().expect("a history")
}

const TRANSACTIONS: [usize; 3] = [1_000, 10_000, 100_000];

#[divan::bench(args = TRANSACTIONS, sample_count = 3)]
fn lists_squall(bencher: Bencher, count: usize) {
    let history = lists(count);
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let verdict =
            transactions::check(&history, Level::StrictSerializable, &Assume::default(), Budget::default());
        assert!(verdict.is_legal());
    });
}

#[divan::bench(args = TRANSACTIONS, sample_count = 3)]
fn lists_adya(bencher: Bencher, count: usize) {
    let history = lists(count);
    let mut interner = Interner::default();
    let mut events = Vec::new();
    for txn in history.transactions() {
        let (start, end) = history.positions(txn).expect("it has times");
        for (at, kind) in [(start, OpType::Invoke), (end.expect("it ended"), OpType::Ok)] {
            let mut name = |value: i64| interner.intern(Scalar::Int(value));
            let accesses = history.operations(txn).map(|access| match access {
                Access::Append(key, value) => {
                    Mop::Append { key: number(&history, key, &mut name), value: name(value) }
                }
                Access::ReadList(key, list) => Mop::Read {
                    key: number(&history, key, &mut name),
                    value: match kind {
                        OpType::Invoke => ReadValue::Nil,
                        _ => ReadValue::List(list.iter().map(|&value| name(value)).collect()),
                    },
                },
                Access::Write(..) | Access::Read(..) => unreachable!("keys are lists"),
            });
            let value = accesses.collect();
            events.push((
                at,
                Op { index: 0, kind, process: Some(history.session(txn).into()), value, time: None },
            ));
        }
    }
    events.sort_by_key(|(at, _)| *at);
    for (index, (_, op)) in events.iter_mut().enumerate() {
        op.index = index as u64;
    }
    let history = adya::History::from_ops(events.into_iter().map(|(_, op)| op).collect(), interner);
    let options = adya::Opts { models: vec!["strict-serializable".into()], ..adya::Opts::default() };
    bencher.counter(ItemsCount::new(count)).bench(|| {
        assert!(adya::check(&history, adya::Workload::ListAppend, &options).valid == adya::Valid::True);
    });
}

/// A key as a number that no element has.
fn number(history: &History, key: transactions::Key, name: &mut impl FnMut(i64) -> u32) -> u32 {
    name(-1 - history.key(key).parse::<i64>().expect("keys are numbers"))
}
