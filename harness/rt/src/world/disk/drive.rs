//! A volume behind the effects that are on it: the calls that reach the medium, and how they go wrong.

use std::{io, path::Path, time::Duration};

use super::{
    DiskEffect, DiskEffectId, DiskFate, Stream,
    content::PAGE,
    effect::{Call, Effects},
    namespace::Ino,
    volume::{Volume, limits},
};

/// Input/output error, on Linux, macOS and the BSDs.
const EIO: i32 = 5;
/// No space left on device, on the same.
const ENOSPC: i32 = 28;

/// The files of a node and what is wrong with the disk they are on.
pub(crate) struct Drive {
    /// For calls that no effect changes the course of.
    pub volume: Volume,
    effects: Effects,
}

impl Drive {
    pub fn new(seed: u64) -> Self {
        Drive { volume: Volume::new(seed), effects: Effects::default() }
    }

    pub(super) fn redraw(&mut self, key: u64) {
        self.volume.redraw(key);
        self.effects.redraw(key);
    }

    pub(super) fn impose(&mut self, id: DiskEffectId, effect: DiskEffect, stream: Stream) {
        self.effects.impose(id, effect, stream, self.volume.allocated());
    }

    pub(super) fn lift(&mut self, id: DiskEffectId) -> u64 {
        self.effects.lift(id)
    }

    pub(super) fn touched(&self, id: DiskEffectId) -> u64 {
        self.effects.touched(id)
    }

    pub(super) fn crash(&mut self, fate: DiskFate) {
        self.volume.crash(fate, self.effects.lies());
        if fate == DiskFate::Wipe {
            self.effects.begin_anew();
        }
    }

    /// For how long each effect stalls a call that is about to be made.
    pub(super) fn stalls(&mut self, call: Call) -> Vec<(DiskEffectId, Duration)> {
        self.effects.stalls(call)
    }

    /// Whether an effect is on the disk.
    pub(super) fn has(&self, id: DiskEffectId) -> bool {
        self.effects.has(id)
    }

    /// Makes one call.
    pub(super) fn call<R>(
        &mut self,
        call: Call,
        f: impl FnOnce(&mut Drive) -> io::Result<R>,
    ) -> io::Result<R> {
        self.effects.begin(call);
        // What a failing sync does is for the one who knows what it was to sync.
        let fails = call != Call::Sync && self.effects.fail();
        if fails { Err(io::Error::from_raw_os_error(EIO)) } else { f(self) }
    }

    /// Reads up to `buffer.len()` bytes and says how many.
    pub fn read_at(&mut self, ino: Ino, buffer: &mut [u8], offset: u64) -> usize {
        let content = self.volume.content(ino);
        let len = self.effects.shorten(content.available(buffer.len(), offset));
        self.effects.rot(len, |byte, bit| content.flip(offset + byte, bit));
        content.read_at(&mut buffer[..len], offset)
    }

    /// Writes `data`, or the first part of it and says why not all.
    pub fn write_at(&mut self, ino: Ino, data: &[u8], offset: u64) -> io::Result<()> {
        limits(data.len() as u64, offset)?;
        let whole = self.effects.tear(data.len());
        let mut fits = whole;
        if self.effects.limits() {
            let allocated = self.volume.allocated();
            let content = self.volume.content(ino);
            let room = |limit: u64| limit.saturating_sub(allocated) / PAGE as u64;
            fits = self.effects.fit(whole, |limit| content.fits(whole, offset, room(limit)));
        }
        if fits > 0 || data.is_empty() {
            self.volume.write_at(ino, &data[..fits], offset);
        }
        match fits {
            _ if fits < whole => Err(io::Error::from_raw_os_error(ENOSPC)),
            _ if whole < data.len() => Err(io::Error::from_raw_os_error(EIO)),
            _ => Ok(()),
        }
    }

    /// Makes a file's content and length durable, not its name.
    pub fn sync(&mut self, ino: Ino) -> io::Result<()> {
        if self.effects.fail() {
            self.volume.fail_sync(ino);
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if !self.effects.lies() {
            self.volume.sync(ino);
        } else if self.volume.claim(ino) {
            self.effects.lied();
        }
        Ok(())
    }

    /// Makes the names in a directory durable.
    pub fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.effects.fail() {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if !self.effects.lies() {
            return self.volume.sync_dir(path);
        }
        if self.volume.claim_dir(path)? {
            self.effects.lied();
        }
        Ok(())
    }
}
