//! [redb](https://docs.rs/redb) on the disk of either world.

use std::{io, path::Path};

use redb::{Builder, Database, DatabaseError};

#[cfg(not(madsim))]
use super::imp;
use super::{File, OpenOptions, create_dir_all, exists, remove_file, rename, sync_dir};

/// Opens the database at `path`, creating it, and the directories above it, if missing.
///
/// What a transaction has committed is durable, and so is the database itself when this returns. It is created under
/// another name, `path` with `.new` appended, and renamed when it is whole, because redb refuses a file that was
/// left half initialised; what an earlier attempt left under that name is removed.
///
/// Transactions block: never hold one across an await.
///
/// # Errors
/// [`DatabaseError::DatabaseAlreadyOpen`] when it is open, in this process or another; whatever the disk fails with; and
/// what redb finds wrong with the file.
pub fn open_database(path: impl AsRef<Path>) -> Result<Database, DatabaseError> {
    let path = path.as_ref();
    let options = OpenOptions::new().read(true).write(true);
    if exists(path)? {
        return database_in(options.open(path)?);
    }
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    create_durable_dir(dir)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    match remove_file(&unfinished) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    let database = database_in(options.create_new(true).open(&unfinished)?)?;
    rename(&unfinished, path)?;
    sync_dir(dir)?;
    Ok(database)
}

/// Creates a directory and those above it, and makes their names durable.
fn create_durable_dir(dir: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for above in dir.ancestors() {
        if above.as_os_str().is_empty() || exists(above)? {
            break;
        }
        missing.push(above);
    }
    create_dir_all(dir)?;
    for dir in missing.into_iter().rev() {
        match dir.parent() {
            Some(above) if above.as_os_str().is_empty() => sync_dir(".")?,
            Some(above) => sync_dir(above)?,
            None => {}
        }
    }
    Ok(())
}

#[cfg(not(madsim))]
fn database_in(File(imp::File(file)): File) -> Result<Database, DatabaseError> {
    Builder::new().create_file(file)
}

#[cfg(madsim)]
fn database_in(file: File) -> Result<Database, DatabaseError> {
    if !file.0.lock()? {
        return Err(DatabaseError::DatabaseAlreadyOpen);
    }
    // Many databases live in one simulation, and none of them is large.
    Builder::new().set_cache_size(1 << 20).create_with_backend(Storage(file))
}

/// What redb keeps a database in.
#[cfg(madsim)]
struct Storage(File);

#[cfg(madsim)]
impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

#[cfg(madsim)]
impl redb::StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn close(&self) -> io::Result<()> {
        self.0.0.unlock()
    }
}
