//! [redb](https://docs.rs/redb) on the disk of either world.

use std::{
    cell::{Cell, RefCell},
    io,
    path::Path,
    rc::Rc,
    sync::Arc,
};

use redb::{Builder, Database, DatabaseError};

use super::{File, OpenOptions, create_dir_all, exists, remove_file, rename, sync_dir};

/// Opens the database at `path`, creating it, and the directories above it, if missing.
///
/// What a transaction has committed is durable, and so is the database itself when this returns. It is created under
/// another name, `path` with `.new` appended, and renamed when it is whole, because redb refuses a file that was
/// left half initialised; what an earlier attempt left under that name is removed.
///
/// Transactions block: never hold one across an await.
///
/// After an error of the disk redb refuses to go on; drop the database and open it again. A database that was not closed
/// cleanly is repaired then, and every byte of it written and synced once more before that: if a sync had failed, what
/// the kernel shows of the file need not be what is on the disk, and would not come to be there by any later sync
/// (<https://lwn.net/Articles/752063/>). This costs a pass over the file, of which the repair makes three. A transaction
/// whose commit failed is there as a whole or not at all.
///
/// # Errors
/// [`DatabaseError::DatabaseAlreadyOpen`] when it is open, in this process or another; whatever the disk fails with; and
/// what redb finds wrong with the file.
pub fn open_database(path: impl AsRef<Path>) -> Result<Database, DatabaseError> {
    let path = path.as_ref();
    let options = OpenOptions::new().read(true).write(true);
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if exists(path)? {
        // An earlier attempt may have got as far as the name and failed to make it durable.
        sync_dir(dir)?;
        return database_in(options.open(path)?);
    }
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

/// Creates a directory and those above it, and makes their names durable, also of those that are there: an earlier
/// attempt may have failed to.
fn create_durable_dir(dir: &Path) -> io::Result<()> {
    let mut there = None;
    for above in dir.ancestors() {
        if above.as_os_str().is_empty() || exists(above)? {
            there = Some(above);
            break;
        }
    }
    create_dir_all(dir)?;
    for dir in dir.ancestors() {
        let above = match dir.parent() {
            Some(above) if above.as_os_str().is_empty() => Path::new("."),
            Some(above) => above,
            None => break,
        };
        match sync_dir(above) {
            // Others have made those, and need not let us read them.
            Err(e)
                if e.kind() == io::ErrorKind::PermissionDenied
                    && there.is_some_and(|t| t.starts_with(dir)) => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Opens the database in a file, or makes one of an empty file.
fn database_in(file: File) -> Result<Database, DatabaseError> {
    let file = Arc::new(file);
    let mut builder = Builder::new();
    let (again, begun, failure) = (file.clone(), Cell::new(false), Rc::new(RefCell::new(None)));
    let failed = failure.clone();
    builder.set_repair_callback(move |repair| {
        if !begun.replace(true)
            && let Err(e) = write_again(&again)
        {
            failed.replace(Some(e));
            repair.abort();
        }
    });
    let opened = create(&mut builder, file);
    match failure.take() {
        Some(e) => Err(e.into()),
        None => opened,
    }
}

/// Makes durable what is shown of a file, whatever was synced before and whether it worked. A crash in the middle leaves
/// what a crash during the failed sync would have.
fn write_again(file: &File) -> io::Result<()> {
    let len = file.len()?;
    let mut chunk = vec![0; 1 << 16];
    let mut at = 0;
    while at < len {
        let size = chunk.len().min((len - at) as usize);
        let chunk = &mut chunk[..size];
        file.read_exact_at(chunk, at)?;
        file.write_all_at(chunk, at)?;
        at += size as u64;
    }
    file.sync_data()
}

#[cfg(not(madsim))]
fn create(builder: &mut Builder, file: Arc<File>) -> Result<Database, DatabaseError> {
    builder.create_file(file.0.0.try_clone()?)
}

#[cfg(madsim)]
fn create(builder: &mut Builder, file: Arc<File>) -> Result<Database, DatabaseError> {
    if !file.0.lock()? {
        return Err(DatabaseError::DatabaseAlreadyOpen);
    }
    // Many databases live in one simulation, and none of them is large.
    let created = builder.set_cache_size(1 << 20).create_with_backend(Storage(file.clone()));
    if created.is_err() {
        // redb closes what it has opened, and nothing else.
        file.0.unlock()?;
    }
    created
}

/// What redb keeps a database in.
#[cfg(madsim)]
struct Storage(Arc<File>);

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
