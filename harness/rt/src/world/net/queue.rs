//! What is to happen and when, and the timers that make it happen.
//!
//! madsim's public API has no timer callback, but a `Sleep` that was polled once with a waker is one: the timer calls
//! `wake`. All our timers share one waker, and each time it is woken exactly the earliest entry is taken from the heap.
//! There are as many timers as entries, and none fires before its entry is due, so the k-th timer to fire finds
//! the k-th entry due. Ties go in order of entry, which madsim's own timer heap does not promise.
//!
//! madsim holds the lock of its timers during the callback. An entry made there waits for its timer until the
//! *pump*, a task of the supervisor's node, runs: at the same virtual instant, a few scheduler steps (50 to 100 ns each)
//! later.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use madsim::time::{Sleep, TimeHandle};

use super::{link::nanos, table::Key};

/// Something that happens at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A packet arrives: its slot in the packet table.
    Arrival(u32),
    /// The retransmission timer of a connection may have run out.
    Retransmit(Key),
    /// A connection with keepalive may have been idle for too long.
    Keepalive(Key),
    /// Delayed acknowledgements may be due.
    Acknowledge,
}

struct Due {
    at: u64,
    order: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest: `BinaryHeap` gives the greatest first.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

pub(super) struct Queue {
    time: TimeHandle,
    /// Virtual time zero.
    start: Instant,
    heap: BinaryHeap<Due>,
    order: u64,
    /// One `Sleep` arms all timers: `reset`, then one poll.
    sleep: Pin<Box<Sleep>>,
    waker: Waker,
    /// Set during a timer's callback, when no timer may be armed.
    pub(super) in_callback: bool,
    /// When entries made during a callback are due.
    unarmed: Vec<u64>,
    pump: Option<Waker>,
}

impl Queue {
    pub(super) fn new(time: TimeHandle, bell: Arc<impl Wake + Send + Sync + 'static>) -> Self {
        let start = time.now_instant() - time.elapsed();
        let sleep = Box::pin(time.sleep(Duration::ZERO));
        Queue {
            time,
            start,
            heap: BinaryHeap::new(),
            order: 0,
            sleep,
            waker: bell.into(),
            in_callback: false,
            unarmed: Vec::new(),
            pump: None,
        }
    }

    /// Virtual time in nanoseconds.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        nanos(self.time.elapsed())
    }

    /// Makes `what` happen at `at`, which has to lie ahead.
    #[inline]
    pub(super) fn push(&mut self, at: u64, what: What) {
        self.order += 1;
        self.heap.push(Due { at, order: self.order, what });
        if self.in_callback {
            self.unarmed.push(at);
        } else {
            self.arm(at);
        }
    }

    #[inline]
    fn arm(&mut self, at: u64) {
        self.sleep.as_mut().reset(self.start + Duration::from_nanos(at));
        let armed = self.sleep.as_mut().poll(&mut Context::from_waker(&self.waker));
        debug_assert!(armed.is_pending(), "a timer has to lie ahead");
    }

    /// Takes what is due first, for a timer that fired.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u64, What)> {
        self.heap.pop().map(|due| (due.at, due.what))
    }

    /// Arms the timers of entries made during callbacks, and asks to be called again when there are more. Returns the
    /// waker this one replaces.
    pub(super) fn pump(&mut self, cx: &Context<'_>) -> Option<Waker> {
        let ahead = self.now() + 1;
        for at in std::mem::take(&mut self.unarmed) {
            self.arm(at.max(ahead));
        }
        self.pump.replace(cx.waker().clone())
    }

    /// The waker of the pump, if there is something for it to do: here, or `elsewhere`.
    #[inline]
    pub(super) fn call_pump(&mut self, elsewhere: bool) -> Option<Waker> {
        if self.unarmed.is_empty() && !elsewhere { None } else { self.pump.take() }
    }

    /// Forgets everything, and gives the waker of the pump so that it can end.
    pub(super) fn clear(&mut self) -> Option<Waker> {
        self.heap = BinaryHeap::new();
        self.unarmed = Vec::new();
        self.pump.take()
    }
}
