//! What a crash takes after syncs that failed, and after syncs that lied.

use squall_rt::world::disk::Lost;

use super::*;

/// Writes one page and syncs it; what the sync says.
fn put(page: usize, fill: u8) -> impl FnOnce() -> Option<i32> + Send + 'static {
    move || {
        let file = open();
        file.write_all_at(&[fill; PAGE], (page * PAGE) as u64).unwrap();
        errno(file.sync_data())
    }
}

/// What each page is filled with.
fn fills(content: &[u8]) -> Vec<u8> {
    content
        .chunks(PAGE)
        .map(|page| {
            assert!(page.iter().all(|b| *b == page[0]));
            page[0]
        })
        .collect()
}

#[test]
fn what_a_failed_sync_gave_up_is_shown_until_the_crash_and_then_gone() {
    // "fsyncgate": https://wiki.postgresql.org/wiki/Fsync_Errors
    on_a_machine(1, async |a| {
        a.run(ones(3)).await;
        let error = a.impose("error", DiskEffect::Error { probability: 1.0, ops: SYNCS });
        assert_eq!(a.run(put(0, 2)).await, Some(EIO));
        assert_eq!(a.run(put(1, 2)).await, Some(EIO));
        assert_eq!(a.world.disks().lift(error), 2);
        assert_eq!(
            a.run(|| errno(open().sync_all())).await,
            None,
            "there is nothing to sync, says the kernel"
        );
        assert_eq!(a.run(put(2, 3)).await, None);
        assert_eq!(fills(&a.run(content).await), [2, 2, 3], "the page cache shows it");
        a.run(|| open().write_all_at(&[4], PAGE as u64).unwrap()).await;
        assert_eq!(a.run(|| errno(open().sync_all())).await, None, "but page 1 is dirty again");

        a.crash_and_restart(DiskFate::Keep).await;
        assert_eq!(a.run(content).await[0], 2, "the kernel that shows it is alive");
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        let left = a.run(content).await;
        assert_eq!(left[..PAGE], [1; PAGE]);
        assert_eq!((left[PAGE], &left[PAGE + 1..2 * PAGE]), (4, &[2; PAGE - 1][..]));
        assert_eq!(left[2 * PAGE..], [3; PAGE]);
        assert_eq!(a.world.disks().lost(a.node), Lost::default(), "the sync has said so");
    });
}

#[test]
fn of_what_a_failed_sync_gave_up_nothing_survives_in_part() {
    for seed in 0..20 {
        let left = on_a_machine(seed, async |a| {
            a.run(ones(4)).await;
            let error = a.impose("error", DiskEffect::Error { probability: 1.0, ops: SYNCS });
            for page in 0..4 {
                a.run(put(page, 2)).await;
            }
            a.world.disks().lift(error);
            a.crash_and_restart(DiskFate::Torn).await;
            a.run(content).await
        });
        assert_eq!(left, [1; 4 * PAGE]);
    }
}

#[test]
fn a_file_that_grew_before_a_failed_sync_has_a_hole_there() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let error = a.impose("error", DiskEffect::Error { probability: 1.0, ops: SYNCS });
        a.run(put(1, 2)).await;
        a.world.disks().lift(error);
        assert_eq!(a.run(put(2, 3)).await, None);
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(fills(&a.run(content).await), [1, 0, 3]);
    });
}

#[test]
fn a_failed_sync_of_a_directory_is_made_good_by_the_next() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let error = a.impose("error", DiskEffect::Error { probability: 1.0, ops: SYNCS });
        let rename = |from: &'static str, to: &'static str| {
            move || {
                disk::rename(from, to).unwrap();
                errno(disk::sync_dir("/"))
            }
        };
        assert_eq!(a.run(rename("/f", "/g")).await, Some(EIO));
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(a.run(rename("/f", "/h")).await, Some(EIO));
        a.world.disks().lift(error);
        a.run(|| disk::sync_dir("/").unwrap()).await;
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(a.run(|| disk::read_dir("/").unwrap()).await, ["h"]);
    });
}

#[test]
fn a_lying_sync_is_found_out_by_a_crash_and_the_account_says_so() {
    on_a_machine(1, async |a| {
        a.run(ones(3)).await;
        let lie = a.impose("lie", DiskEffect::LyingSync);
        a.run(|| open().sync_all().unwrap()).await;
        assert_eq!(a.world.disks().touched(lie), 0, "nothing was to be made durable, so that was true");
        assert_eq!(a.run(put(0, 2)).await, None);
        assert_eq!(a.run(put(1, 2)).await, None);
        a.run(|| {
            open().write_all_at(&[3; PAGE], 2 * PAGE as u64).unwrap();
            disk::write("/g", "").unwrap();
            disk::sync_dir("/").unwrap();
            disk::write("/h", "").unwrap();
        })
        .await;
        assert_eq!(fills(&a.run(content).await), [2, 2, 3]);
        assert_eq!(a.world.disks().lost(a.node), Lost::default());
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(fills(&a.run(content).await), [1, 1, 1]);
        assert_eq!(a.run(|| disk::read_dir("/").unwrap()).await, ["f"]);
        let lost = Lost { bytes: 2 * PAGE as u64, names: 1 };
        assert_eq!(a.world.disks().lost(a.node), lost, "no sync has spoken of page 2 and of h");
        assert_eq!(a.world.disks().lift(lie), 3);

        // Healed.
        assert_eq!(a.run(put(0, 4)).await, None);
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(fills(&a.run(content).await), [4, 1, 1]);
        assert_eq!(a.world.disks().lost(a.node), lost);
    });
}

#[test]
fn the_first_true_sync_after_the_heal_makes_all_durable_that_was_claimed_to_be() {
    on_a_machine(1, async |a| {
        a.run(ones(2)).await;
        let lie = a.impose("lie", DiskEffect::LyingSync);
        a.run(put(0, 2)).await;
        a.run(|| {
            disk::write("/g", "of g").unwrap();
            File::open("/g").unwrap().sync_all().unwrap();
            disk::sync_dir("/").unwrap();
            open().write_all_at(&[3; PAGE], PAGE as u64).unwrap();
        })
        .await;
        assert_eq!(a.world.disks().lift(lie), 3);
        a.run(|| {
            disk::create_dir_all("/other").unwrap();
            let other = File::create("/other/h").unwrap();
            other.write_all_at(b"x", 0).unwrap();
            other.sync_all().unwrap();
        })
        .await;
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(fills(&a.run(content).await), [2, 1], "page 1 was never synced");
        assert_eq!(a.run(|| disk::read("/g").unwrap()).await, b"of g");
        assert_eq!(a.run(|| disk::read_dir("/").unwrap()).await, ["f", "g"]);
        assert_eq!(a.world.disks().lost(a.node), Lost::default());
    });
}

#[test]
fn a_disk_that_lies_keeps_nothing_for_the_sake_of_a_process_that_died() {
    let run = |heals: bool| {
        on_a_machine(1, async move |a| {
            a.run(ones(1)).await;
            let lie = a.impose("lie", DiskEffect::LyingSync);
            a.run(put(0, 2)).await;
            a.run(|| {
                disk::write("/g", "").unwrap();
                disk::sync_dir("/").unwrap();
            })
            .await;
            if heals {
                a.world.disks().lift(lie);
            }
            a.crash_and_restart(DiskFate::Keep).await;
            assert_eq!(fills(&a.run(content).await), [2]);
            assert_eq!(a.run(|| disk::read_dir("/").unwrap()).await, ["f", "g"]);
            a.crash_and_restart(DiskFate::LoseUnsynced).await;
            (
                a.run(content).await[0],
                a.run(|| disk::exists("/g").unwrap()).await,
                a.world.disks().lost(a.node),
            )
        })
    };
    assert_eq!(run(true), (2, true, Lost::default()));
    assert_eq!(run(false), (1, false, Lost { bytes: PAGE as u64, names: 1 }));
}

#[test]
fn lies_stack_and_a_torn_crash_counts_what_did_not_survive() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..30 {
        let run = || {
            on_a_machine(seed, async |a| {
                a.run(ones(4)).await;
                let lies = ["first", "second"].map(|name| a.impose(name, DiskEffect::LyingSync));
                a.run(|| {
                    open().write_all_at(&[2; 4 * PAGE], 0).unwrap();
                    open().sync_all().unwrap();
                })
                .await;
                assert_eq!(a.world.disks().lift(lies[0]), 1);
                a.run(put(0, 2)).await;
                assert_eq!(a.world.disks().lift(lies[1]), 2);
                a.crash_and_restart(DiskFate::Torn).await;
                let whole = a.run(content).await.chunks(PAGE).filter(|page| **page == [2; PAGE]).count();
                assert_eq!(a.world.disks().lost(a.node).bytes, ((4 - whole) * PAGE) as u64);
                whole
            })
        };
        let whole = run();
        assert_eq!(whole, run());
        seen.insert(whole);
    }
    assert!(seen.len() > 2, "{seen:?}");
}

#[test]
fn a_length_that_a_sync_lied_about_is_missed() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let lie = a.impose("lie", DiskEffect::LyingSync);
        a.run(|| {
            open().set_len(10).unwrap();
            open().sync_all().unwrap();
        })
        .await;
        assert_eq!(a.world.disks().lift(lie), 1);
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(a.run(content).await, [1; PAGE]);
        assert!(a.world.disks().lost(a.node).bytes > 0);
        // A new disk has lost everything too, but has not lied.
        let before = a.world.disks().lost(a.node);
        a.impose("again", DiskEffect::LyingSync);
        a.run(put(0, 2)).await;
        a.crash_and_restart(DiskFate::Wipe).await;
        assert_eq!(a.world.disks().lost(a.node), before);
        a.run(|| assert_eq!(disk::read_dir("/").unwrap(), [""; 0])).await;
    });
}
