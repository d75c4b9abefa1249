//! The events of a circuit breaker, which are its contract with dashboards and with the checker of its invariants. Alone in its
//! process: `tracing` remembers for good that a place which reported without a subscriber need not report.

use std::{
    fmt::{self, Write as _},
    future::Future,
    sync::{Arc, Mutex},
};

use squall_patterns::circuit_breaker::{CircuitBreaker, Config, HalfOpen, Outcome, SlowCalls, Window};
use squall_rt::time::{self, Duration};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

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

/// Writes down every event as `message field=value ..`.
struct Recorder(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "breaker"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String, String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                match field.name() {
                    "message" => self.0 = format!("{value:?}"),
                    "breaker" => {}
                    name => write!(self.1, " {name}={value:?}").unwrap(),
                }
            }
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                self.record_debug(field, &format_args!("{value}"));
            }
        }
        let mut line = Line(String::new(), String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0 + &line.1);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn every_decision_is_reported_in_order() {
    run(|| async {
        let config = Config {
            window: Window::Calls(4),
            minimum_calls: 4,
            slow_calls: Some(SlowCalls { longer_than: ms(400), rate: 1.0 }),
            wait: ms(500),
            half_open: HalfOpen { probes: 3, successes: 2, max_wait: Some(ms(800)) },
            ..Config::default()
        };
        let lines = Arc::default();
        let recording = tracing::subscriber::set_default(Recorder(Arc::clone(&lines)));
        let b = CircuitBreaker::new("upstream", config).unwrap();
        let straggler = b.try_acquire().unwrap();
        for _ in 0..4 {
            let _ = b.call(async { Err::<(), _>("no") }).await;
        }
        let _ = b.call(async { Err::<(), _>("no") }).await;
        time::sleep(ms(510)).await;
        drop(b.try_acquire().unwrap());
        straggler.record(Outcome::Success);
        time::sleep(ms(820)).await;
        b.reset();
        drop(recording);
        let failed = |n: u32| {
            [
                format!("admitted generation=0 permit={n} state=closed"),
                format!("result generation=0 permit={n} state=closed outcome=failure slow=false late=false"),
            ]
        };
        let mut wanted = vec!["created".to_owned(), "admitted generation=0 permit=1 state=closed".to_owned()];
        wanted.extend((2..6).flat_map(failed));
        wanted.extend(
            [
                "transition from=closed to=open generation=1 reason=failure_rate calls=4 failures=4 slow=0",
                "rejected generation=1 state=open",
                "transition from=open to=half_open generation=2 reason=wait_over calls=0 failures=0 slow=0",
                "admitted generation=2 permit=6 state=half_open",
                "returned generation=2 permit=6 reason=dropped late=false",
                "result generation=0 permit=1 state=half_open outcome=success slow=true late=true",
                "transition from=half_open to=open generation=3 reason=probes_took_too_long calls=0 failures=0 slow=0",
                "transition from=open to=closed generation=4 reason=manual calls=0 failures=0 slow=0",
            ]
            .map(str::to_owned),
        );
        assert_eq!(*lines.lock().unwrap(), wanted);
    });
}
