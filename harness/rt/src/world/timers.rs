//! The timers of code under test: exact to the nanosecond, and gone when nobody waits for them any more.
//!
//! madsim's timers cannot be taken back. So it gets few of them: one for the earliest deadline there is, and when it fires, one for the
//! earliest of those that are left. Those that are set at a time are a stack, each earlier than the one below.
//!
//! madsim holds the lock of its timers while it calls one back, so that none can be set then. The *pump*, a task of the supervisor's node,
//! does it: at the same virtual instant, a few scheduler steps (50 to 100 ns each) later.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use madsim::time::{Sleep, TimeHandle};
use spin::Mutex;

use super::{World, net::nanos};

/// Names a timer that is set: when it is due, and a number that tells it from others.
pub(crate) type TimerKey = (u64, u64);

/// All timers of a run.
pub(crate) struct Timers {
    time: TimeHandle,
    /// Virtual time zero.
    start: Instant,
    state: Mutex<State>,
    /// What madsim's timers wake.
    bell: Waker,
}

struct State {
    waiting: BTreeMap<TimerKey, Waker>,
    count: u64,
    /// When madsim's timers are due that are set: the earliest last.
    armed: Vec<u64>,
    /// One `Sleep` sets all of them: `reset`, then one poll.
    sleep: Pin<Box<Sleep>>,
    in_callback: bool,
    pump: Option<Waker>,
    is_closed: bool,
    /// Kept for its memory.
    due: Vec<Waker>,
}

struct Bell(Weak<Timers>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(timers) = self.0.upgrade() {
            timers.ring();
        }
    }
}

impl Timers {
    pub(super) fn new(time: TimeHandle) -> Arc<Self> {
        Arc::new_cyclic(|timers| Timers {
            start: time.now_instant() - time.elapsed(),
            state: Mutex::new(State {
                waiting: BTreeMap::new(),
                count: 0,
                armed: Vec::new(),
                sleep: Box::pin(time.sleep(Duration::ZERO)),
                in_callback: false,
                pump: None,
                is_closed: false,
                due: Vec::new(),
            }),
            time,
            bell: Arc::new(Bell(timers.clone())).into(),
        })
    }

    /// Starts the pump. Call it on the supervisor's node.
    pub(super) fn start_pump(self: &Arc<Self>) {
        let timers = Arc::downgrade(self);
        madsim::task::spawn(poll_fn(move |cx| {
            timers.upgrade().map_or(Poll::Ready(()), |timers| timers.pump(cx))
        }));
    }

    /// Those of the run on this thread.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub(crate) fn current() -> Arc<Timers> {
        World::of_current(|world| world.timers.clone())
    }

    pub(crate) fn now(&self) -> Instant {
        self.time.now_instant()
    }

    /// Has `waker` woken at `deadline`, which lies ahead.
    pub(crate) fn set(&self, deadline: Instant, waker: Waker) -> TimerKey {
        let at = nanos(deadline.saturating_duration_since(self.start));
        let mut state = self.state.lock();
        state.count += 1;
        let key = (at, state.count);
        state.waiting.insert(key, waker);
        self.arm(&mut state);
        key
    }

    /// Has `waker` woken in place of the one that the timer has. Sets it again if it has fired.
    pub(crate) fn renew(&self, key: TimerKey, waker: &Waker) {
        let mut state = self.state.lock();
        match state.waiting.get_mut(&key) {
            Some(kept) if kept.will_wake(waker) => {}
            Some(kept) => {
                let before = mem::replace(kept, waker.clone());
                drop(state);
                // To drop a waker is foreign code.
                drop(before);
            }
            None => {
                state.waiting.insert(key, waker.clone());
                self.arm(&mut state);
            }
        }
    }

    /// Takes a timer back; gives the waker it would have woken, unless it has fired.
    pub(crate) fn take_back(&self, key: TimerKey) -> Option<Waker> {
        self.state.lock().waiting.remove(&key)
    }

    /// Sees to it that one of madsim's timers fires no later than the first of ours is due.
    fn arm(&self, state: &mut State) {
        let Some((&(first, _), _)) = state.waiting.first_key_value() else { return };
        if state.in_callback || state.armed.last().is_some_and(|armed| *armed <= first) {
            return;
        }
        // One that does not lie ahead would not be set. Then one that is set may be as early.
        let at = first.max(nanos(self.time.elapsed()) + 1);
        if state.armed.last().is_some_and(|armed| *armed <= at) {
            return;
        }
        state.armed.push(at);
        state.sleep.as_mut().reset(self.start + Duration::from_nanos(at));
        let set = state.sleep.as_mut().poll(&mut Context::from_waker(&self.bell));
        debug_assert!(set.is_pending(), "a timer has to lie ahead");
    }

    /// One of madsim's timers fired.
    fn ring(&self) {
        let mut state = self.state.lock();
        // The clock may be put on to the time of the timer only after its callback.
        let fired = state.armed.pop().unwrap_or_default();
        let now = fired.max(nanos(self.time.elapsed()));
        let mut due = mem::take(&mut state.due);
        while let Some(first) = state.waiting.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
        state.in_callback = true;
        drop(state);
        for waker in due.drain(..) {
            waker.wake();
        }
        let mut state = self.state.lock();
        state.due = due;
        state.in_callback = false;
        // Each time, needed or not: or a timer far ahead would decide whether the scheduler has one more step to take now, and a run with
        // one more timer at its end would be another from its beginning.
        let pump = state.pump.take();
        drop(state);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    fn pump(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        self.arm(&mut state);
        let before = state.pump.replace(cx.waker().clone());
        let is_closed = state.is_closed;
        drop(state);
        drop(before);
        if is_closed { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Forgets everything, and lets the pump end.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let forgotten = mem::take(&mut state.waiting);
        let pump = state.pump.take();
        drop(state);
        drop(forgotten);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    /// How many are set, and how many of madsim's for them.
    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.waiting.len(), state.armed.len())
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin};

    use super::*;
    use crate::{
        time::{sleep, timeout},
        world,
    };

    const MS: Duration = Duration::from_millis(1);

    fn in_a_world<F: Future>(main: impl FnOnce(Arc<World>) -> F + Send + 'static) {
        let run = std::thread::spawn(|| drop(world::run(1, main).expect("nothing is spawned outside")));
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }

    /// Each poll of a sleep and each sleep that was dropped left a timer until its deadline.
    #[test]
    fn a_sleep_is_one_timer_while_it_is_waited_for() {
        in_a_world(async |world| {
            for _ in 0..1_000 {
                assert!(timeout(MS * 60_000, async {}).await.is_ok());
                drop(timeout(MS * 60_000, timeout(MS, pending::<()>())).await);
            }
            let mut many = pin!(sleep(MS * 60_000));
            for _ in 0..1_000 {
                assert!(many.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            assert_eq!(world.timers.counts().0, 1);
            assert!(world.timers.counts().1 <= 2, "{:?}", world.timers.counts());
        });
    }
}
