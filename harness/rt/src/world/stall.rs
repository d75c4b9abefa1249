//! Calls that take their time.
//!
//! A call that stalls blocks [its thread](super::thread) there and then, so whatever the process does after it is later by so much: the packets it
//! sends, the timers it sets, the clocks it reads. The other tasks of the process stand still meanwhile, unless it is the thread of
//! [`spawn_blocking`](crate::task::spawn_blocking) that blocks.
//!
//! Tasks that were not spawned through this crate (madsim-tonic spawns one for each request) have no stack that could be left. There the rest of the
//! world runs within the call. If several processes are in such calls at a time, the last that began is the first to go on, and the others are
//! later than they should be.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use spin::Mutex;

use super::{
    Life, World, run_until,
    thread::{Which, block_until, stack},
};

/// One call that stalls. It ends when it is woken, as the waker of its timer, or [ended](Stall::end) by whoever made it stall.
pub(super) struct Stall {
    life: Life,
    /// What blocks; `None` where there is no stack that could be left.
    which: Option<Which>,
    is_over: AtomicBool,
    /// The task whose call it is.
    waker: Mutex<Option<Waker>>,
}

impl Stall {
    /// Lets the call go on.
    pub(super) fn end(&self) {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.which == Some(Which::Shared) {
            self.release();
        }
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Whether it is over; if not, this waker is woken when it is.
    fn is_over_or_wakes(&self, waker: &Waker) -> bool {
        *self.waker.lock() = Some(waker.clone());
        self.is_over()
    }

    /// Has all of the process stand still.
    fn hold(&self, world: &World) {
        world.control(self.life.node, |control| control.stalls += 1);
    }

    /// Takes that back.
    fn release(&self) {
        let world = World::current();
        // A dead process has nothing to go on with, and its node may be held for another reason.
        if world.is_alive(self.life) {
            world.control(self.life.node, |control| control.stalls -= 1);
        }
    }
}

impl Wake for Stall {
    fn wake(self: Arc<Self>) {
        self.end();
    }
}

impl World {
    /// The calling process is in a call that takes so long, or until the stall is ended: `begun` is told which it is. Takes no time in destructors
    /// that run because something panicked. Returns whether the caller may go on: it may have died.
    pub(super) fn stall(&self, life: Life, duration: Duration, begun: impl FnOnce(Arc<Stall>)) -> bool {
        if duration.is_zero() || std::thread::panicking() || !self.is_alive(life) {
            return true;
        }
        let which = stack();
        let stall = Arc::new(Stall { life, which, is_over: AtomicBool::new(false), waker: Mutex::default() });
        begun(stall.clone());
        let mut timer = pin!(self.time.sleep(Duration::ZERO));
        timer.as_mut().reset(self.time.now_instant() + duration);
        let at_its_end = Waker::from(stall.clone());
        if timer.as_mut().poll(&mut Context::from_waker(&at_its_end)).is_ready() {
            return true;
        }
        match which {
            Some(Which::Own) => block_until(|waker| stall.is_over_or_wakes(waker)),
            Some(Which::Shared) => {
                let thread = self.nodes.lock()[life.node].control.thread();
                stall.hold(self);
                thread.block();
                let goes_on = block_until(|waker| stall.is_over_or_wakes(waker));
                thread.unblock();
                goes_on
            }
            None => {
                stall.hold(self);
                run_until(poll_fn(|cx| match stall.is_over_or_wakes(cx.waker()) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }));
                // Not before: nothing else of the process may run in the middle of this poll.
                stall.release();
                true
            }
        }
    }
}
