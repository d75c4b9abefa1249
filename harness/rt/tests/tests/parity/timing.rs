//! What sleeps, deadlines and intervals do. A behaviour says nothing of how long anything took, only of what came before what.

use std::{
    future::{Future, pending, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    super::Log,
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep, sleep_until, timeout, timeout_at},
};

const PERIOD: Duration = Duration::from_millis(20);
const FOREVER: Duration = Duration::from_secs(3_600);

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Sets a flag when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub async fn past_deadlines_do_not_hold_up() -> Log {
    let start = Instant::now();
    sleep(Duration::ZERO).await;
    sleep_until(start).await;
    sleep_until(start.checked_sub(Duration::from_nanos(1)).unwrap_or(start)).await;
    vec![format!("within an hour: {}", start.elapsed() < FOREVER)]
}

pub async fn as_long_as_can_be_is_no_error() -> Log {
    let mut log = Vec::new();
    for long in [Duration::MAX, Duration::MAX - PERIOD, Duration::from_secs(u64::MAX / 10)] {
        let mut long = pin!(sleep(long));
        log.push(format!("{:?}", poll_once(long.as_mut())));
        log.push(format!("{}", long.deadline() > Instant::now() + FOREVER));
        log.push(format!("{:?}", timeout(Duration::MAX, ready(1)).await));
    }
    let mut long = interval(Duration::MAX);
    long.tick().await;
    long.reset();
    let second = poll_once(pin!(long.tick())).is_pending();
    log.push(format!("the second tick is far: {second}"));
    log
}

pub async fn sleeps_end_in_order() -> Log {
    let log = std::sync::Mutex::new(Vec::new());
    let one = async |n: u32| {
        sleep(PERIOD * n).await;
        log.lock().unwrap().push(n.to_string());
    };
    futures_util::future::join_all([5, 3, 1, 4, 2].map(one)).await;
    log.into_inner().unwrap()
}

pub async fn a_sleep_has_not_ended_before_it_is_polled() -> Log {
    let mut over = pin!(sleep_until(Instant::now()));
    let before = over.is_elapsed();
    over.as_mut().await;
    vec![format!("{before}, then {}", over.is_elapsed())]
}

pub async fn a_sleep_that_has_ended_stays_so_until_it_is_reset() -> Log {
    let mut log = Vec::new();
    let mut one = pin!(sleep(PERIOD));
    one.as_mut().await;
    log.push(format!("{:?} {}", poll_once(one.as_mut()), one.is_elapsed()));
    one.as_mut().reset(Instant::now() + FOREVER);
    log.push(format!("{:?} {}", poll_once(one.as_mut()), one.is_elapsed()));
    one.as_mut().reset(Instant::now() + PERIOD);
    one.as_mut().await;
    log.push("it ended again".to_owned());
    log
}

pub async fn a_sleep_that_is_put_off_does_not_end_before() -> Log {
    let start = Instant::now();
    let mut one = pin!(sleep(PERIOD));
    let _ = poll_once(one.as_mut());
    one.as_mut().reset(start + PERIOD * 5);
    one.await;
    vec![format!("{}", start.elapsed() >= PERIOD * 5)]
}

pub async fn a_sleep_that_is_brought_forward_wakes_whoever_waits() -> Log {
    let mut one = pin!(sleep(FOREVER));
    let mut is_first = true;
    std::future::poll_fn(|cx| {
        let polled = one.as_mut().poll(cx);
        if std::mem::take(&mut is_first) {
            // Not polled again before it is due.
            one.as_mut().reset(Instant::now() + PERIOD);
        }
        polled
    })
    .await;
    vec!["it ended".to_owned()]
}

pub async fn what_is_ready_is_in_time() -> Log {
    let past = Instant::now();
    sleep(PERIOD).await;
    vec![
        format!("{:?}", timeout(Duration::ZERO, ready(1)).await),
        format!("{:?}", timeout_at(past, ready(2)).await),
        format!("{:?}", timeout(Duration::MAX, ready(3)).await),
    ]
}

pub async fn what_is_not_ready_is_too_late() -> Log {
    let past = Instant::now();
    sleep(PERIOD).await;
    let late = timeout_at(past, pending::<()>()).await.unwrap_err();
    let said = late.to_string();
    vec![
        said,
        format!("{:?}", std::io::Error::from(late).kind()),
        format!("{:?}", timeout(Duration::ZERO, pending::<()>()).await),
        format!("{:?}", timeout(PERIOD, pending::<()>()).await),
        format!("{:?}", timeout(PERIOD, sleep(FOREVER)).await),
    ]
}

pub async fn the_inner_deadline_comes_first() -> Log {
    vec![
        format!("{:?}", timeout(PERIOD * 100, timeout(PERIOD, pending::<()>())).await),
        format!("{:?}", timeout(PERIOD, timeout(PERIOD * 100, pending::<()>())).await),
    ]
}

pub async fn what_was_too_late_is_dropped_with_its_deadline() -> Log {
    let is_dropped = Arc::new(AtomicBool::new(false));
    let holds = Dropped(is_dropped.clone());
    let mut late = Box::pin(timeout(PERIOD, async move {
        let _holds = holds;
        pending::<()>().await;
    }));
    let outcome = late.as_mut().await.is_err();
    let before = is_dropped.load(Ordering::Relaxed);
    drop(late);
    vec![format!("{outcome}, {before}, {}", is_dropped.load(Ordering::Relaxed))]
}

pub async fn a_future_survives_its_deadline() -> Log {
    let mut sleeps = pin!(sleep(PERIOD * 5));
    let outcome = timeout(PERIOD, sleeps.as_mut()).await.is_err();
    sleeps.await;
    vec![format!("{outcome}, then it ended")]
}

pub async fn ticks_are_at_equal_distances_from_the_start() -> Log {
    let start = Instant::now();
    let mut ticks = interval_at(start, PERIOD);
    let mut log = vec![format!("{:?}", ticks.period())];
    for _ in 0..5 {
        log.push(format!("{:?}", ticks.tick().await - start));
    }
    log
}

pub async fn the_first_tick_is_at_once_or_when_it_is_said() -> Log {
    let mut at_once = interval(FOREVER);
    at_once.tick().await;
    let start = Instant::now() + PERIOD;
    let mut later = interval_at(start, FOREVER);
    let first = later.tick().await;
    vec![format!("{}", first == start && Instant::now() >= start)]
}

async fn miss(behavior: MissedTickBehavior) -> (Instant, Vec<Instant>) {
    let start = Instant::now();
    let mut ticks = interval_at(start, PERIOD);
    ticks.set_missed_tick_behavior(behavior);
    ticks.tick().await;
    sleep_until(start + PERIOD * 5 + PERIOD / 2).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(ticks.tick().await);
    }
    (start, seen)
}

pub async fn missed_ticks_come_all_at_once() -> Log {
    let (start, seen) = miss(MissedTickBehavior::Burst).await;
    seen.iter().map(|tick| format!("{:?}", *tick - start)).collect()
}

pub async fn missed_ticks_put_off_the_next() -> Log {
    let (start, seen) = miss(MissedTickBehavior::Delay).await;
    let distances = seen.windows(2).map(|two| format!("{}", two[1] - two[0] >= PERIOD));
    let first = format!("{:?}, then later than {:?}: ", seen[0] - start, PERIOD * 6);
    [first, format!("{}", seen[1] - start > PERIOD * 6)].into_iter().chain(distances).collect()
}

pub async fn missed_ticks_are_skipped() -> Log {
    let (start, seen) = miss(MissedTickBehavior::Skip).await;
    let in_step = seen.iter().all(|tick| (*tick - start).as_nanos() % PERIOD.as_nanos() == 0);
    vec![
        format!("{:?}, then in step: {in_step}", seen[0] - start),
        format!("{}", seen[1] - start >= PERIOD * 6),
    ]
}

pub async fn ticks_that_are_missed_burst_by_default() -> Log {
    vec![format!("{:?}", interval(PERIOD).missed_tick_behavior())]
}

pub async fn a_tick_that_is_dropped_is_not_lost() -> Log {
    let start = Instant::now();
    let mut ticks = interval_at(start, PERIOD);
    ticks.tick().await;
    drop(timeout(PERIOD / 4, ticks.tick()).await);
    vec![format!("{:?}", ticks.tick().await - start)]
}

pub async fn an_interval_is_put_off_and_brought_forward() -> Log {
    let mut log = Vec::new();
    let start = Instant::now();
    let mut ticks = interval_at(start + FOREVER, FOREVER);
    ticks.reset_at(start + PERIOD);
    log.push(format!("{:?}", ticks.tick().await - start));
    ticks.reset_after(PERIOD);
    log.push(format!("{}", ticks.tick().await - start >= PERIOD * 2));
    ticks.reset_immediately();
    log.push(format!("{}", ticks.tick().await - start < FOREVER));
    ticks.reset();
    log.push(format!("{:?}", poll_once(pin!(ticks.tick())).is_pending()));
    log
}

pub async fn instants_before_others_are_no_time_apart() -> Log {
    let earlier = Instant::now();
    let later = earlier + PERIOD;
    vec![
        format!("{:?} {:?}", later - earlier, earlier - later),
        format!("{:?} {:?}", earlier.duration_since(later), earlier.checked_duration_since(later)),
        format!("{:?} {:?}", earlier.saturating_duration_since(later), later.elapsed()),
        format!("{:?}", earlier.checked_add(Duration::MAX)),
        format!("{}", Instant::from_std(later.into_std()) == later),
    ]
}
