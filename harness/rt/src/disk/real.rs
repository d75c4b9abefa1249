//! The real disk, through `std::fs`.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::Path,
};

use super::OpenOptions;

pub(super) struct File(pub(super) fs::File);

impl File {
    pub fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
        let &OpenOptions { read, write, create, create_new, truncate } = options;
        fs::OpenOptions::new()
            .read(read)
            .write(write)
            .create(create)
            .create_new(create_new)
            .truncate(truncate)
            .open(path)
            .map(File)
    }

    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    pub fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    pub fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    pub fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    pub fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

pub(super) fn create_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(super) fn read_dir(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().into_string();
        names.push(name.map_err(|name| {
            io::Error::new(ErrorKind::InvalidData, format!("the file name {name:?} is not UTF-8"))
        })?);
    }
    names.sort();
    Ok(names)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = fs::File::open(path)?;
    if !dir.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    dir.sync_all()
}

pub(super) fn exists(path: &Path) -> io::Result<bool> {
    fs::exists(path)
}
