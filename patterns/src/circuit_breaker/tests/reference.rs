//! The state machine against a reference that keeps everything and recomputes everything, through random calls.

use super::*;

/// SplitMix64 (Steele, Lea, Flood 2014): the test runs with and without the simulation, so it brings its own numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// The state machine as its documentation has it, without any economy: all results are kept, with their times.
struct Reference {
    config: Config,
    state: State,
    generation: u64,
    since: Duration,
    trips: u32,
    results: Vec<(Duration, bool, bool)>,
    out: u32,
}

impl Reference {
    fn enter(&mut self, at: Duration, state: State) {
        self.trips = match state {
            State::Open => self.trips + 1,
            State::Closed => 0,
            _ => self.trips,
        };
        (self.state, self.since, self.out) = (state, at, 0);
        self.generation += 1;
        self.results.clear();
    }

    fn look(&mut self, now: Duration) {
        let limit = self.config.half_open.max_wait.unwrap_or(Duration::MAX);
        if self.state == State::HalfOpen && now - self.since >= limit {
            self.enter(self.since + limit, State::Open);
        }
    }

    fn admit(&mut self, now: Duration) -> bool {
        self.look(now);
        if self.state == State::Open && now - self.since >= self.config.wait_after(self.trips) {
            self.enter(now, State::HalfOpen);
        }
        let taken = self.out as usize + self.results.len();
        let admitted = match self.state {
            State::Closed => true,
            State::HalfOpen => taken < self.config.half_open.probes as usize,
            _ => false,
        };
        self.out += u32::from(admitted);
        admitted
    }

    fn counted(&self, now: Duration) -> Tally {
        let counts = |at: Duration, age: usize| match (self.state, self.config.window) {
            (State::Closed, Window::Calls(n)) => age < n as usize,
            (State::Closed, Window::Time { span, slots }) => {
                let slot = |t: Duration| (t - self.since).as_nanos() / (span / slots).as_nanos();
                slot(at) + u128::from(slots) > slot(now)
            }
            _ => true,
        };
        let mut tally = Tally::default();
        for (age, &(at, failed, slow)) in self.results.iter().rev().enumerate() {
            if counts(at, age) {
                tally.calls += 1;
                tally.failures += u32::from(failed);
                tally.slow += u32::from(slow);
            }
        }
        tally
    }

    fn end(&mut self, now: Duration, generation: u64, result: Option<(bool, Duration)>) {
        self.look(now);
        if generation != self.generation {
            return;
        }
        self.out -= 1;
        let Some((failed, took)) = result else { return };
        let limit = self.config.slow_calls;
        self.results.push((now, failed, limit.is_some_and(|slow| took > slow.longer_than)));
        let Tally { calls, failures, slow } = self.counted(now);
        let reaches = |n: u32, rate: f64| f64::from(n) / f64::from(calls) >= rate;
        let HalfOpen { probes, successes, .. } = self.config.half_open;
        let good = self.results.iter().filter(|(_, failed, slow)| !failed && !slow).count() as u32;
        match self.state {
            State::Closed
                if calls >= self.config.minimum_calls
                    && (reaches(failures, self.config.failure_rate)
                        || limit.is_some_and(|limit| reaches(slow, limit.rate))) =>
            {
                self.enter(now, State::Open);
            }
            State::HalfOpen if good >= successes => self.enter(now, State::Closed),
            State::HalfOpen if good + (probes - calls) < successes => self.enter(now, State::Open),
            _ => {}
        }
    }
}

/// Drives machine and reference alike through random calls and counts the transitions.
fn compare_with_reference(seed: u64) -> u64 {
    let mut r = Random(seed);
    let probes = 1 + r.below(4) as u32;
    let window = match r.below(2) {
        0 => Window::Calls(3 + r.below(6) as u32),
        _ => Window::Time { span: ms(40 + r.below(200)), slots: 1 + r.below(5) as u32 },
    };
    let config = Config {
        window,
        minimum_calls: 1 + r.below(3) as u32,
        failure_rate: [0.2, 0.5, 1.0][r.below(3) as usize],
        slow_calls: (r.below(2) == 0).then_some(SlowCalls { longer_than: ms(30), rate: 0.6 }),
        wait: ms(20 + r.below(50)),
        backoff: (r.below(2) == 0).then_some(Backoff { factor: 1 + r.below(3) as u32, max: ms(150) }),
        half_open: HalfOpen {
            probes,
            successes: 1 + r.below(u64::from(probes)) as u32,
            max_wait: (r.below(2) == 0).then_some(ms(30 + r.below(80))),
        },
    };
    config.validate().unwrap();
    let mut machine = Machine::new(config);
    let mut reference = Reference {
        config,
        state: State::Closed,
        generation: 0,
        since: Duration::ZERO,
        trips: 0,
        results: Vec::new(),
        out: 0,
    };
    let mut open: Vec<(u64, Duration)> = Vec::new();
    let mut now = Duration::ZERO;
    let share_of_failures = 1 + r.below(9);
    for step in 0..400 {
        now += ms(r.below(12));
        if open.is_empty() || (open.len() < 6 && r.below(2) == 0) {
            let admitted = match machine.admit(now) {
                Admission::Admitted { generation, .. } => Some(generation),
                Admission::Rejected { .. } => None,
            };
            assert_eq!(admitted.is_some(), reference.admit(now), "seed {seed} step {step}: admitted");
            open.extend(admitted.map(|generation| (generation, now)));
        } else {
            let (generation, began) = open.swap_remove(r.below(open.len() as u64) as usize);
            let result = (r.below(8) > 0).then(|| (r.below(10) < share_of_failures, now - began));
            match result {
                Some((failed, took)) => {
                    machine.advance(now);
                    machine.record(now, generation, failed, took);
                }
                None => {
                    machine.give_back(now, generation);
                }
            }
            reference.end(now, generation, result);
        }
        let found = (machine.state(), machine.generation(), machine.tally(now), machine.in_flight());
        let tally = if reference.state == State::Open { Tally::default() } else { reference.counted(now) };
        let wanted = (reference.state, reference.generation, tally, open.len() as u64);
        assert_eq!(found, wanted, "seed {seed} step {step}, {config:?}");
    }
    machine.generation()
}

#[test]
fn behaves_like_the_reference() {
    let transitions: u64 = (0..2_000).map(compare_with_reference).sum();
    assert!(transitions > 50_000, "the scripts reach what they should: {transitions} transitions");
}
