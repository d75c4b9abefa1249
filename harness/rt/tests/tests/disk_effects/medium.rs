//! Errors, no room, bit rot, and reads and writes cut short.

use super::*;

/// Makes every call there is, and leaves things as they were.
fn every_call(file: &File) -> [Option<i32>; 14] {
    [
        errno(file.read_at(&mut [0], 0)),
        errno(disk::read_dir("/")),
        errno(File::open("/f")),
        errno(file.write_all_at(&[1], 0)),
        errno(file.set_len(2 * PAGE as u64)),
        errno(disk::write("/g", "x")),
        errno(disk::rename("/g", "/h")),
        errno(disk::remove_file("/h")),
        errno(disk::create_dir_all("/d")),
        errno(file.sync_data()),
        errno(file.sync_all()),
        errno(disk::sync_dir("/")),
        errno(file.len()),
        errno(disk::exists("/f")),
    ]
}

#[test]
fn an_error_strikes_the_calls_it_is_for_until_it_heals() {
    for (ops, struck) in [(READS, 0..3), (WRITES, 3..9), (SYNCS, 9..12), (DiskOps::ALL, 0..12)] {
        on_a_machine(1, async move |a| {
            a.run(ones(2)).await;
            let file = Arc::new(a.run(open).await);
            let calls = || {
                let file = file.clone();
                a.run(move || every_call(&file))
            };
            let id = a.impose("error", DiskEffect::Error { probability: 1.0, ops });
            let expected = std::array::from_fn(|at| struck.contains(&at).then_some(EIO));
            assert_eq!(calls().await, expected);
            assert_eq!(a.world.disks().lift(id), struck.len() as u64);
            if ops.write {
                assert_eq!(a.run(|| disk::read_dir("/").unwrap()).await, ["f"], "nothing was done");
            }
            assert_eq!(calls().await, [None; 14]);
            assert_eq!(a.run(content).await, [1; 2 * PAGE]);
        });
    }
}

#[test]
fn errors_strike_as_often_as_they_should_and_the_same_for_a_seed() {
    let errors = |seed| {
        on_a_machine(seed, async |a| {
            let id = a.impose("error", DiskEffect::Error { probability: 0.3, ops: WRITES });
            let found = a
                .run(|| (0..1_000).map(|n| disk::write(format!("/{n}"), "").is_err()).collect::<Vec<_>>())
                .await;
            let struck = found.iter().filter(|e| **e).count();
            assert_eq!(a.world.disks().lift(id), struck as u64);
            assert!((400..620).contains(&struck), "{struck}: two calls each, so 51 %");
            found
        })
    };
    assert_eq!(errors(1), errors(1));
    assert_ne!(errors(1), errors(2));
}

#[test]
fn a_full_disk_takes_what_fits_and_what_is_there_already() {
    on_a_machine(1, async |a| {
        a.run(ones(2)).await;
        let full = a.impose("full", DiskEffect::Full { free: 3 * PAGE as u64 + 100 });
        a.run(|| {
            let file = open();
            file.write_all_at(&[2; 2 * PAGE], 0).unwrap();
            assert_eq!(
                errno(file.write_all_at(&vec![3; 5 * PAGE], PAGE as u64 + 10)),
                Some(ENOSPC),
                "pages 2 to 4 fit, 5 and 6 do not"
            );
            assert_eq!(file.len().unwrap(), 5 * PAGE as u64);
            let content = content();
            assert!(content[..PAGE + 10].iter().all(|b| *b == 2));
            assert!(content[PAGE + 10..].iter().all(|b| *b == 3));
            assert_eq!(errno(disk::write("/g", "x")), Some(ENOSPC));
            assert_eq!(disk::read("/g").unwrap(), b"", "a name takes no room");
            assert_eq!(errno(file.write_all_at(b"far away", 1 << 30)), Some(ENOSPC));
            file.set_len(1 << 30).unwrap(); // A hole.
            file.write_all_at(&[4; PAGE], 0).unwrap();
            file.sync_all().unwrap();
            file.set_len(4 * PAGE as u64).unwrap();
            disk::write("/g", "x").unwrap();
            disk::remove_file("/g").unwrap();
            file.write_all_at(&[5; PAGE], 4 * PAGE as u64).unwrap();
            assert_eq!(errno(disk::write("/g", "x")), Some(ENOSPC));
        })
        .await;
        assert_eq!(a.world.disks().touched(full), 4);
        // A second one leaves the lesser room of the two.
        let fuller = a.impose("fuller", DiskEffect::Full { free: 0 });
        a.run(|| {
            open().set_len(4 * PAGE as u64).unwrap();
            disk::write("/g", "x").unwrap();
            assert_eq!(errno(disk::write("/h", "x")), Some(ENOSPC));
        })
        .await;
        assert_eq!((a.world.disks().lift(full), a.world.disks().lift(fuller)), (5, 1));
        a.run(|| open().write_all_at(&vec![6; 50 * PAGE], 0).unwrap()).await;
    });
}

#[test]
fn a_removed_file_takes_room_while_it_is_open() {
    on_a_machine(1, async |a| {
        a.impose("full", DiskEffect::Full { free: PAGE as u64 });
        a.run(|| {
            disk::write("/f", "x").unwrap();
            let file = open();
            disk::remove_file("/f").unwrap();
            assert_eq!(errno(disk::write("/g", "x")), Some(ENOSPC));
            drop(file);
            disk::write("/g", "x").unwrap();
        })
        .await;
    });
}

fn flipped(content: &[u8], original: u8) -> Vec<(usize, u8)> {
    content.iter().enumerate().filter(|(_, b)| **b != original).map(|(at, b)| (at, b ^ original)).collect()
}

#[test]
fn rot_flips_one_bit_of_what_is_read_for_good() {
    let run = |seed| {
        on_a_machine(seed, async |a| {
            a.run(ones(4)).await;
            let rot = a.impose("rot", DiskEffect::Corrupt { probability: 1.0 });
            let seen = a.run(content).await;
            assert_eq!(a.world.disks().lift(rot), 1);
            let damage = flipped(&seen, 1);
            assert!(matches!(&damage[..], [(_, bit)] if bit.count_ones() == 1), "{damage:?}");
            assert_eq!(a.run(content).await, seen, "the fault is gone, the damage is not");
            a.crash_and_restart(DiskFate::LoseUnsynced).await;
            assert_eq!(a.run(content).await, seen);
            // What is written anew is whole.
            a.run(ones(4)).await;
            assert_eq!(a.run(content).await, [1; 4 * PAGE]);
            damage
        })
    };
    assert_eq!(run(1), run(1));
    let places: std::collections::BTreeSet<usize> = (0..40).map(|seed| run(seed)[0].0 / PAGE).collect();
    assert_eq!(places.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn rot_is_on_the_medium_under_what_was_not_synced_and_in_holes() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        a.run(|| open().write_all_at(&[2; PAGE], 0).unwrap()).await;
        let rot = a.impose("rot", DiskEffect::Corrupt { probability: 1.0 });
        let seen = a.run(content).await;
        a.world.disks().lift(rot);
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(flipped(&a.run(content).await, 1), flipped(&seen, 2));

        a.run(|| {
            let file = File::create("/f").unwrap();
            file.set_len(100).unwrap();
            file.sync_all().unwrap();
        })
        .await;
        let rots = [1, 2].map(|n| a.impose(&format!("rot {n}"), DiskEffect::Corrupt { probability: 1.0 }));
        let seen = a.run(content).await;
        let bits: u32 = seen.iter().map(|b| b.count_ones()).sum();
        assert_eq!((seen.len(), bits), (100, 2), "two effects, two bits");
        a.run(|| assert_eq!(open().read_at(&mut [0; 10], 100).unwrap(), 0)).await;
        assert_eq!(rots.map(|id| a.world.disks().lift(id)), [1, 1], "nothing was read, and nothing rots");
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(a.run(content).await, seen);
    });
}

#[test]
fn a_torn_write_stops_part_way() {
    let lengths = |seed| {
        on_a_machine(seed, async |a| {
            a.run(ones(3)).await;
            let torn = a.impose("torn", DiskEffect::Torn { probability: 0.5 });
            let mut lengths = Vec::new();
            for n in 0..40 {
                let fill = n + 2;
                let (result, content) =
                    a.run(move || (errno(open().write_all_at(&[fill; 3 * PAGE], 0)), content())).await;
                let written = content.iter().take_while(|b| **b == fill).count();
                assert!(!content[written..].contains(&fill), "only the first part is written");
                assert_eq!(result, (written < 3 * PAGE).then_some(EIO));
                lengths.push(written);
            }
            let struck = lengths.iter().filter(|l| **l < 3 * PAGE).count();
            assert!((8..32).contains(&struck), "{struck} of 40");
            assert_eq!(a.world.disks().lift(torn), struck as u64);
            a.run(|| open().write_all_at(&[1; 3 * PAGE], 0).unwrap()).await;
            assert_eq!(a.run(content).await, [1; 3 * PAGE]);
            lengths
        })
    };
    assert_eq!(lengths(1), lengths(1));
    assert_ne!(lengths(1), lengths(2));
}

#[test]
fn a_short_read_gives_some_of_what_is_there_and_loops_get_the_rest() {
    on_a_machine(1, async |a| {
        a.run(ones(3)).await;
        let short = a.impose("short", DiskEffect::ShortRead { probability: 1.0 });
        let lengths = a
            .run(|| {
                let file = open();
                let mut buffer = [0; 2 * PAGE];
                assert_eq!(file.read_at(&mut buffer[..1], 0).unwrap(), 1, "never none");
                assert_eq!(file.read_at(&mut buffer, 3 * PAGE as u64).unwrap(), 0, "but at the end");
                (0..50).map(|_| file.read_at(&mut buffer, 2 * PAGE as u64).unwrap()).collect::<Vec<_>>()
            })
            .await;
        assert!(lengths.iter().all(|n| (1..PAGE).contains(n)), "{lengths:?}");
        assert!(lengths.iter().any(|n| *n < PAGE / 4) && lengths.iter().any(|n| *n > PAGE * 3 / 4));
        assert_eq!(a.world.disks().touched(short), 50);
        assert_eq!(a.run(content).await, [1; 3 * PAGE]);
        assert!(a.world.disks().lift(short) > 53, "each read of the loop but the last was cut short");
        assert_eq!(a.run(|| open().read_at(&mut [0; 10 * PAGE], 0).unwrap()).await, 3 * PAGE);
    });
}

/// What one effect does to each of many calls, alone or beside another: how often it struck so far, after each, and for
/// how long it stalled.
fn strikes(effect: DiskEffect, beside: Option<DiskEffect>) -> Vec<(u64, Duration)> {
    on_a_machine(7, async move |a| {
        a.run(ones(8)).await;
        let id = a.impose("the one", effect);
        let other = beside.map(|beside| a.impose("the other", beside));
        let mut strikes = Vec::new();
        for n in 0..60 {
            if n == 40
                && let Some(other) = other
            {
                a.world.disks().lift(other);
            }
            let begun = a.world.now();
            a.run(move || {
                let file = open();
                // Any of these may fail: that is the point.
                let _ = file.read_at(&mut [0; 100], 100 * n);
                let _ = file.write_all_at(&[n as u8; 5_000], 3 * n);
                let _ = file.sync_data();
            })
            .await;
            a.run(|| ()).await;
            strikes.push((a.world.disks().touched(id), a.world.now() - begun));
        }
        strikes
    })
}

#[test]
fn no_effect_shifts_the_draws_of_another() {
    let probability = 0.5;
    let stall = DiskEffect::Stall { min: Duration::ZERO, max: Duration::from_millis(3), ops: DiskOps::ALL };
    let effects = [
        DiskEffect::Error { probability, ops: SYNCS },
        DiskEffect::Torn { probability },
        DiskEffect::ShortRead { probability },
        DiskEffect::Corrupt { probability },
        DiskEffect::LyingSync,
        DiskEffect::Full { free: 0 },
    ];
    let counts = |strikes: &[(u64, Duration)]| strikes.iter().map(|(n, _)| *n).collect::<Vec<_>>();
    for one in &effects[..4] {
        let alone = counts(&strikes(*one, None));
        assert!((10..50).contains(&alone[59]), "{one:?}: {alone:?}");
        for other in effects.iter().chain([&stall]) {
            assert_eq!(counts(&strikes(*one, Some(*other))), alone, "{one:?} beside {other:?}");
        }
    }
    let alone = strikes(stall, None);
    for other in effects {
        for (found, expected) in strikes(stall, Some(other)).iter().zip(&alone) {
            let shift = found.1.abs_diff(expected.1);
            assert!(found.0 == expected.0 && shift < Duration::from_micros(20), "beside {other:?}");
        }
    }
}

#[test]
fn effects_shift_no_draw_of_the_disk_itself() {
    let torn = |effect: Option<DiskEffect>| {
        on_a_machine(3, async move |a| {
            a.run(ones(30)).await;
            let id = effect.map(|effect| a.impose("effect", effect));
            a.run(|| {
                open().write_all_at(&[2; 30 * PAGE], 0).unwrap();
                content()
            })
            .await;
            if let Some(id) = id {
                assert!(a.world.disks().lift(id) > 0);
            }
            a.crash_and_restart(DiskFate::Torn).await;
            a.run(content).await
        })
    };
    let alone = torn(None);
    assert!(alone.contains(&1) && alone.contains(&2));
    assert_eq!(torn(Some(DiskEffect::ShortRead { probability: 0.5 })), alone);
}

#[test]
fn a_bad_disk_stays_bad_for_the_next_process() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let error = a.impose("error", DiskEffect::Error { probability: 1.0, ops: READS });
        for fate in [DiskFate::Keep, DiskFate::LoseUnsynced, DiskFate::Torn] {
            a.crash_and_restart(fate).await;
            assert_eq!(a.run(|| errno(disk::read("/f"))).await, Some(EIO), "after {fate:?}");
        }
        a.world.disks().lift(error);
        assert_eq!(a.run(content).await, [1; PAGE]);
    });
}

#[test]
fn the_calls_of_a_dead_process_draw_nothing() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let error = a.impose("error", DiskEffect::Error { probability: 1.0, ops: DiskOps::ALL });
        let stale = {
            a.world.disks().lift(error);
            a.run(open).await
        };
        let error = a.impose("again", DiskEffect::Error { probability: 1.0, ops: DiskOps::ALL });
        a.crash_and_restart(DiskFate::Keep).await;
        a.run(move || assert!(stale.read_at(&mut [0], 0).is_err())).await;
        assert_eq!(a.world.disks().lift(error), 0);
    });
}

#[test]
fn a_new_disk_is_free_of_what_was_wrong_with_the_old_one() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let error = a.impose("error", DiskEffect::Error { probability: 1.0, ops: SYNCS });
        let full = a.impose("full", DiskEffect::Full { free: 0 });
        assert_eq!(errno(a.run(|| open().sync_all()).await), Some(EIO));
        a.crash_and_restart(DiskFate::Wipe).await;
        a.run(ones(3)).await;
        assert_eq!(a.run(content).await, vec![1; 3 * PAGE]);
        assert_eq!((a.world.disks().touched(error), a.world.disks().lift(error)), (1, 1));
        assert_eq!((a.world.disks().lift(full), a.world.disks().lift(error)), (0, 1));
        // What is imposed on the new one is on it.
        a.impose("error again", DiskEffect::Error { probability: 1.0, ops: SYNCS });
        assert_eq!(errno(a.run(|| open().sync_all()).await), Some(EIO));
    });
}
