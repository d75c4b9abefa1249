//! What a [gremlin](crate::Gremlin) does to the process it runs in, by system calls.
#![expect(
    unsafe_code,
    reason = "code under test may close, write to and fork what it likes, and these are its ways to"
)]

use std::{io::Write, process};

/// How many descriptors there may be.
const DESCRIPTORS: i32 = 1024;

/// Takes so much memory again and again, for ever, with so many turns of a loop in between: the clock stands still here.
pub fn hoard(bytes: usize, turns: u64) {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1u8; bytes]);
        std::hint::black_box(&hoard);
        for turn in 0..turns {
            std::hint::black_box(turn);
        }
    }
}

/// Keeps so much memory for as long as the process lives.
pub fn leak(bytes: usize) {
    std::hint::black_box(vec![1u8; bytes].leak());
}

/// Prints many megabytes, most of which are not UTF-8, on both streams.
pub fn flood() {
    let chunk: Vec<u8> = (0..1 << 16).map(|n| (n % 251) as u8).collect();
    for _ in 0..200 {
        // Nobody has to take it.
        let _ = std::io::stdout().write_all(&chunk);
        let _ = std::io::stderr().write_all(&chunk);
    }
}

/// Exits, a while after all that this process is connected to has seen the end of it: as when the system is slow to take a process down.
pub fn exit_slowly(code: i32) {
    for fd in 0..=DESCRIPTORS {
        // SAFETY: shutdown accesses no memory, and does nothing to what is no socket.
        unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
    }
    // The clock stands still here.
    for turn in 0..3_000_000u64 {
        std::hint::black_box(turn);
    }
    process::exit(code);
}

/// Closes the standard streams.
pub fn close_streams() {
    close(0..=2);
}

/// Closes everything but the standard streams.
pub fn close_others() {
    close(3..=DESCRIPTORS);
}

/// Closes everything.
pub fn close_all() {
    close(0..=DESCRIPTORS);
}

fn close(descriptors: impl Iterator<Item = i32>) {
    for fd in descriptors {
        // SAFETY: that they are somebody else's is the point; nothing is accessed by way of them here.
        unsafe { libc::close(fd) };
    }
}

/// Writes something to every descriptor.
pub fn scribble() {
    let garbage = [b'{'; 100];
    for fd in 0..=DESCRIPTORS {
        // SAFETY: the buffer is as long as is said. Nothing here depends on whose descriptor it is.
        unsafe { libc::write(fd, garbage.as_ptr().cast(), garbage.len()) };
    }
}

/// Kills this process with a signal.
pub fn kill(signal: i32) {
    // SAFETY: kill accesses no memory.
    unsafe { libc::kill(process::id() as i32, signal) };
}

/// `fork` past the function that is refused in a run: whoever means it finds a way.
unsafe fn fork_anyway() -> libc::pid_t {
    #[cfg(target_os = "linux")]
    {
        unsafe extern "C" {
            fn _Fork() -> libc::pid_t;
        }
        // SAFETY: as fork, but for handlers, of which there are none.
        unsafe { _Fork() }
    }
    #[cfg(not(target_os = "linux"))]
    // SAFETY: as of this.
    unsafe {
        libc::fork()
    }
}

/// Starts a process that lives on for a minute, and holds all descriptors of this one.
pub fn fork() {
    // SAFETY: the child calls nothing but sleep and _exit, which may be called after a fork in a process of many threads.
    unsafe {
        if fork_anyway() == 0 {
            libc::sleep(60);
            libc::_exit(0);
        }
    }
}

/// Starts a second process that goes on with the run as well.
pub fn fork_and_go_on() {
    // SAFETY: the child is as good a copy as it gets; what it does after is what is tested.
    unsafe { fork_anyway() };
}
