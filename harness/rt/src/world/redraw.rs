//! Drawing the rest of a run anew: up to a moment it is the very run it was, from there on it is another.
//!
//! What makes runs differ that have the same past: a harness asks which moment decided how a run ends by trying many
//! futures from several moments. Nothing that has happened changes: packets on their way arrive when they would have, and timers fire
//! when they were set to. Whatever is drawn from here on is drawn from other streams: by links, disks, calls, the effects on
//! them, nodes, and streams that are made later. madsim's generator and those of `select!` and of std's hash maps cannot be
//! keyed again in the middle of a run; they are moved on by a number of draws, so that their next ones are others.

use std::{collections::hash_map::RandomState, future::ready, sync::atomic::Ordering};

use madsim::rand::{RngCore, thread_rng};

use super::{Stream, World};

/// How far at most the generators are moved on that cannot be keyed again.
const FARTHEST: u64 = 1024;

impl World {
    /// Draws all anew from here on, keyed by `key` and the seed. Only the supervisor may ask for it: whatever the task that
    /// calls it does next is the first that may differ.
    ///
    /// Code under test that keeps generators of its own, seeded before, goes on with those.
    pub async fn redraw(&self, key: u64) {
        let mut draws = Stream::new(self.seed(), "redraw", &key.to_string());
        let key = draws.next_u64();
        self.draws.store(key, Ordering::Relaxed);
        for node in &mut self.nodes.lock().list {
            node.rng.redraw(key);
        }
        self.net.redraw(key);
        self.disks.redraw(key);
        self.calls.redraw(key);
        let mut schedule = thread_rng();
        for _ in 0..=draws.range(0..FARTHEST) {
            schedule.next_u64();
        }
        for _ in 0..=draws.range(0..FARTHEST) {
            // Two branches that are ready: which of them is polled first is one draw.
            tokio::select! {
                () = ready(()) => {}
                () = ready(()) => {}
            }
        }
        for _ in 0..=draws.range(0..FARTHEST) {
            // The next map's keys are those of the last plus one.
            let _ = RandomState::new();
        }
    }
}
