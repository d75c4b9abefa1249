//! What a crash leaves of a volume, what it takes that had been claimed to be durable, and what takes room.

use super::{
    super::{DiskFate, content::PAGE},
    Content, Directory, Ino, Inode, Lost, ROOT, Stream, Volume,
};

impl Volume {
    /// What crashes took that had been claimed to be durable.
    pub fn lost(&self) -> Lost {
        self.lost
    }

    /// The process is gone: its handles are closed, and of what it wrote remains what `fate` says. `lying` is a disk that
    /// makes nothing durable now.
    pub fn crash(&mut self, fate: DiskFate, lying: bool) {
        let mut bytes = 0;
        match fate {
            DiskFate::Wipe => {
                self.inodes.0.clear();
                assert_eq!(self.inodes.0.insert(Inode::Directory(Directory::default())), ROOT);
                self.journal.clear();
            }
            DiskFate::Keep if lying => {}
            DiskFate::Keep => {
                self.journal.sync_first(&mut self.inodes, self.journal.len());
                self.each_content(|content, _| content.sync());
            }
            DiskFate::LoseUnsynced => self.each_content(|content, _| bytes += content.revert()),
            DiskFate::Torn => {
                let survive = self.draws.range(0..self.journal.len() as u64 + 1) as usize;
                self.journal.sync_first(&mut self.inodes, survive);
                self.each_content(|content, draws| bytes += content.tear(draws));
            }
        }
        let kept = fate == DiskFate::Keep;
        if !kept {
            self.lost.names += self.journal.clear();
            self.lost.bytes += bytes;
        }
        self.owes &= kept && lying;
        for (_, inode) in &mut self.inodes.0 {
            match inode {
                Inode::Directory(directory) if !kept => directory.revert(),
                Inode::Directory(_) => {}
                Inode::File(file) => (file.handles, file.locked) = (0, false),
            }
        }
        self.collect();
    }

    pub(super) fn each_content(&mut self, mut f: impl FnMut(&mut Content, &mut Stream)) {
        for (_, inode) in &mut self.inodes.0 {
            if let Inode::File(file) = inode {
                f(&mut file.content, &mut self.draws);
            }
        }
    }

    /// The bytes that take room: those of files that are linked or open, in whole pages. Names take none.
    pub fn allocated(&self) -> u64 {
        let mut seen = vec![false; self.inodes.0.iter().map(|(ino, _)| ino + 1).max().unwrap_or(0)];
        let files = |(ino, inode): (Ino, &Inode)| match inode {
            Inode::File(file) if file.handles > 0 => Some(ino),
            _ => None,
        };
        let mut open: Vec<Ino> = self.inodes.0.iter().filter_map(files).chain([ROOT]).collect();
        let mut pages = 0;
        while let Some(ino) = open.pop() {
            if std::mem::replace(&mut seen[ino], true) {
                continue;
            }
            match &self.inodes.0[ino] {
                Inode::Directory(directory) => open.extend(directory.entries.values()),
                Inode::File(file) => pages += file.content.pages(),
            }
        }
        pages * PAGE as u64
    }

    /// Frees what is neither linked, nor open, nor linked again after some crash.
    pub(super) fn collect(&mut self) {
        let mut reached = vec![false; self.inodes.0.iter().map(|(ino, _)| ino + 1).max().unwrap_or(0)];
        let mut open: Vec<Ino> = self.journal.mentions().chain([ROOT]).collect();
        for (ino, inode) in &self.inodes.0 {
            if matches!(inode, Inode::File(file) if file.handles > 0) {
                open.push(ino);
            }
        }
        while let Some(ino) = open.pop() {
            if !std::mem::replace(&mut reached[ino], true)
                && let Inode::Directory(directory) = &self.inodes.0[ino]
            {
                open.extend(directory.mentions());
            }
        }
        self.inodes.0.retain(|ino, _| reached[ino]);
    }
}
