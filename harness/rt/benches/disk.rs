//! What a simulated disk costs: a database created, and fifty commits to it, beside the same on redb's own memory
//! backend; and opened again after a crash, which repairs it. Each sample is one world, so the world and its thread are a
//! row of their own.

#[cfg(madsim)]
fn main() {
    divan::main();
}

#[cfg(not(madsim))]
fn main() {
    println!(
        "The simulated disk is benchmarked with --cfg madsim; a RUSTFLAGS variable, even empty, switches it off."
    );
}

#[cfg(madsim)]
mod simulated {
    use divan::Bencher;
    use squall_rt::{
        disk::open_database,
        redb::{Builder, Database, TableDefinition, backends::InMemoryBackend},
        world::{self, Death, DiskFate},
    };

    const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");

    fn commit(database: &Database, count: u64) {
        for n in 0..count {
            let transaction = database.begin_write().expect("the disk works");
            let mut table = transaction.open_table(TABLE).expect("the disk works");
            table.insert(n, &[n as u8; 100][..]).expect("the disk works");
            drop(table);
            transaction.commit().expect("the disk works");
        }
    }

    fn process(f: impl FnOnce() + Send + 'static) {
        processes([Box::new(f)]);
    }

    /// Runs processes one after the other, each until the machine crashes.
    fn processes<const N: usize>(processes: [Box<dyn FnOnce() + Send>; N]) {
        let run = || {
            world::run(1, |world| async move {
                let node = world.add_node("a-0");
                for f in processes {
                    let (done, is_done) = tokio::sync::oneshot::channel();
                    world.start(node, |_| async move {
                        f();
                        done.send(()).expect("the supervisor waits");
                    });
                    is_done.await.expect("the process ends");
                    world.crash(node, Death::Power, DiskFate::LoseUnsynced);
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            })
        };
        std::thread::spawn(run).join().expect("no panic").expect("nothing is spawned outside");
    }

    #[divan::bench]
    fn empty_world(bencher: Bencher) {
        bencher.bench(|| process(|| ()));
    }

    #[divan::bench(args = [0, 50])]
    fn simulated_disk(bencher: Bencher, commits: u64) {
        bencher.bench(|| {
            process(move || commit(&open_database("/data.redb").expect("the disk works"), commits));
        });
    }

    #[divan::bench(args = [0, 50])]
    fn opened_after_a_crash(bencher: Bencher, commits: u64) {
        bencher.bench(|| {
            let open = || open_database("/data.redb").expect("the disk works");
            processes([
                Box::new(move || {
                    let database = open();
                    commit(&database, commits);
                    // As a process that is killed leaves it.
                    std::mem::forget(database);
                }),
                Box::new(move || drop(open())),
            ]);
        });
    }

    #[divan::bench(args = [0, 50])]
    fn memory(bencher: Bencher, commits: u64) {
        bencher.bench(|| {
            process(move || {
                let backend = InMemoryBackend::new();
                let database = Builder::new().set_cache_size(1 << 20).create_with_backend(backend);
                commit(&database.expect("memory works"), commits);
            });
        });
    }
}
