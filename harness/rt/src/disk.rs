//! Files and databases. In production these are `std::fs` and the real disk; in the simulation every node has a disk of
//! its own, whose unsynced writes a crash may lose or tear.
//!
//! What a program must do to keep its data is the same in both worlds, and it is more than most programs do. Written
//! data are durable once the *file* is synced ([`File::sync_data`]); a name that was created, renamed or removed is
//! once the *directory* it is in is synced ([`sync_dir`]). [`open_database`] takes care of both, and for data that matter
//! it is the simplest way.
//!
//! Calls block, as those of `std::fs` do; in the simulation they take no time unless a fault has them stall. Paths are those of the node's file
//! system; in the simulation its root is empty at first, and relative paths start there. A call of a process that was
//! killed fails and changes nothing.

use std::{fmt, io, path::Path};

mod database;
#[cfg_attr(madsim, path = "disk/simulated.rs")]
#[cfg_attr(not(madsim), path = "disk/real.rs")]
mod imp;

pub use self::database::open_database;

/// An open file, read and written at positions.
pub struct File(imp::File);

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File")
    }
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// As those of [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file to read and write it; it is created if missing and emptied if not.
    ///
    /// # Errors
    /// As those of [`OpenOptions::open`].
    pub fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
    }

    /// Reads up to `buffer.len()` bytes from `offset` on and says how many; 0 at the end of the file. It may be fewer than
    /// there are, as with pread(2): to have them all, [`File::read_exact_at`] or a loop.
    ///
    /// # Errors
    /// When the file is not open for reading, or the disk fails.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    /// Reads exactly `buffer.len()` bytes from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before; otherwise as those of [`File::read_at`].
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Writes all of `data` at `offset`. A gap between the end of the file and `offset` reads as zeros.
    ///
    /// # Errors
    /// When the file is not open for writing, or the disk fails or is full; a first part may have been written, as with
    /// pwrite(2).
    pub fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    /// The length of the file, in bytes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file off at `len` bytes, or extends it with zeros.
    ///
    /// # Errors
    /// When the file is not open for writing, or the disk fails or is full.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    /// Makes what was written, and the length, durable. Not the file's name: see [`sync_dir`].
    ///
    /// # Errors
    /// When the disk fails. What was written may then be lost, and syncing again does not bring it back: on Linux the kernel
    /// marks it clean all the same, and goes on showing it (<https://lwn.net/Articles/752063/>). Write it again.
    pub fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// As [`File::sync_data`], and times and permissions as well.
    ///
    /// # Errors
    /// As those of [`File::sync_data`].
    pub fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// How to open a file. All options are off at first; each means what its namesake in [`std::fs::OpenOptions`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    create: bool,
    create_new: bool,
    truncate: bool,
}

impl OpenOptions {
    /// All options off.
    pub fn new() -> Self {
        OpenOptions::default()
    }

    /// To be read.
    pub fn read(mut self, on: bool) -> Self {
        self.read = on;
        self
    }

    /// To be written.
    pub fn write(mut self, on: bool) -> Self {
        self.write = on;
        self
    }

    /// Created if missing. Needs `write`.
    pub fn create(mut self, on: bool) -> Self {
        self.create = on;
        self
    }

    /// Created, and an error if it exists. Needs `write`.
    pub fn create_new(mut self, on: bool) -> Self {
        self.create_new = on;
        self
    }

    /// Emptied. Needs `write`.
    pub fn truncate(mut self, on: bool) -> Self {
        self.truncate = on;
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists` (with `create_new`), `InvalidInput` for options that make no sense together, and
    /// whatever else the file system has to say.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        imp::File::open(path.as_ref(), self).map(File)
    }
}

/// The whole content of a file.
///
/// # Errors
/// `NotFound`, or when the disk fails.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut content = vec![0; file.len()? as usize];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

/// Makes `content` the whole content of a file, which is created if missing. Nothing of it is durable before the file
/// and its directory are synced, and a crash may leave any mix of old and new; to replace a file in one step, write and
/// sync another and [`rename`] it.
///
/// # Errors
/// When the directory is missing, or the disk fails or is full.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path)?.write_all_at(content.as_ref(), 0)
}

/// Gives what is at `from` the name `to`, in one step; a file that was there is replaced. Durable once the directory is
/// synced.
///
/// # Errors
/// `NotFound`, and when `to` is a directory that is not empty or not of the same kind.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    imp::rename(from.as_ref(), to.as_ref())
}

/// Removes a file. Durable once the directory is synced.
///
/// # Errors
/// `NotFound`, and when it is a directory.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    imp::remove_file(path.as_ref())
}

/// Creates a directory and those above it that are missing. Each is durable once the one above it is synced.
///
/// # Errors
/// When one of them is a file.
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    imp::create_dir_all(path.as_ref())
}

/// The names in a directory, sorted.
///
/// # Errors
/// `NotFound`, when it is a file, and when a name is not UTF-8.
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<String>> {
    imp::read_dir(path.as_ref())
}

/// Makes the names in a directory durable: those created in it, renamed into or out of it, and removed from it.
///
/// # Errors
/// `NotFound`, when it is a file, and when the disk fails.
pub fn sync_dir(path: impl AsRef<Path>) -> io::Result<()> {
    imp::sync_dir(path.as_ref())
}

/// Whether there is a file or a directory at a path.
///
/// # Errors
/// When that cannot be told.
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    imp::exists(path.as_ref())
}
