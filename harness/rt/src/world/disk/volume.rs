//! A file system: inodes, the names that lead to them, and what a sync or a crash makes of both. It never fails of itself:
//! that is for the effects on the [drive](super::drive) it is on.

use std::{
    io::{self, ErrorKind},
    path::{Component, Path},
};

use slab::Slab;
use xxhash_rust::xxh3::Xxh3;

use super::{
    Lost, Stream,
    content::Content,
    namespace::{Directories, Directory, Entry, Journal},
};

mod crash;

/// Names a file or directory for as long as it is open or linked.
pub(crate) type Ino = usize;

const ROOT: Ino = 0;
/// ext4's limit with 4 KiB blocks. What is beyond it is a mistake, not a file.
const MAX_LEN: u64 = 16 << 40;

enum Inode {
    File(File),
    Directory(Directory),
}

#[derive(Default)]
struct File {
    content: Content,
    /// How many handles the running process has on it.
    handles: u32,
    /// Whether one of them holds the lock.
    locked: bool,
}

/// The files and directories of one disk. See the [module](self).
pub(crate) struct Volume {
    inodes: Inodes,
    journal: Journal,
    draws: Stream,
    /// How many calls have written, changed names, or synced.
    changes: u64,
    /// Whether something was claimed to be durable that is not.
    owes: bool,
    lost: Lost,
}

struct Inodes(Slab<Inode>);

impl Directories for Inodes {
    fn directory(&mut self, ino: Ino) -> &mut Directory {
        match &mut self.0[ino] {
            Inode::Directory(directory) => directory,
            Inode::File(_) => unreachable!("inode {ino} became a file"),
        }
    }
}

/// How to open a file; the meaning of each is that of its namesake in [`std::fs::OpenOptions`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    pub read: bool,
    pub write: bool,
    pub create: bool,
    pub create_new: bool,
    pub truncate: bool,
}

impl Volume {
    pub fn new(seed: u64) -> Self {
        let mut inodes = Slab::new();
        assert_eq!(inodes.insert(Inode::Directory(Directory::default())), ROOT);
        Volume {
            inodes: Inodes(inodes),
            journal: Journal::default(),
            draws: Stream::new(seed, "crash", ""),
            changes: 0,
            owes: false,
            lost: Lost::default(),
        }
    }

    /// Has crashes draw from another stream.
    pub(super) fn redraw(&mut self, key: u64) {
        self.draws.redraw(key);
    }

    /// How many calls have written, changed names, or synced.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn lookup(&self, path: &Path) -> io::Result<Ino> {
        let mut at = ROOT;
        for name in names(path)? {
            let Inode::Directory(directory) = &self.inodes.0[at] else {
                return Err(error(ErrorKind::NotADirectory, path));
            };
            at = *directory.entries.get(name).ok_or_else(|| error(ErrorKind::NotFound, path))?;
        }
        Ok(at)
    }

    /// The directory that holds the last name of a path, that name, and what it stands for.
    fn locate<'p>(&self, path: &'p Path) -> io::Result<(Ino, &'p str, Option<Ino>)> {
        let mut names = names(path)?;
        let name = names.pop().ok_or_else(|| error(ErrorKind::InvalidInput, path))?;
        let mut at = ROOT;
        for name in names {
            at = *self
                .directory(at, path)?
                .entries
                .get(name)
                .ok_or_else(|| error(ErrorKind::NotFound, path))?;
        }
        Ok((at, name, self.directory(at, path)?.entries.get(name).copied()))
    }

    fn directory(&self, ino: Ino, path: &Path) -> io::Result<&Directory> {
        match &self.inodes.0[ino] {
            Inode::Directory(directory) => Ok(directory),
            Inode::File(_) => Err(error(ErrorKind::NotADirectory, path)),
        }
    }

    fn is_directory(&self, ino: Ino) -> bool {
        matches!(self.inodes.0[ino], Inode::Directory(_))
    }

    fn file(&mut self, ino: Ino) -> &mut File {
        match &mut self.inodes.0[ino] {
            Inode::File(file) => file,
            Inode::Directory(_) => unreachable!("a handle is of a file"),
        }
    }

    fn link(&mut self, dir: Ino, name: &str, stands_for: Option<Ino>) {
        let entry = Entry { dir, name: name.into(), stands_for };
        self.changes += 1;
        self.journal.change(&mut self.inodes, vec![entry]);
    }

    /// Opens a file; to be [closed](Volume::close).
    pub fn open(&mut self, path: &Path, mode: Mode) -> io::Result<Ino> {
        let creates = mode.create || mode.create_new;
        let writes = creates || mode.truncate;
        if !mode.write && (writes || !mode.read) {
            return Err(error(ErrorKind::InvalidInput, path));
        }
        let (dir, name, found) = self.locate(path)?;
        let ino = match found {
            Some(_) if mode.create_new => return Err(error(ErrorKind::AlreadyExists, path)),
            Some(ino) if self.is_directory(ino) => return Err(error(ErrorKind::IsADirectory, path)),
            Some(ino) => ino,
            None if creates => {
                let ino = self.inodes.0.insert(Inode::File(File::default()));
                self.link(dir, name, Some(ino));
                ino
            }
            None => return Err(error(ErrorKind::NotFound, path)),
        };
        if mode.truncate {
            self.set_len(ino, 0)?;
        }
        self.file(ino).handles += 1;
        Ok(ino)
    }

    /// Closes a handle.
    pub fn close(&mut self, ino: Ino) {
        let file = self.file(ino);
        file.handles -= 1;
    }

    /// Takes the file's one lock; false if it is taken.
    pub fn lock(&mut self, ino: Ino) -> bool {
        !std::mem::replace(&mut self.file(ino).locked, true)
    }

    /// Gives the file's lock back.
    pub fn unlock(&mut self, ino: Ino) {
        self.file(ino).locked = false;
    }

    /// The content of a file.
    pub(super) fn content(&mut self, ino: Ino) -> &mut Content {
        &mut self.file(ino).content
    }

    /// Writes all of `data`, which has to be within [`limits`].
    pub fn write_at(&mut self, ino: Ino, data: &[u8], offset: u64) {
        self.changes += 1;
        self.content(ino).write_at(data, offset);
    }

    /// The length of a file, in bytes.
    pub fn len(&mut self, ino: Ino) -> u64 {
        self.content(ino).len()
    }

    /// Cuts a file off or extends it with zeros.
    pub fn set_len(&mut self, ino: Ino, len: u64) -> io::Result<()> {
        limits(len, 0)?;
        self.changes += 1;
        self.content(ino).set_len(len);
        Ok(())
    }

    /// Makes a file's content and length durable, not its name.
    pub fn sync(&mut self, ino: Ino) {
        self.changes += 1;
        self.content(ino).sync();
        self.settle_claims();
    }

    /// A sync of a file that fails.
    pub fn fail_sync(&mut self, ino: Ino) {
        self.changes += 1;
        self.content(ino).fail_sync();
    }

    /// A sync of a file that lies. Returns false if there was nothing to lie about.
    pub fn claim(&mut self, ino: Ino) -> bool {
        self.changes += 1;
        let lied = self.content(ino).claim();
        self.owes |= lied;
        lied
    }

    /// Makes the names in a directory durable.
    pub fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let dir = self.lookup(path)?;
        self.directory(dir, path)?;
        self.changes += 1;
        self.journal.sync(&mut self.inodes, dir);
        self.settle_claims();
        self.collect();
        Ok(())
    }

    /// A sync of a directory that lies. Returns false if there was nothing to lie about.
    pub fn claim_dir(&mut self, path: &Path) -> io::Result<bool> {
        let dir = self.lookup(path)?;
        self.directory(dir, path)?;
        self.changes += 1;
        let lied = self.journal.claim(dir);
        self.owes |= lied;
        Ok(lied)
    }

    /// A true sync empties the drive's own cache, whichever file it is for.
    fn settle_claims(&mut self) {
        if std::mem::take(&mut self.owes) {
            self.journal.settle_claims(&mut self.inodes);
            self.each_content(|content, _| content.settle_claims());
        }
    }

    /// Gives what is at `from` the name `to`, in one step. Replaces a file by a file and an empty directory by a
    /// directory.
    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_dir, from_name, ino) = self.locate(from)?;
        let ino = ino.ok_or_else(|| error(ErrorKind::NotFound, from))?;
        let (to_dir, to_name, replaced) = self.locate(to)?;
        if replaced == Some(ino) {
            return Ok(());
        }
        if self.is_directory(ino) && names(to)?.starts_with(&names(from)?) {
            return Err(error(ErrorKind::InvalidInput, to));
        }
        if let Some(replaced) = replaced {
            match (&self.inodes.0[ino], &self.inodes.0[replaced]) {
                (Inode::File(_), Inode::Directory(_)) => return Err(error(ErrorKind::IsADirectory, to)),
                (Inode::Directory(_), Inode::File(_)) => return Err(error(ErrorKind::NotADirectory, to)),
                (Inode::Directory(_), Inode::Directory(d)) if !d.entries.is_empty() => {
                    return Err(error(ErrorKind::DirectoryNotEmpty, to));
                }
                _ => {}
            }
        }
        self.changes += 1;
        let gone = Entry { dir: from_dir, name: from_name.into(), stands_for: None };
        let here = Entry { dir: to_dir, name: to_name.into(), stands_for: Some(ino) };
        self.journal.change(&mut self.inodes, vec![gone, here]);
        Ok(())
    }

    /// Takes a file's name away; open handles keep its content.
    pub fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        match self.locate(path)? {
            (_, _, None) => Err(error(ErrorKind::NotFound, path)),
            (_, _, Some(ino)) if self.is_directory(ino) => Err(error(ErrorKind::IsADirectory, path)),
            (dir, name, Some(_)) => {
                self.link(dir, name, None);
                Ok(())
            }
        }
    }

    /// Creates a directory and those above it that are missing.
    pub fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for name in names(path)? {
            at = match self.directory(at, path)?.entries.get(name) {
                Some(&ino) => ino,
                None => {
                    let ino = self.inodes.0.insert(Inode::Directory(Directory::default()));
                    self.link(at, name, Some(ino));
                    ino
                }
            };
        }
        // As std has it: a file in the place of the last one exists already.
        self.directory(at, path).map(drop).map_err(|_| error(ErrorKind::AlreadyExists, path))
    }

    /// The names in a directory, sorted.
    pub fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let dir = self.lookup(path)?;
        Ok(self.directory(dir, path)?.entries.keys().map(|name| name.to_string()).collect())
    }

    /// Hashes all names and bytes, as processes see them and as they are durable.
    pub fn digest(&self, hasher: &mut Xxh3) {
        // Inodes are called by the order in which they are met here: their numbers are an accident of what was freed before.
        let mut met = vec![ROOT];
        let mut order = vec![None; self.inodes.0.iter().map(|(ino, _)| ino + 1).max().unwrap_or(0)];
        order[ROOT] = Some(0_u64);
        let mut next = 0;
        while let Some(&ino) = met.get(next) {
            next += 1;
            let directory = match &self.inodes.0[ino] {
                Inode::File(file) => {
                    file.content.digest(hasher);
                    continue;
                }
                Inode::Directory(directory) => directory,
            };
            for entries in [Some(&directory.entries), directory.durable_if_other()].into_iter().flatten() {
                hasher.update(&(entries.len() as u64).to_le_bytes());
                for (name, &ino) in entries {
                    let place = *order[ino].get_or_insert_with(|| {
                        met.push(ino);
                        met.len() as u64 - 1
                    });
                    hasher.update(&place.to_le_bytes());
                    hasher.update(&(name.len() as u64).to_le_bytes());
                    hasher.update(name.as_bytes());
                }
            }
        }
    }

    /// Whether a path leads to anything.
    pub fn exists(&self, path: &Path) -> bool {
        self.lookup(path).is_ok()
    }
}

/// Whether a file may have `len` bytes from `offset` on.
pub(super) fn limits(len: u64, offset: u64) -> io::Result<()> {
    match offset.checked_add(len) {
        Some(end) if end <= MAX_LEN => Ok(()),
        _ => Err(ErrorKind::FileTooLarge.into()),
    }
}

/// The names that lead from the root to a path; relative paths start at the root.
fn names(path: &Path) -> io::Result<Vec<&str>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                names.push(name.to_str().ok_or_else(|| error(ErrorKind::InvalidFilename, path))?);
            }
            Component::ParentDir => {
                names.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}

fn error(kind: ErrorKind, path: &Path) -> io::Error {
    io::Error::new(kind, format!("{}: {kind}", path.display()))
}
