//! Files of the machine, below a directory that is there for one behaviour: the calls of `squall_rt::disk`, answered by `std::fs`.

use std::{
    cell::RefCell,
    fs,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

thread_local! {
    static ROOT: RefCell<PathBuf> = RefCell::default();
}

/// Begins with an empty directory, which is gone with what is returned.
pub fn enter() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    ROOT.set(directory.path().to_owned());
    directory
}

/// The path of that name. Of the empty one nothing is made.
fn at(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    if path.as_os_str().is_empty() { path.to_owned() } else { ROOT.with_borrow(|root| root.join(path)) }
}

pub struct File(fs::File);

impl File {
    pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
        fs::File::open(at(path)).map(File)
    }

    pub fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
    }

    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.0.read_exact_at(buffer, offset) {
            // The words differ, and with them what is behind the kind.
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(ErrorKind::UnexpectedEof.into()),
            result => result,
        }
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

#[derive(Clone)]
pub struct OpenOptions(fs::OpenOptions);

impl OpenOptions {
    pub fn new() -> Self {
        OpenOptions(fs::OpenOptions::new())
    }

    fn with(&self, set: impl FnOnce(&mut fs::OpenOptions) -> &mut fs::OpenOptions) -> Self {
        let mut options = self.clone();
        set(&mut options.0);
        options
    }

    pub fn read(&self, on: bool) -> Self {
        self.with(|options| options.read(on))
    }

    pub fn write(&self, on: bool) -> Self {
        self.with(|options| options.write(on))
    }

    pub fn create(&self, on: bool) -> Self {
        self.with(|options| options.create(on))
    }

    pub fn create_new(&self, on: bool) -> Self {
        self.with(|options| options.create_new(on))
    }

    pub fn truncate(&self, on: bool) -> Self {
        self.with(|options| options.truncate(on))
    }

    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.0.open(at(path)).map(File)
    }
}

pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    fs::read(at(path))
}

pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(at(path), content)
}

pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    fs::rename(at(from), at(to))
}

pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    fs::remove_file(at(path))
}

pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    fs::create_dir_all(at(path))
}

pub fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(at(path))?;
    let mut names: Vec<_> = entries
        .map(|entry| Ok(entry?.file_name().into_string().expect("UTF-8")))
        .collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

pub fn sync_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let directory = fs::File::open(at(path))?;
    if !directory.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    directory.sync_all()
}

pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    fs::exists(at(path))
}
