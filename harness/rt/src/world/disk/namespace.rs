//! Names: directories as processes see them, what of them is durable, and the changes in between.
//!
//! A change is durable once the directory it was made in is synced, as POSIX has it; syncing a file does not make its
//! name durable. A rename is one change to two directories, and syncing either makes the whole of it durable: no crash
//! shows half of it, nor a change without those it builds on.

use std::collections::{BTreeMap, BTreeSet};

use super::Ino;

type Entries = BTreeMap<Box<str>, Ino>;

/// One directory.
#[derive(Default)]
pub(super) struct Directory {
    /// What processes see.
    pub entries: Entries,
    durable: Entries,
}

/// What a name in a directory comes to stand for; `None` for nothing.
pub(super) struct Entry {
    pub dir: Ino,
    pub name: Box<str>,
    pub stands_for: Option<Ino>,
}

impl Entry {
    fn apply(self, to: &mut Entries) {
        match self.stands_for {
            Some(ino) => to.insert(self.name, ino),
            None => to.remove(&self.name),
        };
    }
}

/// Changes to directories that are not durable, in the order they were made. Each happens as a whole.
#[derive(Default)]
pub(super) struct Journal(Vec<Vec<Entry>>);

/// Where a journal finds the directories it speaks of.
pub(super) trait Directories {
    fn directory(&mut self, ino: Ino) -> &mut Directory;
}

impl Journal {
    /// Makes a change that processes see from now on.
    pub fn change(&mut self, dirs: &mut impl Directories, change: Vec<Entry>) {
        for entry in &change {
            let Entry { dir, name, stands_for } = entry;
            let entry = Entry { dir: *dir, name: name.clone(), stands_for: *stands_for };
            entry.apply(&mut dirs.directory(*dir).entries);
        }
        self.0.push(change);
    }

    /// Makes durable what was changed in a directory, with what that builds on.
    pub fn sync(&mut self, dirs: &mut impl Directories, dir: Ino) {
        let mut touched = BTreeSet::from([dir]);
        let mut due = Vec::new();
        let mut rest = Vec::new();
        for change in std::mem::take(&mut self.0).into_iter().rev() {
            if change.iter().any(|entry| touched.contains(&entry.dir)) {
                touched.extend(change.iter().map(|entry| entry.dir));
                due.push(change);
            } else {
                rest.push(change);
            }
        }
        rest.reverse();
        self.0 = rest;
        for entry in due.into_iter().rev().flatten() {
            let dir = entry.dir;
            entry.apply(&mut dirs.directory(dir).durable);
        }
    }

    /// How many changes are not durable.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes the first `n` changes durable.
    pub fn sync_first(&mut self, dirs: &mut impl Directories, n: usize) {
        for entry in self.0.drain(..n).flatten() {
            let dir = entry.dir;
            entry.apply(&mut dirs.directory(dir).durable);
        }
    }

    /// Forgets all changes. The directories have yet to be [reverted](Directory::revert).
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All that any change speaks of.
    pub fn mentions(&self) -> impl Iterator<Item = Ino> {
        self.0.iter().flatten().filter_map(|entry| entry.stands_for)
    }
}

impl Directory {
    /// Goes back to what is durable.
    pub fn revert(&mut self) {
        if self.entries != self.durable {
            self.entries = self.durable.clone();
        }
    }

    /// All that a name stands for, or will again after a crash.
    pub fn mentions(&self) -> impl Iterator<Item = Ino> {
        self.entries.values().chain(self.durable.values()).copied()
    }
}
