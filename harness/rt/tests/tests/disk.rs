//! What programs may rely on from `squall_rt::disk`, in both worlds: on the simulated disk and on the real one.

use std::{io::ErrorKind, path::Path};

use squall_rt::{
    disk::{self, File, OpenOptions},
    redb::{DatabaseError, ReadableDatabase, ReadableTableMetadata, TableDefinition},
};

/// Runs a test in an empty directory: the root of a node's disk in the simulation.
#[cfg(madsim)]
fn on_a_disk(test: impl FnOnce(&Path) + Send + 'static) {
    let run = || {
        squall_rt::world::run(1, |world| async move {
            let node = world.add_node("a-0");
            let (done, is_done) = tokio::sync::oneshot::channel();
            world.start(node, |_| async move {
                test(Path::new("/"));
                done.send(()).expect("the supervisor waits");
            });
            is_done.await.expect("the test ran to its end");
        })
    };
    std::thread::spawn(run).join().expect("the test passes").expect("nothing is spawned outside");
}

/// Runs a test in an empty directory.
#[cfg(not(madsim))]
fn on_a_disk(test: impl FnOnce(&Path)) {
    test(tempfile::tempdir().expect("there is room for temporary files").path());
}

fn kind<T>(result: std::io::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(e) => e.kind(),
    }
}

#[test]
fn bytes_are_read_where_they_were_written() {
    on_a_disk(|root| {
        let file = File::create(root.join("f")).unwrap();
        assert!(file.is_empty().unwrap());
        let long: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        file.write_all_at(&long, 3_000).unwrap();
        file.write_all_at(b"inside", 5_000).unwrap();
        assert_eq!(file.len().unwrap(), 13_000);
        let mut expected = vec![0; 13_000];
        expected[3_000..].copy_from_slice(&long);
        expected[5_000..5_006].copy_from_slice(b"inside");
        assert_eq!(disk::read(root.join("f")).unwrap(), expected);

        let mut part = [0; 100];
        assert_eq!(file.read_at(&mut part, 12_950).unwrap(), 50);
        assert_eq!(part[..50], expected[12_950..]);
        assert_eq!(file.read_at(&mut part, 13_000).unwrap(), 0);
        assert_eq!(file.read_at(&mut part, 1 << 40).unwrap(), 0);
        assert_eq!(kind(file.read_exact_at(&mut part, 12_950)), ErrorKind::UnexpectedEof);
        file.sync_data().unwrap();
        file.sync_all().unwrap();
    });
}

#[test]
fn what_was_cut_off_is_zeros_when_the_file_grows_again() {
    on_a_disk(|root| {
        let file = File::create(root.join("f")).unwrap();
        file.write_all_at(&[7; 20_000], 0).unwrap();
        for synced in [false, true] {
            file.set_len(5_000).unwrap();
            if synced {
                file.sync_data().unwrap();
            }
            file.set_len(20_000).unwrap();
            let content = disk::read(root.join("f")).unwrap();
            assert!(content[..5_000].iter().all(|&b| b == 7));
            assert_eq!(content[5_000..], [0; 15_000]);
        }
    });
}

#[test]
fn a_handle_follows_the_file_and_not_its_name() {
    on_a_disk(|root| {
        let [old, new] = ["old", "new"].map(|name| root.join(name));
        disk::write(&old, "one").unwrap();
        let file = File::open(&old).unwrap();
        disk::rename(&old, &new).unwrap();
        disk::write(&old, "another").unwrap();
        assert_eq!(disk::read(&new).unwrap(), b"one");
        let mut content = [0; 3];
        file.read_exact_at(&mut content, 0).unwrap();
        assert_eq!(&content, b"one");

        disk::rename(&old, &new).unwrap();
        assert_eq!(disk::read(&new).unwrap(), b"another");
        assert_eq!(disk::read_dir(root).unwrap(), ["new"]);
        disk::remove_file(&new).unwrap();
        assert!(!disk::exists(&new).unwrap());
        disk::sync_dir(root).unwrap();
        file.read_exact_at(&mut content, 0).unwrap();
        assert_eq!(&content, b"one", "an unlinked file lives as long as it is open");
    });
}

#[test]
fn directories_list_their_names_in_order() {
    on_a_disk(|root| {
        let dir = root.join("a/b/c");
        disk::create_dir_all(&dir).unwrap();
        disk::create_dir_all(&dir).unwrap();
        for name in ["10", "9", "b", "B", "a"] {
            disk::write(dir.join(name), name).unwrap();
        }
        assert_eq!(disk::read_dir(&dir).unwrap(), ["10", "9", "B", "a", "b"]);
        assert_eq!(disk::read_dir(root.join("a")).unwrap(), ["b"]);
        disk::rename(root.join("a/b"), root.join("moved")).unwrap();
        assert_eq!(disk::read(root.join("moved/c/9")).unwrap(), b"9");
        assert_eq!(disk::read_dir(root).unwrap(), ["a", "moved"]);
    });
}

#[test]
fn errors_are_those_of_std() {
    on_a_disk(|root| {
        let [file, dir, missing] = ["file", "dir", "missing"].map(|name| root.join(name));
        disk::write(&file, "x").unwrap();
        disk::create_dir_all(dir.join("sub")).unwrap();
        assert_eq!(kind(File::open(&missing)), ErrorKind::NotFound);
        assert_eq!(kind(disk::write(missing.join("f"), "")), ErrorKind::NotFound);
        assert_eq!(kind(disk::write(file.join("f"), "")), ErrorKind::NotADirectory);
        assert_eq!(kind(disk::write(&dir, "")), ErrorKind::IsADirectory);
        assert_eq!(
            kind(OpenOptions::new().write(true).create_new(true).open(&file)),
            ErrorKind::AlreadyExists
        );
        assert_eq!(kind(OpenOptions::new().open(&file)), ErrorKind::InvalidInput);
        assert_eq!(kind(OpenOptions::new().read(true).truncate(true).open(&file)), ErrorKind::InvalidInput);
        assert_eq!(kind(disk::remove_file(&missing)), ErrorKind::NotFound);
        assert_eq!(kind(disk::rename(&missing, &file)), ErrorKind::NotFound);
        assert_eq!(kind(disk::rename(&file, &dir)), ErrorKind::IsADirectory);
        assert_eq!(kind(disk::rename(&dir, &file)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk::rename(&dir, dir.join("sub/inside"))), ErrorKind::InvalidInput);
        disk::create_dir_all(root.join("other")).unwrap();
        assert_eq!(kind(disk::rename(root.join("other"), &dir)), ErrorKind::DirectoryNotEmpty);
        assert_eq!(kind(disk::create_dir_all(&file)), ErrorKind::AlreadyExists);
        assert_eq!(kind(disk::create_dir_all(file.join("sub"))), ErrorKind::NotADirectory);
        assert_eq!(kind(disk::read_dir(&file)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk::sync_dir(&missing)), ErrorKind::NotFound);
        assert_eq!(kind(disk::sync_dir(&file)), ErrorKind::NotADirectory);
        let handle = File::open(&file).unwrap();
        assert!(handle.write_all_at(b"y", 0).is_err(), "it was opened to be read");
        assert!(handle.set_len(0).is_err());
        assert_eq!(disk::read(&file).unwrap(), b"x");
    });
}

#[test]
fn a_database_is_created_opened_again_and_opened_once() {
    const TABLE: TableDefinition<u64, &str> = TableDefinition::new("t");
    on_a_disk(|root| {
        let path = root.join("state/node/data.redb");
        for n in 0..3 {
            let database = disk::open_database(&path).unwrap();
            assert!(matches!(disk::open_database(&path), Err(DatabaseError::DatabaseAlreadyOpen)));
            let transaction = database.begin_write().unwrap();
            transaction.open_table(TABLE).unwrap().insert(n, "row").unwrap();
            transaction.commit().unwrap();
            let rows = database.begin_read().unwrap().open_table(TABLE).unwrap().len().unwrap();
            assert_eq!(rows, n + 1);
        }
        assert_eq!(disk::read_dir(path.parent().unwrap()).unwrap(), ["data.redb"]);
    });
}

#[test]
fn a_database_that_was_not_closed_is_repaired_when_it_is_opened() {
    const TABLE: TableDefinition<u64, &str> = TableDefinition::new("t");
    on_a_disk(|root| {
        let [original, copy] = ["original.redb", "copy.redb"].map(|name| root.join(name));
        let database = disk::open_database(&original).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(TABLE).unwrap().insert(1, "row").unwrap();
        transaction.commit().unwrap();
        // As a crash at this point would leave it.
        disk::write(&copy, disk::read(&original).unwrap()).unwrap();
        for _ in 0..2 {
            let copy = disk::open_database(&copy).unwrap();
            assert!(matches!(
                disk::open_database(root.join("copy.redb")),
                Err(DatabaseError::DatabaseAlreadyOpen)
            ));
            assert_eq!(copy.begin_read().unwrap().open_table(TABLE).unwrap().len().unwrap(), 1);
        }
        assert_eq!(database.begin_read().unwrap().open_table(TABLE).unwrap().len().unwrap(), 1);
    });
}
