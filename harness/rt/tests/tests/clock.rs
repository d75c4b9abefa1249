//! Wall clocks that are wrong, and monotonic time that is not.
#![cfg(madsim)]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use squall_rt::{
    clock,
    time::Instant,
    world::{Death, DiskFate, NodeId, World, clock::ClockEffect},
};
use squall_rt_tests::in_a_world;

/// What a node reads now: its wall clock, the standard library's, and monotonic time.
type Reading = (SystemTime, SystemTime, Instant);

struct Reader {
    node: NodeId,
    ask: tokio::sync::mpsc::UnboundedSender<tokio::sync::oneshot::Sender<Reading>>,
}

impl Reader {
    fn start(world: &World, node: NodeId) -> Reader {
        let (ask, mut asked) =
            tokio::sync::mpsc::unbounded_channel::<tokio::sync::oneshot::Sender<Reading>>();
        world.start(node, |_| async move {
            while let Some(answer) = asked.recv().await {
                let _ = answer.send((clock::now(), SystemTime::now(), Instant::now()));
            }
        });
        Reader { node, ask }
    }

    async fn read(&self) -> Reading {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.ask.send(answer).unwrap();
        answered.await.unwrap()
    }

    /// How far the node's clock is ahead of the true time, in nanoseconds.
    async fn ahead(&self) -> i64 {
        let (shown, truth, _) = self.read().await;
        match shown.duration_since(truth) {
            Ok(ahead) => ahead.as_nanos() as i64,
            Err(behind) => -(behind.duration().as_nanos() as i64),
        }
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const MS: i64 = 1_000_000;

#[test]
fn without_faults_all_clocks_show_the_time_the_standard_library_does() {
    in_a_world(1, async |world| {
        let (a, b) = ["a-0", "b-0"].map(|name| Reader::start(&world, world.add_node(name))).into();
        for _ in 0..3 {
            world.sleep(ms(700)).await;
            let begun = clock::now();
            assert_eq!((a.ahead().await, b.ahead().await), (0, 0));
            let (shown, _, _) = b.read().await;
            assert!(shown >= begun && shown <= clock::now(), "the supervisor goes by the same clock");
        }
    });
}

#[test]
fn a_skewed_clock_is_wrong_until_it_is_set() {
    in_a_world(1, async |world| {
        let (a, b) = ["a-0", "b-0"].map(|name| Reader::start(&world, world.add_node(name))).into();
        let ahead = world.clocks().impose(a.node, ClockEffect::Skew { ahead: 250 * MS });
        assert_eq!((a.ahead().await, b.ahead().await), (250 * MS, 0));
        let behind = world.clocks().impose(a.node, ClockEffect::Skew { ahead: -1_000 * MS });
        assert_eq!(a.ahead().await, -750 * MS, "they add up");
        assert_eq!((world.clocks().offset(a.node), world.clocks().offset(b.node)), (-750 * MS, 0));
        assert_eq!(world.clocks().lift(ahead), 2, "two readings, not counting the supervisor's");
        assert_eq!(a.ahead().await, -1_000 * MS);
        assert_eq!(world.clocks().touched(behind), 2);
        assert_eq!(world.clocks().lift(behind), 2);
        assert_eq!(a.ahead().await, 0);
        assert_eq!(world.clocks().lift(behind), 2, "lifting twice lifts once");
    });
}

#[test]
fn a_drifting_clock_is_wrong_by_the_time_that_passed_and_right_when_it_heals() {
    in_a_world(1, async |world| {
        let a = Reader::start(&world, world.add_node("a-0"));
        world.sleep(ms(5_000)).await;
        let fast = world.clocks().impose(a.node, ClockEffect::Drift { ppm: 200.0 });
        assert!(world.clocks().offset(a.node) == 0, "it is right at first");
        for second in 1..=10 {
            world.sleep(ms(1_000)).await;
            let error = a.ahead().await - second * 200_000;
            assert!((0..100).contains(&error), "{error} ns after {second} s");
        }
        let slow = world.clocks().impose(a.node, ClockEffect::Drift { ppm: -1_200.0 });
        world.sleep(ms(1_000)).await;
        let error = a.ahead().await - (11 * 200_000 - 1_200_000);
        assert!((-100..100).contains(&error), "{error} ns");
        world.clocks().lift(fast);
        world.clocks().lift(slow);
        assert_eq!(a.ahead().await, 0);
    });
}

#[test]
fn a_strobing_clock_jumps_ahead_and_back() {
    in_a_world(1, async |world| {
        let a = Reader::start(&world, world.add_node("a-0"));
        let strobe = world.clocks().impose(a.node, ClockEffect::Strobe { by: ms(400), every: ms(100) });
        let begun = world.now();
        for n in 0..10 {
            world.sleep_until(begun + ms(100 * n + 50)).await;
            assert_eq!(a.ahead().await, if n % 2 == 0 { 400 * MS } else { 0 }, "in period {n}");
        }
        assert_eq!(world.clocks().lift(strobe), 5);
        world.sleep_until(begun + ms(1_050)).await;
        assert_eq!(a.ahead().await, 0);
    });
}

#[test]
#[should_panic(expected = "has to stay for a time")]
fn a_clock_cannot_jump_all_the_time() {
    in_a_world(1, async |world| {
        let node = world.add_node("a-0");
        world.clocks().impose(node, ClockEffect::Strobe { by: ms(1), every: Duration::ZERO });
    });
}

#[test]
fn monotonic_time_goes_on_unmoved() {
    let instants = |wrong: bool| {
        in_a_world(3, async move |world| {
            let a = Reader::start(&world, world.add_node("a-0"));
            let effects = [
                ClockEffect::Skew { ahead: -3_600_000 * MS },
                ClockEffect::Drift { ppm: 900_000.0 },
                ClockEffect::Strobe { by: ms(1), every: ms(1) },
            ];
            for effect in effects.into_iter().filter(|_| wrong) {
                world.clocks().impose(a.node, effect);
            }
            let mut instants = Vec::new();
            for _ in 0..20 {
                tokio::time::sleep(ms(3)).await;
                let (_, truth, instant) = a.read().await;
                instants.push((truth, instant, world.now()));
            }
            instants
        })
    };
    assert_eq!(instants(true), instants(false), "an effect on a clock shifts nothing else");
}

#[test]
fn the_clock_is_that_of_the_machine_whatever_becomes_of_the_process() {
    struct ReadsWhenDropped(Arc<std::sync::Mutex<Option<SystemTime>>>);
    impl Drop for ReadsWhenDropped {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(clock::now());
        }
    }
    in_a_world(1, async |world| {
        let node = world.add_node("a-0");
        world.clocks().impose(node, ClockEffect::Skew { ahead: -7 * MS });
        let read = Arc::new(std::sync::Mutex::new(None));
        let guard = ReadsWhenDropped(read.clone());
        world.start(node, |_| async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        world.sleep(ms(1)).await;
        let before = clock::now();
        world.crash(node, Death::Power, DiskFate::Keep);
        world.sleep(ms(1)).await;
        let last = read.lock().unwrap().expect("the dead process was dropped");
        assert!(last + ms(7) >= before && last + ms(7) <= clock::now());
        let again = Reader::start(&world, node);
        assert_eq!(again.ahead().await, -7 * MS);
    });
}

#[test]
fn a_clock_may_show_a_time_before_the_epoch_and_does_not_overflow() {
    in_a_world(1, async |world| {
        let a = Reader::start(&world, world.add_node("a-0"));
        let year_1905 = world.clocks().impose(a.node, ClockEffect::Skew { ahead: -(1 << 61) });
        assert!(a.read().await.0 < SystemTime::UNIX_EPOCH);
        world.clocks().lift(year_1905);
        let far = [1, 2].map(|_| world.clocks().impose(a.node, ClockEffect::Skew { ahead: i64::MAX }));
        assert_eq!(a.ahead().await, i64::MAX);
        assert_eq!(far.map(|id| world.clocks().lift(id)), [1, 1]);
        assert_eq!(a.ahead().await, 0);
    });
}
