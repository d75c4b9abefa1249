//! What judging transactions costs, over the length of the history at a fixed number of sessions.
//!
//! `cargo bench -p squall-checkers --bench transactions`; other checkers stand beside these in `peers/`. The aims, on one core: 100,000 transactions on lists in 2 s, causal
//! consistency of 1,000,000 operations in 10 s, both growing nearly linearly.

use divan::Bencher;
use squall_checkers::{
    Budget,
    sessions::{self, Guarantee},
    transactions::{
        self, Assume, Level,
        timestamps::{self, Promise},
    },
};
use squall_checkers_tests::simulated::{Kind, store};

fn main() {
    divan::main();
}

const LENGTHS: [usize; 3] = [10_000, 100_000, 1_000_000];

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn lists_strict_serializable(bencher: Bencher, transactions: usize) {
    let history = store(transactions, 4, Kind::Lists, false).build().unwrap();
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
    let mut builder = store(transactions, 4, Kind::Lists, false);
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
    let history = store(transactions, 4, Kind::Registers, false).build().unwrap();
    bencher.bench(|| {
        assert!(
            transactions::check(&history, Level::StrictSerializable, &Assume::default(), Budget::default())
                .is_legal()
        );
    });
}

#[divan::bench(args = LENGTHS, sample_count = 3)]
fn lists_snapshots_by_time_stamps(bencher: Bencher, transactions: usize) {
    let history = store(transactions, 4, Kind::Lists, true).build().unwrap();
    bencher.bench(|| assert!(timestamps::check(&history, Promise::SnapshotIsolation).is_legal()));
}

fn operations(bencher: Bencher, operations: usize, guarantee: Guarantee) {
    let history = store(operations, 1, Kind::Registers, false).build().unwrap();
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
    let history = store(length, 8, Kind::Registers, false).build().unwrap();
    bencher.bench(|| assert!(sessions::check(&history, guarantee, Budget::default()).is_legal()));
}
