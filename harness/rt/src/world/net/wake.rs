//! Wakers collected under the lock of the network and woken, or dropped, after it: either may run foreign code.

use std::task::Waker;

/// Wakers to wake once the lock is released.
#[derive(Default)]
pub(super) struct Woken {
    first: Option<Waker>,
    rest: Vec<Waker>,
    /// Wakers of what is gone: dropped, not woken.
    pub(super) silent: Vec<Waker>,
}

impl Woken {
    #[inline]
    pub(super) fn push(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            if self.first.is_none() {
                self.first = Some(waker);
            } else {
                self.rest.push(waker);
            }
        }
    }

    #[inline]
    pub(super) fn take_first(&mut self) -> Option<Waker> {
        self.first.take()
    }

    /// What there is besides the first, which is rare.
    #[inline]
    pub(super) fn take_rest(&mut self) -> Option<Rest> {
        if self.rest.is_empty() && self.silent.is_empty() {
            return None;
        }
        Some(Rest { rest: std::mem::take(&mut self.rest), _silent: std::mem::take(&mut self.silent) })
    }
}

/// Wakers on their way out of the lock.
pub(super) struct Rest {
    rest: Vec<Waker>,
    _silent: Vec<Waker>,
}

impl Rest {
    #[cold]
    pub(super) fn wake(self) {
        for waker in self.rest {
            waker.wake();
        }
    }
}

/// The tasks that wait for one thing: usually one.
#[derive(Default)]
pub(super) struct Waiters {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Waiters {
    #[inline]
    pub(super) fn register(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) if self.rest.iter().any(|w| w.will_wake(waker)) => {}
            Some(_) => self.rest.push(waker.clone()),
        }
    }

    #[inline]
    pub(super) fn wake(&mut self, woken: &mut Woken) {
        woken.push(self.first.take());
        for waker in self.rest.drain(..) {
            woken.push(Some(waker));
        }
    }

    /// Leaves the waiting tasks to their fate.
    pub(super) fn silence(self, woken: &mut Woken) {
        woken.silent.extend(self.first);
        woken.silent.extend(self.rest);
    }
}
