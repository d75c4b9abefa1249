//! The simulated disks, one for each node: what a process writes, and what is left of it when the process has died.
//!
//! A disk is a `Volume`: files and directories in a page cache over what is durable. Writes land in the cache and are
//! seen by every reader at once; syncing makes them durable, and nothing else does, however long it takes; a crash does
//! to the rest what its [`DiskFate`] says. Calls are made in the name of a [`Life`] and fail when it is over, so the
//! `Drop` code of a crashed process, a database that tidies up after itself for instance, changes nothing. What is wrong
//! with a disk is a matter of the [effects](DiskEffect) that faults impose on it.
//!
//! The model is ours. The design set out to embed turmoil-fs (0.1), which falls short of it in what matters here: files
//! are paths rather than inodes, so an open handle follows whatever is created under its name; bytes that `set_len` cut
//! off are back when the file grows again before a sync; a crash can neither keep everything nor tear anything but the
//! end of a write, and never a change to a directory; and every read walks the list of all writes since the last sync.
//! What this one costs, in `benches/disk.rs`: nothing that shows beside redb on plain memory.

use std::{io, sync::Arc, time::Duration};

use spin::{Mutex, MutexGuard};
use xxhash_rust::xxh3::Xxh3;

use super::{
    Life, NodeId, Stream, World,
    stall::Stall,
    thread::{calls_may_block, fails_for_the_dead},
};

mod content;
mod drive;
mod effect;
mod namespace;
mod volume;

use self::drive::Drive;
pub use self::effect::{DiskEffect, DiskEffectId, DiskOps};
pub(crate) use self::{effect::Call, namespace::Ino, volume::Mode};

/// What a crash leaves on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFate {
    /// Everything that was written, synced or not: the process died, its kernel did not.
    Keep,
    /// What was synced.
    LoseUnsynced,
    /// What was synced, and of the rest any part: writes are torn at block boundaries, in any order; of changes to
    /// directories, as in a journaled file system, some number of the first survive.
    Torn,
    /// Nothing: the machine comes back with a new disk, and leaves the [effects](DiskEffect) on the old one behind.
    Wipe,
}

/// What crashes took from a disk although a sync had reported it durable: the disk lied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Bytes of files, in whole pages of 4096 that had been written.
    pub bytes: u64,
    /// Changes of names: files and directories created, renamed, removed.
    pub names: u64,
}

/// The disks of all nodes.
#[derive(Default)]
pub struct Disks {
    disks: Mutex<Vec<Arc<Disk>>>,
    effects: Mutex<Vec<Record>>,
}

/// Where an effect is, or was.
#[derive(Clone, Copy)]
struct Record {
    node: NodeId,
    /// How many calls it touched, once it is lifted.
    lifted: Option<u64>,
}

impl Disks {
    pub(super) fn add_node(&self, node: NodeId, seed: u64) {
        let mut disks = self.disks.lock();
        assert_eq!(disks.len(), node.index(), "nodes are added in order");
        disks.push(Arc::new(Disk {
            state: Mutex::new(State {
                running: None,
                power_cut: None,
                drive: Drive::new(seed),
                stalled: Vec::new(),
            }),
        }));
    }

    pub(super) fn node_up(&self, life: Life) {
        self.of(life.node).state.lock().running = Some(life.incarnation);
    }

    pub(super) fn node_down(&self, node: NodeId, fate: DiskFate) {
        let stalled = {
            let disk = self.of(node);
            let mut state = disk.state.lock();
            state.end(fate);
            std::mem::take(&mut state.stalled)
        };
        stalled.into_iter().for_each(|(_, stall)| stall.end());
    }

    /// Has every disk and every effect on one draw from another stream.
    pub(super) fn redraw(&self, key: u64) {
        for disk in &*self.disks.lock() {
            disk.state.lock().drive.redraw(key);
        }
    }

    /// How many calls have changed the node's disk, or made changes durable, since the start of the run.
    pub fn changes(&self, node: NodeId) -> u64 {
        self.of(node).state.lock().drive.volume.changes()
    }

    /// Lets the process on a node make `changes` more [changes](Disks::changes) to its disk. Before the next one the disk
    /// is cut off: what is on it suffers `fate` there and then, and nothing the process does reaches it any more. To
    /// try a crash at every point between two writes; the process has yet to be [crashed](World::crash), and the fate
    /// given then finds nothing left to do.
    ///
    /// # Panics
    /// When no process runs on the node.
    pub fn cut_power_after(&self, node: NodeId, changes: u64, fate: DiskFate) {
        let disk = self.of(node);
        let mut state = disk.state.lock();
        assert!(state.running.is_some(), "no process runs on the node");
        state.power_cut = Some(PowerCut { at: state.drive.volume.changes() + changes, fate });
    }

    /// Puts an effect on the disk of a node; `stream` gives the effect's own draws.
    pub fn impose(&self, node: NodeId, effect: DiskEffect, stream: Stream) -> DiskEffectId {
        let id = {
            let mut effects = self.effects.lock();
            effects.push(Record { node, lifted: None });
            DiskEffectId(effects.len() as u64 - 1)
        };
        if matches!(effect, DiskEffect::Stall { .. }) {
            calls_may_block();
        }
        self.of(node).state.lock().drive.impose(id, effect, stream);
        id
    }

    /// Takes an effect off and says how many calls it touched. Those that it stalls go on.
    pub fn lift(&self, id: DiskEffectId) -> u64 {
        let (touched, stalled) = {
            let mut effects = self.effects.lock();
            let Record { node, lifted } = &mut effects[id.0 as usize];
            if let Some(touched) = *lifted {
                return touched;
            }
            let disk = self.of(*node);
            let mut state = disk.state.lock();
            let touched = state.drive.lift(id);
            *lifted = Some(touched);
            let stalled: Vec<_> = state.stalled.extract_if(.., |(by, _)| *by == id).collect();
            (touched, stalled)
        };
        stalled.into_iter().for_each(|(_, stall)| stall.end());
        touched
    }

    /// How many calls an effect has touched so far: those it stalled, failed, cut short or falsified. A sync with nothing to
    /// make durable is no lie.
    pub fn touched(&self, id: DiskEffectId) -> u64 {
        let Record { node, lifted } = self.effects.lock()[id.0 as usize];
        lifted.unwrap_or_else(|| self.of(node).state.lock().drive.touched(id))
    }

    /// What crashes of the node have taken so far that a [lying sync](DiskEffect::LyingSync) had reported durable. A new disk
    /// ([`DiskFate::Wipe`]) is no lie.
    pub fn lost(&self, node: NodeId) -> Lost {
        self.of(node).state.lock().drive.volume.lost()
    }

    /// A hash over all that is on the disks: names and bytes, as processes see them and as they are durable.
    pub fn digest(&self) -> u64 {
        let mut hasher = Xxh3::new();
        for disk in &*self.disks.lock() {
            disk.state.lock().drive.volume.digest(&mut hasher);
        }
        hasher.digest()
    }

    fn of(&self, node: NodeId) -> Arc<Disk> {
        self.disks.lock()[node.index()].clone()
    }
}

/// The disk of one node.
pub(crate) struct Disk {
    state: Mutex<State>,
}

struct State {
    /// The incarnation that may use the disk now.
    running: Option<u32>,
    power_cut: Option<PowerCut>,
    drive: Drive,
    /// The calls that stall now, and what has them do so.
    stalled: Vec<(DiskEffectId, Arc<Stall>)>,
}

/// The process loses its disk when that many changes have been made.
struct PowerCut {
    at: u64,
    fate: DiskFate,
}

impl State {
    fn end(&mut self, fate: DiskFate) {
        self.running = None;
        self.power_cut = None;
        self.drive.crash(fate);
    }
}

/// A process's access to the disk of its node.
#[derive(Clone)]
pub(crate) struct Mount {
    disk: Arc<Disk>,
    life: Life,
}

impl Mount {
    /// The disk of the calling process.
    pub(crate) fn here() -> io::Result<Mount> {
        let world = World::current();
        let life = world.here().ok_or_else(dead)?;
        Ok(Mount { disk: world.disks.of(life.node), life })
    }

    /// Makes a call to the disk, if the process still lives.
    pub(crate) fn with<R>(&self, call: Call, f: impl FnOnce(&mut Drive) -> io::Result<R>) -> io::Result<R> {
        if call != Call::Sync {
            return self.make(call, f);
        }
        let world = World::current();
        let number = world.tell_sync(self.life);
        let result = self.make(call, f);
        if let Some(number) = number.filter(|_| result.is_ok()) {
            world.tell_synced(self.life.node, number);
        }
        result
    }

    fn make<R>(&self, call: Call, f: impl FnOnce(&mut Drive) -> io::Result<R>) -> io::Result<R> {
        let stalls = self.of_the_living()?.drive.stalls(call);
        for (effect, time) in stalls {
            self.stall(effect, time)?;
        }
        self.of_the_living()?.drive.call(call, f)
    }

    /// The disk, if the process still lives.
    fn of_the_living(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.disk.state.lock();
        if let Some(PowerCut { at, fate }) = state.power_cut
            && at <= state.drive.volume.changes()
        {
            state.end(fate);
        }
        if state.running == Some(self.life.incarnation) {
            return Ok(state);
        }
        drop(state);
        Err(dead())
    }

    /// Has the calling process wait, unless the effect is lifted meanwhile.
    fn stall(&self, effect: DiskEffectId, time: Duration) -> io::Result<()> {
        if !self.disk.state.lock().drive.has(effect) {
            return Ok(());
        }
        let goes_on = World::current().stall(self.life, time, |stall| {
            let mut state = self.disk.state.lock();
            state.stalled.retain(|(_, stall)| !stall.is_over());
            state.stalled.push((effect, stall));
        });
        if goes_on { Ok(()) } else { Err(dead()) }
    }
}

fn dead() -> io::Error {
    fails_for_the_dead();
    io::Error::other("no process of this node is running, or no longer the one that opened the file")
}
