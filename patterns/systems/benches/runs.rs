//! Runs a second of each system on one of its chaos specs: in this process, with one worker process, and with two. An item
//! is a run from plan to verdict. Two workers should give close to twice what one gives, on a machine with two idle cores.
//!
//! `cargo bench -p squall-systems`

use std::{path::Path, sync::atomic::AtomicBool};

use divan::{Bencher, counter::ItemsCount};
use squall::{
    explore::{Options, Pool, Seeds, SpecVerdict, explore},
    run::{ExecuteOptions, execute},
    spec::{self, Spec},
    worker,
};

/// A chaos spec of each system.
const SPECS: [&str; 3] =
    ["circuit-breaker/partition.yaml", "cqrs/partitioned_replica.yaml", "saga/crash_after_charge.yaml"];

/// How many runs a sample has.
const RUNS: u64 = 200;

fn main() {
    worker::enter_if_worker(&squall_systems::registry());
    divan::main();
}

fn load(name: &str) -> Spec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
    spec::load(&path, &squall_systems::registry()).unwrap_or_else(|errors| panic!("{errors}")).spec
}

#[divan::bench(args = SPECS, sample_count = 10, sample_size = 1)]
fn in_process(bencher: Bencher<'_, '_>, name: &str) {
    let registry = squall_systems::registry();
    let spec = load(name);
    bencher.counter(ItemsCount::new(RUNS)).bench_local(|| {
        for seed in 0..RUNS {
            assert!(execute(&registry, &spec, seed, ExecuteOptions::default()).passed());
        }
    });
}

fn with_workers(bencher: Bencher<'_, '_>, name: &str, jobs: usize) {
    let pool = Pool::new(jobs);
    let spec = load(name);
    let options = Options { seeds: Some(Seeds::first(RUNS)), ..Options::default() };
    bencher.counter(ItemsCount::new(RUNS)).bench_local(|| {
        let outcome = explore(&pool, &spec, &options, &AtomicBool::new(false), &mut |_| {});
        assert!(matches!(outcome.verdict, SpecVerdict::Passed), "{:?}", outcome.verdict);
    });
}

#[divan::bench(args = SPECS, sample_count = 10, sample_size = 1)]
fn one_worker(bencher: Bencher<'_, '_>, name: &str) {
    with_workers(bencher, name, 1);
}

#[divan::bench(args = SPECS, sample_count = 10, sample_size = 1)]
fn two_workers(bencher: Bencher<'_, '_>, name: &str) {
    with_workers(bencher, name, 2);
}
