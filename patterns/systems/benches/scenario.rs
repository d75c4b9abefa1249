//! Runs a second of one scenario on squall, written by hand for plain madsim, and written by hand for turmoil. An item is a run.
//!
//! A register of four keys on three servers, read and written at a majority of them. Three clients perform 60 operations in 18 of
//! 20 s of virtual time over links of 1 to 8 ms; one server is cut off from 5 s to 9 s, another crashes at 12 s and is back, without
//! memory, half a second later. No acknowledged write may be lost: reads are judged as they come, the copies at the end.
//!
//! What nodes do ([`register`]) and what is judged ([`ledger`]) is the same code on all three, and over TCP so are requests and replies
//! ([`streams`]). What is written three times is the rest, which is what a test is: the cluster, the faults, the operations and the
//! hand-over to the judge. `calls` has squall's RPC against the barest that madsim has for it, messages between endpoints, each
//! request with a task and each reply with a tag of its own. `main` proves that all do the same before anything is measured: over 20
//! seeds, all operations end well but for a few, and the numbers of requests and replies are within 5 % of each other. What differs:
//!
//! - squall reads the scenario from a spec, draws the operations by its strategies, keeps a history with a digest, counts what each
//!   fault touched and checks that nothing ran outside the simulation. By hand there is none of this: the ledger is called directly.
//! - Latencies are uniform on squall and madsim. turmoil's are exponential between the same bounds.
//! - squall's TCP has acknowledgements and retransmission, which are packets of their own. madsim's and turmoil's pass messages on; under
//!   a partition madsim holds them back and turmoil drops them.
//! - squall's RPC shares one TCP connection among calls, carries deadlines, cancels what nobody waits for and tells what was not sent.
//!   madsim's endpoints send bare datagrams.
//! - madsim and squall jump from event to event. turmoil ticks each host each millisecond, its default.
//! - A run has a thread of its own on squall and on madsim, as `madsim::runtime::Builder` has it. turmoil needs none.
//! - What is left of a run on madsim is freed, by killing its nodes. Few tests do so, and without it each run leaks.
//!
//! On a machine that does other things too, compare the fastest samples, not the medians.
//!
//! `cargo bench -p squall-systems --bench scenario`
//!
//! Only with `--cfg madsim`, which a RUSTFLAGS variable, even an empty one, switches off.
#![cfg(madsim)]

use std::{ops::Range, sync::atomic::Ordering, time::Duration};

use divan::{Bencher, counter::ItemsCount};

#[path = "scenario/ledger.rs"]
mod ledger;
#[path = "scenario/on_madsim.rs"]
mod on_madsim;
#[path = "scenario/on_squall.rs"]
mod on_squall;
#[path = "scenario/on_turmoil.rs"]
mod on_turmoil;
#[path = "scenario/register.rs"]
mod register;
#[path = "scenario/streams.rs"]
mod streams;

use self::register::{MESSAGES, Op};

const SERVERS: usize = 3;
const CLIENTS: usize = 3;
const KEYS: usize = 4;
const OPERATIONS: u32 = 60;

const LATENCY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(8)];
/// When operations start.
const BUSY: Range<Duration> = Duration::from_millis(500)..Duration::from_secs(18);
/// When server 1 is cut off.
const CUT_OFF: Range<Duration> = Duration::from_secs(5)..Duration::from_secs(9);
/// When server 2 is down.
const DOWN: Range<Duration> = Duration::from_secs(12)..Duration::from_millis(12_500);
const END: Duration = Duration::from_secs(20);

/// How many runs a sample has.
const RUNS: u64 = 10;

/// One operation that a test by hand performs.
#[derive(Clone, Copy)]
struct Planned {
    client: usize,
    at: Duration,
    op: Op,
}

/// The operations of a test by hand, as a spec of squall has them: round robin over the clients, each at a drawn moment of its interval.
fn plan(seed: u64) -> Vec<Planned> {
    let mut draws = fastrand::Rng::with_seed(seed);
    let interval = (BUSY.end - BUSY.start) / OPERATIONS;
    let planned = (0..OPERATIONS).map(|n| {
        let key = draws.u8(..KEYS as u8);
        let op = if draws.bool() { Op::Put { key, value: draws.u32(..) } } else { Op::Get { key } };
        let at = BUSY.start + interval * n + interval.mul_f64(draws.f64());
        Planned { client: n as usize % CLIENTS, at, op }
    });
    planned.collect()
}

/// What the runs of some seeds came to.
#[derive(Debug)]
struct Tally {
    /// Operations that ended well.
    ok: u64,
    /// Requests and replies.
    messages: u64,
}

fn tally(run: impl Fn(u64) -> u64) -> Tally {
    let before = MESSAGES.load(Ordering::Relaxed);
    let ok = (0..20).map(run).sum();
    Tally { ok, messages: MESSAGES.load(Ordering::Relaxed) - before }
}

/// That the scenarios are one.
fn prove_equal() {
    let all = [
        tally(on_squall::Runner::new::<on_squall::Streams>().by_seed()),
        tally(on_madsim::run::<on_madsim::Streams>),
        tally(on_turmoil::run),
        tally(on_squall::Runner::new::<on_squall::Calls>().by_seed()),
        tally(on_madsim::run::<on_madsim::Messages>),
    ];
    println!("TCP on squall, madsim, turmoil, calls on squall, madsim; 20 runs each: {all:?}");
    let most = all.iter().map(|tally| tally.messages).max().unwrap_or(0);
    for Tally { ok, messages } in &all {
        assert!(*ok >= 20 * u64::from(OPERATIONS) * 98 / 100, "operations fail: {all:?}");
        assert!(*messages >= most * 95 / 100, "not the same messages: {all:?}");
    }
}

fn main() {
    prove_equal();
    divan::main();
}

fn measure(bencher: Bencher<'_, '_>, run: impl Fn(u64) -> u64) {
    let mut seeds = 0..;
    bencher.counter(ItemsCount::new(RUNS)).bench_local(|| {
        for seed in seeds.by_ref().take(RUNS as usize) {
            divan::black_box(run(seed));
        }
    });
}

mod tcp {
    use super::*;

    #[divan::bench(sample_count = 100, sample_size = 1)]
    fn squall(bencher: Bencher<'_, '_>) {
        measure(bencher, on_squall::Runner::new::<on_squall::Streams>().by_seed());
    }

    #[divan::bench(sample_count = 100, sample_size = 1)]
    fn madsim(bencher: Bencher<'_, '_>) {
        measure(bencher, on_madsim::run::<on_madsim::Streams>);
    }

    #[divan::bench(sample_count = 10, sample_size = 1)]
    fn turmoil(bencher: Bencher<'_, '_>) {
        measure(bencher, on_turmoil::run);
    }
}

/// Calls over what each has for them. turmoil has nothing.
mod calls {
    use super::*;

    #[divan::bench(sample_count = 100, sample_size = 1)]
    fn squall(bencher: Bencher<'_, '_>) {
        measure(bencher, on_squall::Runner::new::<on_squall::Calls>().by_seed());
    }

    #[divan::bench(sample_count = 100, sample_size = 1)]
    fn madsim(bencher: Bencher<'_, '_>) {
        measure(bencher, on_madsim::run::<on_madsim::Messages>);
    }
}
