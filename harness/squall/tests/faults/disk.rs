//! Faults of disks: what calls answer, how long they take, and what is left after a crash.

use squall::history::Lifecycle;

use crate::told::{Seen, Told, ms, run_seed, run_with};

fn run(fault: &str) -> Told {
    // No calls: stores sync for them too.
    let extra = "params: { files: true }\nworkload: { clients: 1, ops: 0 }";
    run_with(extra, &format!("{fault}, for: 1s"))
}

fn of<'a>(told: &'a Told, name: &str, from: u64, to: u64) -> Vec<Seen<'a>> {
    let seen = told.events_on("store[0]", name, from..to);
    assert!(!seen.is_empty(), "{name} from {from} to {to}");
    seen
}

fn no_errors(told: &Told, name: &str, from: u64, to: u64) {
    assert!(of(told, name, from, to).iter().all(|seen| seen.text("error").is_empty()), "{name} {from}..{to}");
}

/// Before and after the fault, and on other disks all the time, calls succeed at once and read what was written.
fn is_calm_around(told: &Told) {
    for (node, from, to) in [("store[0]", 0, 1990), ("store[0]", 3060, 6000), ("store[1]", 0, 6000)] {
        for name in ["disk.wrote", "disk.flushed", "disk.read"] {
            let all = told.events_on(node, name, from..to);
            assert!(all.len() > 30, "{name} on {node}");
            for seen in all {
                assert!(seen.text("error").is_empty() && seen.int("took_us") < 100, "{seen:?}");
                let whole = name != "disk.read"
                    || seen.int("bytes") == 64 && seen.fields.bool("intact") == Some(true);
                assert!(whole, "{seen:?}");
            }
        }
    }
}

#[test]
fn stalls_block_the_process_for_as_long_as_they_say() {
    let told = run("disk_stall: { node: 'store[0]', by: 30ms..40ms, ops: [sync] }");
    told.lasted_from_2_to_3(
        "disk: stalls of 30ms..40ms at sync on store[0]",
        "disk: stalls of 30ms..40ms at sync on store[0]",
    );
    for seen in of(&told, "disk.flushed", 2000, 3000) {
        assert!((30_000..=40_100).contains(&seen.int("took_us")), "{seen:?}");
    }
    for name in ["disk.wrote", "disk.read"] {
        assert!(of(&told, name, 2000, 3000).iter().all(|seen| seen.int("took_us") < 100), "{name}");
    }
    is_calm_around(&told);
    // The whole process stands still with it.
    let sent = told.events_on("store[0]", "udp.sent", 2000..3000).len();
    let before = told.events_on("store[0]", "udp.sent", 1000..2000).len();
    assert!(sent < before, "{sent} of {before}");
}

#[test]
fn calls_fail_with_eio() {
    let told = run("disk_error: { node: 'store[0]' }");
    told.lasted_from_2_to_3("disk: errors of 100% on store[0]", "disk: errors of 100% on store[0]");
    // The file cannot even be opened.
    for seen in of(&told, "disk.wrote", 2000, 2999) {
        assert!(seen.text("error").contains("os error 5"), "{seen:?}");
    }
    is_calm_around(&told);
    let told = run("disk_error: { node: 'store[0]', ops: [sync] }");
    assert!(
        of(&told, "disk.flushed", 2000, 2999).iter().all(|seen| seen.text("error").contains("os error 5"))
    );
    no_errors(&told, "disk.wrote", 2000, 2999);
    no_errors(&told, "disk.read", 2000, 2999);
    is_calm_around(&told);
    let told = run_seed(
        "params: { files: true }",
        "  - { id: it, disk_error: { node: 'store[0]', rate: 50%, ops: [sync] }, at: 1s }",
        1,
    );
    let all = of(&told, "disk.flushed", 1000, 5000);
    let failed = all.iter().filter(|seen| !seen.text("error").is_empty()).count();
    assert!((all.len() / 4..all.len() * 3 / 4).contains(&failed), "{failed} of {}", all.len());
}

#[test]
fn a_full_disk_takes_no_more_and_what_was_there_stays() {
    let told = run("disk_full: { node: 'store[0]' }");
    told.lasted_from_2_to_3("disk: full but for 0B on store[0]", "disk: full but for 0B on store[0]");
    for seen in of(&told, "disk.wrote", 2000, 2999) {
        assert!(seen.text("error").contains("os error 28"), "{seen:?}");
    }
    no_errors(&told, "disk.flushed", 2000, 2999);
    let after = of(&told, "disk.wrote", 3060, 6000);
    assert!(after.iter().all(|seen| seen.text("error").is_empty()));
    // Each record is on a page of its own: two of them fit.
    let told = run("disk_full: { node: 'store[0]', free: 8KiB }");
    let fitted =
        of(&told, "disk.wrote", 2000, 2999).iter().filter(|seen| seen.text("error").is_empty()).count();
    assert_eq!(fitted, 2);
}

#[test]
fn rot_flips_bits_and_nobody_is_told() {
    let told = run("disk_corrupt: { node: 'store[0]', rate: 100% }");
    told.lasted_from_2_to_3(
        "disk: bit rot in 100% of reads on store[0]",
        "disk: bit rot in 100% of reads on store[0]",
    );
    for seen in of(&told, "disk.read", 2000, 2999) {
        assert_eq!((seen.text("error"), seen.fields.bool("intact")), ("", Some(false)), "{seen:?}");
    }
    is_calm_around(&told);
}

#[test]
fn torn_writes_are_cut_short_with_an_error() {
    let told = run("disk_torn: { node: 'store[0]' }");
    told.lasted_from_2_to_3("disk: torn writes of 100% on store[0]", "disk: torn writes of 100% on store[0]");
    for seen in of(&told, "disk.wrote", 2000, 2999) {
        assert!(seen.text("error").contains("os error 5"), "{seen:?}");
    }
    let bytes: Vec<_> = of(&told, "disk.read", 2000, 2999).iter().map(|seen| seen.int("bytes")).collect();
    assert!(bytes.iter().all(|bytes| *bytes < 64), "never all of it: {bytes:?}");
    assert!(bytes.iter().any(|bytes| *bytes > 0), "but some of it: {bytes:?}");
    is_calm_around(&told);
}

#[test]
fn short_reads_give_less_than_is_there() {
    let told = run("disk_short_read: { node: 'store[0]' }");
    told.lasted_from_2_to_3("disk: short reads of 100% on store[0]", "disk: short reads of 100% on store[0]");
    for seen in of(&told, "disk.read", 2000, 2999) {
        assert!((1..64).contains(&seen.int("bytes")) && seen.text("error").is_empty(), "{seen:?}");
    }
    is_calm_around(&told);
    let told = run("disk_short_read: { node: 'store[0]', rate: 50% }");
    let short = of(&told, "disk.read", 2000, 2999).iter().filter(|seen| seen.int("bytes") < 64).count();
    let all = of(&told, "disk.read", 2000, 2999).len();
    assert!(short > 0 && short < all, "{short} of {all}");
}

/// What the store found after a crash, with this fault from 1.5 s on, and how many puts it had executed by the strike and by the crash.
fn found_after_crash(fault: &str) -> (Told, u64, u64, u64) {
    let told = run_seed(
        "",
        &format!(
            "  - {{ id: it, {fault}, at: 1.5s }}
  - {{ id: power, crash: {{ node: 'store[0]', restart_after: 500ms }}, at: 2.5s }}"
        ),
        1,
    );
    let found = told.events("disk.found").last().map(|seen| seen.int("synced")).expect("it came back");
    let (by_strike, by_crash) =
        (told.events_in("call.executed", 0..1500).len(), told.events_in("call.executed", 0..2500).len());
    assert!(by_strike < by_crash);
    (told, found, by_strike as u64, by_crash as u64)
}

/// Whether the history tells that the crash took what a sync had reported durable.
fn lied(told: &Told) -> bool {
    let lives = told.lives("store[0]");
    lives.iter().any(|(at, _, change)| {
        *at == ms(2500) && matches!(change, Lifecycle::DiskLied { bytes, .. } if *bytes > 0)
    })
}

#[test]
fn a_sync_that_lies_loses_what_it_promised() {
    let (told, found, by_strike, _) = found_after_crash("disk_lying_sync: { node: 'store[0]' }");
    assert_eq!(found, by_strike, "what was synced since then is gone");
    assert!(lied(&told), "the history tells that the disk lied");
    assert_eq!(told.starts("it"), [(ms(1500), "disk: lying sync on store[0]")]);
    assert!(told.touched("it") > 0);
    // A true sync after the heal makes up for it.
    let (told, found, _, by_crash) = found_after_crash("disk_lying_sync: { node: 'store[0]' }, for: 500ms");
    assert_eq!(found, by_crash);
    assert!(!lied(&told), "nothing that was promised is lost");
    assert_eq!(told.heals("it"), [(ms(2000), "disk: lying sync on store[0]")]);
}

#[test]
fn a_disk_outlasts_its_process() {
    let (told, ..) = found_after_crash("disk_full: { node: 'store[0]' }");
    assert_eq!(told.heals("it"), [(ms(5000), "disk: full but for 0B on store[0]")], "until settle");
    let told = run_seed(
        "params: { files: true }",
        "  - { id: it, disk_error: { node: 'store[0]', ops: [sync] }, at: 2s, for: 2s }
  - { id: down, crash: { node: 'store[0]', restart_after: 500ms }, at: 2.5s }",
        1,
    );
    let after_restart = told.events_on("store[0]", "disk.flushed", 3000..3990);
    assert!(!after_restart.is_empty());
    assert!(after_restart.iter().all(|seen| !seen.text("error").is_empty()), "the machine's disk is bad");
    no_errors(&told, "disk.flushed", 4060, 6000);
}
