//! The disk of the calling node in the simulated world.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use super::OpenOptions;
use crate::world::disk::{Ino, Mode, Mount};

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
        let ino =
            mount.with(|volume| volume.open(path, Mode { read, write, create, create_new, truncate }))?;
        Ok(File { mount, ino, read, write })
    }

    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.mount.with(|volume| {
            check(self.read, "reading")?;
            Ok(volume.read_at(self.ino, buffer, offset))
        })
    }

    pub fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.mount.with(|volume| {
            check(self.write, "writing")?;
            volume.write_at(self.ino, data, offset)
        })
    }

    pub fn len(&self) -> io::Result<u64> {
        self.mount.with(|volume| Ok(volume.len(self.ino)))
    }

    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.mount.with(|volume| {
            check(self.write, "writing")?;
            volume.set_len(self.ino, len)
        })
    }

    pub fn sync_data(&self) -> io::Result<()> {
        self.mount.with(|volume| {
            volume.sync(self.ino);
            Ok(())
        })
    }

    pub fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    /// Takes the file's one lock; false if it is taken.
    pub fn lock(&self) -> io::Result<bool> {
        self.mount.with(|volume| Ok(volume.lock(self.ino)))
    }

    /// Gives the lock back.
    pub fn unlock(&self) -> io::Result<()> {
        self.mount.with(|volume| {
            volume.unlock(self.ino);
            Ok(())
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // An error says that the process is dead, and then its handles are closed.
        let _ = self.mount.with(|volume| {
            volume.close(self.ino);
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
    Mount::here()?.with(|volume| volume.rename(from, to))
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    Mount::here()?.with(|volume| volume.remove_file(path))
}

pub(super) fn create_dir_all(path: &Path) -> io::Result<()> {
    Mount::here()?.with(|volume| volume.create_dir_all(path))
}

pub(super) fn read_dir(path: &Path) -> io::Result<Vec<String>> {
    Mount::here()?.with(|volume| volume.read_dir(path))
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    Mount::here()?.with(|volume| volume.sync_dir(path))
}

pub(super) fn exists(path: &Path) -> io::Result<bool> {
    Mount::here()?.with(|volume| Ok(volume.exists(path)))
}
