//! The disk of the calling node in the simulated world.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use super::OpenOptions;
use crate::world::disk::{Call, Ino, Mode, Mount};

/// A handle, of the process that opened it.
pub(super) struct File {
    mount: Mount,
    ino: Ino,
    read: bool,
    write: bool,
}

impl File {
    pub fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
        let &OpenOptions { read, write, create, create_new, truncate } = options;
        let mount = Mount::here()?;
        let mode = Mode { read, write, create, create_new, truncate };
        let call = if create || create_new || truncate { Call::Change } else { Call::Look };
        let ino = mount.with(call, |drive| drive.volume.open(path, mode))?;
        Ok(File { mount, ino, read, write })
    }

    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        check(self.read, "reading")?;
        self.mount.with(Call::Read, |drive| Ok(drive.read_at(self.ino, buffer, offset)))
    }

    pub fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        check(self.write, "writing")?;
        self.mount.with(Call::Write, |drive| drive.write_at(self.ino, data, offset))
    }

    pub fn len(&self) -> io::Result<u64> {
        self.mount.with(Call::Free, |drive| Ok(drive.volume.len(self.ino)))
    }

    pub fn set_len(&self, len: u64) -> io::Result<()> {
        if !self.write {
            // ftruncate(2) has it so.
            return Err(io::Error::new(ErrorKind::InvalidInput, "the file is not open for writing"));
        }
        self.mount.with(Call::Change, |drive| drive.volume.set_len(self.ino, len))
    }

    pub fn sync_data(&self) -> io::Result<()> {
        self.mount.with(Call::Sync, |drive| drive.sync(self.ino))
    }

    pub fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    /// Takes the file's one lock; false if it is taken.
    pub fn lock(&self) -> io::Result<bool> {
        self.mount.with(Call::Free, |drive| Ok(drive.volume.lock(self.ino)))
    }

    /// Gives the lock back.
    pub fn unlock(&self) -> io::Result<()> {
        self.mount.with(Call::Free, |drive| {
            drive.volume.unlock(self.ino);
            Ok(())
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // An error says that the process is dead, and then its handles are closed.
        let _ = self.mount.with(Call::Free, |drive| {
            drive.volume.close(self.ino);
            Ok(())
        });
    }
}

fn check(allowed: bool, what: &str) -> io::Result<()> {
    if allowed {
        Ok(())
    } else {
        Err(io::Error::new(ErrorKind::PermissionDenied, format!("the file is not open for {what}")))
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Mount::here()?.with(Call::Change, |drive| drive.volume.rename(from, to))
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    Mount::here()?.with(Call::Change, |drive| drive.volume.remove_file(path))
}

pub(super) fn create_dir_all(path: &Path) -> io::Result<()> {
    Mount::here()?.with(Call::Change, |drive| drive.volume.create_dir_all(path))
}

pub(super) fn read_dir(path: &Path) -> io::Result<Vec<String>> {
    Mount::here()?.with(Call::Look, |drive| drive.volume.read_dir(path))
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    Mount::here()?.with(Call::Sync, |drive| drive.sync_dir(path))
}

pub(super) fn exists(path: &Path) -> io::Result<bool> {
    Mount::here()?.with(Call::Free, |drive| drive.volume.exists(path))
}
