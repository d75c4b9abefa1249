//! What judging transactions costs, over the length of the history at a fixed number of sessions.
//!
//! `cargo bench -p squall-checkers --bench transactions`; other checkers stand beside these in `peers/`. The aims, on one core: 100,000 transactions on lists in 2 s, causal
//! consistency of 1,000,000 operations in 10 s, both growing nearly linearly.

use std::collections::VecDeque;

use divan::Bencher;
use squall_checkers::{
    Budget,
    sessions::{self, Guarantee},
    transactions::{
        self, Assume, Builder, History, Key, Level, Value,
        timestamps::{self, Promise},
    },
};

fn main() {
    divan::main();
}

const SESSIONS: usize = 16;
/// How many keys are in use at once, and after how many writes one is replaced by a new one, as in Elle's workloads.
const KEYS: usize = 10;
const WRITES: usize = 100;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Lists,
    Registers,
}

/// What a strictly serializable store answers to transactions of up to so many operations, of which `SESSIONS` run at
/// once. Each takes effect somewhere between its beginning and its end; `instant`: all at once there, as time stamps.
fn history(transactions: usize, operations: usize, kind: Kind, instant: bool) -> Builder {
    let mut random = Random(transactions as u64);
    let mut builder = History::builder();
    let mut made = 0;
    let mut key = |builder: &mut Builder| -> (Key, Vec<Value>) {
        made += 1;
        (builder.key(&made.to_string()), Vec::new())
    };
    let mut keys: Vec<(Key, Vec<Value>)> = (0..KEYS).map(|_| key(&mut builder)).collect();
    let mut value = 0;
    // A transaction begins when the one before it in its session has ended: up to SESSIONS positions ago.
    let mut began: VecDeque<u64> = (0..SESSIONS as u64).collect();
    for number in 0..transactions as u64 {
        let now = number * 2 + SESSIONS as u64;
        let start = began.pop_front().expect("each session has one");
        let end = now + random.below(SESSIONS) as u64 / 2;
        let span = if instant { (now, now) } else { (start, end) };
        began.push_back(end + 1);
        let mut txn = builder.begin((number % SESSIONS as u64) as u32).at(span.0);
        for _ in 0..1 + random.below(operations) {
            let (key, state) = &mut keys[random.below(KEYS)];
            let write = random.below(2) == 0;
            value += write as i64;
            txn = match (kind, write) {
                (Kind::Lists, true) => txn.append(*key, value),
                (Kind::Lists, false) => txn.read_list(*key, state),
                (Kind::Registers, true) => txn.write(*key, value),
                (Kind::Registers, false) => txn.read(*key, state.last().copied()),
            };
            if write {
                state.push(value);
            }
        }
        txn.commit(span.1);
        for slot in keys.iter_mut().filter(|(_, state)| state.len() >= WRITES) {
            *slot = key(&mut builder);
        }
    }
    builder
}

const LENGTHS: [usize; 3] = [10_000, 100_000, 1_000_000];

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn lists_strict_serializable(bencher: Bencher, transactions: usize) {
    let history = history(transactions, 4, Kind::Lists, false).build().unwrap();
    bencher.bench(|| {
        assert!(
            transactions::check(&history, Level::StrictSerializable, &Assume::default(), Budget::default())
                .is_legal()
        );
    });
}

/// Read skew in the middle of a long history, found and explained.
#[divan::bench(args = LENGTHS, sample_count = 3)]
fn lists_with_an_anomaly(bencher: Bencher, transactions: usize) {
    let mut builder = history(transactions, 4, Kind::Lists, false);
    let (p, q) = (builder.key("p"), builder.key("q"));
    let t = transactions as u64;
    builder.begin(100).at(t).append(p, 1).append(q, 1).commit(t + 1);
    builder.begin(101).at(t).read_list(p, &[]).read_list(q, &[1]).commit(t + 1);
    let history = builder.build().unwrap();
    bencher.bench(|| {
        let verdict =
            transactions::check(&history, Level::SnapshotIsolation, &Assume::default(), Budget::default());
        assert!(verdict.explanation().unwrap()[0].smallest);
    });
}

/// Most writes are blind, so that an order has to be searched for.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 3)]
fn registers_strict_serializable(bencher: Bencher, transactions: usize) {
    let history = history(transactions, 4, Kind::Registers, false).build().unwrap();
    bencher.bench(|| {
        assert!(
            transactions::check(&history, Level::StrictSerializable, &Assume::default(), Budget::default())
                .is_legal()
        );
    });
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn lists_snapshots_by_time_stamps(bencher: Bencher, transactions: usize) {
    let history = history(transactions, 4, Kind::Lists, true).build().unwrap();
    bencher.bench(|| assert!(timestamps::check(&history, Promise::SnapshotIsolation).is_legal()));
}

fn operations(bencher: Bencher, operations: usize, guarantee: Guarantee) {
    let history = history(operations, 1, Kind::Registers, false).build().unwrap();
    bencher.bench(|| assert!(sessions::check(&history, guarantee, Budget::default()).is_legal()));
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn causal(bencher: Bencher, length: usize) {
    operations(bencher, length, Guarantee::Causal);
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn pram(bencher: Bencher, length: usize) {
    operations(bencher, length, Guarantee::Pram);
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn read_your_writes(bencher: Bencher, length: usize) {
    operations(bencher, length, Guarantee::ReadYourWrites);
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn monotonic_reads(bencher: Bencher, length: usize) {
    operations(bencher, length, Guarantee::MonotonicReads);
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn monotonic_writes(bencher: Bencher, length: usize) {
    operations(bencher, length, Guarantee::MonotonicWrites);
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn writes_follow_reads(bencher: Bencher, length: usize) {
    operations(bencher, length, Guarantee::WritesFollowReads);
}

/// Weak levels of whole transactions.
#[divan::bench(args = [(Guarantee::ReadCommitted, 100_000), (Guarantee::ReadAtomic, 100_000), (Guarantee::Causal, 100_000)], sample_count = 3)]
fn transactions_of_eight(bencher: Bencher, (guarantee, length): (Guarantee, usize)) {
    let history = history(length, 8, Kind::Registers, false).build().unwrap();
    bencher.bench(|| assert!(sessions::check(&history, guarantee, Budget::default()).is_legal()));
}
