//! squall-checkers beside what else is published in Rust, on the same histories, in one run:
//! `cargo bench --manifest-path harness/checkers/peers/Cargo.toml`.
//!
//! - **stateright** 0.31, `LinearizabilityTester`: for models of few operations. It remembers no configurations, copies what is
//!   left at each step and goes one stack frame deeper for each operation, so it is asked for hundreds of them at most.
//! - **porcupine-rs** 0.3, Porcupine in Rust: it remembers configurations, each as a set of all operations, and compares them one by one, so that
//!   it is asked for thousands.
//! - **adya** 0.1, Elle's analysis of lists in Rust: without its database drivers.
//!
//! awdit is not published on crates.io, so that it is not here.
//!
//! What to look at are ratios, and how each grows: the histories are legal, and each checker is given them in its own form before
//! the clock runs.

use adya::history::{Interner, Mop, Op, OpType, ReadValue, Scalar};
use divan::{Bencher, counter::ItemsCount};
use squall_checkers::{
    Budget, Operation, linearizability,
    models::{Register, RegisterInput, RegisterOutput},
    transactions::{self, Assume, History, Level, Operation as Access},
};
use squall_checkers_tests::simulated::{Draw, Kind, linearizable, register, store};
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

/// What porcupine-rs is told of a register.
#[derive(Clone)]
struct Told;

impl porcupine_rs::Model for Told {
    type State = u32;
    /// What was written, or what was read.
    type Op = Result<u32, u32>;
    type Metadata = ();

    fn init() -> u32 {
        0
    }

    fn step(state: &u32, op: &Result<u32, u32>) -> (bool, u32) {
        match *op {
            Ok(written) => (true, written),
            Err(read) => (read == *state, *state),
        }
    }
}

/// Longer ones than stateright can be asked for.
const LONGER: [usize; 3] = [1_000, 4_000, 16_000];

#[divan::bench(args = LONGER, sample_count = 3)]
fn longer_register_squall(bencher: Bencher, length: usize) {
    let history = calls(length, 10);
    bencher.counter(ItemsCount::new(length)).bench(|| {
        assert!(linearizability::check(&Register::new(0), &history, Budget::default()).is_legal());
    });
}

/// By search, as porcupine-rs has to: values that repeat keep the algorithm for distinct ones away.
#[divan::bench(args = LONGER, sample_count = 3)]
fn longer_register_squall_by_search(bencher: Bencher, length: usize) {
    let history = calls(length, 10);
    let repeated: Vec<Call> = repeating(&history);
    bencher.counter(ItemsCount::new(length)).bench(|| {
        assert!(linearizability::check(&Register::new(0), &repeated, Budget::default()).is_legal());
    });
}

/// With values modulo 20.
fn repeating(history: &[Call]) -> Vec<Call> {
    let mut history = history.to_vec();
    for call in &mut history {
        if let RegisterInput::Write(value) = &mut call.input {
            *value %= 20;
        }
        if let Some(returned) = &mut call.returned
            && let RegisterOutput::Value(value) = &mut returned.output
        {
            *value %= 20;
        }
    }
    history
}

#[divan::bench(args = LONGER, sample_count = 3)]
fn longer_register_porcupine(bencher: Bencher, length: usize) {
    told_to_porcupine(bencher, &calls(length, 10));
}

#[divan::bench(args = LONGER, sample_count = 3)]
fn longer_register_porcupine_repeating(bencher: Bencher, length: usize) {
    told_to_porcupine(bencher, &repeating(&calls(length, 10)));
}

fn told_to_porcupine(bencher: Bencher, history: &[Call]) {
    let told: Vec<porcupine_rs::Operation<Told>> = history
        .iter()
        .map(|call| {
            let op = match (call.input, call.output()) {
                (RegisterInput::Write(value), _) => Ok(value),
                (_, Some(RegisterOutput::Value(value))) => Err(*value),
                _ => unreachable!("all return"),
            };
            let returned = call.returned.as_ref().expect("all return").at.index;
            porcupine_rs::Operation {
                client_id: Some(call.process as u32),
                call_time: call.invoked.index as i64,
                return_time: returned as i64,
                op,
                metadata: None,
            }
        })
        .collect();
    bencher.counter(ItemsCount::new(told.len())).bench(|| assert!(porcupine_rs::check_operations(&told)));
}

/// A strictly serializable store of lists: up to 4 reads and appends a transaction, ten keys at once, each replaced after 100 appends.
fn lists(count: usize) -> History {
    store(count, 4, Kind::Lists, false).build().expect("a history")
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
