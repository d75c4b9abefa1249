//! What faults do to a disk while they last, and the draws they make of it.
//!
//! Effects stack. Each draws from the stream it brought: once for every call it concerns, whether it strikes or not and
//! whatever the others do, and once more for how it strikes, if there are ways. So an effect shifts no draw but its own.

use std::time::Duration;

use super::Stream;

/// Which calls an effect concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskOps {
    /// Reading a file, listing a directory, opening a file that is there.
    pub read: bool,
    /// Writing to a file; cutting it off or extending it; creating, renaming and removing. Opening a file so that it may be
    /// created or emptied is one of these.
    pub write: bool,
    /// Syncing a file or a directory.
    pub sync: bool,
}

impl DiskOps {
    /// Every call that reaches the disk.
    pub const ALL: DiskOps = DiskOps { read: true, write: true, sync: true };
}

/// What a fault does to a disk while it lasts. Effects stack, and stay when the process dies: it is the machine's disk
/// that is bad, until the machine has a [new one](super::DiskFate::Wipe). Asking for a file's length, whether a path exists, and closing are answered from memory; no effect
/// concerns them.
///
/// | effect | stands for |
/// |---|---|
/// | `Stall` | a drive that retries reads, a saturated volume, a hung controller |
/// | `Error` | a bad sector, a cable, a thin pool out of room; on sync, the "fsyncgate" of 2018 |
/// | `Full` | a log that was never rotated |
/// | `Corrupt` | bit rot (Bairavasundaram et al., "An Analysis of Data Corruption in the Storage Stack", FAST 2008) |
/// | `Torn` | a write cut short, as write(2) allows |
/// | `ShortRead` | a read cut short, as read(2) allows |
/// | `LyingSync` | a drive, controller or hypervisor that acknowledges a flush it did not do |
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DiskEffect {
    /// Every such call blocks for a time drawn between the two, both included, and takes effect at its end: a crash in the
    /// meantime finds nothing done. Like `std::fs`, the API blocks the thread that the executor runs on, so all of the
    /// process stands still, and what it does after the call is so much later. A call made in
    /// [`spawn_blocking`](crate::task::spawn_blocking) blocks its own thread alone. When the effect is lifted, the calls that it
    /// stalls go on.
    Stall {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
        /// The calls it concerns.
        ops: DiskOps,
    },
    /// Such a call fails with EIO, and nothing is done. A failed sync of a file is worse, as it is on Linux: what was to be
    /// written is marked clean all the same, so a later sync succeeds without writing it. The process goes on
    /// reading it, from the page cache, until the machine crashes, and then it is gone; what is written to again in the
    /// meantime is saved, by the page. Lengths and names are in the file system's journal and are written by the
    /// next sync. (<https://lwn.net/Articles/752063/>, <https://wiki.postgresql.org/wiki/Fsync_Errors>; Rebello et al., "Can
    /// Applications Recover from fsync Failures?", USENIX ATC 2020. The file systems measured there differ; this is ext4
    /// in its default mode.)
    Error {
        /// 0 to 1.
        probability: f64,
        /// The calls it concerns.
        ops: DiskOps,
    },
    /// There is room for so many more bytes, counted in whole pages of 4096 as they are first written to; then writing
    /// fails with ENOSPC, after what still fitted. Removing and cutting off makes room again. Names take none.
    Full {
        /// In bytes.
        free: u64,
    },
    /// A read that finds anything flips one bit of it, on the medium and in the page cache, for good. No one notices.
    Corrupt {
        /// 0 to 1.
        probability: f64,
    },
    /// A write to a file stops part-way: a drawn part of it, from the start, is written, never all; the caller gets EIO.
    Torn {
        /// 0 to 1.
        probability: f64,
    },
    /// A read gives fewer bytes than were asked for and are there, but at least one.
    ShortRead {
        /// 0 to 1.
        probability: f64,
    },
    /// Syncing reports success and makes nothing durable. What it was to write stays in the drive's own cache: the first
    /// sync after the heal that is true makes all of it durable, whichever file it is for. [`lost`](super::Disks::lost)
    /// says what a crash took of it.
    LyingSync,
}

/// Names an effect on a disk, to lift it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskEffectId(pub(super) u64);

/// What a call does, to tell whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Answered from memory.
    Free,
    /// Opens what is there, or lists it.
    Look,
    /// Reads a file.
    Read,
    /// Writes to a file.
    Write,
    /// Creates, renames, removes, cuts off, extends.
    Change,
    /// Makes durable.
    Sync,
}

impl DiskOps {
    fn concern(self, call: Call) -> bool {
        match call {
            Call::Free => false,
            Call::Look | Call::Read => self.read,
            Call::Write | Call::Change => self.write,
            Call::Sync => self.sync,
        }
    }
}

struct Imposed {
    id: DiskEffectId,
    effect: DiskEffect,
    stream: Stream,
    touched: u64,
    /// Set while it strikes the call that is being made: the draw for how.
    strikes: Option<u64>,
    /// Where [`DiskEffect::Full`] ends, in bytes allocated.
    limit: u64,
}

/// The effects on one disk.
#[derive(Default)]
pub(super) struct Effects {
    imposed: Vec<Imposed>,
    /// Those of a disk that is no longer there, and how many calls they touched.
    gone: Vec<(DiskEffectId, u64)>,
}

/// A draw of 64 bits as a number below `width`; 0 if that is 0.
fn below(draw: u64, width: u64) -> u64 {
    ((u128::from(draw) * u128::from(width)) >> 64) as u64
}

impl Effects {
    pub fn redraw(&mut self, key: u64) {
        self.imposed.iter_mut().for_each(|imposed| imposed.stream.redraw(key));
    }

    /// `allocated` is what is taken of the disk now, in bytes.
    pub fn impose(&mut self, id: DiskEffectId, effect: DiskEffect, stream: Stream, allocated: u64) {
        let limit = match effect {
            DiskEffect::Full { free } => allocated.saturating_add(free),
            _ => u64::MAX,
        };
        self.imposed.push(Imposed { id, effect, stream, touched: 0, strikes: None, limit });
    }

    /// Takes an effect off and says how many calls it touched.
    pub fn lift(&mut self, id: DiskEffectId) -> u64 {
        let touched = self.touched(id);
        self.imposed.retain(|imposed| imposed.id != id);
        self.gone.retain(|gone| gone.0 != id);
        touched
    }

    /// The machine has a new disk, with which nothing is wrong.
    pub fn begin_anew(&mut self) {
        self.gone.extend(self.imposed.drain(..).map(|imposed| (imposed.id, imposed.touched)));
    }

    pub fn has(&self, id: DiskEffectId) -> bool {
        self.imposed.iter().any(|imposed| imposed.id == id)
    }

    pub fn touched(&self, id: DiskEffectId) -> u64 {
        let mut imposed = self.imposed.iter().map(|imposed| (imposed.id, imposed.touched));
        let found = imposed.find(|(known, _)| *known == id);
        found.or_else(|| self.gone.iter().copied().find(|(known, _)| *known == id)).map_or(0, |found| found.1)
    }

    /// For how long each effect stalls a call that is about to be made.
    pub fn stalls(&mut self, call: Call) -> Vec<(DiskEffectId, Duration)> {
        let mut stalls = Vec::new();
        for Imposed { id, effect, stream, touched, .. } in &mut self.imposed {
            if let DiskEffect::Stall { min, max, ops } = *effect
                && ops.concern(call)
            {
                stalls.push((*id, stream.duration(min, max)));
                *touched += 1;
            }
        }
        stalls
    }

    /// Makes all other draws for one call.
    pub fn begin(&mut self, call: Call) {
        for Imposed { effect, stream, strikes, .. } in &mut self.imposed {
            let mut draw = |probability| {
                let (struck, how) = (stream.chance(probability), stream.next_u64());
                struck.then_some(how)
            };
            *strikes = match *effect {
                DiskEffect::Error { probability, ops } if ops.concern(call) => draw(probability),
                DiskEffect::Torn { probability } if call == Call::Write => draw(probability),
                DiskEffect::Corrupt { probability } | DiskEffect::ShortRead { probability }
                    if call == Call::Read =>
                {
                    draw(probability)
                }
                _ => None,
            };
        }
    }

    /// Whether the call fails.
    pub fn fail(&mut self) -> bool {
        let mut fails = false;
        for imposed in &mut self.imposed {
            if matches!(imposed.effect, DiskEffect::Error { .. }) && imposed.strikes.is_some() {
                imposed.touched += 1;
                fails = true;
            }
        }
        fails
    }

    /// How many bytes a read gives, of those there are.
    pub fn shorten(&mut self, mut available: usize) -> usize {
        for Imposed { effect, touched, strikes, .. } in &mut self.imposed {
            if let (DiskEffect::ShortRead { .. }, Some(draw), 2..) = (*effect, *strikes, available) {
                available = 1 + below(draw, available as u64 - 1) as usize;
                *touched += 1;
            }
        }
        available
    }

    /// The bits that flip, of `len` bytes that are read: calls `flip` with the position of a byte, and that of a bit in it.
    pub fn rot(&mut self, len: usize, mut flip: impl FnMut(u64, u8)) {
        for Imposed { effect, touched, strikes, .. } in &mut self.imposed {
            if let (DiskEffect::Corrupt { .. }, Some(draw), 1..) = (*effect, *strikes, len) {
                let bit = below(draw, len as u64 * 8);
                flip(bit / 8, (bit % 8) as u8);
                *touched += 1;
            }
        }
    }

    /// How many bytes are written of `len`; fewer if the write is torn.
    pub fn tear(&mut self, mut len: usize) -> usize {
        for Imposed { effect, touched, strikes, .. } in &mut self.imposed {
            if let (DiskEffect::Torn { .. }, Some(draw), 1..) = (*effect, *strikes, len) {
                len = below(draw, len as u64) as usize;
                *touched += 1;
            }
        }
        len
    }

    /// Whether room on the disk is limited.
    pub fn limits(&self) -> bool {
        self.imposed.iter().any(|imposed| imposed.limit != u64::MAX)
    }

    /// How much is written of a call that writes `len` bytes. `fits` says how much there is room for, up to so many bytes
    /// allocated.
    pub fn fit(&mut self, len: usize, fits: impl Fn(u64) -> usize) -> usize {
        let mut least = len;
        for Imposed { limit, touched, .. } in &mut self.imposed {
            if *limit != u64::MAX {
                let fits = fits(*limit);
                *touched += u64::from(fits < len);
                least = least.min(fits);
            }
        }
        least
    }

    /// Whether syncing lies.
    pub fn lies(&self) -> bool {
        self.imposed.iter().any(|imposed| imposed.effect == DiskEffect::LyingSync)
    }

    /// A sync has lied.
    pub fn lied(&mut self) {
        for imposed in &mut self.imposed {
            imposed.touched += u64::from(imposed.effect == DiskEffect::LyingSync);
        }
    }
}
