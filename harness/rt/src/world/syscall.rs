//! What code asks of the kernel past the functions of libc that the simulation stands in for: `libc::syscall`, as getrandom 0.2 (and with it
//! rand 0.8) does for its seeds. In a run it gets what those functions would give.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[allow(unsafe_code, reason = "it stands in for a function of libc")]
mod stand_in {
    use std::ffi::{c_int, c_long, c_uint, c_void};

    use madsim::time::TimeHandle;

    use crate::world::{
        real_libc::Own,
        refusal::{Refused, refuse},
    };

    /// On these two a function of so many arguments is called as a variadic one is.
    type Syscall = unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;

    static OWN: Own = Own::new(c"syscall");

    /// Refers to [`syscall`], so that a linker takes this one.
    pub(in crate::world) fn keep() {
        std::hint::black_box(syscall as Syscall);
    }

    /// Random numbers and clocks are the run's, as from `getrandom` and `clock_gettime`; sockets and processes are refused. For all else,
    /// libc's own.
    ///
    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn syscall(
        number: c_long,
        a: c_long,
        b: c_long,
        c: c_long,
        d: c_long,
        e: c_long,
        f: c_long,
    ) -> c_long {
        let is_simulated = || TimeHandle::try_current().is_some();
        match number {
            // SAFETY: the arguments are those of the call, which the function takes in the same order.
            libc::SYS_getrandom if is_simulated() => unsafe {
                libc::getrandom(a as *mut c_void, b as usize, c as c_uint) as c_long
            },
            // SAFETY: as above.
            libc::SYS_clock_gettime if is_simulated() => unsafe {
                c_long::from(libc::clock_gettime(a as c_int, b as *mut libc::timespec))
            },
            libc::SYS_socket | libc::SYS_clone | libc::SYS_clone3 if is_simulated() => {
                refuse(if number == libc::SYS_socket { Refused::Socket } else { Refused::Process });
                // SAFETY: the calling thread's own.
                unsafe { *libc::__errno_location() = libc::EACCES };
                -1
            }
            // SAFETY: libc's can be called like this, and is as this was.
            _ => unsafe {
                std::mem::transmute::<*mut c_void, Syscall>(OWN.address())(number, a, b, c, d, e, f)
            },
        }
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod stand_in {
    /// Such calls are not seen here.
    pub(in crate::world) fn keep() {}
}

pub(super) use stand_in::keep;
