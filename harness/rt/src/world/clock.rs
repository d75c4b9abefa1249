//! The nodes' wall clocks: all true, until faults make some of them wrong.
//!
//! A clock is virtual time plus the effects on it, which add up. Monotonic time (`Instant`, sleeps, time-outs) is the same
//! everywhere and no effect changes it, as no step of the wall clock changes `CLOCK_MONOTONIC`.
//!
//! Code under test reads its node's clock through [`crate::clock::now`]. madsim answers `SystemTime::now()` of the
//! standard library too, and what it answers is the true time: equal to `crate::clock::now` on a node without effects,
//! and deaf to them on one with, because madsim's interception of `clock_gettime` has no place to hook in.

use std::time::{Duration, SystemTime};

use madsim::{plugin, time::TimeHandle};
use spin::Mutex;

use super::{NodeId, World};

/// What a fault does to a wall clock while it lasts. Effects add up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockEffect {
    /// It is ahead of the true time, or behind it.
    Skew {
        /// In nanoseconds; negative is behind.
        ahead: i64,
    },
    /// It runs fast or slow: it is right at first, and more and more wrong. When the effect is lifted the error is gone in one
    /// step, as time synchronisation would have it.
    Drift {
        /// In parts per million of the time that passes; negative is slow. Crystals stay below 100.
        ppm: f64,
    },
    /// It jumps ahead and back in turns: ahead first.
    Strobe {
        /// How far.
        by: Duration,
        /// How long it stays, each time. Not zero.
        every: Duration,
    },
}

impl ClockEffect {
    /// How far the clock is ahead so long after the effect began, in nanoseconds.
    fn ahead(self, since: Duration) -> i64 {
        match self {
            ClockEffect::Skew { ahead } => ahead,
            // Multiplying and rounding are exact operations of IEEE 754: the same on every machine.
            ClockEffect::Drift { ppm } => (since.as_nanos() as f64 * ppm / 1e6) as i64,
            ClockEffect::Strobe { by, every } => match since.as_nanos() / every.as_nanos() % 2 {
                0 => i64::try_from(by.as_nanos()).unwrap_or(i64::MAX),
                _ => 0,
            },
        }
    }
}

/// Names an effect on a clock, to lift it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockEffectId(usize);

struct Imposed {
    node: NodeId,
    effect: ClockEffect,
    begun: Duration,
    lifted: bool,
    touched: u64,
}

/// The wall clocks of all nodes. See the [module](self).
pub struct Clocks {
    time: TimeHandle,
    effects: Mutex<Vec<Imposed>>,
}

impl Clocks {
    pub(super) fn new(time: TimeHandle) -> Self {
        Clocks { time, effects: Mutex::default() }
    }

    /// Puts an effect on the clock of a node, from now on.
    ///
    /// # Panics
    /// When a [`ClockEffect::Strobe`] stays for no time.
    pub fn impose(&self, node: NodeId, effect: ClockEffect) -> ClockEffectId {
        if let ClockEffect::Strobe { every, .. } = effect {
            assert!(!every.is_zero(), "a clock that jumps has to stay for a time");
        }
        let mut effects = self.effects.lock();
        effects.push(Imposed { node, effect, begun: self.time.elapsed(), lifted: false, touched: 0 });
        ClockEffectId(effects.len() - 1)
    }

    /// Takes an effect off, and says how many readings of the clock it touched.
    pub fn lift(&self, id: ClockEffectId) -> u64 {
        let imposed = &mut self.effects.lock()[id.0];
        imposed.lifted = true;
        imposed.touched
    }

    /// How many readings of the clock an effect has touched so far: those it made wrong.
    pub fn touched(&self, id: ClockEffectId) -> u64 {
        self.effects.lock()[id.0].touched
    }

    /// How far a node's clock is ahead of the true time now, in nanoseconds; negative is behind.
    pub fn offset(&self, node: NodeId) -> i64 {
        self.sum(node, |_| ())
    }

    /// As [`Clocks::offset`], for a process that goes by it.
    fn read(&self, node: NodeId) -> i64 {
        self.sum(node, |touched| *touched += 1)
    }

    fn sum(&self, node: NodeId, mut wrong: impl FnMut(&mut u64)) -> i64 {
        let now = self.time.elapsed();
        let mut sum = 0_i64;
        for imposed in
            self.effects.lock().iter_mut().filter(|imposed| imposed.node == node && !imposed.lifted)
        {
            let ahead = imposed.effect.ahead(now - imposed.begun);
            if ahead != 0 {
                wrong(&mut imposed.touched);
            }
            sum = sum.saturating_add(ahead);
        }
        sum
    }
}

/// The wall clock of the calling node, of a dead process as well; the true time for the supervisor. The epoch where there is
/// no world, which is what `Drop` code sees that runs when the world is gone.
pub(crate) fn wall_clock() -> SystemTime {
    let Some(time) = TimeHandle::try_current() else { return SystemTime::UNIX_EPOCH };
    let truth = time.now_time();
    let world = World::current();
    let Some(node) = world.nodes.lock().whose(plugin::node()) else { return truth };
    let offset = world.clocks.read(node);
    let by = Duration::from_nanos(offset.unsigned_abs());
    let shown = if offset < 0 { truth.checked_sub(by) } else { truth.checked_add(by) };
    shown.expect("292 years do not take a SystemTime out of its range")
}
