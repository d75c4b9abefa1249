//! What is left on a simulated disk after a crash.
#![cfg(madsim)]

use std::time::Duration;

use squall_rt::{
    disk::{self, File, OpenOptions},
    world::{Death, DiskFate, NodeId, World},
};
use squall_rt_tests::in_a_world;

/// Runs a process on a node until it is done, leaving it up.
async fn process<T: Send + 'static>(
    world: &World,
    node: NodeId,
    f: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, is_done) = tokio::sync::oneshot::channel();
    world.start(node, |_| async move {
        // Whoever waits has checked that the process ran to its end.
        let _ = done.send(f());
    });
    is_done.await.expect("the process ran to its end")
}

/// A crash, and enough time for a restart.
async fn crash(world: &World, node: NodeId, fate: DiskFate) {
    world.crash(node, Death::Power, fate);
    world.sleep(Duration::from_millis(1)).await;
}

/// Lets one process write, crashes it, and has the next one look.
fn before_and_after<T: Send + 'static>(
    seed: u64,
    fate: DiskFate,
    before: impl FnOnce() + Send + 'static,
    after: impl FnOnce() -> T + Send + 'static,
) -> T {
    in_a_world(seed, move |world| async move {
        let node = world.add_node("a-0");
        process(&world, node, before).await;
        crash(&world, node, fate).await;
        process(&world, node, after).await
    })
}

const PAGE: usize = 4096;
const BLOCK: usize = 512;

/// A durable file "f" of four pages of ones, over which twos were written, on five pages, and never synced.
fn overwrite_without_sync() {
    let file = File::create("/f").unwrap();
    file.write_all_at(&[1; 4 * PAGE], 0).unwrap();
    file.sync_data().unwrap();
    disk::sync_dir("/").unwrap();
    file.write_all_at(&[2; 4 * PAGE], 100).unwrap();
    file.write_all_at(&[2; PAGE], 4 * PAGE as u64).unwrap();
}

fn content() -> Vec<u8> {
    disk::read("/f").unwrap()
}

#[test]
fn what_was_synced_survives_and_the_rest_is_lost() {
    let left = before_and_after(1, DiskFate::LoseUnsynced, overwrite_without_sync, content);
    assert_eq!(left, [1; 4 * PAGE]);
}

#[test]
fn everything_survives_the_death_of_the_process_alone() {
    let left = before_and_after(1, DiskFate::Keep, overwrite_without_sync, content);
    assert_eq!(left.len(), 5 * PAGE);
    assert!(left[..100].iter().all(|&b| b == 1) && left[100..].iter().all(|&b| b == 2));
    // And it counts as durable from then on: the kernel has had its time.
    let again = in_a_world(1, |world| async move {
        let node = world.add_node("a-0");
        process(&world, node, overwrite_without_sync).await;
        crash(&world, node, DiskFate::Keep).await;
        process(&world, node, || ()).await;
        crash(&world, node, DiskFate::LoseUnsynced).await;
        process(&world, node, content).await
    });
    assert_eq!(left, again);
}

#[test]
fn a_new_disk_is_empty() {
    let left = before_and_after(1, DiskFate::Wipe, overwrite_without_sync, || {
        disk::write("/g", "usable").unwrap();
        disk::read_dir("/").unwrap()
    });
    assert_eq!(left, ["g"]);
}

#[test]
fn a_torn_write_is_a_mix_of_old_and_new_blocks() {
    let torn = |seed| before_and_after(seed, DiskFate::Torn, overwrite_without_sync, content);
    let (mut old, mut new, mut mixed_pages, mut lengths) = (0, 0, 0, std::collections::BTreeSet::new());
    for seed in 0..60 {
        let left = torn(seed);
        assert_eq!(left, torn(seed), "the same seed leaves the same bytes");
        lengths.insert(left.len());
        assert!((4 * PAGE..=5 * PAGE).contains(&left.len()));
        assert!(left[..100].iter().all(|&b| b == 1), "what was not overwritten cannot change");
        for page in left.chunks(PAGE) {
            let kinds: std::collections::BTreeSet<u8> =
                page[BLOCK.min(page.len())..].iter().copied().collect();
            mixed_pages += usize::from(kinds.len() > 1);
        }
        for block in left[BLOCK..].chunks(BLOCK) {
            assert!(block.iter().all(|b| *b == block[0]), "blocks are never torn");
            match block[0] {
                0 | 1 => old += 1,
                2 => new += 1,
                other => panic!("{other} was never written"),
            }
        }
    }
    assert!(old > 200 && new > 200, "{old} old, {new} new");
    assert!(mixed_pages > 20, "{mixed_pages} pages were torn");
    assert!(lengths.len() > 2, "the file grew to {lengths:?}");
    let left: Vec<_> = (0..60).map(torn).collect();
    assert!(left.iter().any(|l| l.len() == 4 * PAGE && l.iter().all(|&b| b == 1)), "at times all is lost");
    assert!(
        left.iter().any(|l| l.len() == 5 * PAGE && l[100..].iter().all(|&b| b == 2)),
        "at times nothing is"
    );
}

#[test]
fn a_file_cut_off_without_a_sync_has_all_its_bytes_again() {
    let cut = || {
        overwrite_without_sync();
        let file = OpenOptions::new().write(true).open("/f").unwrap();
        file.sync_all().unwrap();
        file.set_len(10).unwrap();
        file.set_len(3 * PAGE as u64).unwrap();
    };
    let left = before_and_after(1, DiskFate::LoseUnsynced, cut, content);
    assert_eq!(left.len(), 5 * PAGE);
    assert!(left[100..].iter().all(|&b| b == 2));
}

#[test]
fn a_name_is_lost_unless_its_directory_was_synced() {
    let create = |synced: &'static [&'static str]| {
        move || {
            disk::create_dir_all("/dir").unwrap();
            let file = File::create("/dir/f").unwrap();
            file.write_all_at(b"content", 0).unwrap();
            file.sync_all().unwrap();
            for dir in synced {
                disk::sync_dir(dir).unwrap();
            }
        }
    };
    let left = |synced| {
        before_and_after(1, DiskFate::LoseUnsynced, create(synced), || {
            (disk::exists("/dir").unwrap(), disk::read("/dir/f").ok())
        })
    };
    assert_eq!(left(&[]), (false, None));
    assert_eq!(left(&["/dir"]), (false, None), "the directory itself has no name yet");
    assert_eq!(left(&["/"]), (true, None));
    assert_eq!(left(&["/dir", "/"]), (true, Some(b"content".to_vec())));
}

#[test]
fn a_name_that_is_durable_before_its_content_is_of_an_empty_file() {
    let create = || {
        disk::write("/f", "content").unwrap();
        disk::sync_dir("/").unwrap();
    };
    assert_eq!(before_and_after(1, DiskFate::LoseUnsynced, create, content), b"");
}

/// The usual way to replace a file in one step, with the steps that are not in `skip`.
fn replace(skip: &'static str) -> impl FnOnce() + Send + 'static {
    move || {
        disk::write("/f", "old").unwrap();
        File::open("/f").unwrap().sync_all().unwrap();
        disk::sync_dir("/").unwrap();
        disk::write("/f.new", "new").unwrap();
        if skip != "file" {
            File::open("/f.new").unwrap().sync_all().unwrap();
        }
        disk::rename("/f.new", "/f").unwrap();
        if skip != "directory" {
            disk::sync_dir("/").unwrap();
        }
    }
}

#[test]
fn a_rename_happens_as_a_whole_or_not_at_all() {
    let left = |fate, seed, skip| {
        before_and_after(seed, fate, replace(skip), || (disk::read_dir("/").unwrap(), content()))
    };
    let just_f = |content: &str| (vec!["f".to_owned()], content.as_bytes().to_vec());
    assert_eq!(left(DiskFate::LoseUnsynced, 1, ""), just_f("new"));
    assert_eq!(left(DiskFate::LoseUnsynced, 1, "file"), just_f(""), "the bug everyone has had once");
    assert_eq!(left(DiskFate::LoseUnsynced, 1, "directory"), just_f("old"));

    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let (names, content) = left(DiskFate::Torn, seed, "directory");
        assert!(content == b"old" || content == b"new");
        if names.len() == 2 {
            assert_eq!((&names[..], &content[..]), (&["f".to_owned(), "f.new".to_owned()][..], &b"old"[..]));
        }
        seen.insert((names, content));
    }
    assert_eq!(seen.len(), 3, "nothing, the creation, or both have become durable: {seen:?}");
}

#[test]
fn a_rename_between_directories_is_durable_with_either() {
    for synced in ["/a", "/b"] {
        let mv = move || {
            disk::create_dir_all("/a").unwrap();
            disk::create_dir_all("/b").unwrap();
            disk::sync_dir("/").unwrap();
            File::create("/a/f").unwrap().sync_all().unwrap();
            disk::rename("/a/f", "/b/f").unwrap();
            disk::sync_dir(synced).unwrap();
        };
        let left = before_and_after(1, DiskFate::LoseUnsynced, mv, || {
            (disk::read_dir("/a").unwrap(), disk::read_dir("/b").unwrap())
        });
        assert_eq!(left, (vec![], vec!["f".to_owned()]), "after syncing {synced}");
    }
}

#[test]
fn a_removal_is_undone_unless_its_directory_was_synced() {
    for synced in [false, true] {
        let remove = move || {
            replace("")();
            disk::remove_file("/f").unwrap();
            if synced {
                disk::sync_dir("/").unwrap();
            }
        };
        let left = before_and_after(1, DiskFate::LoseUnsynced, remove, || disk::read("/f").ok());
        assert_eq!(left, (!synced).then(|| b"new".to_vec()));
    }
}

/// Does something to a file when it is dropped, as a process that tidies up after itself would.
struct TidiesUp(File);

impl Drop for TidiesUp {
    fn drop(&mut self) {
        let errors = [
            self.0.write_all_at(b"from beyond", 0).err(),
            self.0.set_len(1 << 20).err(),
            self.0.sync_all().err(),
            self.0.len().err(),
            disk::write("/grave", "").err(),
            disk::remove_file("/f").err(),
            disk::rename("/f", "/g").err(),
            disk::create_dir_all("/d").err(),
            disk::sync_dir("/").err(),
            disk::read("/f").err(),
        ];
        assert!(errors.iter().all(Option::is_some), "a dead process got through: {errors:?}");
    }
}

#[test]
fn a_dead_process_changes_nothing() {
    let (names, left) = in_a_world(1, |world| async move {
        let node = world.add_node("a-0");
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        world.start(node, |_| async move {
            overwrite_without_sync();
            let _file = TidiesUp(OpenOptions::new().read(true).write(true).open("/f").unwrap());
            ready.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        is_ready.await.unwrap();
        crash(&world, node, DiskFate::Keep).await;
        process(&world, node, || (disk::read_dir("/").unwrap(), content())).await
    });
    assert_eq!(names, ["f"]);
    assert_eq!(left.len(), 5 * PAGE);
    assert_eq!(left[..100], [1; 100]);
}

#[test]
fn a_handle_from_an_earlier_life_is_dead_in_the_next() {
    in_a_world(1, |world| async move {
        let node = world.add_node("a-0");
        // Smuggled past the crash, as no real process could; a static in code under test can.
        let file = process(&world, node, || {
            overwrite_without_sync();
            OpenOptions::new().read(true).write(true).open("/f").unwrap()
        })
        .await;
        crash(&world, node, DiskFate::LoseUnsynced).await;
        process(&world, node, move || {
            assert!(file.write_all_at(b"from beyond", 0).is_err());
            assert!(file.read_at(&mut [0], 0).is_err());
            let now = File::open("/f").unwrap();
            drop(file);
            assert_eq!(
                now.len().unwrap(),
                4 * PAGE as u64,
                "dropping the dead handle has not closed the new one"
            );
            disk::remove_file("/f").unwrap();
            disk::sync_dir("/").unwrap();
            assert_eq!(now.len().unwrap(), 4 * PAGE as u64);
        })
        .await;
    });
}

#[test]
fn the_supervisor_has_no_disk() {
    in_a_world(1, |_| async { assert!(disk::write("/f", "").is_err()) });
}

#[test]
fn disks_of_two_nodes_are_apart() {
    let (a, b) = in_a_world(1, |world| async move {
        let (a, b) = (world.add_node("a-0"), world.add_node("b-0"));
        let write = |content: &'static str| {
            move || {
                disk::write("/f", content).unwrap();
                replace("")();
                disk::write("/f", content).unwrap();
            }
        };
        process(&world, a, write("of a")).await;
        process(&world, b, write("of b")).await;
        crash(&world, a, DiskFate::LoseUnsynced).await;
        crash(&world, b, DiskFate::Keep).await;
        (process(&world, a, content).await, process(&world, b, content).await)
    });
    assert_eq!((&a[..], &b[..]), (&b"new"[..], &b"of b"[..]));
}

/// Syncing a directory makes durable what was renamed into it, and with that the creation in another directory that it builds on: a crash shows the
/// file under its new name alone, whatever else it keeps.
#[test]
fn a_synced_directory_keeps_the_changes_in_others_that_its_own_build_on() {
    for seed in 0..20 {
        let there = before_and_after(
            seed,
            DiskFate::Torn,
            || {
                for dir in ["/a", "/b"] {
                    disk::create_dir_all(dir).unwrap();
                }
                disk::sync_dir("/").unwrap();
                disk::write("/a/f", "x").unwrap();
                disk::rename("/a/f", "/b/f").unwrap();
                disk::sync_dir("/b").unwrap();
            },
            || ["/a/f", "/b/f"].map(|path| disk::exists(path).unwrap()),
        );
        assert_eq!(there, [false, true], "seed {seed}");
    }
}
