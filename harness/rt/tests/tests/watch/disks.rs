//! Syncs: told before and after, and cut off by a crash at either moment.

use squall_rt::{disk, world::disk::DiskEffect};

use super::*;

/// The process writes and syncs `f` three times, a letter each; what is left of it after the crash that the cue brought.
fn left_after(cue: &'static str) -> (String, Vec<String>) {
    in_a_world(1, move |world| async move {
        let crash = |world: &World| {
            assert!(world.crash(NodeId(0), Death::Power, DiskFate::LoseUnsynced));
        };
        let script = Script::on(&world, cue, crash);
        let node = world.add_node("a");
        world.start(node, |_| async {
            let file = disk::File::create("f").unwrap();
            disk::sync_dir("/").unwrap();
            for (at, letter) in (0..).zip(b"xyz") {
                if file.write_all_at(&[*letter], at).is_err() || file.sync_data().is_err() {
                    return;
                }
                squall_rt::time::sleep(ms(10)).await;
            }
        });
        world.sleep(ms(100)).await;
        world.crash(node, Death::Power, DiskFate::LoseUnsynced);
        world.sleep(ms(2)).await;
        let (done, is_done) = tokio::sync::oneshot::channel();
        world.start(node, |_| async { done.send(disk::read("f").unwrap()).unwrap() });
        let left = String::from_utf8(is_done.await.unwrap()).unwrap();
        (left, script.lines("sync"))
    })
}

#[test]
fn syncs_of_files_and_directories_are_told_before_and_after() {
    let (left, lines) = left_after("");
    assert_eq!(left, "xyz");
    let expected: Vec<_> = (1..=4).flat_map(|n| [format!("sync 0 {n}"), format!("synced 0 {n}")]).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_sync_before_which_the_machine_loses_power_makes_nothing_durable() {
    let (left, lines) = left_after("sync 0 3");
    assert_eq!(left, "x");
    assert_eq!(lines.last().unwrap(), "sync 0 3");
}

#[test]
fn a_sync_after_which_the_machine_loses_power_has_made_it_durable() {
    let (left, lines) = left_after("synced 0 3");
    assert_eq!(left, "xy");
    assert_eq!(lines.last().unwrap(), "synced 0 3");
}

#[test]
fn a_sync_that_fails_is_not_told_as_done() {
    in_a_world(1, |world| async move {
        let script = Script::idle(&world);
        let node = world.add_node("a");
        let ops = squall_rt::world::disk::DiskOps { sync: true, ..Default::default() };
        let stream = world.stream("test", "error");
        world.disks().impose(node, DiskEffect::Error { probability: 1.0, ops }, stream);
        world.start(node, |_| async {
            let file = disk::File::create("f").unwrap();
            assert!(file.sync_data().is_err());
        });
        world.sleep(ms(10)).await;
        assert_eq!(script.lines("sync"), ["sync 0 1"]);
    });
}
