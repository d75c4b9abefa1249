//! Names: directories as processes see them, what of them is durable, and the changes in between.
//!
//! A change is durable once the directory it was made in is synced, as POSIX has it; syncing a file does not make its
//! name durable. A rename is one change to two directories, and syncing either makes the whole of it durable: no crash
//! shows half of it, nor a change without those it builds on.

use std::collections::{BTreeMap, BTreeSet};

/// Names a file or directory for as long as it is open or linked.
pub(crate) type Ino = usize;

pub(super) type Entries = BTreeMap<Box<str>, Ino>;

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

/// Changes to directories that are not durable, in the order they were made.
#[derive(Default)]
pub(super) struct Journal(Vec<Change>);

/// One change. It happens as a whole.
struct Change {
    entries: Vec<Entry>,
    /// A sync that made nothing durable has reported it durable.
    claimed: bool,
}

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
        self.0.push(Change { entries: change, claimed: false });
    }

    /// The changes made in a directory, with those they build on: their positions, the last first.
    fn due(&self, dir: Ino) -> Vec<usize> {
        let mut touched = BTreeSet::from([dir]);
        let mut due = Vec::new();
        for (at, change) in self.0.iter().enumerate().rev() {
            if change.entries.iter().any(|entry| touched.contains(&entry.dir)) {
                touched.extend(change.entries.iter().map(|entry| entry.dir));
                due.push(at);
            }
        }
        due
    }

    /// Makes durable what was changed in a directory, with what that builds on.
    pub fn sync(&mut self, dirs: &mut impl Directories, dir: Ino) {
        let mut due = self.due(dir);
        let mut rest = Vec::new();
        for (at, change) in std::mem::take(&mut self.0).into_iter().enumerate() {
            if due.pop_if(|next| *next == at).is_some() {
                change.make_durable(dirs);
            } else {
                rest.push(change);
            }
        }
        self.0 = rest;
    }

    /// Makes durable what was claimed to be, with what that builds on: all that was changed before.
    pub fn settle_claims(&mut self, dirs: &mut impl Directories) {
        if let Some(last) = self.0.iter().rposition(|change| change.claimed) {
            self.sync_first(dirs, last + 1);
        }
    }

    /// Claims that what was changed in a directory is durable, and leaves it as it is. Returns false if there was nothing
    /// to lie about.
    pub fn claim(&mut self, dir: Ino) -> bool {
        let due = self.due(dir);
        for &at in &due {
            self.0[at].claimed = true;
        }
        !due.is_empty()
    }

    /// How many changes are not durable.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes the first `n` changes durable.
    pub fn sync_first(&mut self, dirs: &mut impl Directories, n: usize) {
        for change in self.0.drain(..n) {
            change.make_durable(dirs);
        }
    }

    /// Forgets all changes. The directories have yet to be [reverted](Directory::revert). Returns how many of them had been
    /// claimed to be durable.
    pub fn clear(&mut self) -> u64 {
        self.0.drain(..).filter(|change| change.claimed).count() as u64
    }

    /// All that any change speaks of.
    pub fn mentions(&self) -> impl Iterator<Item = Ino> {
        self.0.iter().flat_map(|change| &change.entries).filter_map(|entry| entry.stands_for)
    }
}

impl Change {
    fn make_durable(self, dirs: &mut impl Directories) {
        for entry in self.entries {
            let dir = entry.dir;
            entry.apply(&mut dirs.directory(dir).durable);
        }
    }
}

impl Directory {
    /// The names that are durable, if they are not those that processes see.
    pub fn durable_if_other(&self) -> Option<&Entries> {
        (self.entries != self.durable).then_some(&self.durable)
    }

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
