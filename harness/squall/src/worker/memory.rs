//! How much memory a worker may have, and how much it has.
//!
//! The parent looks every few milliseconds, and kills a worker that has more than its limit. Memory that is asked for faster than
//! that meets a [backstop] which the system keeps: then an allocation fails, and the process says so as it aborts.

use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most that a worker is given unless somebody asks for more. Runs need a few megabytes.
const MOST: u64 = 2 << 30;

/// The least. Less than that a healthy run may need for a moment.
const LEAST: u64 = 128 << 20;

/// How much a worker may have, one of so many: 2 GiB, or where there is less, its share of three quarters of what is available now.
pub(crate) fn fair_share(jobs: usize) -> u64 {
    let limits = [available(), group_limit()];
    match limits.into_iter().flatten().min() {
        Some(available) => (available / 4 * 3 / jobs.max(1) as u64).clamp(LEAST, MOST) >> 20 << 20,
        None => MOST,
    }
}

/// Has the system refuse this process memory well beyond its limit. The system counts what is reserved, which is more than what is used.
pub(super) fn keep_within(limit: u64) -> io::Result<()> {
    let backstop = limit.saturating_add(limit.max(1 << 30));
    let Rlimit { current, maximum } = getrlimit(Resource::Data);
    // Less than that is somebody's wish too, and more than the maximum is not ours to allow.
    if [current, maximum].into_iter().flatten().all(|so_far| so_far > backstop) {
        setrlimit(Resource::Data, Rlimit { current: Some(backstop), maximum })?;
    }
    Ok(())
}

/// What the machine has left, where it says so.
fn available() -> Option<u64> {
    bytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// How much memory a process has; none where the system does not say so cheaply.
pub(super) fn resident(pid: u32) -> Option<u64> {
    bytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// The line of this name, as `MemAvailable:   23508212 kB`.
fn bytes(all: &str, name: &str) -> Option<u64> {
    let amount = all.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = amount.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// What this container may have, if it is one.
fn group_limit() -> Option<u64> {
    fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}

/// How many bytes an allocation asked for that failed, if that is what was printed.
pub(super) fn failed_allocation(printed: &str) -> Option<u64> {
    let (_, after) = printed.split_once("memory allocation of ")?;
    let (bytes, _) = after.split_once(" bytes failed")?;
    bytes.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_neither_nothing_nor_everything() {
        for jobs in [0, 1, 2, 64, 100_000] {
            let share = fair_share(jobs);
            assert!((LEAST..=MOST).contains(&share), "{share} for {jobs}");
        }
        assert!(fair_share(1) >= fair_share(8));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_used_is_seen() {
        let me = std::process::id();
        let before = resident(me).expect("this is Linux");
        let used = vec![1u8; 64 << 20];
        let after = resident(me).expect("this is Linux");
        assert!(after >= before + (32 << 20), "{before}, then {after} with {} more", used.len());
    }

    #[test]
    fn an_allocation_that_fails_is_told_by_what_is_printed() {
        let printed = "half a line\nmemory allocation of 4398046511104 bytes failed\nstack backtrace:\n";
        assert_eq!(failed_allocation(printed), Some(4_398_046_511_104));
        assert_eq!(failed_allocation("thread 'run' has overflowed its stack"), None);
        assert_eq!(failed_allocation("memory allocation of bytes failed"), None);
    }
}
