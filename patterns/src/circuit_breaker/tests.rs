//! The state machine by hand and, in [`reference`], against a model; the asynchronous surface in whichever world this is built
//! for.

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt as _;
use squall_rt::time::{self, Duration};

use super::{
    machine::{Admission, Machine},
    *,
};

mod reference;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Opens at 2 failures of 4 calls, waits 100 ms, closes at 2 successes of 3 probes.
const CONFIG: Config = Config {
    window: Window::Calls(4),
    minimum_calls: 4,
    failure_rate: 0.5,
    slow_calls: Some(SlowCalls { longer_than: ms(50), rate: 0.75 }),
    wait: ms(100),
    backoff: None,
    half_open: HalfOpen { probes: 3, successes: 2, max_wait: Some(ms(400)) },
};

/// Runs `test` where time goes: a simulation, or tokio without the cfg.
fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    #[cfg(madsim)]
    let body = move || squall_rt::world::run(1, |_world| test()).expect("no stray tasks");
    #[cfg(not(madsim))]
    let body =
        move || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test());
    if let Err(panic) = std::thread::spawn(body).join() {
        std::panic::resume_unwind(panic);
    }
}

/// A machine and a clock to drive it by.
struct Bench {
    machine: Machine,
    now: Duration,
}

impl Bench {
    fn new(config: Config) -> Self {
        config.validate().unwrap();
        Bench { machine: Machine::new(config), now: Duration::ZERO }
    }

    /// The generation of the permit, or `None` when rejected.
    fn admit(&mut self) -> Option<u64> {
        match self.machine.admit(self.now) {
            Admission::Admitted { generation, .. } => Some(generation),
            Admission::Rejected { .. } => None,
        }
    }

    fn record(&mut self, generation: u64, failed: bool) -> bool {
        self.machine.advance(self.now);
        self.machine.record(self.now, generation, failed, Duration::ZERO).late
    }

    fn call(&mut self, failed: bool) {
        let generation = self.admit().expect("admitted");
        self.record(generation, failed);
    }

    /// Brings it to open, at once.
    fn open(&mut self) {
        for failed in [false, false, true, true] {
            self.call(failed);
        }
        assert_eq!(self.machine.state(), State::Open);
    }

    /// Brings an open one to half-open with one probe out, and returns the probe's generation.
    fn probe(&mut self) -> u64 {
        self.now += CONFIG.wait;
        let generation = self.admit().expect("the wait is over");
        assert_eq!(self.machine.state(), State::HalfOpen);
        generation
    }

    fn state(&mut self) -> State {
        self.machine.advance(self.now);
        self.machine.state()
    }
}

#[test]
fn opens_at_the_threshold_and_not_before_the_minimum() {
    let mut b = Bench::new(CONFIG);
    for _ in 0..3 {
        b.call(true);
        assert_eq!(b.state(), State::Closed, "three calls are below the minimum of four");
    }
    b.call(false);
    assert_eq!(b.state(), State::Open, "three of four have failed");
    assert_eq!(b.admit(), None);
    b.now += ms(99);
    assert_eq!(b.admit(), None);
    b.now += ms(1);
    assert_eq!(b.admit(), Some(2));
}

#[test]
fn slow_calls_open_it_and_do_not_count_as_successful_probes() {
    let mut b = Bench::new(CONFIG);
    for i in 0..4 {
        let generation = b.admit().unwrap();
        // Exactly the limit is not longer than the limit.
        let took = if i == 0 { ms(50) } else { ms(51) };
        assert_eq!(b.machine.record(b.now, generation, false, took).slow, i != 0);
    }
    assert_eq!(b.machine.take_changes()[0].reason, Reason::SlowCallRate);
    let generation = b.probe();
    b.admit().unwrap();
    for _ in 0..2 {
        b.machine.record(b.now, generation, false, ms(51));
    }
    assert_eq!(b.state(), State::Open, "of three probes only one can still be a success");
}

#[test]
fn half_open_admits_so_many_and_decides_as_soon_as_it_can() {
    let mut b = Bench::new(CONFIG);
    b.open();
    let generation = b.probe();
    assert!(b.admit().is_some() && b.admit().is_some());
    assert_eq!(b.admit(), None, "three probes are out");
    b.record(generation, false);
    assert_eq!(b.admit(), None, "a probe that ended keeps its place");
    b.record(generation, true);
    assert_eq!(b.state(), State::HalfOpen, "one success, one failure, one to come");
    b.record(generation, false);
    assert_eq!(b.state(), State::Closed);

    b.open();
    let generation = b.probe();
    b.admit().unwrap();
    b.record(generation, true);
    b.record(generation, true);
    assert_eq!(b.state(), State::Open, "two successes cannot be had any more");
}

#[test]
fn a_probe_that_comes_back_unused_gives_its_place_to_another() {
    let mut b = Bench::new(CONFIG);
    b.open();
    let generation = b.probe();
    assert!(b.admit().is_some() && b.admit().is_some() && b.admit().is_none());
    assert!(!b.machine.give_back(b.now, generation));
    assert_eq!(b.admit(), Some(generation));
    assert_eq!(b.admit(), None);
}

#[test]
fn late_results_change_nothing() {
    let mut b = Bench::new(CONFIG);
    let stragglers: Vec<u64> = (0..5).map(|_| b.admit().unwrap()).collect();
    b.open();
    b.now += ms(90);
    assert!(b.record(stragglers[0], true), "late");
    assert!(b.record(stragglers[1], false), "late");
    assert_eq!(b.state(), State::Open, "a late success closes nothing");
    b.now += ms(10);
    let generation = b.admit().expect("a late failure prolongs nothing");
    assert!(b.record(stragglers[2], true) && b.record(stragglers[3], true));
    assert_eq!(b.state(), State::HalfOpen, "only probes decide");
    assert!(b.machine.give_back(b.now, stragglers[4]));
    assert!(b.admit().is_some() && b.admit().is_some() && b.admit().is_none(), "no place came from it");
    b.record(generation, true);
    b.record(generation, true);
    assert_eq!(b.state(), State::Open);
    let next = b.probe();
    assert!(b.record(generation, false), "late");
    b.record(next, false);
    assert_eq!(b.state(), State::HalfOpen, "one of the two successes was another half-open period's");
    assert_eq!(b.machine.in_flight(), 0);
}

#[test]
fn half_open_without_a_decision_ends_when_it_should_have() {
    let mut b = Bench::new(CONFIG);
    b.open();
    let generation = b.probe();
    b.machine.take_changes();
    b.now += ms(450);
    assert!(b.record(generation, false), "it came 50 ms after the end");
    let changes = b.machine.take_changes();
    assert_eq!((changes[0].to, changes[0].reason), (State::Open, Reason::ProbesTookTooLong));
    b.now += ms(49);
    assert_eq!(b.admit(), None);
    b.now += ms(1);
    assert!(b.admit().is_some(), "100 ms from the end, not from the moment it was noticed");
}

#[test]
fn the_wait_backs_off_and_starts_over_when_closed() {
    let config = Config {
        backoff: Some(Backoff { factor: 2, max: ms(300) }),
        half_open: HalfOpen { probes: 1, successes: 1, max_wait: None },
        ..CONFIG
    };
    let waits: Vec<Duration> = [1, 2, 3, 4, u32::MAX].map(|trips| config.wait_after(trips)).into();
    assert_eq!(waits, [ms(100), ms(200), ms(300), ms(300), ms(300)]);
    let mut b = Bench::new(config);
    b.open();
    for wait in [100, 200, 300, 300] {
        b.now += ms(wait - 1);
        assert_eq!(b.admit(), None);
        b.now += ms(1);
        b.call(true);
    }
    b.now += ms(300);
    b.call(false);
    b.open();
    b.now += ms(100);
    assert!(b.admit().is_some());
}

#[test]
fn a_time_window_forgets_slot_by_slot() {
    let config = Config {
        window: Window::Time { span: ms(400), slots: 4 },
        minimum_calls: 2,
        failure_rate: 1.0,
        ..CONFIG
    };
    let mut b = Bench::new(config);
    b.now = ms(99);
    b.call(true);
    b.now = ms(399);
    b.call(false);
    assert_eq!(b.machine.tally(b.now).calls, 2);
    b.now = ms(400);
    b.call(true);
    assert_eq!(b.machine.tally(b.now).calls, 2, "slot 0 is out");
    b.now = ms(799);
    b.call(true);
    assert_eq!(b.state(), State::Open, "slots 4 and 7 are all failures");
}

#[test]
fn the_special_states_end_by_reset_alone() {
    let mut b = Bench::new(CONFIG);
    let straggler = b.admit().unwrap();
    b.machine.force(b.now, State::ForcedOpen);
    b.now += ms(1_000_000);
    assert_eq!(b.admit(), None);
    b.machine.force(b.now, State::Disabled);
    (0..10).for_each(|_| b.call(true));
    assert_eq!((b.state(), b.machine.tally(b.now).calls), (State::Disabled, 0));
    b.machine.force(b.now, State::MetricsOnly);
    (0..10).for_each(|_| b.call(true));
    assert_eq!((b.state(), b.machine.tally(b.now).failures), (State::MetricsOnly, 4));
    b.machine.force(b.now, State::Closed);
    assert!(b.record(straggler, true), "closed again, and yet another generation");
    assert_eq!(b.machine.tally(b.now).calls, 0);
    b.machine.force(b.now, State::Open);
    assert_eq!(b.admit(), None);
    b.probe();
    assert_eq!(b.machine.generation(), 6);
}

#[test]
fn configurations_that_make_no_sense_are_named() {
    let wrong = |config: Config| config.validate().unwrap_err().field;
    assert_eq!(wrong(Config { minimum_calls: 5, ..CONFIG }), "minimum_calls");
    assert_eq!(wrong(Config { minimum_calls: 0, ..CONFIG }), "minimum_calls");
    assert_eq!(wrong(Config { failure_rate: f64::NAN, ..CONFIG }), "failure_rate");
    assert_eq!(wrong(Config { failure_rate: 1.1, ..CONFIG }), "failure_rate");
    assert_eq!(wrong(Config { wait: ms(0), ..CONFIG }), "wait");
    assert_eq!(wrong(Config { window: Window::Time { span: ms(0), slots: 1 }, ..CONFIG }), "window.span");
    assert_eq!(wrong(Config { window: Window::Time { span: ms(1), slots: 0 }, ..CONFIG }), "window.slots");
    assert_eq!(wrong(Config { backoff: Some(Backoff { factor: 2, max: ms(99) }), ..CONFIG }), "backoff.max");
    let half_open =
        |probes, successes| Config { half_open: HalfOpen { probes, successes, max_wait: None }, ..CONFIG };
    assert_eq!(wrong(half_open(0, 0)), "half_open.probes");
    assert_eq!(wrong(half_open(2, 3)), "half_open.successes");
    Config::default().validate().unwrap();
    let error = CircuitBreaker::new("orders", half_open(0, 0)).unwrap_err();
    assert_eq!(error.to_string(), "circuit breaker: `half_open.probes` must be at least 1");
}

/// With times that a busy machine does not upset.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::new("upstream", Config { wait: ms(500), slow_calls: None, ..CONFIG }).unwrap()
}

async fn fail(breaker: &CircuitBreaker) -> Result<(), CallError<&'static str>> {
    breaker.call(async { Err("no") }).await
}

#[test]
fn calls_go_through_until_it_opens_and_after_it_closed() {
    run(|| async {
        let b = breaker();
        assert_eq!(b.call(async { Ok::<_, ()>(7) }).await, Ok(7));
        for _ in 0..3 {
            assert_eq!(fail(&b).await, Err(CallError::Failed("no")));
        }
        let began = || -> Result<(), &str> { panic!("it is open") };
        let Err(CallError::Rejected(rejected)) = b.call(async { began() }).await else {
            panic!("open");
        };
        assert_eq!(rejected.state, State::Open);
        assert!(rejected.retry_after.is_some_and(|after| after > ms(0) && after <= ms(500)));
        time::sleep(rejected.retry_after.unwrap()).await;
        for _ in 0..2 {
            b.call(async { Ok::<_, ()>(()) }).await.unwrap();
        }
        assert_eq!(b.state(), State::Closed);
        assert_eq!(b.metrics().generation, 3);
    });
}

#[test]
fn a_call_that_is_cancelled_or_panics_gives_its_permit_back() {
    run(|| async {
        let b = breaker();
        b.trip();
        time::sleep(ms(510)).await;
        for _ in 0..10 {
            let hangs = b.call(pending::<Result<(), ()>>());
            assert!(time::timeout(ms(2), hangs).await.is_err(), "every one was let through");
        }
        let panics = async { panic!("as it must") };
        let call = AssertUnwindSafe(b.call::<(), ()>(panics));
        let caught = catch_unwind(|| call.0.now_or_never());
        assert!(caught.is_err());
        assert_eq!((b.state(), b.metrics().in_flight, b.metrics().calls), (State::HalfOpen, 0, 0));
    });
}

#[test]
fn the_judge_says_what_counts() {
    run(|| async {
        let b = breaker();
        let judge = |result: &Result<u16, u16>| match result {
            Err(400..500) => Outcome::Ignored,
            Err(_) | Ok(206) => Outcome::Failure,
            Ok(_) => Outcome::Success,
        };
        for result in [Err(404), Err(500), Ok(206), Ok(200), Err(403)] {
            let _ = b.call_judged(judge, async move { result }).await;
        }
        let Metrics { calls, failures, in_flight, .. } = b.metrics();
        assert_eq!((calls, failures, in_flight), (3, 2, 0));
    });
}

#[test]
fn the_registry_keeps_one_breaker_a_key() {
    run(|| async {
        let breakers = Breakers::new(CONFIG).unwrap();
        breakers.get(&"a").force_open();
        assert_eq!(breakers.get(&"a").state(), State::ForcedOpen);
        assert_eq!(breakers.get(&"b").state(), State::Closed);
        let old = breakers.insert("a", Config { wait: ms(1), ..CONFIG }).unwrap();
        assert_eq!(old.map(|breaker| breaker.state()), Some(State::ForcedOpen));
        breakers.get(&"b").force_open();
        breakers.retain(|_, breaker| breaker.state() != State::ForcedOpen);
        let names: Vec<_> = breakers.all().iter().map(|(_, breaker)| breaker.name().to_owned()).collect();
        assert_eq!(names, ["a"]);
    });
}
