//! Calls of the kernel past libc's functions, as getrandom 0.2 makes them, belong to the simulation.
#![cfg(all(madsim, target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(unsafe_code, reason = "it makes such calls")]

use std::time::Duration;

use squall_rt_tests::in_a_world;

/// What the kernel is asked for: random bytes, and the wall clock.
fn ask() -> ([u8; 32], Duration) {
    let mut bytes = [0; 32];
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both point to as much room as they say, or as the call takes.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), 0), 32);
        assert_eq!(libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut time), 0);
    }
    (bytes, Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

fn asked_in_a_world(seed: u64) -> ([u8; 32], Duration) {
    in_a_world(seed, |world| async move {
        let node = world.add_node("a");
        let (answer, answered) = tokio::sync::oneshot::channel();
        world.start(node, |_| async move {
            let (bytes, before) = ask();
            squall_rt::time::sleep(Duration::from_secs(100)).await;
            let (_, after) = ask();
            let _ = answer.send((bytes, after - before));
        });
        answered.await.expect("it answers")
    })
}

#[test]
fn the_kernel_s_random_numbers_are_the_seed_s() {
    let [one, again, other] = [7, 7, 8].map(asked_in_a_world);
    assert_eq!(one, again);
    assert_ne!(one.0, other.0);
    assert_ne!(one.0, [0; 32]);
}

#[test]
fn the_kernel_s_clock_is_virtual() {
    let (_, slept) = asked_in_a_world(1);
    assert!((100..101).contains(&slept.as_secs()), "{slept:?}");
}

#[test]
fn outside_of_a_world_the_kernel_answers_itself() {
    let (one, other) = (ask(), ask());
    assert_ne!(one.0, other.0);
    let year = Duration::from_secs(365 * 24 * 3600);
    assert!(one.1 > 50 * year, "this century: {:?}", one.1);
    // Errors go where they always do. SAFETY: a null pointer is what it is to complain of.
    let failed = unsafe { libc::syscall(libc::SYS_getrandom, std::ptr::null_mut::<u8>(), 32, 0) };
    assert_eq!((failed, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EFAULT)));
}
