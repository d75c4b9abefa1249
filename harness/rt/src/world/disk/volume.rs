//! A file system: inodes, the names that lead to them, and what a sync or a crash makes of both. It never fails of itself:
//! that is for the effects on the [drive](super::drive) it is on.

use std::{
    ffi::OsStr,
    io::{self, ErrorKind},
    path::{Component, Path},
};

use slab::Slab;
use xxhash_rust::xxh3::Xxh3;

use super::{
    Lost, Stream,
    content::Content,
    namespace::{Directories, Directory, Entry, Ino, Journal},
};

mod crash;

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

    /// The way from the root to what is at the end of a path, as the kernel goes: by one directory after another, back where it says `..`.
    fn way<'p>(&self, steps: impl Iterator<Item = Component<'p>>, path: &Path) -> io::Result<Vec<Ino>> {
        let mut way = vec![ROOT];
        for step in steps {
            let directory = self.directory(way[way.len() - 1], path)?;
            match step {
                Component::Normal(name) => {
                    let found = directory.entries.get(text(name, path)?);
                    way.push(*found.ok_or_else(|| error(ErrorKind::NotFound, path))?);
                }
                Component::ParentDir if way.len() > 1 => drop(way.pop()),
                Component::ParentDir | Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        Ok(way)
    }

    fn lookup(&self, path: &Path) -> io::Result<Ino> {
        let way = self.way(not_empty(path)?.components(), path)?;
        let found = way[way.len() - 1];
        if names_a_directory(path) {
            self.directory(found, path)?;
        }
        Ok(found)
    }

    /// Where the last name of a path is, or would be.
    fn locate<'p>(&self, path: &'p Path) -> io::Result<Located<'p>> {
        let mut steps = not_empty(path)?.components();
        let Some(Component::Normal(name)) = steps.next_back() else {
            return Err(error(ErrorKind::InvalidInput, path));
        };
        let way = self.way(steps, path)?;
        let name = text(name, path)?;
        let found = self.directory(way[way.len() - 1], path)?.entries.get(name).copied();
        if let Some(found) = found.filter(|_| names_a_directory(path)) {
            self.directory(found, path)?;
        }
        Ok(Located { way, name, found })
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
        let at = self.locate(path)?;
        let ino = match at.found {
            Some(_) if mode.create_new => return Err(error(ErrorKind::AlreadyExists, path)),
            Some(ino) if self.is_directory(ino) => return Err(error(ErrorKind::IsADirectory, path)),
            Some(ino) => ino,
            None if creates && names_a_directory(path) => return Err(error(ErrorKind::IsADirectory, path)),
            None if creates => {
                let ino = self.inodes.0.insert(Inode::File(File::default()));
                self.link(at.dir(), at.name, Some(ino));
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
        let (at, goes_to) = (self.locate(from)?, self.locate(to)?);
        let ino = at.found.ok_or_else(|| error(ErrorKind::NotFound, from))?;
        let replaced = goes_to.found;
        if names_a_directory(to) {
            self.directory(ino, to)?;
        }
        if goes_to.way.contains(&ino) {
            return Err(error(ErrorKind::InvalidInput, to));
        }
        if replaced.is_some_and(|replaced| at.way.contains(&replaced)) {
            return Err(error(ErrorKind::DirectoryNotEmpty, to));
        }
        if replaced == Some(ino) {
            return Ok(());
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
        let gone = Entry { dir: at.dir(), name: at.name.into(), stands_for: None };
        let here = Entry { dir: goes_to.dir(), name: goes_to.name.into(), stands_for: Some(ino) };
        self.journal.change(&mut self.inodes, vec![gone, here]);
        Ok(())
    }

    /// Takes a file's name away; open handles keep its content.
    pub fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let at = self.locate(path)?;
        match at.found {
            None => Err(error(ErrorKind::NotFound, path)),
            Some(ino) if self.is_directory(ino) => Err(error(ErrorKind::IsADirectory, path)),
            Some(_) => {
                self.link(at.dir(), at.name, None);
                Ok(())
            }
        }
    }

    /// Creates a directory and those above it that are missing.
    pub fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut way = vec![ROOT];
        for step in path.components() {
            let at = way[way.len() - 1];
            let found = match step {
                Component::Normal(name) => {
                    let name = text(name, path)?;
                    (name, self.directory(at, path)?.entries.get(name).copied())
                }
                Component::ParentDir if way.len() > 1 => {
                    way.pop();
                    continue;
                }
                Component::ParentDir | Component::RootDir | Component::CurDir | Component::Prefix(_) => {
                    continue;
                }
            };
            way.push(match found {
                (_, Some(ino)) => ino,
                (name, None) => {
                    let ino = self.inodes.0.insert(Inode::Directory(Directory::default()));
                    self.link(at, name, Some(ino));
                    ino
                }
            });
        }
        // As std has it: a file in the place of the last one exists already.
        self.directory(way[way.len() - 1], path).map(drop).map_err(|_| error(ErrorKind::AlreadyExists, path))
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
    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.lookup(path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// The last name of a path.
struct Located<'p> {
    /// The directories that lead to it.
    way: Vec<Ino>,
    name: &'p str,
    /// What it stands for.
    found: Option<Ino>,
}

impl Located<'_> {
    /// The directory it is in.
    fn dir(&self) -> Ino {
        self.way[self.way.len() - 1]
    }
}

/// Whether a file may have `len` bytes from `offset` on.
pub(super) fn limits(len: u64, offset: u64) -> io::Result<()> {
    match offset.checked_add(len) {
        Some(end) if end <= MAX_LEN => Ok(()),
        _ => Err(ErrorKind::FileTooLarge.into()),
    }
}

fn text<'p>(name: &'p OsStr, path: &Path) -> io::Result<&'p str> {
    name.to_str().ok_or_else(|| error(ErrorKind::InvalidFilename, path))
}

/// Nothing is at the empty path. Relative ones start at the root.
fn not_empty(path: &Path) -> io::Result<&Path> {
    if path.as_os_str().is_empty() { Err(error(ErrorKind::NotFound, path)) } else { Ok(path) }
}

/// Whether what a path leads to has to be a directory.
fn names_a_directory(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.")
}

fn error(kind: ErrorKind, path: &Path) -> io::Error {
    io::Error::new(kind, format!("{}: {kind}", path.display()))
}
